"""The default graph, and the functions that act on it: ``tf.name_scope``, ``tf.device`` and so on.

Each thread has its own stack of ``as_default`` blocks (stack.py); below all of them lies one global
graph.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from flowgraph.graph import lookup
from flowgraph.graph.core import Graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.stack import graph_as_default, stack

_global_graph: Graph | None = None
#: What stands in for a global graph: the one that executes, after tf.enable_eager_execution().
_stand_in: Graph | None = None
_global_lock = threading.Lock()


@export("get_default_graph")
def get_default_graph() -> Graph:
    """The graph of the innermost ``as_default`` block, or else the global one."""
    if stack.graphs:
        return stack.graphs[-1]
    return _global_graph or global_graph()


def global_graph() -> Graph:
    """The graph below all ``as_default`` blocks."""
    global _global_graph
    if _global_graph is None:
        with _global_lock:
            if _global_graph is None:
                _global_graph = Graph()
    return _global_graph


@export("reset_default_graph")
def reset_default_graph() -> None:
    """Replace the global default graph by a new, empty one.

    Raises:
        AssertionError: inside a ``with graph.as_default():`` block.
    """
    global _global_graph
    if stack.graphs:
        raise AssertionError(
            "reset_default_graph() inside `with graph.as_default():`; leave the block and make a "
            "new Graph"
        )
    _global_graph = _stand_in
    if _stand_in is not None:
        _stand_in._collections.clear()


def replace_global_graph(stand_in: Graph | None) -> bool:
    """Let ``stand_in`` (None: a new graph, when needed) be below all ``as_default`` blocks.

    True, and nothing changed, when a stand-in is to replace a graph that has operations.
    """
    global _global_graph, _stand_in
    if stand_in is not None and _stand_in is None and _global_graph and _global_graph.version:
        return True
    if stand_in is not _stand_in:
        _global_graph = _stand_in = stand_in
    return False


def graph_of(values: Iterable[Any]) -> Graph:
    """The graph of the first Tensor, Operation or Variable among ``values``, else the default one.

    Raises:
        ValueError: they belong to different graphs.
    """
    found: Graph | None = None
    current = get_default_graph()
    if current.building_function:
        return current  # it captures what belongs to others
    for value in values:
        for item in value if isinstance(value, (list, tuple)) else (value,):
            graph = getattr(item, "graph", None)
            if not isinstance(graph, Graph) or graph.executes:
                continue
            if graph.forgotten:
                raise ValueError(lookup.replaced(getattr(item, "op", item)))  # type: ignore[arg-type]
            if found is not None and graph is not found:
                raise ValueError(f"{item!r} belongs to another graph than the other inputs")
            found = graph
    return found or current


@export("name_scope")
class name_scope(AbstractContextManager[str]):
    """Put the operations made inside under ``name/``; ``with`` gives the full prefix.

    Args:
        name: the scope name; made unique unless it ends in ``/``.
        default_name: used when ``name`` is None.
        values: tensors passed to the function; they say which graph is meant.

    Raises:
        ValueError: neither name is given although ``values`` are, or the values mix graphs.

    Source: tf.name_scope (TensorFlow 1.15).

    >>> with Graph().as_default(), name_scope("layer") as scope:
    ...     print(scope)
    layer/
    """

    def __init__(
        self,
        name: str | None,
        default_name: str | None = None,
        values: Sequence[Any] | None = None,
    ) -> None:
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"a scope name is a string, got {name!r}")
        if not (default_name is None or isinstance(default_name, str)):
            raise TypeError(f"default_name is a string, got {default_name!r}")
        self._name = default_name if name is None else name
        self._values = values
        if self._name is None and values is not None:
            raise ValueError("name_scope with values needs a name or a default_name")

    @property
    def name(self) -> str | None:
        """The name that was asked for."""
        return self._name

    def __enter__(self) -> str:
        graph = graph_of(self._values) if self._values is not None else get_default_graph()
        self._as_default = graph_as_default(graph)
        self._scope = graph.name_scope(self._name)
        self._as_default.__enter__()
        try:
            return self._scope.__enter__()
        except BaseException:
            self._as_default.__exit__(None, None, None)
            raise

    def __exit__(self, *exc_info: Any) -> None:
        self._scope.__exit__(*exc_info)
        self._as_default.__exit__(*exc_info)


@export("control_dependencies")
def control_dependencies(control_inputs: Iterable[Any] | None) -> AbstractContextManager[None]:
    """Operations made inside run after ``control_inputs``; see Graph.control_dependencies."""
    return get_default_graph().control_dependencies(control_inputs)


@export("device")
def device(device_name_or_function: Any) -> AbstractContextManager[None]:
    """Operations made inside get this device; see Graph.device."""
    return get_default_graph().device(device_name_or_function)


@export("colocate_with")
def colocate_with(op: Any, ignore_existing: bool = False) -> AbstractContextManager[None]:
    """Operations made inside share the device of ``op``; see Graph.colocate_with."""
    return get_default_graph().colocate_with(op, ignore_existing)


@export("add_to_collection")
def add_to_collection(name: Any, value: Any) -> None:
    """Append ``value`` to a collection of the default graph."""
    get_default_graph().add_to_collection(name, value)


@export("add_to_collections")
def add_to_collections(names: Any, value: Any) -> None:
    """Append ``value`` to several collections of the default graph."""
    get_default_graph().add_to_collections(names, value)


@export("get_collection")
def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """A copy of a collection of the default graph; see Graph.get_collection."""
    return get_default_graph().get_collection(key, scope)


@export("get_collection_ref")
def get_collection_ref(key: Any) -> list[Any]:
    """A collection of the default graph, itself."""
    return get_default_graph().get_collection_ref(key)


@export("set_random_seed", "random.set_random_seed")
def set_random_seed(seed: int | None) -> None:
    """Set the graph-level seed of the default graph.

    With a graph seed every random operation gets its own, repeatable stream; an operation seed
    given as well picks the stream by itself.
    """
    get_default_graph().seed = seed


@export("is_tensor", "contrib.framework.is_tensor")
def is_tensor(x: Any) -> bool:
    """True for a Tensor, what stands for one (Variable, IndexedSlices) and a SparseTensor."""
    if isinstance(x, Tensor) or hasattr(x, "_as_tensor") or hasattr(x, "_as_graph_element"):
        return True
    return bool(getattr(x, "is_tensor_like", False))


@export("GraphKeys")
class GraphKeys:
    """Names of the collections that the library itself uses."""

    GLOBAL_VARIABLES = "variables"
    VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    TRAIN_OP = "train_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"


for _class in (Graph, Tensor, Operation):
    export(_class.__name__)(_class)
