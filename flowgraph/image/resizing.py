"""Images of another size: ResizeBilinear, ResizeNearestNeighbor, ResizeBicubic, ResizeArea.

All are linear and separable: a row of the result is a weighted sum of a few rows of the image, its
*taps*, and so is a column.  Where output i lies in the image (float32, as in TensorFlow):

    i * in/out                 by default           rows 0, 2, 4 ... when halved
    (i + 1/2) * in/out - 1/2   half_pixel_centers   the centres of pixels meet
    i * (in-1)/(out-1)         align_corners        the first meets the first, the last the last

A bilinear tap has the weight 1 - distance; a cubic one that of Keys' kernel at distances rounded to
1/1024 (a = -3/4; half_pixel_centers: a = -1/2 and no weight outside); area weights are overlaps.

Source: Keys, "Cubic convolution interpolation for digital image processing" (1981).
Read next: resizing_text.py (the kernels), resizing_functions.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import Call, Procedure, define, dtypes_of, error_sample, sample
from flowgraph.image import resizing_text
from flowgraph.ops.rules import concrete, constant_axes, f32, i32, invalid, number, shape_of
from flowgraph.ops.windows import image_dims
from flowgraph.shapes import Dims, ShapeError, merge_size

_IMAGES = FLOAT | frozenset(("int8", "uint8", "int16", "uint16", "int32", "int64"))
_FLAGS: dict[str, Any] = {"align_corners": False, "half_pixel_centers": False}

# ---------------------------------------------------------------------------------------- shapes


def _flags(call_: Call) -> None:
    if call_.attrs["align_corners"] and call_.attrs.get("half_pixel_centers"):
        raise ShapeError("half_pixel_centers and align_corners exclude each other")


def _size(call_: Call, position: int) -> tuple[int | None, ...]:
    """[height, width]: input ``position``."""
    (count,) = image_dims(call_.shapes[position], 1, "size")
    if count not in (None, 2):
        raise ShapeError(f"size must hold a height and a width, not {count} numbers")
    value = call_.value(position)
    if value is not None and min(value, default=1) < 1:
        raise ShapeError(f"size must be positive, not {value.tolist()}")
    return call_.partial(position) or (None, None)


def _no_empty(dims: tuple[int | None, ...]) -> None:
    if 0 in dims[1:3]:
        raise ShapeError(f"images of {dims[1]} x {dims[2]} pixels cannot be resized")


def _infer(call_: Call) -> list[Dims]:
    _flags(call_)
    dims = image_dims(call_.shapes[0], 4, "images")
    _no_empty(dims)
    return [(dims[0], *_size(call_, 1), dims[3])]


def _like_original(call_: Call) -> list[Dims]:
    _flags(call_)
    grads = image_dims(call_.shapes[0], 4, "grads")
    dims = image_dims(call_.shapes[1], 4, "original_image")
    _no_empty(dims)
    _no_empty(grads)
    return [(merge_size(dims[0], grads[0]), *dims[1:3], merge_size(dims[3], grads[3]))]


# --------------------------------------------------------------------------------------- kernels


def _sizes(call_: Call) -> Mapping[str, int]:
    """(IH, IW): of the image, (OH, OW): of what it is resized to, forward and backward."""
    given, made = concrete(call_.shapes[0]), concrete(call_.out_shapes[0])
    image, result = (made, given) if call_.type.endswith("Grad") else (given, made)
    return {
        "N": image[0], "C": image[3],
        "IH": image[1], "IW": image[2], "OH": result[1], "OW": result[2],
    }  # fmt: skip


def _procedure(method: str, known: bool) -> Procedure:
    """``known``: input 1 is the size wanted."""
    taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}.get(method, 0)

    def scratch(call_: Call) -> Mapping[str, tuple[str, int]]:
        n = _sizes(call_)
        row, result = n["IW"] * n["C"], n["OW"] * n["C"]
        back = call_.type.endswith("Grad")
        count = n["OW"] if back else result
        tables = {f"at{k}": ("int64", count) for k in range(taps)}
        tables |= {f"weight{k}": ("float32", count) for k in range(taps)}
        if back:
            return tables | {"lines": (call_.out_dtypes[0].base_dtype.name, n["IH"] * result)}
        return tables | {"lines": ("float32", taps * result), "wide": ("float32", row)}

    def choices(call_: Call) -> Mapping[str, str]:
        align, half = call_.attrs["align_corners"], call_.attrs.get("half_pixel_centers", False)
        dtype = call_.dtypes[0].base_dtype.name
        out = call_.out_dtypes[0].base_dtype.name
        channels = _sizes(call_)["C"]
        text = resizing_text.kernel(call_.type, method, align, half, dtype, out, channels)
        return {"kernel": text}

    def flops(call_: Call) -> int:
        return 2 * max(taps, 1) ** 2 * math.prod(concrete(call_.out_shapes[0]))

    return Procedure(
        "{kernel}",
        sizes=_sizes,
        known=(1,) if known else (),
        scratch=scratch,
        choices=choices,
        flops=flops,
    )


# ------------------------------------------------------------------------------------ references


def _scale(size: int, result: int, align: bool) -> Any:
    if align and result > 1:
        return np.float32(size - 1) / np.float32(result - 1)
    return np.float32(size) / np.float32(result)


def _places(size: int, result: int, attrs: Mapping[str, Any]) -> Any:
    """Where each of ``result`` pixels lies in ``size`` pixels: float32."""
    i, scale = np.arange(result).astype(np.float32), _scale(size, result, attrs["align_corners"])
    if attrs.get("half_pixel_centers"):
        return (i + np.float32(0.5)) * scale - np.float32(0.5)
    return i * scale


def _matrix(method: str, size: int, result: int, attrs: Mapping[str, Any]) -> Any:
    """W with  resized = W @ pixels  along one axis: float64 (result, size)."""
    weights = np.zeros((result, size + 6))  # pixel k stands in column k + 3
    row = np.arange(result)
    if method == "nearest":
        weights[row, 3 + _nearest(size, result, attrs)] = 1
    elif method == "area":
        scale = _scale(size, result, attrs["align_corners"] and size > 1)
        begin = (row * scale).astype(np.float64)[:, None]
        end = ((row + 1) * scale).astype(np.float64)[:, None]
        first = np.arange(size)
        last = np.where(first == size - 1, np.inf, first + 1)
        return np.maximum(np.minimum(end, last) - np.maximum(begin, first), 0) / scale
    else:
        place = _places(size, result, attrs)
        low = np.floor(place)
        away = (place - low).astype(np.float64)
        if method == "bilinear":
            shares = {0: 1 - away, 1: away}
        else:
            away = np.rint(away * 1024) / 1024
            a = -0.5 if attrs["half_pixel_centers"] else -0.75
            shares = {k: _keys(np.abs(away - k), a) for k in (-1, 0, 1, 2)}
        for k, share in shares.items():
            np.add.at(weights, (row, np.clip(low.astype(int) + k + 3, 0, size + 5)), share)
    inside = weights[:, 3:-3].copy()
    if method == "bicubic" and attrs["half_pixel_centers"]:
        return inside / inside.sum(1, keepdims=True)
    inside[:, 0] += weights[:, :3].sum(1)
    inside[:, -1] += weights[:, -3:].sum(1)
    return inside


def _keys(x: Any, a: float) -> Any:
    """The cubic kernel at distance ``x``."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def _nearest(size: int, result: int, attrs: Mapping[str, Any]) -> Any:
    i, scale = np.arange(result).astype(np.float32), _scale(size, result, attrs["align_corners"])
    if attrs["half_pixel_centers"]:
        place = np.floor((i + np.float32(0.5)) * scale)
    elif attrs["align_corners"]:
        place = np.floor(i * scale + np.float32(0.5))
    else:
        place = np.floor(i * scale)
    return np.clip(place.astype(int), 0, size - 1)


