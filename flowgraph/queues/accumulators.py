"""ConditionalAccumulator and its sparse kin: the mean of what several threads give.

Read next: accumulator_ops.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flowgraph.dtypes import DType, as_dtype, int64
from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation, Tensor
from flowgraph.ops.casts import cast
from flowgraph.queues.queue_classes import refuse_eager
from flowgraph.tensor_shape import TensorShape, as_shape


def _as_int64(value: Any) -> Tensor:
    if isinstance(value, (list, tuple)) and not value:
        return convert_to_tensor(value, int64)
    return cast(convert_to_tensor(value), int64)


@export("ConditionalAccumulatorBase")
class ConditionalAccumulatorBase:
    """What both accumulators have in common.

    An accumulator adds up gradients that any number of threads apply. Each says by its
    ``local_step`` how old the values are from which it was computed: those of a step before the
    accumulator's are stale, and left out. Taking the mean begins the next step.

    Args:
        dtype: of the gradients.   shape: of them.   accumulator_ref: the handle: a string tensor.
    """

    _prefix = "Resource"

    def __init__(self, dtype: Any, shape: Any, accumulator_ref: Tensor) -> None:
        self._dtype = as_dtype(dtype)
        self._shape = TensorShape(None) if shape is None else as_shape(shape)
        self._accumulator_ref = accumulator_ref
        self._name = accumulator_ref.op.name.split("/")[-1]

    @property
    def accumulator_ref(self) -> Tensor:
        """The handle of the accumulator."""
        return self._accumulator_ref

    @property
    def name(self) -> str:
        """The name of the operation that makes the handle."""
        return self._name

    @property
    def dtype(self) -> DType:
        """Dtype of the gradients."""
        return self._dtype

    def num_accumulated(self, name: str | None = None) -> Tensor:
        """How many gradients it holds: an int32 scalar.

        Args:
            name: of the operation; ``<accumulator>_NumAccumulated`` by default.
        """
        return apply_op(
            f"{self._prefix}AccumulatorNumAccumulated",
            self._accumulator_ref,
            name=name or f"{self._name}_NumAccumulated",
        )

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Operation:
        """Go to a step.

        Args:
            new_global_step: int64 scalar.
            name: of the operation; ``ResourceAccumulatorSetGlobalStep`` by default.

        Returns:
            The operation that does it.
        """
        return apply_op(
            f"{self._prefix}AccumulatorSetGlobalStep",
            self._accumulator_ref,
            _as_int64(new_global_step),
            name=name,
        )


def _attrs(dtype: Any, shape: Any, shared_name: str | None, reduction_type: str) -> dict[str, Any]:
    if reduction_type not in ("MEAN", "SUM"):
        raise ValueError(f"reduction_type must be 'MEAN' or 'SUM', not {reduction_type!r}")
    return {
        "dtype": as_dtype(dtype),
        "shape": TensorShape(None) if shape is None else as_shape(shape),
        "shared_name": shared_name or "",
        "reduction_type": reduction_type,
    }


@export("ConditionalAccumulator")
class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds up tensors; see ConditionalAccumulatorBase.

    Args:
        dtype: of the gradients: a float dtype.
        shape: of the gradients; None: that of the first, until it is taken.
        shared_name: accumulators of one name are one in a session.
        name: of the operation that makes the handle.
        reduction_type: ``"MEAN"`` or ``"SUM"``: what ``take_grad`` gives.

    Raises:
        ValueError: another ``reduction_type``.   TypeError: another dtype.

    >>> mean = tf.ConditionalAccumulator(tf.float32, shape=[2])
    >>> apply = [mean.apply_grad([1.0, 2.0]), mean.apply_grad([3.0, 5.0])]
    >>> take = mean.take_grad(2)
    >>> with tf.Session() as sess:
    ...     _ = sess.run(apply)
    ...     print(sess.run(take))
    [2.  3.5]
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        refuse_eager("tf.ConditionalAccumulator")
        attrs = _attrs(dtype, shape, shared_name, reduction_type)
        made = apply_op("ResourceConditionalAccumulator", name=name, **attrs)
        super().__init__(dtype, shape, made)

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Operation:
        """Add a gradient, unless it is stale.

        Args:
            grad: the tensor.
            local_step: int64 scalar: the step of the values that it was computed from.
            name: of the operation; ``ResourceAccumulatorApplyGradient`` by default.

        Returns:
            The operation that does it.

        Raises:
            ValueError: another shape.   InvalidArgumentError: the same (when run).
        """
        grad = convert_to_tensor(grad, self._dtype)
        grad.get_shape().assert_is_compatible_with(self._shape)
        return apply_op(
            "ResourceAccumulatorApplyGradient",
            self._accumulator_ref,
            _as_int64(local_step),
            grad,
            name=name,
        )

    def take_grad(self, num_required: Any, name: str | None = None) -> Tensor:
        """The mean of the gradients, once there are ``num_required``.  Running it waits for them.

        The accumulator is then empty, and at the next step.

        Args:
            num_required: int32 scalar, positive.
            name: of the operation; ``ResourceAccumulatorTakeGradient`` by default.

        Returns:
            A tensor of the gradients' dtype and shape.

        Raises:
            InvalidArgumentError: ``num_required`` is not positive (when run).
        """
        taken = apply_op(
            "ResourceAccumulatorTakeGradient",
            self._accumulator_ref,
            num_required,
            dtype=self._dtype,
            name=name,
        )
        taken.set_shape(self._shape)
        return taken


class SparseAccumulatorTakeGradient(NamedTuple):
    """What ``SparseConditionalAccumulator.take_grad`` gives: slices as three tensors."""

    indices: Tensor
    values: Tensor
    shape: Tensor


@export("SparseConditionalAccumulator", "sparse.SparseConditionalAccumulator")
class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds up slices of tensors; see ConditionalAccumulatorBase.

    The mean of a row is over the gradients that have it.

    Args:
        dtype: of the gradients: a float dtype.
        shape: of the dense tensors that the slices are of; None: that which the gradients say.
        shared_name: accumulators of one name are one in a session.
        name: of the operation that makes the handle.
        reduction_type: ``"MEAN"`` or ``"SUM"``: what is taken.

    Raises:
        ValueError: another ``reduction_type``.   TypeError: another dtype.

    >>> mean = tf.SparseConditionalAccumulator(tf.float32, shape=[4, 1])
    >>> apply = [mean.apply_grad([0, 2], [[1.0], [3.0]]), mean.apply_grad([2], [[5.0]])]
    >>> take = mean.take_indexed_slices_grad(2)
    >>> with tf.Session() as sess:
    ...     _ = sess.run(apply)
    ...     found = sess.run(take)
    >>> print(found.indices, *found.values)
    [0 2] [1.] [4.]
    """

    _prefix = ""

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "sparse_conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        refuse_eager("tf.SparseConditionalAccumulator")
        attrs = _attrs(dtype, shape, shared_name, reduction_type)
        made = apply_op("SparseConditionalAccumulator", name=name, **attrs)
        super().__init__(dtype, shape, made)

    def apply_indexed_slices_grad(
        self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None
    ) -> Operation:
        """Add slices, unless they are stale.

        Args:
            grad: IndexedSlices.
            local_step: int64 scalar: the step of the values that they were computed from.
            name: of the operation; ``SparseAccumulatorApplyGradient`` by default.

        Returns:
            The operation that does it.
        """
        return self.apply_grad(grad.indices, grad.values, grad.dense_shape, local_step, name)

    def apply_grad(
        self,
        grad_indices: Any,
        grad_values: Any,
        grad_shape: Any = None,
        local_step: Any = 0,
        name: str | None = None,
    ) -> Operation:
        """Add slices, unless they are stale.

        Args:
            grad_indices: int64 vector: which rows.
            grad_values: the rows, as many.
            grad_shape: int64 vector: the shape of the dense tensor, or None.
            local_step: int64 scalar: the step of the values that they were computed from.
            name: of the operation; ``SparseAccumulatorApplyGradient`` by default.

        Returns:
            The operation that does it.

        Raises:
            InvalidArgumentError: sizes do not fit, an index is outside of the shape (when run).
        """
        step = _as_int64(local_step)
        return apply_op(
            "SparseAccumulatorApplyGradient",
            self._accumulator_ref,
            step,
            _as_int64(grad_indices),
            convert_to_tensor(grad_values, self._dtype),
            _as_int64([] if grad_shape is None else grad_shape),
            has_known_shape=grad_shape is not None,
            name=name,
        )

    def take_grad(
        self, num_required: Any, name: str | None = None
    ) -> SparseAccumulatorTakeGradient:
        """The mean of the slices, once there are ``num_required``.  Running it waits for them.

        The accumulator is then empty, and at the next step.

        Args:
            num_required: int32 scalar, positive.
            name: of the operation; ``SparseAccumulatorTakeGradient`` by default.

        Returns:
            A named tuple (indices, values, shape) of tensors; sizes that nobody told are -1.

        Raises:
            InvalidArgumentError: ``num_required`` is not positive (when run).
        """
        return SparseAccumulatorTakeGradient(
            *apply_op(
                "SparseAccumulatorTakeGradient",
                self._accumulator_ref,
                num_required,
                dtype=self._dtype,
                name=name,
            )
        )

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        """The same as IndexedSlices.

        Args:
            num_required: int32 scalar, positive.
            name: of the operation; ``SparseAccumulatorTakeGradient`` by default.

        Returns:
            IndexedSlices.
        """
        taken = self.take_grad(num_required, name)
        return IndexedSlices(indices=taken.indices, values=taken.values, dense_shape=taken.shape)
