"""Windows of images and volumes laid side by side: ExtractImagePatches, ExtractVolumePatches.

    [[1 2 3]    ksizes [1 2 2 1], strides [1 1 1 1], VALID   ==>   [[1 2 4 5] [2 3 5 6]]
     [4 5 6]]

Read next: ops/windows.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, FLOAT, INT, STRING
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    sample,
)
from flowgraph.ops.rules import concrete, f32, i32, one_name, shape_of
from flowgraph.ops.windows import Window, image_dims, one_per_axis
from flowgraph.shapes import Dims, ShapeError

# ---------------------------------------------------------------------------------------- shapes


def _windows(call_: Call) -> list[Window]:
    """Along the spatial axes."""
    attrs = call_.attrs
    rank = 4 if call_.type == "ExtractImagePatches" else 5
    space = range(1, rank - 1)
    if attrs["padding"] not in ("SAME", "VALID"):
        raise ShapeError(f"padding must be SAME or VALID, not {attrs['padding']!r}")
    taps, strides, rates = (
        one_per_axis(attrs.get(name, [1] * rank), space, rank, name)
        for name in ("ksizes", "strides", "rates")
    )
    return [Window(k, s, r, attrs["padding"]) for k, s, r in zip(taps, strides, rates, strict=True)]


def _infer(call_: Call) -> list[Dims]:
    windows = _windows(call_)
    dims = image_dims(call_.shapes[0], len(windows) + 2, "images")
    taps = math.prod(w.taps or 0 for w in windows)
    depth = None if dims[-1] is None else taps * dims[-1]
    counts = [w.count(size) for w, size in zip(windows, dims[1:-1], strict=True)]
    return [(dims[0], *counts, depth)]


#: Every window is written in its place: taps in row-major order, channels last.
_KERNEL = """
for line in range(start, stop):
    n = line // (OD * OH)
    d = line // OH % OD
    h = line % OH
    for w in range(OW):
        to = (line * OW + w) * (KD * KH * KW * C)
        for i in range(KD):
            z = d * SD + i * RD - PD
            for j in range(KH):
                y = h * SH + j * RH - PH
                for k in range(KW):
                    x = w * SW + k * RW - PW
                    if (z >= 0) & (z < D) & (y >= 0) & (y < H) & (x >= 0) & (x < W):
                        at = (((n * D + z) * H + y) * W + x) * C
                        for c in independent(C):
                            store(patches, to + c, load({source}, at + c))
                    else:
                        for c in independent(C):
                            store(patches, to + c, {zero})
                    to = to + C