def _checked(infer: Callable[[Call], Any], call_: Call, *arrays: Any) -> None:
    """Values that only the run knows, as ``infer`` sees those known before."""
    seen = Call(call_.type, call_.attrs, call_.dtypes, [a.shape for a in arrays],
                value=lambda i: arrays[i])  # fmt: skip
    try:
        infer(seen)
    except ShapeError as error:
        raise invalid(error.headline) from None


def _matrices(method: str, image: Any, result: Any, call_: Call) -> list[Any]:
    return [_matrix(method, image[k], result[k], call_.attrs) for k in (1, 2)]


def _forward(method: str) -> Callable[..., Any]:
    def reference(call_: Call, x: Any, size: Any) -> Any:
        _checked(_infer, call_, x, size)
        rows, columns = _matrices(method, x.shape, (0, *size), call_)
        if method == "nearest":
            return x[:, rows.argmax(1)][:, :, columns.argmax(1)]
        tall = np.einsum("oh,nhwc->nowc", rows, x.astype(np.float64))
        return np.einsum("pw,nowc->nopc", columns, tall).astype(np.float32)

    return reference


def _transposed(method: str, dy: Any, shape: Any, call_: Call) -> Any:
    rows, columns = _matrices(method, shape, dy.shape, call_)
    wide = dy.astype(np.float64 if dy.dtype.kind == "f" else np.int64)
    rows, columns = rows.astype(wide.dtype), columns.astype(wide.dtype)
    tall = np.einsum("oh,nowc->nhwc", rows, wide)
    return np.einsum("pw,nhpc->nhwc", columns, tall)


