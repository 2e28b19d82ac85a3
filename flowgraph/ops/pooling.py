"""Max pooling: MaxPool, MaxPoolV2, MaxPool3D, and their first and second gradients.

    x = [1 3 2 2]   ksize 2, strides 2   y = [3 2]   gradient [0 a b 0]: to the first of equals

Read next: pooling_functions.py (``tf.nn.max_pool``), pooling_average.py, pooling_windows.py (the
loops).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, REAL, float32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.opdef import (
    REQUIRED,
    Attr,
    Call,
    Sample,
    define,
    dtypes_of,
    error_sample,
    sample,
)
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
from flowgraph.ops.rules import f32, i32, invalid, merge_all
from flowgraph.shapes import Dims, ShapeError

INTS = Attr("list(int)", REQUIRED)
TEXT = Attr("string", REQUIRED)

#: TensorFlow's dtypes of MaxPool; those of its gradients are REAL.
_POOLED = FLOAT | frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16"))

# ---------------------------------------------------------------------------------------- kernels


def _greatest(places: Sequence[str]) -> str:
    """max of the elements of ``input`` at ``places``, which ``c`` is added to; NaN wins."""
    loads = [f"load(input, {place} + c)" for place in places]
    result = loads[0]
    for one in loads[1:]:
        result = f"maximum({result}, {one})"
    return result


#: Where the first element inside the window lies.
_FIRST = (
    "(((image * D + maximum(od * SD - PD, 0)) * H + maximum(oh * SH - PH, 0)) * W"
    " + maximum(ow * SW - PW, 0)) * C"
)


def _max_kernel(call_: Call, loops: Mapping[str, int]) -> str:
    if has_few_taps(loops):
        beside = [
            "c = int64(0)",
            "for ow in independent(left, right):",
            f"    store(output, row * OW + ow, {_greatest(taps_beside(loops))})",
        ]
        body = [
            "for c in independent(C):",
            f"    store(output, to + c, {_greatest(taps(loops))})",
        ]
        return every_window(loops, body, beside=beside if loops["hi"] else ())
    maximum = "maximum(load(output, to + c), load(input, at + c))"
    body = [
        "for c in independent(C):",
        f"    store(output, to + c, load(input, {_FIRST} + c))",
        *every_element(["for c in independent(C):", f"    store(output, to + c, {maximum})"]),
    ]
    return every_window(loops, body)


def _first_greatest(then: str) -> list[str]:
    """Lines that do ``then`` where the window's first maximum lies, ``found``."""
    return [
        "for c in range(C):",
        "    found = int64(-1)",
        *(
            "    " + line
            for line in every_element(
                [
                    "if found < 0 and not (load(orig_input, at + c) < load(orig_output, to + c)):",
                    "    found = at + c",
                ]
            )
        ),
        "    if found >= 0:",
        f"        {then}",
    ]


def _max_grad_kernel(call_: Call, loops: Mapping[str, int]) -> str:
    dtype = call_.out_dtypes[0].base_dtype
    begin = "image * D * H * W * C"
    count = f"D * H * W * C * {dtype.np.itemsize}"
    clear = [f"fill_bytes(address(offset(output, {begin})), 0, {count})"]
    if not has_few_taps(loops):
        add = "store(output, found, load(output, found) + load(grad, to + c))"
        return every_window(loops, _first_greatest(add), clear)
    # NB: >= rather than ==, so that a window of NaN has a first maximum too
    direct, places = is_tiled(loops), taps(loops)
    body = [
        "for c in independent(C):",
        "    y = load(orig_output, to + c)",
        "    free_0 = True",
    ]
    for k, place in enumerate(places):
        body += [
            f"    below_{k} = load(orig_input, {place} + c) < y",
            f"    hit_{k} = free_{k} & (not below_{k})",
            f"    free_{k + 1} = free_{k} & below_{k}",
        ]
    body.append("    dy = load(grad, to + c)")
    for k, place in enumerate(places):
        before = "" if direct else f"load(output, {place} + c) + "
        body.append(f"    store(output, {place} + c, {before}select(hit_{k}, dy, {dtype.name}(0)))")
    return every_window(loops, body, () if direct else clear)