return 0
"""


def _sizes(call_: Call) -> Mapping[str, int]:
    shape, windows = concrete(call_.shapes[0]), _windows(call_)
    unit = Window(1, 1, 1, "VALID")
    space = [*[(unit, 1)] * (3 - len(windows)), *zip(windows, shape[1:-1], strict=True)]
    found = {"C": shape[-1]}
    for letter, (window, size) in zip("DHW", space, strict=True):
        found[letter], found["O" + letter] = size, window.count(size) or 0
        found["K" + letter], found["S" + letter] = window.taps or 0, window.stride
        found["R" + letter], found["P" + letter] = window.dilation, window.frame(size)[0]
    return found


def _lines(call_: Call) -> int:
    sizes = _sizes(call_)
    return concrete(call_.shapes[0])[0] * sizes["OD"] * sizes["OH"]


def _choices(call_: Call) -> Mapping[str, str]:
    dtype = call_.dtypes[0].base_dtype.name
    zero = "bool_(0)" if dtype == "bool" else f"{dtype}(0)"
    return {"source": "input" if call_.type == "ExtractVolumePatches" else "images", "zero": zero}


def _reference(call_: Call, x: Any) -> Any:
    windows = _windows(call_)
    frames = [w.frame(size) for w, size in zip(windows, x.shape[1:-1], strict=True)]
    # NB: SAME padding is negative nowhere, but a stride may leave elements behind
    padded = np.pad(x, [(0, 0), *frames, (0, 0)])
    counts = [w.count(size) or 0 for w, size in zip(windows, x.shape[1:-1], strict=True)]
    taps = []
    for tap in itertools.product(*(range(w.taps or 0) for w in windows)):
        slices = [
            slice(t * w.dilation, t * w.dilation + (n - 1) * w.stride + 1 if n else 0, w.stride)
            for t, w, n in zip(tap, windows, counts, strict=True)
        ]
        taps.append(padded[(slice(None), *slices)])
    return np.concatenate(taps, axis=-1)


# -------------------------------------------------------------------------------------- gradient


def _grad(op: Any, dy: Any) -> tuple[Any]:
    """Every element of dy is added where it came from: the same op, of positions, says where."""
    x = op.inputs[0]
    attrs = {name: op.attrs[name] for name in ("ksizes", "strides", "rates", "padding")
             if name in op.attrs}  # fmt: skip
    rank = len(attrs["ksizes"])
    shape = shape_of(x)
    space = call.Slice(shape, [1], [rank - 2])
    batch, channels = (call.Slice(shape, [axis], [1]) for axis in (0, rank - 1))
    one = np.array([1], np.int32)
    count = call.Prod(space, [0])
    # 1, 2, 3 ...: 0 is the padding
    numbers = call.Range(np.array(1, np.int32), count + 1, np.array(1, np.int32))
    positions = call.Reshape(numbers, call.ConcatV2([one, space, one], 0))
    places = call.Reshape(apply_op(op.type, positions, **attrs), [-1])
    # [N, windows, taps, C] -> [windows * taps, N, C]
    rows = call.Reshape(dy, call.ConcatV2([batch, call.Shape(places), channels], 0))
    total = call.UnsortedSegmentSum(call.Transpose(rows, [1, 0, 2]), places, count + 1)
    inside = call.Transpose(call.Slice(total, [1, 0, 0], [-1, -1, -1]), [1, 0, 2])
    return (call.Reshape(inside, shape),)


# --------------------------------------------------------------------------------------- records


def _attrs(padding: str, ksizes: Sequence[int], strides: Sequence[int],
           rates: Sequence[int] | None = None) -> dict[str, Any]:  # fmt: skip
    named = {"ksizes": [1, *ksizes, 1], "strides": [1, *strides, 1], "padding": padding}
    return named if rates is None else {**named, "rates": [1, *rates, 1]}


_LISTS: dict[str, Any] = {
    "ksizes": Attr("list(int)", REQUIRED), "strides": Attr("list(int)", REQUIRED),
}  # fmt: skip

define(
    "ExtractImagePatches",
    "images: T -> patches: T",
    T=dtypes_of(ALL - STRING),
    **_LISTS,
    rates=Attr("list(int)", REQUIRED),
    padding=Attr("string", REQUIRED),
    infer=_infer,
    kernel=Procedure(_KERNEL, sizes=_sizes, steps=_lines, choices=_choices, whole=True),
    grad=_grad,
    reference=_reference,
    samples=(
        sample(f32(2, 5, 6, 3), **_attrs("VALID", [2, 3], [2, 1], [1, 1])),
        sample(f32(1, 5, 6, 2), **_attrs("SAME", [3, 2], [2, 3], [1, 1])),
        sample(f32(1, 6, 7, 1), **_attrs("SAME", [2, 3], [1, 2], [2, 2])),
        sample(f32(0, 5, 6, 2), **_attrs("VALID", [2, 2], [2, 2], [1, 1])),
        sample(i32(np.arange(12)).reshape(1, 3, 4, 1), **_attrs("SAME", [2, 2], [1, 1], [1, 1])),
        sample(f32(1, 3, 4, 1) > 0, **_attrs("SAME", [2, 2], [3, 3], [1, 1])),
    ),
    errors=(
        error_sample(ValueError, "does not fit", f32(1, 2, 2, 1),
                     **_attrs("VALID", [3, 3], [1, 1], [1, 1])),
        error_sample(ValueError, "must be of rank 4", f32(2, 2, 1),
                     **_attrs("VALID", [1, 1], [1, 1], [1, 1])),
        error_sample(ValueError, "must be positive", f32(1, 2, 2, 1),
                     **_attrs("VALID", [1, 1], [0, 1], [1, 1])),
        error_sample(ValueError, "must be 1 in the batch", f32(1, 2, 2, 1), ksizes=[1, 1, 1, 2],
                     strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="VALID"),
    ),
    doc="The windows of every image, the elements of a window side by side in the last axis.",
)  # fmt: skip
define(
    "ExtractVolumePatches",
    "input: T -> patches: T",
    T=dtypes_of(FLOAT | INT),
    **_LISTS,
    padding=Attr("string", REQUIRED),
    infer=_infer,
    kernel=Procedure(_KERNEL, sizes=_sizes, steps=_lines, choices=_choices, whole=True),
    grad=_grad,
    reference=_reference,
    samples=(
        sample(f32(2, 3, 4, 5, 2), **_attrs("VALID", [2, 1, 3], [1, 2, 2])),
        sample(f32(1, 3, 4, 3, 1), **_attrs("SAME", [2, 3, 2], [2, 2, 1])),
    ),
    errors=(
        error_sample(ValueError, "does not fit", f32(1, 2, 2, 2, 1),
                     **_attrs("VALID", [3, 1, 1], [1, 1, 1])),
    ),
    doc="The windows of every volume, the elements of a window side by side in the last axis.",
)  # fmt: skip


@export("extract_image_patches", "image.extract_image_patches")
def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: str | None = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """The windows of every image, the pixels of each side by side in the last axis.

    y[n, i, j, (a * width + b) * C + c] = x[n, i*s + a*r - before, j*s + b*r - before, c]

    Args:
        images: (batch, height, width, channels), any dtype but strings.
        ksizes: [1, height, width, 1] of a window.
        strides: [1, rows, columns, 1]: how far windows are apart.
        rates: [1, rows, columns, 1]: how far the pixels of a window are apart.
        padding: ``"VALID"`` (windows lie inside) or ``"SAME"`` (zeros where they stick out).
        name: of the operation; ``ExtractImagePatches`` by default.
        sizes: another name of ``ksizes``.

    Returns:
        (batch, rows, columns, height * width * channels of a window).

    Raises:
        ValueError: the numbers do not suit, or a window is larger than the image.

    Gradient: every element of dy added where it came from; also twice.

    >>> x = tf.reshape(tf.range(1, 7), [1, 2, 3, 1])
    >>> y = tf.extract_image_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    >>> tf.Session().run(y)[0, 0]
    array([[1, 2, 4, 5],
           [2, 3, 5, 6]], dtype=int32)
    """
    given = one_name("extract_image_patches", ksizes=ksizes, sizes=sizes)
    return apply_op(
        "ExtractImagePatches", images, ksizes=list(given), strides=list(strides),
        rates=list(rates), padding=padding, name=name,
    )  # fmt: skip


@export("image.extract_patches")
def extract_patches(
    images: Any, sizes: Any, strides: Any, rates: Any, padding: str, name: str | None = None
) -> Tensor:
    """``tf.extract_image_patches`` under its later name.

    Args:
        images, sizes, strides, rates, padding: see there.
        name: of the operation; ``ExtractImagePatches`` by default.
    """
    return extract_image_patches(images, sizes, strides, rates, padding, name)


@export("extract_volume_patches")
def extract_volume_patches(
    input: Any, ksizes: Any, strides: Any, padding: str, name: str | None = None
) -> Tensor:
    """The windows of every volume, the voxels of each side by side in the last axis.

    Args:
        input: (batch, depth, height, width, channels), real.
        ksizes: [1, depth, height, width, 1] of a window.
        strides: [1, d, h, w, 1]: how far windows are apart.
        padding: ``"VALID"`` or ``"SAME"``, as of ``tf.extract_image_patches``.
        name: of the operation; ``ExtractVolumePatches`` by default.

    Returns:
        (batch, planes, rows, columns, depth * height * width * channels of a window).

    Raises:
        ValueError: the numbers do not suit, or a window is larger than the volume.

    Gradient: every element of dy added where it came from; also twice.
    """
    x = convert_to_tensor(input, name="input")
    return apply_op(
        "ExtractVolumePatches", x, ksizes=list(ksizes), strides=list(strides), padding=padding,
        name=name,
    )  # fmt: skip
