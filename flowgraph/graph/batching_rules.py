"""How ops that are more than elementwise are applied to a batch: see batching.py.

A rule gets the operation and its inputs, of which some are stacked (have one axis more in front),
and returns stacked outputs, or None where it does not know how: then every row is done by itself.

Read next: ops/jacobians.py.
"""

from __future__ import annotations

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.batching import Batch, again, rule, vector
from flowgraph.graph.convert import make_constant
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value
from flowgraph.shapes import is_fully_known


@rule(
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "Print", "CheckNumerics", "Cast",
    "Softmax", "LogSoftmax", "AddN", "Real", "Imag", "Conj", "ComplexAbs", "Angle",
    "Cholesky", "CholeskyGrad", "MatrixInverse", "MatrixDeterminant", "LogMatrixDeterminant",
    "MatrixSolve", "MatrixTriangularSolve", "MatrixDiag", "MatrixDiagPart", "MatrixSetDiag", "Qr",
    "MatrixExponential", "MatrixLogarithm", "MatrixSquareRoot", "TridiagonalMatMul",
    "TridiagonalSolve",
    "FFT", "IFFT", "FFT2D", "IFFT2D", "RGBToHSV", "HSVToRGB", "FFT3D", "IFFT3D",
)  # fmt: skip
def _as_it_is(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    """Ops that look at the last axes only, whatever stands in front of them."""
    return again(op, batch.stack_all(inputs, flags))


@rule("RFFT", "IRFFT", "RFFT2D", "IRFFT2D", "RFFT3D", "IRFFT3D")
def _only_the_first(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    """As above, with sizes behind that all rows share."""
    return None if flags[1] else again(op, inputs)


@rule("SelfAdjointEigV2", "Svd")
def _with_vectors(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    """As above; vectors that are not wanted are one empty tensor for all rows, though."""
    attrs = op.attrs
    wanted = attrs["compute_uv"] if op.type == "Svd" else attrs["compute_v"]
    return again(op, inputs) if wanted else None


@rule("Complex")
def _broadcast(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    return again(op, batch.aligned(inputs, flags, op.inputs))


@rule("AccumulateNV2")
def _sum_of_all(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    """The attr ``shape`` only promises what AddN finds out by itself."""
    return [call.AddN(batch.stack_all(inputs, flags))]


def behind(axes: Tensor) -> Tensor:
    """Axis numbers counted in the stacked tensor: those counted from the end stay as they are."""
    known = constant_value(axes)
    if known is not None:
        return make_constant(np.where(known >= 0, known + 1, known).astype(known.dtype))
    from_front = call.GreaterEqual(axes, call.ZerosLike(axes))
    return call.Add(axes, call.Cast(from_front, DstT=axes.dtype.base_dtype))


def _moving_axis(position: int, *types: str) -> None:
    """Ops whose input ``position`` holds axis numbers of another input, the stacked one."""

    def function(
        batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
    ) -> list[Tensor] | None:
        place = position % len(inputs)
        if flags[place]:
            return None
        full = batch.stack_all(inputs, [flag or i == place for i, flag in enumerate(flags)])
        full[place] = behind(inputs[place])
        return again(op, full)

    rule(*types)(function)


_moving_axis(
    1, "Sum", "Mean", "Max", "Min", "Prod", "Any", "All", "ExpandDims", "ReverseV2", "ArgMax",
    "ArgMin", "Cumsum", "Cumprod",
)  # fmt: skip
_moving_axis(-1, "ConcatV2")
_moving_axis(0, "Split")


def _moving_attr(*types: str) -> None:
    """Ops whose attr ``axis`` says where."""

    def function(
        batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
    ) -> list[Tensor] | None:
        axis = op.attrs["axis"]
        full = batch.stack_all(inputs, flags)
        return again(op, full, axis=axis + 1 if axis >= 0 else axis)

    rule(*types)(function)


_moving_attr("Pack", "Unpack")


@rule("SplitV")
def _split_v(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    if flags != [True, False, False]:
        return None
    return again(op, [inputs[0], inputs[1], behind(inputs[2])])


@rule("OneHot")
def _one_hot(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    if flags != [True, False, False, False]:
        return None
    axis = op.attrs["axis"]
    return again(op, inputs, axis=axis + 1 if axis >= 0 else axis)


@rule("Reshape")
def _reshape(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    if flags[1]:
        return None
    return [call.Reshape(inputs[0], batch.sizes(op.outputs[0]))]


@rule("BroadcastTo", "Fill")
def _broadcast_to(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    which = 1 if op.type == "Fill" else 0
    old, out = op.inputs[which], op.outputs[0]
    if flags[1 - which]:
        return None
    aligned = batch.aligned([inputs[which], out], [True, False], [old, out])[0]
    return [call.BroadcastTo(aligned, batch.sizes(out))]


def _prepend(number: int, values: Tensor) -> Tensor:
    known = constant_value(values)
    if known is not None:
        return make_constant(np.concatenate([[number], known]).astype(known.dtype))
    first = make_constant(np.array([number], values.dtype.np))
    return call.ConcatV2([first, values], 0)


@rule("Transpose")
def _transpose(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    if flags[1]:
        return None
    known = constant_value(inputs[1])
    if known is not None:
        perm = make_constant(np.concatenate([[0], known + 1]).astype(known.dtype))
    else:
        perm = _prepend(0, call.Add(inputs[1], call.OnesLike(inputs[1])))
    return [call.Transpose(inputs[0], perm)]


@rule("Squeeze")
def _squeeze(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    return [call.Reshape(inputs[0], batch.sizes(op.outputs[0]))]


@rule("Tile")
def _tile(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    return None if flags[1] else again(op, [inputs[0], _prepend(1, inputs[1])])


@rule("Pad", "PadV2", "MirrorPad", "MirrorPadGrad")
def _pad(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    if any(flags[1:]):
        return None
    nothing = make_constant(np.zeros((1, 2), inputs[1].dtype.np))
    return again(op, [inputs[0], call.ConcatV2([nothing, inputs[1]], 0), *inputs[2:]])


@rule("Slice")
def _slice(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    if any(flags[1:]):
        return None
    return [call.Slice(inputs[0], _prepend(0, inputs[1]), _prepend(-1, inputs[2]))]


@rule("StridedSlice", "StridedSliceGrad")
def _strided_slice(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    *head, begin, end, strides = inputs[:-1] if op.type == "StridedSliceGrad" else inputs
    data = inputs[-1] if op.type == "StridedSliceGrad" else head[0]
    if sum(flags) != 1 or not flags[inputs.index(data)]:
        return None
    bounds = [_prepend(0, begin), _prepend(0, end), _prepend(1, strides)]
    masks = {name: op.attrs[name] << 1 for name in op.attrs if name.endswith("_mask")}
    masks["begin_mask"] |= 1
    masks["end_mask"] |= 1
    if op.type == "StridedSlice":
        return again(op, [data, *bounds], **masks)
    known = constant_value(head[0])
    if known is not None and batch.size is not None:
        shape = _prepend(batch.size, head[0])
    else:
        rows = batch.size_vector()
        shape = call.ConcatV2([call.Cast(rows, DstT=head[0].dtype.base_dtype), head[0]], 0)
    return again(op, [shape, *bounds, data], **masks)


@rule("Select")
def _select(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    condition, chosen = op.inputs[0], op.outputs[0]
    if condition.dims is None or chosen.dims is None:
        return None
    new = inputs[0]
    if condition.dims != () or flags[0]:
        # A stacked scalar is a vector that chooses rows; anything else gets the full shape.
        new = new if flags[0] else batch.stack(new)
        if condition.dims != () and len(condition.dims) < len(chosen.dims):
            ones = [1] * (len(chosen.dims) - len(condition.dims))
            new = call.Reshape(new, batch.sizes(condition, *ones))
            new = call.BroadcastTo(new, batch.sizes(chosen))
    return again(op, [new, *batch.stack_all(inputs[1:], flags[1:])])


@rule("L2Loss")
def _l2_loss(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    dims = op.inputs[0].dims
    if dims is None:
        return None
    half = make_constant(np.array(0.5, inputs[0].dtype.np))
    return [call.Mul(half, call.Sum(call.Square(inputs[0]), vector(range(1, len(dims) + 1))))]


# -------------------------------------------------------------------------------- matrix products


@rule("MatMul")
def _matmul(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    a, b = inputs
    turn_a, turn_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    if flags == [True, False] and not turn_a:
        # Rows of all batch entries form one tall matrix.
        tall = call.Reshape(a, batch.merged_sizes(op.inputs[0]))
        return [call.Reshape(call.MatMul(tall, b, transpose_b=turn_b), batch.sizes(op.outputs[0]))]
    return [call.BatchMatMulV2(a, b, adj_x=turn_a, adj_y=turn_b)]


@rule("BatchMatMul", "BatchMatMulV2")
def _batch_matmul(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    aligned = batch.aligned(inputs, flags, op.inputs)
    return [call.BatchMatMulV2(*aligned, adj_x=op.attrs["adj_x"], adj_y=op.attrs["adj_y"])]


# ------------------------------------------------------------------------------- rows of examples


def _along_rows(positions: tuple[int, ...], *types: str) -> None:
    """Ops whose first axis holds examples: the examples of all batch entries become one axis.

    ``positions``: the inputs that have that axis; only they may be stacked.
    """

    def function(
        batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
    ) -> list[Tensor] | None:
        if any(flag and i not in positions for i, flag in enumerate(flags)):
            return None
        if len({(op.inputs[i].dims or (None,))[0] for i in positions}) > 1:
            return None  # one of them broadcasts, or that is not known
        merged = list(inputs)
        for i in positions:
            full = inputs[i] if flags[i] else batch.stack(inputs[i])
            merged[i] = call.Reshape(full, batch.merged_sizes(op.inputs[i]))
        results = again(op, merged)
        return [
            call.Reshape(new, batch.sizes(old))
            for new, old in zip(results, op.outputs, strict=True)
        ]

    rule(*types)(function)


_along_rows((0, 1), "SparseSoftmaxCrossEntropyWithLogits")
_along_rows((0,), "BiasAdd", "Conv2D", "DepthwiseConv2dNative", "MaxPool", "AvgPool", "LRN")
_along_rows((0, 1, 2), "MaxPoolGrad", "MaxPoolGradGrad", "LRNGrad")
_along_rows(
    (0,), "ResizeBilinear", "ResizeBicubic", "ResizeArea", "ResizeNearestNeighbor",
    "ResizeNearestNeighborGrad", "ExtractImagePatches", "ExtractVolumePatches",
)  # fmt: skip
_along_rows((0, 1), "ResizeBilinearGrad", "ResizeBicubicGrad")


@rule("AdjustContrastv2", "AdjustHue", "AdjustSaturation")
def _adjusted(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    return None if flags[1] else again(op, inputs)  # images of any number of axes in front


@rule("SoftmaxCrossEntropyWithLogits")
def _cross_entropy(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    # Logits and labels may broadcast; output 1 has the common shape.
    full = op.outputs[1]
    merged = [
        call.Reshape(
            call.BroadcastTo(t, batch.sizes(full)),
            batch.merged_sizes(full),
        )
        for t in inputs  # both are matrices
    ]
    results = again(op, merged)
    return [
        call.Reshape(new, batch.sizes(old)) for new, old in zip(results, op.outputs, strict=True)
    ]


@rule("BiasAddGrad")
def _bias_add_grad(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    dims = op.inputs[0].dims
    if dims is None:
        return None
    channel = 2 if op.attrs["data_format"] == "NCHW" else len(dims)
    others = [axis for axis in range(1, len(dims) + 1) if axis != channel]
    return [call.Sum(inputs[0], vector(others))]


@rule("Conv2DBackpropInput", "AvgPoolGrad")
def _sized_by_input(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    """Input 0 is the shape of the result, whose first size counts examples; the last is dy."""
    sizes, dy = inputs[0], op.inputs[-1]
    if any(flags[:-1]) or dy.dims is None or not is_fully_known(sizes.dims):
        return None
    if sizes.dims == (len(dy.dims),):  # not height and width alone
        examples = call.Mul(call.Slice(sizes, [0], [1]), batch.size_vector())
        sizes = call.ConcatV2([examples, call.Slice(sizes, [1], [-1])], 0)
    merged = call.Reshape(inputs[-1], batch.merged_sizes(op.inputs[-1]))
    (result,) = again(op, [sizes, *inputs[1:-1], merged])
    return [call.Reshape(result, batch.sizes(op.outputs[0]))]


# ---------------------------------------------------------------------------- gather and scatter


@rule("Gather", "GatherV2")
def _gather(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    batch_dims = op.attrs.get("batch_dims", 0)
    axis = inputs[2] if op.type == "GatherV2" else make_constant(np.array(0, np.int32))
    place = constant_value(axis)
    params = op.inputs[0]
    if any(flags[2:]) or place is None or params.dims is None or batch_dims < 0:
        return None
    place = int(place) % len(params.dims)
    if flags[0] and flags[1]:
        moved = make_constant(np.array(place + 1, np.int32))
        return [call.GatherV2(inputs[0], inputs[1], moved, batch_dims=batch_dims + 1)]
    if batch_dims:
        return None
    if flags[0]:
        return [call.GatherV2(inputs[0], inputs[1], make_constant(np.array(place + 1, np.int32)))]
    result = call.GatherV2(inputs[0], inputs[1], axis)
    return [_axis_to_front(result, place, op.outputs[0])] if place else [result]


@rule("GatherNd")
def _gather_nd(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    return None if flags[0] else again(op, inputs)


def _axis_to_front(result: Tensor, axis: int, like: Tensor) -> Tensor:
    """``result`` with ``axis`` first; without it, it has the rank of ``like``."""
    rank = len(like.dims or ()) + 1
    return call.Transpose(result, vector([axis, *(i for i in range(rank) if i != axis)]))


def _rows_last(stacked: Tensor, like: Tensor) -> Tensor:
    """``[B, ...] -> [..., B]``."""
    rank = len(like.dims or ()) + 1
    return call.Transpose(stacked, vector([*range(1, rank), 0]))


@rule("UnsortedSegmentSum")
def _segment_sum(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    data, out = op.inputs[0], op.outputs[0]
    if flags != [True, False, False] or data.dims is None or out.dims is None:
        return None
    (summed,) = again(op, [_rows_last(inputs[0], data), *inputs[1:]])
    return [_axis_to_front(summed, len(out.dims), out)]


@rule("ScatterNd")
def _scatter_nd(
    batch: Batch, op: Operation, inputs: list[Tensor], flags: list[bool]
) -> list[Tensor] | None:
    updates, out = op.inputs[1], op.outputs[0]
    if flags != [False, True, False] or updates.dims is None or out.dims is None:
        return None
    rows = call.Cast(batch.size_vector(), DstT=inputs[2].dtype.base_dtype)
    known = constant_value(inputs[2])
    if known is not None and batch.size is not None:
        shape = make_constant(np.concatenate([known, [batch.size]]).astype(known.dtype))
    else:
        shape = call.ConcatV2([inputs[2], rows], 0)
    (scattered,) = again(op, [inputs[0], _rows_last(inputs[1], updates), shape])
    return [_axis_to_front(scattered, len(out.dims), out)]
