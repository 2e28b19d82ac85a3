"""Which mode a program is in: building graphs, or executing at once.

    tf.enable_eager_execution()      at the start of a program: everything executes
    with tf.eager_mode(): ...        what is inside executes
    with tf.Graph().as_default():    what is inside builds a graph, in either mode

Executing is having the EagerGraph as the default graph: it is asked to add an operation, and
computes its result instead.  So every function of the library works in both modes.

Read next: engine.py (how an operation is executed).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowgraph.dtypes import DType
from flowgraph.eager import custom_gradients, engine, flow
from flowgraph.eager.in_place_of_session import InPlaceOfSession
from flowgraph.eager.tensor import EagerTensor, wrap
from flowgraph.eager.variables import EagerRef, EagerVariable
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph import default
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.stack import graph_as_default, stack
from flowgraph.ops.shared_variables import VARIABLES_BY_NAME
from flowgraph.shapes import Dims

#: Collections that hold variables and what hangs on them: nothing is collected while executing,
#: because it would be kept for ever; but for the global step, of which there is one.
_NOT_COLLECTED = frozenset(
    value for name, value in vars(GraphKeys).items() if not name.startswith("_")
) - {GraphKeys.GLOBAL_STEP}


class _Made:
    """What ``create_op`` gives: something with outputs."""

    __slots__ = ("outputs",)

    def __init__(self, outputs: list[Tensor]) -> None:
        self.outputs = outputs


class EagerGraph(Graph):
    """The default graph while executing: operations are computed, and nothing is kept.

    Names are not made unique, and control dependencies, devices and colocation mean nothing, since
    everything happens in the order in which it is written.
    """

    executes = True
    variable_class = EagerVariable

    def execute(
        self, type: str, inputs: Sequence[Any], name: str | None, attrs: Mapping[str, Any]
    ) -> Any:
        """The result of an operation: see apply_op."""
        return engine.execute(type, inputs, name, attrs)

    def create_op(
        self,
        type: str,
        inputs: Sequence[Tensor],
        dtypes: Sequence[DType],
        shapes: Sequence[Dims],
        name: str = "",
        attrs: dict[str, Any] | None = None,
        control_inputs: Iterable[Any] = (),
    ) -> Any:
        """The result of an operation, as ``.outputs``."""
        attrs = attrs or {}
        if type == "Const":
            return _Made([wrap(attrs["value"])])
        result = engine.execute(type, inputs, name, attrs)
        return _Made(result if isinstance(result, list) else [result])

    def cond(self, pred: Any, true_fn: Any, false_fn: Any, strict: bool) -> Any:
        """The branch taken: see tf.cond."""
        return flow.cond(pred, true_fn, false_fn, strict)

    def while_loop(
        self, cond: Any, body: Any, loop_vars: Any, maximum: Any, same_structure: bool
    ) -> Any:
        """The loop, run: see tf.while_loop."""
        return flow.while_loop(cond, body, loop_vars, maximum, same_structure)

    def in_place_of_a_session(self, variables: Iterable[EagerVariable]) -> Any:
        """What saves and restores ``variables``: see tf.train.Saver."""
        return InPlaceOfSession(variables)

    def in_a_function(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, traced and run: for what needs a graph to work on."""
        return EXPORTS["function"](function)(*args)

    def call_python(self, func: Any, inputs: list[Any], dtypes: list[DType], is_list: bool) -> Any:
        """``func`` of eager tensors, as tf.py_function has it."""
        returned = func(*[convert_to_tensor(x) for x in inputs])
        if returned is None:
            values = []
        else:
            values = list(returned) if isinstance(returned, (list, tuple)) else [returned]
        if len(values) != len(dtypes):
            raise InvalidArgumentError(
                None,
                None,
                f"EagerPyFunc: {getattr(func, '__name__', func)} returns {len(values)} values, "
                f"Tout lists {len(dtypes)}",
            )
        results = [_of_dtype(x, dtype) for x, dtype in zip(values, dtypes, strict=True)]
        return results if is_list else results[0] if results else None

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """``name`` under the current name scope."""
        scope = self._scopes.name
        return f"{scope}/{name}" if scope else name

    def control_dependencies(self, control_inputs: Any) -> Any:
        """Nothing to wait for; a function among them is called, as in TensorFlow."""
        if callable(control_inputs):
            control_inputs()
        return contextlib.nullcontext()

    def device(self, device_name_or_function: Any) -> Any:
        """Everything runs on the CPU."""
        return contextlib.nullcontext()

    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Any:
        """Everything runs on the CPU."""
        return contextlib.nullcontext()

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Keep ``value``, unless the collection is one of the library's."""
        if name not in _NOT_COLLECTED:
            super().add_to_collection(name, value)

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The collection; a passing one for what variables are found by."""
        if name not in _NOT_COLLECTED and name != VARIABLES_BY_NAME:
            return super().get_collection_ref(name)
        store = _scoped.stores[-1] if _scoped.stores else None
        return [] if store is None else store.setdefault(name, [])

    def custom_gradient(self, f: Any, args: Any, kwargs: Any) -> Any:
        """``f``, which brings its own gradient, executed: see tf.custom_gradient."""
        return custom_gradients.custom_gradient(f, args, kwargs)

    def gradient_of(self, f: Any, args: Any, kwargs: Any, dys: Any, variables: Any) -> Any:
        """The gradients of ``f``, computed anew: see tf.recompute_grad."""
        return custom_gradients.recomputed(f, args, kwargs, dys, variables)

    @property
    def seed(self) -> int | None:
        """The seed of tf.set_random_seed, or None."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed
        for counter in engine.streams.counters.values():
            counter[...] = 0  # every stream starts again

    def finalize(self) -> None:
        """Not with eager execution."""
        raise RuntimeError("the graph of eager execution cannot be finalized")


