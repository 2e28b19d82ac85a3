"""Choices that TensorFlow programs make about variables, and what initialises what is no variable.

One kind of variable exists here: one piece, in one process, with a defined order of effects.  So
the choices are kept and have no effect (docs/differences.md).

Read next: variables.py.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import (
    GraphKeys,
    control_dependencies,
    get_collection,
    get_default_graph,
    name_scope,
)
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.partitioners import refuse_pieces
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.ops.variables import Variable, global_variables, local_variables
from flowgraph.tensor_shape import Dimension, TensorShape, as_dims


@export("VariableSynchronization")
class VariableSynchronization(enum.Enum):
    """When copies of a distributed variable are brought together; kept, without effect."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


@export("VariableAggregation")
class VariableAggregation(enum.Enum):
    """How values from several replicas are joined into one; kept, without effect."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = 3  # noqa: PIE796  its older name


_resource_variables = False


@export("enable_resource_variables")
def enable_resource_variables() -> None:
    """Accepted: every variable already has what resource variables promise, ordered effects."""
    global _resource_variables
    _resource_variables = True


@export("disable_resource_variables")
def disable_resource_variables() -> None:
    """Accepted, without effect."""
    global _resource_variables
    _resource_variables = False


@export("resource_variables_enabled")
def resource_variables_enabled() -> bool:
    """What the last call of enable_ or disable_resource_variables said; False at first."""
    return _resource_variables


@export("variable_creator_scope")
def variable_creator_scope(
    variable_creator: Callable[..., Variable],
) -> AbstractContextManager[None]:
    """Let ``variable_creator(next_creator, **arguments)`` make the variables of the block.

    Args:
        variable_creator: gets the next creator (the one of the surrounding scope, in the end
            ``tf.Variable``'s own) and the arguments of ``tf.Variable`` by name; returns a variable.

    >>> def as_float64(next_creator, **arguments):
    ...     return next_creator(**{**arguments, "dtype": tf.float64})
    >>> with tf.Graph().as_default(), tf.variable_creator_scope(as_float64):
    ...     v = tf.Variable(1.0, name="v")
    >>> v
    <tf.Variable 'v:0' shape=() dtype=float64_ref>
    """
    return get_default_graph()._variable_creator_scope(variable_creator)


@export("container")
def container(container_name: str) -> AbstractContextManager[str]:
    """Name the container of the block's variables and queues; kept, without effect.

    Args:
        container_name: any string.
    """
    return get_default_graph().container(container_name)


@export("create_partitioned_variables")
def create_partitioned_variables(
    shape: Any,
    slicing: Sequence[int],
    initializer: Any,
    dtype: Any = float32,
    trainable: bool = True,
    collections: Any = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Variable]:
    """A list of the pieces of a variable: here always one.

    Args:
        shape: of the variable.
        slicing: pieces per axis; all must be 1.
        initializer, dtype, trainable, collections, name, reuse: as in ``tf.get_variable``.

    Raises:
        ValueError: ``slicing`` asks for more than one piece, or has not one number per axis.
    """
    dims = as_dims(shape)
    if dims is None or len(dims) != len(slicing):
        raise ValueError(
            f"create_partitioned_variables: slicing {list(slicing)} needs one number for each axis "
            f"of shape {shape}"
        )
    refuse_pieces(name or "PartitionedVariable", slicing)
    with variable_scope(name, "PartitionedVariable", reuse=reuse):
        return [
            get_variable(
                "part_0",
                shape=None if not callable(initializer) else shape,
                dtype=dtype,
                initializer=initializer,
                trainable=trainable,
                collections=collections,
            )
        ]


# ------------------------------------------------------------------------------------- initialising


@export("tables_initializer", "initialize_all_tables", "initializers.tables_initializer")
def tables_initializer(name: str = "init_all_tables") -> Operation:
    """An operation that initialises all lookup tables made so far.

    Args:
        name: of the operation.
    """
    with control_dependencies(get_collection(GraphKeys.TABLE_INITIALIZERS)):
        return call.NoOp(name=name)


@export("assert_variables_initialized")
def assert_variables_initialized(var_list: Sequence[Variable] | None = None) -> Operation | None:
    """An operation that fails unless the variables have values.

    Args:
        var_list: the variables; default: all global and local ones.

    Returns:
        The operation, or None when there is no variable.

    Raises (when run): FailedPreconditionError naming a variable without a value.
    """
    variables = global_variables() + local_variables() if var_list is None else list(var_list)
    if not variables:
        return None
    with name_scope("assert_variables_initialized"):
        known = call.Pack([call.IsVariableInitialized(variable) for variable in variables])
        # NB: the values are data of the assertion: reading one that is not there is the error
        values = [variable.read_value() for variable in variables]
        return call.Assert(call.All(known, [0]), values, name="check")


# --------------------------------------------------------------------------------------- small ones


@export("guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Tensor:
    """``input``; promises TensorFlow that it never changes, which nothing here needs to know.

    Args:
        input: a tensor.
        name: of the operation; ``GuaranteeConst`` by default.
    """
    return apply_op("Identity", convert_to_tensor(input), name=name or "GuaranteeConst")


@export("parallel_stack")
def parallel_stack(values: Sequence[Any], name: str = "parallel_stack") -> Tensor:
    """``tf.stack(values)`` along a new first axis.

    Args:
        values: tensors of one shape and dtype.
        name: of the name scope.
    """
    with name_scope(name):
        return apply_op("Pack", list(values), axis=0, name="ParallelConcat")


@export("dimension_at_index", "compat.dimension_at_index")
def dimension_at_index(shape: TensorShape, index: int) -> Dimension:
    """The Dimension of a static shape at an index; unknown when the rank is.

    Args:
        shape: a TensorShape.
        index: of the axis.

    >>> tf.dimension_at_index(tf.TensorShape([2, None]), 0).value
    2
    """
    return Dimension(None) if shape.ndims is None else shape.dims[index]  # type: ignore[index]
