"""Average pooling: AvgPool, AvgPool3D and their gradients.

    x = [1 3 5]   ksize 2, strides 2, SAME   y = [2 5]   a window is divided by its elements inside

Read next: pooling.py (maxima), pooling_windows.py (the loops).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT
from flowgraph.graph.apply import apply_op
from flowgraph.graph.opdef import REQUIRED, Attr, Call, define, dtypes_of, error_sample, sample
from flowgraph.ops.pooling_windows import (
    every_element,
    every_window,
    has_few_taps,
    is_tiled,
    pooling,
    taps,
    taps_beside,
    windows_of,
)
from flowgraph.ops.rules import f32, i32, invalid, merge_all, require_rank, shape_of
from flowgraph.shapes import Dims, ShapeError

_INTS = Attr("list(int)", REQUIRED)
_TEXT = Attr("string", REQUIRED)

# ---------------------------------------------------------------------------------------- kernels

_INSIDE = "(d1 - d0) * (h1 - h0) * (w1 - w0)"
_WHOLE_ROWS = [
    "left = int64(0)",
    "right = int64(0)",
    "if od * SD >= PD and od * SD - PD + KD <= D and oh * SH >= PH and oh * SH - PH + KH <= H:",
    "    left = lo",
    "    right = hi",
    "c = int64(0)",
]


def _average_kernel(call_: Call, loops: Mapping[str, int]) -> str:
    dtype = call_.dtypes[0].base_dtype.name
    looped = [
        "for c in independent(C):",
        f"    store(output, to + c, {dtype}(0))",
        *every_element(
            [
                "for c in independent(C):",
                "    store(output, to + c, load(output, to + c) + load(value, at + c))",
            ]
        ),
        f"size = {dtype}({_INSIDE})",
        "for c in independent(C):",
        "    store(output, to + c, load(output, to + c) / size)",
    ]
    if not has_few_taps(loops):
        return every_window(loops, looped)
    edges, rest = every_element([])[:6], looped
    inside, beside = (
        " + ".join(f"load(value, {place} + c)" for place in places)
        for places in (taps(loops), taps_beside(loops))
    )
    body = [
        *edges,
        f"if {_INSIDE} == KD * KH * KW:",
        f"    size = {dtype}(KD * KH * KW)",
        "    for c in independent(C):",
        f"        store(output, to + c, ({inside}) / size)",
        "else:",
        *("    " + line for line in rest),
    ]
    together = [
        *_WHOLE_ROWS,
        f"size = {dtype}(KD * KH * KW)",
        "for ow in independent(left, right):",
        f"    store(output, row * OW + ow, ({beside}) / size)",
    ]
    return every_window(loops, body, beside=together if loops["hi"] else ())


def _average_grad_kernel(call_: Call, loops: Mapping[str, int]) -> str:
    dtype = call_.out_dtypes[0].base_dtype
    edges, tiled = every_element([])[:6], is_tiled(loops)

    def give(place: str, share: str) -> str:
        before = "" if tiled else f"load(output, {place} + c) + "
        return f"    store(output, {place} + c, {before}{share})"

    share = "load(grad, to + c) / size"
    body = [f"size = {dtype.name}({_INSIDE})"]
    looped = every_element(["for c in independent(C):", give("at", share)])[6:]
    if has_few_taps(loops):
        body += [
            f"if {_INSIDE} == KD * KH * KW:",
            "    for c in independent(C):",
            f"        share = {share}",
            *("    " + give(place, "share") for place in taps(loops)),
            "else:",
            *("    " + line for line in looped),
        ]
    else:
        body += looped
    clear = (
        "fill_bytes(address(offset(output, image * D * H * W * C)), 0,"
        f" D * H * W * C * {dtype.np.itemsize})"
    )
    return every_window(loops, [*edges, *body], () if tiled else [clear])


# ---------------------------------------------------------------------- inference and references


def _members(call_: Call, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    try:
        windows = windows_of(call_)
        assert windows is not None
        return windows.members(shape)
    except ShapeError as error:
        raise invalid(error.headline) from None


def _average_infer(call_: Call) -> list[Dims]:
    windows = windows_of(call_)
    assert windows is not None
    return [windows.pooled(call_.shapes[0])]


def _average_reference(call_: Call, x: Any) -> Any:
    places = _members(call_, x.shape)
    if not places.size:
        return np.zeros(places.shape[:-1], x.dtype)
    inside = places >= 0
    total = np.where(inside, x.reshape(-1)[places].astype(np.float64), 0).sum(-1)
    return (total / inside.sum(-1)).astype(x.dtype)


def _average_grad_infer(call_: Call) -> list[Dims]:
    windows = windows_of(call_)
    assert windows is not None
    rank = len(windows.ksize)
    (count,) = require_rank(call_.shapes[0], 1, "orig_input_shape")
    if count not in (None, rank):
        raise ShapeError(f"orig_input_shape must hold {rank} numbers, not {count}")
    image = call_.partial(0)
    merge_all([windows.pooled(image), call_.shapes[1]])
    return [(None,) * rank if image is None else image]


def _average_grad_reference(call_: Call, shape: Any, dy: Any) -> Any:
    size = tuple(int(n) for n in shape)
    places = _members(call_, size)
    if places.shape[:-1] != dy.shape:
        raise invalid(f"grad of shape {list(dy.shape)} for windows over {list(size)}")
    inside = places >= 0
    share = dy.astype(np.float64) / np.maximum(inside.sum(-1), 1)
    dx = np.zeros(int(np.prod(size)))
    np.add.at(dx, places[inside], np.broadcast_to(share[..., None], places.shape)[inside])
    return dx.reshape(size).astype(dy.dtype)


def _attrs(op: Any) -> dict[str, Any]:
    return {name: op.attrs[name] for name in ("ksize", "strides", "padding", "data_format")}


# ---------------------------------------------------------------------------------------- records

_FLAT = (
    (f32(2, 4, 6, 3), [1, 2, 2, 1], [1, 2, 2, 1], "VALID", "NHWC"),
    (f32(2, 5, 7, 3), [1, 3, 3, 1], [1, 2, 2, 1], "SAME", "NHWC"),
    (f32(1, 5, 6, 9), [1, 3, 2, 1], [1, 1, 1, 1], "SAME", "NHWC"),
    (f32(2, 3, 7, 8), [1, 1, 2, 3], [1, 1, 1, 2], "SAME", "NCHW"),
    (f32(2, 9, 8, 1), [1, 1, 2, 1], [1, 4, 3, 1], "SAME", "NHWC"),
    (f32(1, 7, 8, 2), [1, 6, 7, 1], [1, 4, 3, 1], "SAME", "NHWC"),
    (f32(2, 6, 7, 2), [1, 6, 7, 1], [1, 1, 1, 1], "VALID", "NHWC"),  # one window: a global average
    (f32(1, 2, 3, 6), [1, 1, 1, 2], [1, 1, 1, 2], "SAME", "NHWC"),
    (f32(0, 4, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", "NHWC"),
    (f32(2, 0, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", "NHWC"),
)
_SOLID = (
    (f32(1, 3, 4, 5, 2), [1, 2, 2, 3, 1], [1, 1, 2, 2, 1], "SAME", "NDHWC"),
    (f32(1, 2, 4, 4, 3), [1, 1, 2, 2, 2], [1, 1, 2, 2, 1], "VALID", "NCDHW"),
    (f32(1, 4, 4, 4, 2), [1, 4, 3, 3, 1], [1, 3, 2, 1, 1], "SAME", "NDHWC"),
)


def _samples(type: str, cases: Any, of_gradient: bool) -> list[Any]:
    made = []
    for x, k, s, padding, data_format in cases:
        attrs = {"ksize": k, "strides": s, "padding": padding, "data_format": data_format}
        if not of_gradient:
            made.append(sample(x, **attrs))
            continue
        y = _average_reference(Call(type, attrs, (), ()), x)
        made.append(sample(i32(x.shape), y, const=(0,), **attrs))
    if of_gradient:
        made.append(sample(*made[0].inputs, **made[0].attrs))
    return made


def _define_average(suffix: str, form: str, first: str, cases: Any, space: str) -> None:
    """AvgPool<suffix> and its gradient; ``first`` names the input."""
    type = f"AvgPool{suffix}"
    attrs: dict[str, Any] = {
        "T": dtypes_of(FLOAT), "ksize": _INTS, "strides": _INTS, "padding": _TEXT,
        "data_format": form,
    }  # fmt: skip
    define(
        type,
        f"{first}: T -> output: T",
        infer=_average_infer,
        kernel=pooling(
            lambda call_, loops: _average_kernel(call_, loops).replace("(value,", f"({first},"),
            lambda call_: call_.shapes[0],
        ),
        grad=lambda op, dy: (apply_op(f"{type}Grad", shape_of(op.inputs[0]), dy, **_attrs(op)),),
        reference=_average_reference,
        samples=_samples(type, cases, False),
        doc=f"The average of every window of {space}, over its elements inside.",
        **attrs,
    )
    define(
        f"{type}Grad",
        "orig_input_shape: int32, grad: T -> output: T",
        infer=_average_grad_infer,
        kernel=pooling(_average_grad_kernel, lambda call_: call_.out_shapes[0], known=(0,)),
        grad=lambda op, dz: (None, apply_op(type, dz, **_attrs(op))),
        reference=_average_grad_reference,
        samples=_samples(type, cases, True),
        errors=(
            error_sample(
                ValueError, "orig_input_shape must hold", i32([4, 4]),
                cases[0][0], const=(0,), ksize=[1] * len(form), strides=[1] * len(form),
                padding="SAME",
            ),
            error_sample(
                ValueError, "not compatible", i32([1] * len(form)),
                cases[0][0], const=(0,), ksize=[1] * len(form), strides=[1] * len(form),
                padding="SAME",
            ),
        ),
        doc=f"Gradient of {type}: ``grad``, divided evenly over every window.",
        **attrs,
    )  # fmt: skip


_define_average("", "NHWC", "value", _FLAT, "an image")
_define_average("3D", "NDHWC", "input", _SOLID, "a volume")