def _max_grad_grad_kernel(call_: Call, loops: Mapping[str, int]) -> str:
    if not has_few_taps(loops):
        return every_window(loops, _first_greatest("store(output, to + c, load(grad, found))"))
    body = [
        "for c in independent(C):",
        "    y = load(orig_output, to + c)",
        f"    picked = {call_.out_dtypes[0].base_dtype.name}(0)",
        "    free = True",
    ]
    for place in taps(loops):
        body += [
            f"    hit = free & (not (load(orig_input, {place} + c) < y))",
            "    free = free & (not hit)",
            f"    picked = select(hit, load(grad, {place} + c), picked)",
        ]
    return every_window(loops, [*body, "    store(output, to + c, picked)"])


# ---------------------------------------------------------------------- inference and references


def _positions(call_: Call, shape: Sequence[int], *given: Any) -> np.ndarray[Any, Any]:
    """The flat positions in every window, [*result, taps]; -1: outside.

    given: ksize and strides where they are inputs.
    """
    first = None
    if given:
        wanted = Call(call_.type, call_.attrs, call_.dtypes, call_.shapes, value=given.__getitem__)
        call_, first = wanted, 0
    try:
        windows = windows_of(call_, first)
    except ShapeError as error:
        raise invalid(error.headline) from None
    assert windows is not None
    return windows.members(shape)


def _max_infer(first: int | None) -> Any:
    def infer(call_: Call) -> list[Dims]:
        windows = windows_of(call_, first)
        if windows is None:
            return [None if call_.shapes[0] is None else (None,) * len(call_.shapes[0])]
        return [windows.pooled(call_.shapes[0])]

    return infer


def _max_reference(call_: Call, x: Any, *given: Any) -> Any:
    places = _positions(call_, x.shape, *given)
    if not places.size:
        return np.zeros(places.shape[:-1], x.dtype)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return np.where(places >= 0, x.reshape(-1)[places], np.array(lowest, x.dtype)).max(-1)


def _of_first_maximum(call_: Call, x: Any, y: Any, *given: Any) -> Any:
    """The flat position of every window's first maximum in ``x``."""
    places = _positions(call_, x.shape, *given)
    if not places.size:
        return places.reshape(-1)
    smaller = (places < 0) | (x.reshape(-1)[places] < y[..., None])
    return np.take_along_axis(places, np.argmin(smaller, -1)[..., None], -1).reshape(-1)


def _max_grad_reference(call_: Call, x: Any, y: Any, dy: Any, *given: Any) -> Any:
    dx = np.zeros(x.size, np.float64 if dy.dtype.kind == "f" else dy.dtype)
    np.add.at(dx, _of_first_maximum(call_, x, y, *given), dy.reshape(-1))
    return dx.reshape(x.shape).astype(dy.dtype)


def _max_grad_grad_reference(call_: Call, x: Any, y: Any, ddx: Any, *given: Any) -> Any:
    return ddx.reshape(-1)[_of_first_maximum(call_, x, y, *given)].reshape(y.shape)


def _grad_infer(first: int | None, output: int) -> Any:
    """Shapes of the gradients: ``output`` 0 is like the image, 1 like what it is pooled to."""

    def infer(call_: Call) -> list[Dims]:
        image, pooled, given = call_.shapes[:3]
        windows = windows_of(call_, first)
        if windows is not None:
            pooled = merge_all([pooled, windows.pooled(image)])
        if output == 0:
            merge_all([pooled, given])
            return [image]
        merge_all([image, given])
        return [pooled]

    return infer


def _attrs(op: Any) -> dict[str, Any]:
    names = ("ksize", "strides", "padding", "data_format")
    return {name: op.attrs[name] for name in names if name in op.attrs}


# ---------------------------------------------------------------------------------------- records


def _pooled(x: Any, k: Sequence[int], s: Sequence[int], padding: str, f: str = "NHWC") -> Any:
    attrs = {"ksize": k, "strides": s, "padding": padding, "data_format": f}
    return _max_reference(Call("MaxPool3D" if len(k) == 5 else "MaxPool", attrs, (), ()), x)