def _backward(method: str) -> Callable[..., Any]:
    def reference(call_: Call, dy: Any, x: Any) -> Any:
        _checked(_like_original, call_, dy, x)
        return _transposed(method, dy, x.shape, call_).astype(x.dtype)

    return reference


def _nearest_backward(call_: Call, dy: Any, size: Any) -> Any:
    _checked(_infer, call_, dy, size)
    return _transposed("nearest", dy, (0, *size), call_).astype(dy.dtype)


# ------------------------------------------------------------------------------------- gradients


def _space(x: Tensor) -> Tensor:
    """Height and width, as an int32 vector."""
    return call.Slice(shape_of(x), [1], [2])


def _named(op: Any) -> dict[str, Any]:
    return {name: op.attrs[name] for name in _FLAGS}


def _grad(op: Any, dy: Any) -> tuple[Any, None]:
    if not op.images.dtype.is_floating:
        return None, None
    x = op.images
    half = x.dtype.base_dtype.name == "float16" and op.type == "ResizeBicubic"
    wide = call.Cast(x, DstT="float32") if half else x
    dx = apply_op(op.type + "Grad", dy, wide, **_named(op))
    return (call.Cast(dx, DstT=x.dtype.base_dtype) if half else dx), None


def _grad_grad(op: Any, ddx: Any) -> tuple[Any, None]:
    return apply_op(op.type[:-4], ddx, _space(op.grads), **_named(op)), None


def _nearest_grad(op: Any, dy: Any) -> tuple[Any, None]:
    if not op.images.dtype.is_floating:
        return None, None
    return call.ResizeNearestNeighborGrad(dy, _space(op.images), **_named(op)), None


def _nearest_grad_grad(op: Any, ddx: Any) -> tuple[Any, None]:
    return call.ResizeNearestNeighbor(ddx, _space(op.grads), **_named(op)), None


def _area_grad(op: Any, dy: Any) -> tuple[Any, None]:
    """Products with the matrices of overlaps, transposed."""
    x = op.images
    if not x.dtype.is_floating:
        return None, None
    shape, made = shape_of(x), shape_of(dy)

    def size(of: Tensor, *axes: int) -> Tensor:
        return call.GatherV2(of, constant_axes(axes), 0)

    def overlaps(axis: int) -> Tensor:
        """(in, out)"""
        there, here = (
            call.Range(number(0.0, dy), call.Cast(call.Squeeze(size(s, axis)), DstT="float32"),
                       number(1.0, dy))
            for s in (shape, made)
        )  # fmt: skip
        n, m = (call.Cast(size(s, axis), DstT="float32") for s in (shape, made))
        scale = n / m
        if op.attrs["align_corners"]:
            inner = (n - 1.0) / call.Maximum(m - 1.0, number(1.0, dy))
            several = call.Greater(call.Minimum(n, m), number(1.0, dy))
            scale = call.Select(several, inner, scale)
        begin = here * scale
        beyond = call.Equal(there, n - 1.0)
        first, last = call.ExpandDims(there, 1), there + 1.0
        endless = call.AddV2(last, call.Fill(shape_of(last), number(np.inf, dy)))
        last = call.ExpandDims(call.Select(beyond, endless, last), 1)
        common = call.Minimum(begin + scale, last) - call.Maximum(begin, first)
        return call.Maximum(common, number(0.0, dy)) / scale

    rest = constant_axes([-1])
    lines = call.Reshape(dy, call.ConcatV2([size(made, 0, 1), rest], 0))
    tall = call.BatchMatMulV2(overlaps(1), lines)
    columns = call.Reshape(tall, call.ConcatV2([rest, size(made, 2, 3)], 0))
    dx = call.Reshape(call.BatchMatMulV2(overlaps(2), columns), shape)
    return call.Cast(dx, DstT=x.dtype.base_dtype), None


# --------------------------------------------------------------------------------------- records

_BYTES = np.array(f32(2, 3, 4, 2, low=0.0, high=255.0), np.uint8)
_ERRORS = (
    error_sample(ValueError, "must be of rank 4", f32(3, 4, 2), i32([2, 2]), const=(1,)),
    error_sample(ValueError, "size must be positive", f32(1, 3, 4, 2), i32([0, 2]), const=(1,)),
    error_sample(Exception, "size must be positive", f32(1, 3, 4, 2), i32([2, -1]), stage="run"),
    error_sample(ValueError, "a height and a width", f32(1, 3, 4, 2), i32([2]), const=(1,)),
    error_sample(ValueError, "cannot be resized", f32(1, 0, 4, 2), i32([2, 2]), const=(1,)),
)
_EXCLUDE = error_sample(ValueError, "exclude each other", f32(1, 3, 4, 2), i32([2, 2]), const=(1,),
                        align_corners=True, half_pixel_centers=True)  # fmt: skip