def _of_dtype(value: Any, dtype: DType) -> Tensor:
    if isinstance(value, (Tensor, EagerVariable)):
        tensor = convert_to_tensor(value)
        return tensor if tensor.dtype is dtype else call.Cast(tensor, DstT=dtype)
    return convert_to_tensor(value, dtype)


class _Scoped(threading.local):
    def __init__(self) -> None:
        self.stores: list[dict[Any, list[Any]]] = []


_scoped = _Scoped()

EAGER = EagerGraph()
EagerTensor._executing = EAGER
EagerRef._executing = EAGER


# ---------------------------------------------------------------------------------------- the mode


@export("executing_eagerly", "contrib.eager.executing_eagerly", "contrib.eager.in_eager_mode")
def executing_eagerly() -> bool:
    """True where operations execute at once; False where a graph is built.

    Inside a function that tf.function traces it is False.

    >>> tf.executing_eagerly()
    False
    >>> with tf.eager_mode():
    ...     tf.executing_eagerly()
    True
    """
    return get_default_graph().executes


@export("executing_eagerly_outside_functions")
def executing_eagerly_outside_functions() -> bool:
    """Whether code outside of functions being traced executes at once."""
    with init_scope():
        return get_default_graph().executes


@export("enable_eager_execution", "contrib.eager.enable_eager_execution", "enable_v2_behavior")
def enable_eager_execution(
    config: Any = None, device_policy: Any = None, execution_mode: Any = None
) -> None:
    """Let all operations execute at once, from here to the end of the program.

    Args:
        config, device_policy, execution_mode: accepted.

    Raises:
        ValueError: operations have been added to the global graph already.

    Source: tf.enable_eager_execution (TensorFlow 1.15).
    """
    if default.replace_global_graph(EAGER):
        raise ValueError("tf.enable_eager_execution must be called at program startup.")


@export("disable_eager_execution", "disable_v2_behavior")
def disable_eager_execution() -> None:
    """Build graphs again: undo ``enable_eager_execution``."""
    default.replace_global_graph(None)


@export("eager_mode", "contrib.eager.eager_mode")
def eager_mode() -> contextlib.AbstractContextManager[Any]:
    """Context manager: operations inside execute at once, whatever the program does elsewhere.

    Tensors of the block keep their values after it, and can be used in other such blocks.

    >>> with tf.eager_mode():
    ...     (tf.constant([1, 2]) + 1).numpy()
    array([2, 3], dtype=int32)
    """
    return graph_as_default(EAGER)


@export("graph_mode", "contrib.eager.graph_mode")
def graph_mode() -> contextlib.AbstractContextManager[Any]:
    """Context manager: operations inside build a new graph, whatever the program does elsewhere."""
    return graph_as_default(Graph())


@export("init_scope", "contrib.eager.init_scope")
@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """Leave functions being traced: what is inside belongs to what surrounds them.

    With eager execution enabled that is executing at once; else the graph outside.  The name scope
    is kept, control dependencies are not.
    """
    current = get_default_graph()
    outer = current
    if current.building_function:
        graphs = [graph for graph in stack.graphs if not graph.building_function]
        outer = graphs[-1] if graphs else default.global_graph()
    scope = current.get_name_scope()
    with graph_as_default(outer), outer.control_dependencies(None):
        if outer is current or not scope:
            yield
        else:
            with outer.name_scope(scope + "/"):
                yield


# ---------------------------------------------------------------------------------- variable stores


@export("contrib.eager.EagerVariableStore")
class EagerVariableStore:
    """Lets tf.get_variable find variables again while executing: without one it always makes new.

    >>> store = tf.contrib.eager.EagerVariableStore()
    >>> with tf.eager_mode(), store.as_default():
    ...     v = tf.get_variable("v", initializer=1.0)
    ...     with tf.variable_scope(tf.get_variable_scope(), reuse=True):
    ...         tf.get_variable("v") is v
    True
    """

    def __init__(self) -> None:
        self._collections: dict[Any, list[Any]] = {}

    @contextlib.contextmanager
    def as_default(self) -> Iterator[None]:
        """Context manager: get_variable uses this store."""
        _scoped.stores.append(self._collections)
        try:
            yield
        finally:
            _scoped.stores.remove(self._collections)

    def variables(self) -> list[Any]:
        """The variables made so far, by name."""
        found = {
            variable.name: variable
            for items in self._collections.values()
            for item in items
            if isinstance(item, Mapping)
            for variable in item.values()
            if isinstance(variable, EagerVariable)
        }
        return [found[name] for name in sorted(found)]

    def trainable_variables(self) -> list[Any]:
        """Those that are trainable."""
        return [variable for variable in self.variables() if variable.trainable]

    def non_trainable_variables(self) -> list[Any]:
        """Those that are not trainable."""
        return [variable for variable in self.variables() if not variable.trainable]


def run_eagerly(function: Callable[[], Any]) -> Any:
    """What ``function`` returns in eager mode."""
    with graph_as_default(EAGER):
        return function()
