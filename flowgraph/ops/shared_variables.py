"""One shared variable by its full name: the existing one, or a new one.

variable_scope.py says which name, which defaults and whether reuse is allowed; this file decides
and makes the initial value.

Read next: variables.py, initializers.py.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from flowgraph.dtypes import DType, as_dtype, float32
from flowgraph.errors import did_you_mean, format_message
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.export import export_value
from flowgraph.graph.node import describe
from flowgraph.graph.report import call_message
from flowgraph.graph.site import find_site, format_site
from flowgraph.ops.initializers import glorot_uniform_initializer, zeros_initializer
from flowgraph.ops.partitioners import refuse_pieces
from flowgraph.ops.variables import Variable
from flowgraph.tensor_shape import TensorShape, as_shape


class Reuse(enum.Enum):
    """``tf.AUTO_REUSE``: take the variable if it exists, else make it."""

    AUTO_REUSE = 1


AUTO_REUSE = Reuse.AUTO_REUSE
export_value(AUTO_REUSE, "AUTO_REUSE")

#: What a scope says about existing variables: True, False, AUTO_REUSE; None inherits.
ReuseMode = bool | Reuse | None

#: The variables are a collection of the graph, under a name that no string equals.
VARIABLES_BY_NAME = ("variables by name",)


def _variables(graph: Graph) -> dict[str, Variable]:
    items = graph.get_collection_ref(VARIABLES_BY_NAME)
    if not items:
        items.append({})
    return items[0]


def dtype_with(initializer: Any, given: DType | None) -> DType | None:
    """The dtype that ``initializer`` (when it is a value) and the ``given`` one agree on."""
    if initializer is None or callable(initializer):
        return given
    own = convert_to_tensor(initializer).dtype.base_dtype
    if given is not None and own is not given:
        raise ValueError(
            f"get_variable: the initializer is {own.name}, the dtype asked for {given.name}"
        )
    return own


def get_or_make(
    name: str,
    shape: Any = None,
    dtype: Any = float32,
    initializer: Any = None,
    regularizer: Any = None,
    reuse: ReuseMode = None,
    trainable: bool | None = None,
    collections: Iterable[Any] | None = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    constraint: Any = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Variable:
    """The variable of this full name: the existing one, or a new one, as ``reuse`` says."""
    known = _variables(get_default_graph())
    if initializer is not None and not callable(initializer) and shape is not None:
        raise ValueError(
            f"get_variable: {name!r} has a value as initializer, which has its own shape: leave "
            "out shape, or give a function as initializer"
        )
    if name in known:
        return _existing(known[name], name, reuse, shape, as_dtype(dtype))
    if reuse is True:
        raise ValueError(
            call_message(
                f"get_variable: there is no variable {name!r} made with get_variable, and the "
                f"scope reuses variables{did_you_mean(name, known)}",
                name=name,
                fix="set reuse=tf.AUTO_REUSE to make it the first time",
            )
        )
    value, dtype = _initial(name, shape, as_dtype(dtype), initializer, validate_shape)
    if partitioner is not None and shape is not None and as_shape(shape).ndims:
        refuse_pieces(name, partitioner(shape=as_shape(shape), dtype=dtype))
    variable = known[name] = Variable(
        value,
        name=name,
        trainable=trainable,
        collections=collections,
        caching_device=caching_device,
        dtype=dtype,
        validate_shape=validate_shape,
        constraint=constraint,
        use_resource=use_resource,
        synchronization=synchronization,
        aggregation=aggregation,
    )
    if regularizer is not None:
        graph = variable.graph
        with graph.colocate_with(variable.op), name_scope(name + "/Regularizer/"):
            loss = regularizer(variable)
        if loss is not None:
            graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
    return variable


def _existing(
    variable: Variable, name: str, reuse: ReuseMode, shape: Any, dtype: DType
) -> Variable:
    rows = [describe("variable", variable._variable)]
    own = variable.dtype.base_dtype
    place = (name, format_site(find_site()))
    if not reuse:
        raise ValueError(
            format_message(
                f"get_variable: variable {name!r} exists, and the scope does not reuse variables",
                rows,
                place,
                "enter the scope with reuse=True or reuse=tf.AUTO_REUSE to share it",
            )
        )
    if shape is not None and not variable.shape.is_compatible_with(shape):
        raise ValueError(
            format_message(
                f"get_variable: {name!r} has shape {variable.shape}, not {as_shape(shape)}",
                rows,
                place,
                "ask for the shape it has, or give the new variable a name or scope of its own",
            )
        )
    if own is not dtype.base_dtype:
        raise ValueError(
            format_message(
                f"get_variable: variable {name!r} is {own.name}, not {dtype.name}",
                rows,
                place,
                f"ask for dtype=tf.{own.name}, or give the new variable a name of its own",
            )
        )
    return variable


def _initial(
    name: str, shape: Any, dtype: DType, initializer: Any, validate_shape: bool
) -> tuple[Any, DType | None]:
    """The initial value for Variable, and the dtype to make it in."""
    if initializer is not None and not callable(initializer):
        return initializer, dtype
    known = TensorShape(None) if shape is None else as_shape(shape)
    if initializer is None:
        if shape is None:
            raise ValueError(
                call_message(
                    f"get_variable: {name!r} is new, so it needs a shape or an initializer",
                    name=name,
                    fix=f"give the shape: tf.get_variable({name!r}, [rows, columns])",
                )
            )
        initializer = _default_initializer(name, dtype)
    if inspect.isclass(initializer):
        initializer = initializer()
    if known.is_fully_defined():
        extra = {"partition_info": None} if "partition_info" in _parameters(initializer) else {}
        return partial(initializer, known.as_list(), dtype=dtype.base_dtype, **extra), dtype
    if shape is None and not _required(initializer):
        return initializer, None
    raise ValueError(
        f"get_variable: {name!r} needs a completely known shape for its initializer, got {known}"
    )


def _default_initializer(name: str, dtype: DType) -> Any:
    if dtype.is_floating:
        return glorot_uniform_initializer()
    if dtype.is_integer or dtype.is_bool:
        return zeros_initializer()
    raise ValueError(f"get_variable: {name!r} of {dtype.name} needs an initializer")


def _parameters(function: Callable[..., Any]) -> Sequence[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _required(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind in kinds and p.default is inspect.Parameter.empty
    ]