_SHAPES = (((2, 5, 7, 3), (3, 4)), ((1, 3, 4, 1), (7, 9)), ((1, 6, 4, 2), (1, 4)),
           ((1, 1, 2, 5), (2, 3)))  # fmt: skip


def _forward_samples(flags: bool, **more: Any) -> list[Any]:
    modes: list[dict[str, Any]] = [{}, {"align_corners": True}]
    modes += [{"half_pixel_centers": True}] if flags else []
    made = [
        sample(f32(*shape), i32(size), const=(1,), **mode, **more)
        for shape, size in _SHAPES
        for mode in modes
    ]
    return [
        *made,
        sample(_BYTES, i32([5, 3]), const=(1,)),
        sample(_BYTES.astype(np.int32), i32([2, 6]), differentiable=()),
        sample(f32(0, 3, 4, 2), i32([5, 3]), const=(1,), **more),
    ]


def _backward_samples(size_given: bool, **more: Any) -> list[Any]:
    made = []
    for shape, size in _SHAPES:
        modes: list[dict[str, Any]] = [{}, {"align_corners": True}, {"half_pixel_centers": True}]
        for mode in modes:
            dy = f32(shape[0], *size, shape[3], seed=1)
            like = i32(shape[1:3]) if size_given else f32(*shape)
            const = (1,) if size_given else ()
            made.append(sample(dy, like, const=const, **mode, **more))
    return made


for _method, _name, _text in (
    ("bilinear", "ResizeBilinear", "by straight lines between pixels"),
    ("bicubic", "ResizeBicubic", "by cubic curves through pixels"),
):
    define(
        _name,
        "images: T, size: int32 -> resized_images: float32",
        T=dtypes_of(_IMAGES),
        **_FLAGS,
        infer=_infer,
        kernel=_procedure(_method, True),
        grad=_grad,
        reference=_forward(_method),
        # the result is float32 whatever T is: gradients are checked by tests of their own
        samples=_forward_samples(True, differentiable=()),
        errors=(*_ERRORS, _EXCLUDE),
        doc=f"Images of another size, {_text}.",
    )
    define(
        _name + "Grad",
        "grads: float32, original_image: T -> output: T",
        T=dtypes_of(FLOAT if _method == "bilinear" else frozenset(("float32", "float64"))),
        **_FLAGS,
        infer=_like_original,
        kernel=_procedure(_method, False),
        grad=_grad_grad,
        reference=_backward(_method),
        samples=_backward_samples(False, differentiable=()),
        errors=(
            error_sample(ValueError, "must be of rank 4", f32(1, 2, 2, 1), f32(2, 2, 1)),
            error_sample(ValueError, "sizes 3 and 1 differ", f32(1, 2, 2, 1), f32(1, 2, 2, 3)),
        ),
        doc=f"Gradient of {_name}: every element of dy spread over its taps.",
    )

define(
    "ResizeNearestNeighbor",
    "images: T, size: int32 -> resized_images: T",
    T=dtypes_of(_IMAGES),
    **_FLAGS,
    infer=_infer,
    kernel=_procedure("nearest", True),
    grad=_nearest_grad,
    reference=_forward("nearest"),
    samples=_forward_samples(True),
    errors=(*_ERRORS, _EXCLUDE),
    doc="Images of another size, every pixel a copy of the nearest.",
)
define(
    "ResizeNearestNeighborGrad",
    "grads: T, size: int32 -> output: T",
    T=dtypes_of(FLOAT | frozenset(("uint8", "int8", "int32"))),
    **_FLAGS,
    infer=_infer,
    kernel=_procedure("nearest", True),
    grad=_nearest_grad_grad,
    reference=_nearest_backward,
    samples=(
        *_backward_samples(True),
        sample(i32(np.arange(12)).reshape(1, 4, 3, 1), i32([2, 5]), const=(1,)),
    ),
    errors=(_ERRORS[0],),
    doc="Gradient of ResizeNearestNeighbor: every element of dy added to its pixel.",
)
define(
    "ResizeArea",
    "images: T, size: int32 -> resized_images: float32",
    T=dtypes_of(_IMAGES),
    align_corners=False,
    infer=_infer,
    kernel=_procedure("area", True),
    grad=_area_grad,
    reference=_forward("area"),
    samples=_forward_samples(False, differentiable=()),
    errors=_ERRORS,
    doc="Images of another size, every pixel the average of the area it covers.",
)
