"""Session: runs parts of a graph and keeps its variables.

    run(fetches, feed_dict)  ->  Entry, found by fetches and feed keys (runplan.py)  ->  results

The first call with a signature compiles; later calls are a dictionary look-up, a copy of small
feeds, one native call and a copy of the results.

Read next: fetching.py (what may be fetched and fed), compile.py (the stages), runtime/executor.py.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flowgraph import config as settings
from flowgraph.errors import FailedPreconditionError
from flowgraph.fetching import Leaf, expand_feeds, flatten_fetches, resolve_feed_key
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor, set_session_runner
from flowgraph.graph.report import call_message
from flowgraph.graph.stack import graph_as_default
from flowgraph.runtime.state import State
from flowgraph.runtime.waiting import time_limit

if TYPE_CHECKING:
    from flowgraph.runplan import Entry, RunPlan


def _run_key(fetches: Any, feed_dict: dict[Any, Any] | None) -> tuple:
    """What run's arguments are remembered by; raises TypeError when they cannot be hashed.

    ``None`` and ``0`` stand for no fetch, so lists, tuples and single fetches have keys apart.
    """
    kind = type(fetches)
    if kind is list:
        return (None, *fetches, None, *feed_dict) if feed_dict else (None, *fetches)
    if kind is tuple:
        return (0, *fetches, None, *feed_dict) if feed_dict else (0, *fetches)
    return (fetches, *feed_dict) if feed_dict else (fetches,)


class _DefaultSessions(threading.local):
    def __init__(self) -> None:
        self.stack: list[BaseSession] = []


_defaults = _DefaultSessions()

#: All sessions there are.
_sessions: weakref.WeakSet[BaseSession] = weakref.WeakSet()


def plan_anew() -> None:
    """Settings have changed: every session forgets its plans."""
    for session in list(_sessions):
        session._guard = None
        session._graph_edited()


def _initialize_in(session: weakref.ref[BaseSession], names: Iterable[str]) -> bool:
    """``session._initialize``, for its State, which must not keep it."""
    found = session()
    return found is not None and found._initialize(names)


@export("get_default_session")
def get_default_session() -> BaseSession | None:
    """The session of the innermost ``with session:`` block of this thread, or None."""
    return _defaults.stack[-1] if _defaults.stack else None


class BaseSession:
    """What Session and InteractiveSession share.

    Args:
        target: accepted for TensorFlow programs; only ``""`` (this process) is served.
        graph: the graph to run; default: the current default graph.
        config: a ConfigProto; ``operation_timeout_in_ms`` is how long a run may wait for others;
            with ``auto_init`` variables get their initial values when they are first read.
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        if target:
            raise ValueError(
                f"Session target {target!r}: only the local target '' exists; leave it out"
            )
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"graph must be a tf.Graph, but got {type(graph)}")
        self._graph = get_default_graph() if graph is None else graph
        self._config = config
        self._lock = threading.RLock()
        limit = getattr(config, "operation_timeout_in_ms", 0)
        self._state = State(self._lock, limit / 1000 if limit > 0 else None)
        self._state.initialize = functools.partial(_initialize_in, weakref.ref(self))
        self._plans: dict[Any, Entry] = {}
        self._step_plans: dict[Any, Any] = {}
        self._entries: weakref.WeakSet[Entry] = weakref.WeakSet()
        self._quick_generation = self._state.generation
        self._closed = False
        self._guard: Any = None
        _sessions.add(self)
        self._graph._listeners.add(self)

    def _find_guard(self) -> Any:
        """Who watches for NaN and inf, where the config or the settings ask for it."""
        if self._guard is None:
            wanted = getattr(self._config, "check_numerics", False) or (
                settings.get("CHECK_NUMERICS")
                if settings.check_numerics is None
                else settings.check_numerics
            )
            if not wanted:
                return None
            # Imported here: runs without it must not pay for it.
            from flowgraph.debug.guard import Guard

            self._guard = Guard(self)
        return self._guard

    @property
    def graph(self) -> Graph:
        """The graph that this session runs."""
        return self._graph

    def _graph_edited(self) -> None:
        """Forget plans: an operation of the graph got another control input."""
        with self._lock:
            self._plans.clear()
            self._step_plans.clear()

    def _forget(self, operations: set[Any], names: set[str]) -> None:
        """Operations were taken out of the graph: their values, streams and resources go."""
        with self._lock:
            state = self._state
            for op in operations:
                for key in (op.name, op.attrs.get("shared_name")):
                    resource = state.resources.pop(key, None) if isinstance(key, str) else None
                    if resource is not None:
                        resource.close()
            for name in names:
                state.variables.pop(name, None)
                state.counters.pop(name, None)
            state.initialized -= names
            state.generation += 1
            for entry in self._entries:
                entry.forget(operations)
            self._graph_edited()

    @property
    def graph_def(self) -> Any:
        """The graph as a GraphDef."""
        return self._graph.as_graph_def()

    @property
    def sess_str(self) -> str:
        """The target this session was made for."""
        return ""

    def run(
        self,
        fetches: Any,
        feed_dict: dict[Any, Any] | None = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        """Compute ``fetches``, feeding ``feed_dict``; one operation runs at most once.

        Args:
            fetches: a tensor, operation, variable, name, or any nesting of lists, tuples, named
                tuples and dicts of them.
            feed_dict: tensor (or its name) -> value, cast as ``np.asarray(value, dtype)``.  Any
                tensor can be fed; nothing upstream of it runs.  A SparseTensor is fed by a
                SparseTensorValue or a tuple of its parts.
            options: RunOptions; ``trace_level=FULL_TRACE`` fills ``run_metadata``;
                ``timeout_in_ms`` is how long the run may wait for other runs (queues).
            run_metadata: RunMetadata that receives the trace.
        Returns:
            The structure of ``fetches`` with arrays (NumPy scalars at rank 0) for tensors and None
            for operations.  Results share no memory with variables.
        Raises:
            RuntimeError: the session is closed.
            TypeError, ValueError: a fetch or feed means nothing in this graph; a feed has a wrong
                shape.
            InvalidArgumentError, FailedPreconditionError, ...: an operation failed; see tf.errors.

        >>> import flowgraph as tf
        >>> x = tf.placeholder(tf.float32)
        >>> tf.Session().run({"twice": x * 2}, feed_dict={x: 3})
        {'twice': 6.0}
        """
        try:
            kind = type(fetches)
            if kind is list or kind is tuple:
                entry = self._plans[_run_key(fetches, feed_dict)]
            else:
                entry = self._plans[(fetches, *feed_dict) if feed_dict else (fetches,)]
        except (KeyError, TypeError):  # not seen yet, or not hashable
            expanded = expand_feeds(feed_dict)
            if expanded is not feed_dict:
                return self.run(fetches, expanded, options, run_metadata)
            entry = self._plan_for(fetches, feed_dict)
        values = tuple(feed_dict.values()) if feed_dict else ()
        with self._lock:
            if self._closed:
                raise RuntimeError(_closed())
            if options is not None:
                return self._run_with(entry, values, options, run_metadata)
            quick = entry.quick
            if quick is not None:
                result = quick(values)
                if result is not False:
                    return result
            return entry.run(values)

    def _plan_for(self, fetches: Any, feed_dict: dict[Any, Any] | None) -> Entry:
        """Check the arguments, make the plan and remember it where its key can be hashed."""
        if self._closed:
            raise RuntimeError(_closed())
        if feed_dict is not None and not isinstance(feed_dict, dict):
            raise TypeError(
                f"feed_dict must be a dictionary from tensors to values, got {type(feed_dict)}"
            )
        leaves, rebuild = flatten_fetches(self._graph, fetches)
        feeds = [resolve_feed_key(self._graph, key) for key in feed_dict or ()]
        canonical = ("plan", tuple(leaves), tuple(feeds))
        with self._lock:
            known = self._plans.get(canonical)
            plan = known.plan if known is not None else None
            entry = self._entry(plan, leaves, feeds, fetches, rebuild)
            self._plans[canonical] = entry
            # NB: a named tuple equals the plain tuple of its members, so subclasses have no key.
            if type(fetches) in (list, tuple) or not isinstance(fetches, (list, tuple)):
                try:
                    self._plans[_run_key(fetches, feed_dict)] = entry
                except TypeError:
                    pass  # not hashable (a dict, a nested list): found by its leaves next time
        return entry

    def _entry(
        self,
        plan: RunPlan | None,
        leaves: Sequence[Leaf],
        feeds: Sequence[Tensor],
        fetches: Any,
        rebuild: Callable,
    ) -> Entry:
        # Imported here: importing flowgraph need not wait for the compiler's modules.
        from flowgraph.runplan import Entry, RunPlan, quick_rebuild

        if plan is None:
            plan = RunPlan(self, leaves, feeds, self._find_guard())
            if settings.get("LINTS"):
                # Imported here: programs that switch lints off must not pay for them.
                from flowgraph.debug.lints import check

                check(plan)
        entry = Entry(plan, quick_rebuild(fetches, rebuild))
        self._entries.add(entry)
        return entry

    def _run_with(self, entry: Entry, values: tuple, options: Any, run_metadata: Any) -> Any:
        limit = getattr(options, "timeout_in_ms", 0)
        with time_limit(limit / 1000 if limit > 0 else None):
            if run_metadata is None:
                return entry.run(values)
            from flowgraph.profile.trace import run_traced

            results = run_traced(entry.plan, values, options, run_metadata)
            return results if entry.rebuild is None else entry.rebuild(results)

    def make_callable(
        self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """A function that runs ``fetches`` with positional values for ``feed_list``.

        The fastest way to run one thing many times.

        Args:
            fetches: as in ``run``.   feed_list: tensors or names to feed, in order.
            accept_options: the function also takes ``options`` and ``run_metadata``.
        Raises (the function): TypeError for a wrong number of values; else as ``run``.

        >>> import flowgraph as tf
        >>> x = tf.placeholder(tf.float32)
        >>> twice = tf.Session().make_callable(x * 2, [x])
        >>> twice(4)
        8.0
        """
        if feed_list is not None and not isinstance(feed_list, (list, tuple)):
            raise TypeError("`feed_list` must be a list or tuple.")
        keys = list(feed_list or ())
        leaves, rebuild = flatten_fetches(self._graph, fetches)
        feeds = [resolve_feed_key(self._graph, key) for key in keys]
        if self._closed:
            raise RuntimeError(_closed())
        with self._lock:
            entry = self._entry(None, leaves, feeds, fetches, rebuild)
        return self._callable(entry, len(keys), accept_options)

    def _callable(self, entry: Entry, count: int, accept_options: bool) -> Callable[..., Any]:
        lock = self._lock

        def check(values: tuple) -> None:
            if self._closed:
                raise RuntimeError(_closed())
            if len(values) != count:
                raise TypeError(f"the callable takes {count} values, got {len(values)}")

        def call(*values: Any) -> Any:
            if self._closed or len(values) != count:
                check(values)
            with lock:
                quick = entry.quick
                if quick is not None:
                    result = quick(values)
                    if result is not False:
                        return result
                return entry.run(values)

        def call_with_options(*values: Any, options: Any = None, run_metadata: Any = None) -> Any:
            if options is None:
                return call(*values)
            check(values)
            with lock:
                return self._run_with(entry, values, options, run_metadata)

        return call_with_options if accept_options else call

    def run_steps(
        self,
        fetches: Any,
        steps: int | None = None,
        feed_dict: dict[Any, Any] | None = None,
        batches: dict[Any, Any] | None = None,
        batch_size: int | None = None,
        order: Any = None,
        until: Any = None,
        every: bool = True,
    ) -> Any:
        """``run(fetches)`` many times, in one native call: no Python between the steps.

        Args:
            fetches: as of ``run``: a training operation, say, and its loss.
            steps: how many; by default as many as there are batches.
            feed_dict: values that are the same in every step.
            batches: tensor -> array whose rows are fed, some in each step; all arrays have equally
                many rows.
            batch_size: rows of each step, one behind the other; what is left over is not used, and
                with more ``steps`` than that, they begin anew.
            order: instead of batch_size: the rows of each step, integers of shape [steps, batch].
            until: a bool tensor: when it is True after a step, that was the last.
            every: True returns the fetches of every step, False those of the last.

        Returns:
            The structure of ``fetches`` with arrays of shape ``[steps done, *shape]`` (False: of
            that shape; None without a step) for tensors and None for operations.

        Raises:
            ValueError, TypeError: arguments that do not fit together.
            OpError: as of ``run``.

        NB: not in TensorFlow, whose programs call ``run`` in a Python loop.

        >>> import flowgraph as tf
        >>> w = tf.Variable(1.0)
        >>> sess = tf.Session()
        >>> sess.run(w.initializer)
        >>> sess.run_steps(w.assign(w * 2.0), 4)
        array([ 2.,  4.,  8., 16.], dtype=float32)
        """
        # Imported here: importing flowgraph need not wait for the compiler's modules.
        from flowgraph.steps import run_steps

        if self._closed:
            raise RuntimeError(_closed())
        return run_steps(
            self, fetches, steps, feed_dict, batches, batch_size, order, until, every
        )

    def close(self) -> None:
        """Free variables and plans; using the session afterwards raises RuntimeError.

        Runs of other threads that wait (for a queue, say) end with CancelledError.
        """
        with self._lock:
            self._closed = True
            self._plans.clear()
            self._step_plans.clear()
            self._state.close()
            self._state = State(self._lock)

    def list_devices(self) -> list[str]:
        """Names of the devices the session can use."""
        return ["/job:localhost/replica:0/task:0/device:CPU:0"]

    @contextmanager
    def as_default(self) -> Iterator[BaseSession]:
        """Make this the default session of the block; the session stays open after it."""
        _defaults.stack.append(self)
        try:
            with graph_as_default(self._graph):
                yield self
        finally:
            _defaults.stack.remove(self)

    def _initialize(self, names: Iterable[str]) -> bool:
        """Give variables their initial values, if that is wished; whether it was done.

        NB: called while a run is about to read them, so it is a run inside that run.
        """
        wanted = getattr(self._config, "auto_init", False) or (
            settings.get("AUTO_INIT") if settings.auto_init is None else settings.auto_init
        )
        if not wanted:
            return False
        graph = self._graph
        known = {
            variable.op.name: variable.initializer
            for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES)
            for variable in graph.get_collection(key)
        }
        found = [known.get(name) or graph._by_name.get(f"{name}/Assign") for name in names]
        if None in found:
            return False
        self.run(found)
        return True

    @contextmanager
    def _variable_values(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The values of variables, by the names of their operations; nothing runs meanwhile.

        The arrays are the variables' own: they must not be changed or kept.
        """
        with self._lock:
            names = list(names)
            missing = [name for name in names if name not in self._state.initialized]
            if missing and not self._initialize(missing):
                raise FailedPreconditionError(
                    None, None, f"variables without a value: {', '.join(map(repr, missing))}; run "
                    "tf.global_variables_initializer() first",
                )  # fmt: skip
            yield self._state.variables

    def _set_variables(self, values: Mapping[str, Any]) -> None:
        """Give variables, by the names of their operations, these values: arrays, or what gives
        one to a State (``give_to``).
        """
        with self._lock:
            if self._guard is not None:
                self._guard.forget()
            for name, value in values.items():
                if hasattr(value, "give_to"):
                    value.give_to(self._state, name)
                else:
                    self._state.replace(name, value)
            self._state.initialized.update(values)

    def _variable_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: a.shape for name, a in self._state.variables.items()}


@export("Session")
class Session(BaseSession):
    """Runs a graph; ``with tf.Session() as sess:`` makes it the default, and closes it."""

    _context: Any = None

    def __enter__(self) -> Session:
        if self._context is not None:
            raise RuntimeError("Session context managers are not re-entrant.")
        self._context = self.as_default()
        self._context.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        context, self._context = self._context, None
        context.__exit__(*exc_info)
        self.close()


@export("InteractiveSession")
class InteractiveSession(BaseSession):
    """A session that is the default from its making until ``close``: for shells and notebooks."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        _defaults.stack.append(self)
        self._graph_context = graph_as_default(graph) if graph is not None else None
        if self._graph_context is not None:
            self._graph_context.__enter__()

    def close(self) -> None:
        """Stop being the default session and free everything."""
        if self._closed:
            return
        super().close()
        if self in _defaults.stack:
            _defaults.stack.remove(self)
        if self._graph_context is not None:
            self._graph_context.__exit__(None, None, None)


def _closed() -> str:
    return call_message(
        "Attempted to use a closed Session.",
        fix="run inside the `with tf.Session() as sess:` block, or make a new session",
    )


def _run_in(fetches: Any, feed_dict: Any, session: Any, graph: Graph) -> Any:
    """What ``Tensor.eval`` and ``Operation.run`` call."""
    if session is None:
        session = get_default_session()
        if session is None:
            raise ValueError(
                call_message(
                    "Cannot evaluate without a session: no default session is registered",
                    fix="use `with sess.as_default():`, or pass one: eval(session=sess)",
                )
            )
    if session.graph is not graph:
        raise ValueError(
            "the session's graph is different from the graph of what it should evaluate; pass a "
            "session made with that graph"
        )
    return session.run(fetches, feed_dict)


set_session_runner(_run_in)
