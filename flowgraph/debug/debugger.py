"""Watch and step: a run, one operation at a time, with break conditions.

    debugger = tf.debug.Debugger(sess, train, feed)
    debugger.break_at(type="MatMul");  debugger.break_at(nan=True)
    step = debugger.continue_()        stops after the first MatMul, or the first NaN
    debugger.print("x"); debugger.step(); debugger.finish()

The user's operations run as they are written, not optimised, by their references, in program order;
loops and branches are entered.  A run that is finished has had its effects: variables and random
streams are what ``Session.run`` would have left.  One that is given up has changed no variable.

Read next: walk.py (the run), shell.py (the same at a prompt).
"""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.compile import as_written
from flowgraph.debug.walk import Array, Source, Step, Walk
from flowgraph.errors import did_you_mean
from flowgraph.fetching import expand_feeds, feed_converter, flatten_fetches, resolve_feed_key
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.site import source_line
from flowgraph.optimize.frozen import VARIABLE
from flowgraph.runtime.scalars import scalar_type
from flowgraph.session import get_default_session

#: Steps that ``recent`` remembers.
REMEMBERED = 100


@export("debug.has_inf_or_nan")
def has_inf_or_nan(datum: Any, tensor: Any) -> bool:
    """True when an array of floats has an element that is NaN or infinite.

    Args:
        datum: where it comes from; not looked at (filters of TensorFlow's debugger take it).
        tensor: the array.
    """
    array = np.asarray(tensor)
    return array.dtype.kind in "fc" and not bool(np.isfinite(array).all())


@dataclass(frozen=True, eq=False)
class Breakpoint:
    """A condition to stop at; ``str`` says which."""

    number: int
    text: str
    holds: Callable[[Step], bool]

    def __str__(self) -> str:
        return f"{self.number}: {self.text}"