_FLAT = (
    (f32(2, 4, 6, 3), [1, 2, 2, 1], [1, 2, 2, 1], "VALID", "NHWC"),  # every element once
    (f32(2, 5, 7, 3), [1, 3, 3, 1], [1, 2, 2, 1], "SAME", "NHWC"),
    (f32(1, 5, 6, 9), [1, 3, 2, 1], [1, 1, 1, 1], "SAME", "NHWC"),
    (f32(2, 3, 7, 8), [1, 1, 2, 3], [1, 1, 1, 2], "SAME", "NCHW"),
    (f32(2, 9, 8, 1), [1, 1, 2, 1], [1, 4, 3, 1], "SAME", "NHWC"),  # strides exceed the window
    (f32(1, 7, 8, 2), [1, 6, 7, 1], [1, 4, 3, 1], "SAME", "NHWC"),  # many taps
    (f32(1, 2, 3, 6), [1, 1, 1, 2], [1, 1, 1, 2], "SAME", "NHWC"),  # along the channels
    (f32(2, 6, 2, 3), [1, 3, 1, 1], [1, 3, 1, 1], "VALID", "NCHW"),
    (f32(0, 4, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", "NHWC"),
    (f32(2, 0, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", "NHWC"),
)
_SOLID = (
    (f32(1, 3, 4, 5, 2), [1, 2, 2, 3, 1], [1, 1, 2, 2, 1], "SAME", "NDHWC"),
    (f32(1, 2, 4, 4, 3), [1, 1, 2, 2, 2], [1, 1, 2, 2, 1], "VALID", "NCDHW"),
    (f32(1, 4, 4, 4, 2), [1, 4, 3, 3, 1], [1, 3, 2, 1, 1], "SAME", "NDHWC"),
)
_KINKS = np.array([np.nan, 1, 2, 2, 2, 1, -np.inf, -np.inf, -np.inf, 1, np.nan, 3], np.float32)
_KINKS = _KINKS.reshape(1, 1, 12, 1)
_WINDOW: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}


def _samples(cases: Any, *, inputs: Any, at: Any, as_inputs: bool, ints: bool) -> list[Sample]:
    """A sample for every case; ``inputs(x, y)`` makes the arrays."""
    made = [(inputs(case[0], _pooled(*case)), case[1:], at) for case in cases]
    if ints:
        numbers = np.arange(32, dtype=np.int32).reshape(1, 4, 4, 2) % 7 - 3
        case = (numbers, [1, 2, 3, 1], [1, 2, 1, 1], "SAME", "NHWC")
        made.append((inputs(numbers, _pooled(*case)), case[1:], ()))
        for width in (1, 3):
            k = [1, 1, 3, 1], [1, 1, width, 1], "SAME", "NHWC"
            made.append((inputs(_KINKS, _pooled(_KINKS, *k)), k, ()))
    result = []
    for arrays, (k, s, padding, f), by in made:
        if as_inputs:
            n = len(arrays)
            result += [
                sample(
                    *arrays, i32(k), i32(s), const=(n, n + 1), differentiable=by, padding=padding,
                    data_format=f,
                )
            ]  # fmt: skip
        else:
            result.append(
                sample(
                    *arrays, differentiable=by, ksize=k, strides=s, padding=padding, data_format=f
                )
            )
    if as_inputs and len(result[0].inputs) == 3:
        first = result[0]
        result.append(Sample(first.inputs, first.attrs, (), first.differentiable))
    return result


def _define_max(suffix: str, form: str, space: str) -> None:
    """MaxPool<suffix>, and its gradient and second gradient."""
    solid, as_inputs = suffix == "3D", suffix == "V2"
    version = "" if solid else suffix
    forward = f"MaxPool{suffix}"
    first_grad = f"MaxPool{'3D' if solid else ''}Grad{version}"
    second_grad = f"MaxPool{'3D' if solid else ''}GradGrad{version}"
    cases = _SOLID if solid else _FLAT
    more = ", ksize: int32, strides: int32" if as_inputs else ""
    attrs: dict[str, Any] = {"padding": TEXT, "data_format": form}
    if not as_inputs:
        attrs.update(ksize=INTS, strides=INTS)
    first = 1 if as_inputs else None
    grad_first = 3 if as_inputs else None
    separate: dict[str, Any] = {"TInput": dtypes_of(FLOAT, float32)} if solid else {}
    nothing = (None, None) if as_inputs else ()

    def windows(op: Any) -> tuple[Any, ...]:
        return (op.inputs[-2], op.inputs[-1]) if as_inputs else ()

    def grad(op: Any, dy: Any) -> tuple[Any, ...]:
        x, y = op.inputs[0], op.outputs[0]
        return (apply_op(first_grad, x, y, dy, *windows(op), **_attrs(op)), *nothing)

    def grad_of(type: str) -> Any:
        def rule(op: Any, dz: Any) -> tuple[Any, ...]:
            x, y = op.inputs[:2]
            back = apply_op(type, x, y, dz, *windows(op), **_attrs(op))
            return (call.ZerosLike(x), call.ZerosLike(y), back, *nothing)

        return rule

    define(
        forward,
        f"input: T{more} -> output: T",
        T=dtypes_of(FLOAT if solid else _POOLED, float32),
        infer=_max_infer(first),
        kernel=pooling(_max_kernel, lambda call_: call_.shapes[0], first),
        grad=grad,
        reference=_max_reference,
        samples=_samples(
            cases, inputs=lambda x, y: (x,), at=None, as_inputs=as_inputs, ints=not solid
        ),
        errors=_ERRORS if forward == "MaxPool" else (),
        doc=f"The greatest element of every window of {space}.",
        **attrs,
    )
    define(
        first_grad,
        f"orig_input: {'TInput' if solid else 'T'}, orig_output: {'TInput' if solid else 'T'},"
        f" grad: T{more} -> output: T",
        **separate,
        T=dtypes_of(FLOAT if solid else REAL, float32),
        infer=_grad_infer(grad_first, 0),
        kernel=pooling(_max_grad_kernel, lambda call_: call_.shapes[0], grad_first),
        grad=grad_of(second_grad),
        reference=_max_grad_reference,
        samples=_samples(
            cases,
            inputs=lambda x, y: (x, y, y[::-1].copy()),
            at=(2,),
            as_inputs=as_inputs,
            ints=not solid,
        ),
        doc=f"Gradient of {forward}: ``grad`` where the first maximum of each window lies.",
        **attrs,
    )
    define(
        second_grad,
        f"orig_input: T, orig_output: T, grad: T{more} -> output: T",
        T=dtypes_of(REAL),
        infer=_grad_infer(grad_first, 1),
        kernel=pooling(_max_grad_grad_kernel, lambda call_: call_.shapes[0], grad_first),
        grad=grad_of(first_grad),
        reference=_max_grad_grad_reference,
        samples=_samples(
            cases, inputs=lambda x, y: (x, y, x[::-1].copy()), at=(2,), as_inputs=as_inputs,
            ints=not solid,
        ),
        doc=f"Gradient of {first_grad}: the element of ``grad`` where the first maximum of each"
        " window lies.",
        **attrs,
    )  # fmt: skip


_ERRORS = (
    error_sample(ValueError, "must be of rank 4", f32(4, 4, 1), **_WINDOW),
    error_sample(ValueError, "ksize must hold 4 numbers", f32(1, 4, 4, 1),
                 **{**_WINDOW, "ksize": [2, 2]}),
    error_sample(ValueError, "strides must be positive", f32(1, 4, 4, 1),
                 **{**_WINDOW, "strides": [1, 0, 1, 1]}),
    error_sample(ValueError, "a window of 5 elements does not fit into 4", f32(1, 4, 4, 1),
                 **{**_WINDOW, "ksize": [1, 5, 5, 1], "padding": "VALID"}),
    error_sample(ValueError, "padding must be SAME or VALID", f32(1, 4, 4, 1),
                 **{**_WINDOW, "padding": "same"}),
    error_sample(ValueError, "data_format must be NHWC or NCHW", f32(1, 4, 4, 1),
                 **_WINDOW, data_format="NHCW"),
    error_sample(ValueError, "windows span one image", f32(2, 4, 4, 1),
                 **{**_WINDOW, "ksize": [2, 1, 1, 1]}),
    error_sample(ValueError, "along the channels or in space", f32(1, 4, 4, 2),
                 **{**_WINDOW, "ksize": [1, 2, 2, 2]}),
)  # fmt: skip

_define_max("", "NHWC", "an image")
_define_max("V2", "NHWC", "an image, whose size is an input")
_define_max("3D", "NDHWC", "a volume")