@export("debug.Debugger")
class Debugger:
    """A run of a session that is stepped through.

    Iterating over it gives every Step, when it has run::

        for step in tf.debug.Debugger(sess, loss, feed):
            ...  # step.name, step.type, step.inputs, step.outputs, step.line, step.frames

    Args:
        session: whose variables are used and, at the end, changed (default: the default session).
        fetches, feed_dict: as of ``Session.run``.

    Raises:
        ValueError: there is no session; otherwise as ``Session.run``.
        FailedPreconditionError (while stepping): a variable has no value.

    >>> import flowgraph as tf
    >>> x = tf.placeholder(tf.float32, [2], name="x")
    >>> y = tf.sqrt(x - 1.0, name="root")
    >>> debugger = Debugger(tf.Session(), y, {x: [5.0, 0.0]})
    >>> _ = debugger.break_at(nan=True)
    >>> step = debugger.continue_()
    >>> step.name, step.inputs[0].tolist()
    ('root', [4.0, -1.0])
    >>> debugger.finish().tolist()
    [2.0, nan]
    """

    def __init__(self, session: Any = None, fetches: Any = (), feed_dict: Any = None) -> None:
        self.session: Any = session or get_default_session()
        if self.session is None:
            raise ValueError("Debugger: no session is given, and there is no default session")
        graph, state = self.session.graph, self.session._state
        leaves, self._rebuild = flatten_fetches(graph, fetches)
        given = expand_feeds(feed_dict) or {}
        feeds = [resolve_feed_key(graph, key) for key in given]
        arrays = [feed_converter(t)(v) for t, v in zip(feeds, given.values(), strict=True)]
        unique = list(dict.fromkeys(leaves))
        tensors = [leaf for leaf in unique if isinstance(leaf, Tensor)]
        self._places = [tensors.index(x) if isinstance(x, Tensor) else -1 for x in leaves]
        written = as_written(unique, feeds)
        variables = (n.attrs["variable"] for n in written.nodes if n.type == VARIABLE)
        missing = [name for name in variables if name not in state.initialized]
        if missing:
            self.session._initialize(missing)  # where variables may do that by themselves
        counters = {name: counter.copy() for name, counter in state.counters.items()}
        self._counters = counters
        source = Source(state, counters=counters, strict=True)
        self._walk = Walk(written, arrays, source)
        self._steps = self._walk.steps()
        #: The step that ran last, or None.
        self.current: Step | None = None
        #: True when everything has run.
        self.done = False
        #: What the run has given, when it is done.
        self.results: Any = None
        #: The breakpoint that was stopped at, or None.
        self.stopped_at: Breakpoint | None = None
        self.breakpoints: list[Breakpoint] = []
        #: The last steps, the newest last.
        self.recent: deque[Step] = deque(maxlen=REMEMBERED)
        self._values: dict[str, Array] = {}
        self._known_names = {op.name for op in graph.get_operations()}
        for tensor, array in zip(feeds, arrays, strict=True):
            self._values[tensor.name] = array

    # ------------------------------------------------------------------------------- going on

    def step(self, count: int = 1) -> Step | None:
        """Run the next operation, or so many; the last that ran, None at the end.

        Args:
            count: how many operations.
        """
        self.stopped_at = None
        for _ in range(count):
            if not self._advance():
                return None
        return self.current

    def next(self) -> Step | None:
        """Run on to the next operation of this loop, branch or graph: not into others."""
        depth = len(self.current.frames) if self.current is not None else 0
        return self._until(lambda step: len(step.frames) <= depth)

    def out(self) -> Step | None:
        """Run on until the loop or branch around is left."""
        depth = len(self.current.frames) if self.current is not None else 0
        return self._until(lambda step: len(step.frames) < depth)

    def continue_(self) -> Step | None:
        """Run on to the next breakpoint; the step it stopped after, None at the end."""
        return self._until(lambda step: False)

    def finish(self) -> Any:
        """Run to the end, breakpoints or not; what ``Session.run`` would have returned."""
        while self._advance():
            pass
        return self.results

    def __iter__(self) -> Iterator[Step]:
        """Every step from here on, when it has run."""
        while self._advance():
            assert self.current is not None
            yield self.current

    def _until(self, reached: Callable[[Step], bool]) -> Step | None:
        self.stopped_at = None
        while self._advance():
            assert self.current is not None
            for point in self.breakpoints:
                if point.holds(self.current):
                    self.stopped_at = point
                    return self.current
            if reached(self.current):
                return self.current
        return None

    def _advance(self) -> bool:
        """Run one operation; False when there is none left."""
        if self.done:
            return False
        with self.session._lock:
            step = next(self._steps, None)
            if step is None:
                self._end()
                return False
        self.current = step
        self.recent.append(step)
        for value, array in zip(step.node.outputs, step.outputs, strict=True):
            self._values[f"{step.name}:{value.index}"] = array
        return True

    def _end(self) -> None:
        self.done, self.current = True, None
        state = self.session._state
        self.session._set_variables(self._walk.written)
        for name, counter in self._counters.items():
            state.counter(name)[...] = counter
        arrays = [a if a.ndim else _scalar(a) for a in self._walk.results]
        self.results = self._rebuild([None if i < 0 else arrays[i] for i in self._places])

    # ----------------------------------------------------------------------------- break conditions

    def break_at(
        self,
        name: str | None = None,
        *,
        type: str | None = None,
        scope: str | None = None,
        line: str | None = None,
        nan: bool = False,
        value: Callable[[Array], Any] | None = None,
        when: Callable[[Step], Any] | None = None,
    ) -> Breakpoint:
        """Stop after operations for which all that is given holds.

        Args:
            name: of the operation, with ``*`` and ``?`` as in file names.
            type: the op type, likewise.
            scope: the name scope the operation lies in, at any depth.
            line: ``"train.py:8"``, the line that made it.
            nan: a result has NaN or inf.
            value: a function of an array that is true for one of the results.
            when: a function of the Step.

        Returns:
            The Breakpoint, for ``clear``.

        Raises:
            ValueError: nothing is given, or no operation has such a name.
        """
        tests: list[tuple[str, Callable[[Step], bool]]] = []
        if name is not None:
            if not fnmatch.filter(self._known_names, name):
                near = did_you_mean(name, self._known_names)
                raise ValueError(f"break_at: no operation is named {name!r}{near}")
            tests.append((f"name {name}", lambda s: fnmatch.fnmatchcase(s.name, name)))
        if type is not None:
            tests.append((f"type {type}", lambda s: fnmatch.fnmatchcase(s.type, type)))
        if scope is not None:
            inside = scope.rstrip("/") + "/"
            tests.append((f"scope {inside}", lambda s: s.name.startswith(inside)))
        if line is not None:
            tests.append((f"line {line}", lambda s: s.line == line))
        if nan:
            tests.append(("nan or inf", lambda s: any(has_inf_or_nan(s, a) for a in s.outputs)))
        if value is not None:
            tests.append((f"value {_called(value)}", lambda s: any(_holds(value, s))))
        if when is not None:
            tests.append((f"when {_called(when)}", lambda s: bool(when(s))))
        if not tests:
            raise ValueError("break_at: say at what, e.g. break_at(type='MatMul')")
        number = max((p.number for p in self.breakpoints), default=0) + 1
        text = " and ".join(text for text, _ in tests)
        point = Breakpoint(number, text, lambda s: all(test(s) for _, test in tests))
        self.breakpoints.append(point)
        return point

    def clear(self, breakpoint: Breakpoint | int | None = None) -> None:
        """Forget a breakpoint, or all of them.

        Args:
            breakpoint: what ``break_at`` returned, or its number.

        Raises:
            ValueError: there is none of that number.
        """
        if breakpoint is None:
            self.breakpoints.clear()
            return
        number = breakpoint if isinstance(breakpoint, int) else breakpoint.number
        kept = [point for point in self.breakpoints if point.number != number]
        if len(kept) == len(self.breakpoints):
            raise ValueError(f"clear: there is no breakpoint {number}")
        self.breakpoints = kept

    # --------------------------------------------------------------------------------- looking

    def value(self, name: Any) -> Array:
        """The value that a tensor had last, or that a variable has now.

        Args:
            name: a tensor, variable or operation, or its name (``"x"`` is ``"x:0"``).

        Raises:
            KeyError: it has not run yet, or there is none of that name.
        """
        text = name if isinstance(name, str) else name.name
        for key in (text, f"{text}:0"):
            if key in self._values:
                return self._values[key]
        variable = text.partition(":")[0]
        array = self._walk.written.get(variable)
        if array is None and variable in self.session._state.initialized:
            array = self.session._state.variables[variable]
        if array is not None:
            return array
        if variable in self._known_names:
            raise KeyError(f"{text!r} has not run yet")
        raise KeyError(f"no operation is named {text!r}{did_you_mean(text, self._known_names)}")

    def print(self, name: Any = None) -> str:
        """The value of a tensor as text; without a name: operands and results of the last step."""
        if name is not None:
            text = name if isinstance(name, str) else name.name
            return shown(text, self.value(name))
        step = self.current
        if step is None:
            return "the run has not begun" if not self.done else "the run is done"
        lines = [str(step)]
        lines += [
            "  " + shown(label, array).replace("\n", "\n  ")
            for label, array in zip(step.labels(), step.inputs, strict=True)
        ]
        lines += [
            "  " + shown(f"-> {step.name}:{v.index}", array).replace("\n", "\n  ")
            for v, array in zip(step.node.outputs, step.outputs, strict=True)
        ]
        return "\n".join(lines)

    def where(self) -> str:
        """Where the run stands: the last operation, the loops around it, the user's line."""
        step = self.current
        if step is None:
            return "the run has not begun" if not self.done else "the run is done"
        lines = [str(step)]
        lines += [f"  in {frame}" for frame in reversed(step.frames)]
        text = source_line(step.site)
        if text:
            lines.append(f"  {step.line}:  {text}")
        if self.stopped_at is not None:
            lines.append(f"  stopped at breakpoint {self.stopped_at}")
        return "\n".join(lines)


def _scalar(array: Array) -> Any:
    """What ``Session.run`` returns for a tensor without axes."""
    kind = scalar_type(array.dtype)
    return array[()] if kind is None else kind(array)


def shown(label: str, array: Array) -> str:
    """``x = float32[2, 3] [[...]]``, large arrays shortened."""
    head = f"{label} = {array.dtype.name}{list(array.shape)} "
    body = np.array2string(array, separator=", ", threshold=100, edgeitems=3, prefix=head)
    return head + body


def _holds(value: Callable[[Array], Any], step: Step) -> Iterator[bool]:
    for array in step.outputs:
        try:
            yield bool(np.any(value(array)))
        except (TypeError, ValueError):  # text compared with a number
            yield False


def _called(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "function")
    return "lambda" if name == "<lambda>" else str(name)
