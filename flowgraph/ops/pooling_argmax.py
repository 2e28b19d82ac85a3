"""Max pooling that tells where the maxima lie: MaxPoolWithArgmax and its gradients.

    x = [1 3 2 2]   ksize 2, strides 2   ==>   y = [3 2], argmax = [1 2]

Read next: pooling.py (which finds the places again from the values).
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX, REAL, as_dtype, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.export import export
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
from flowgraph.ops.pooling_windows import (
    every_element,
    every_window,
    has_few_taps,
    pooling,
    taps,
    windows_of,
)
from flowgraph.ops.rules import concrete, f32, invalid, merge_all
from flowgraph.shapes import Dims

_ATTRS: dict[str, Any] = {
    "ksize": Attr("list(int)", REQUIRED),
    "strides": Attr("list(int)", REQUIRED),
    "padding": Attr("string", REQUIRED),
    "include_batch_in_index": False,
}


def _infer(call_: Call) -> list[Dims]:
    windows = windows_of(call_)
    assert windows is not None
    return [windows.pooled(call_.shapes[0])] * 2


def _kernel(call_: Call, loops: Mapping[str, int]) -> str:
    number = call_.attrs["Targmax"].base_dtype.name
    dtype = call_.dtypes[0].base_dtype
    # NB: NaN is the maximum of its window, the first one of several
    beats = "(v > best) | ((v != v) & (best == best))" if dtype.name in FLOAT else "v > best"
    batch = call_.attrs["include_batch_in_index"]
    first = "int64(0)" if batch else "image * D * H * W * C // area * area"
    if has_few_taps(loops):
        first_place, *places = taps(loops)
        body = [
            "for c in independent(C):",
            f"    best = load(input, {first_place} + c)",
            f"    place = {number}({first_place} + c - first)",
        ]
        for at in places:
            body += [
                f"    v = load(input, {at} + c)",
                f"    better = {beats}",
                "    best = select(better, v, best)",
                f"    place = select(better, {number}({at} + c - first), place)",
            ]
        body += ["    store(output, to + c, best)", "    store(argmax, to + c, place)"]
        return every_window(loops, body, [f"first = {first}"])
    scan = every_element(
        [
            "v = load(input, at + c)",
            "if found < 0:",
            "    best = v",
            "    found = at + c",
            f"elif {beats}:",
            "    best = v",
            "    found = at + c",
        ]
    )
    body = [
        "for c in range(C):",
        "    found = int64(-1)",
        f"    best = {dtype.name}(0)",
        *("    " + line for line in scan),
        "    store(output, to + c, best)",
        f"    store(argmax, to + c, {number}(found - first))",
    ]
    return every_window(loops, body, [f"first = {first}"])


def _pooling_kernel() -> Procedure:
    rule = pooling(_kernel, lambda call_: call_.shapes[0])

    def sizes(call_: Call) -> Mapping[str, int]:
        return {**rule.sizes(call_), "area": max(1, math.prod(concrete(call_.shapes[0])[1:]))}

    return Procedure(
        rule.text, sizes=sizes, steps=rule.steps, choices=rule.choices, flops=rule.flops
    )


def _reference(call_: Call, x: Any) -> Any:
    windows = windows_of(call_)
    assert windows is not None
    places = windows.members(x.shape)
    number = call_.attrs["Targmax"].np
    if not places.size:
        return np.zeros(places.shape[:-1], x.dtype), np.zeros(places.shape[:-1], number)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    values = np.where(places >= 0, x.reshape(-1)[places], np.array(lowest, x.dtype))
    greatest = values.max(-1)
    same = (values == greatest[..., None]) | np.isnan(values)
    first = np.argmax(same & (places >= 0), -1)
    index = np.take_along_axis(places, first[..., None], -1)[..., 0]
    if not call_.attrs["include_batch_in_index"]:
        index = index % math.prod(x.shape[1:])
    return greatest, index.astype(number)


def _grad(op: Any, dy: Any, dplace: Any) -> tuple[Any]:
    attrs = {name: op.attrs[name] for name in _ATTRS}
    return (call.MaxPoolGradWithArgmax(op.input, dy, op.argmax, **attrs),)


_CASES: Any = (
    (f32(2, 5, 7, 3), [1, 3, 3, 1], [1, 2, 2, 1], "SAME"),
    (f32(2, 4, 6, 3), [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
    (f32(1, 7, 8, 2), [1, 6, 7, 1], [1, 4, 3, 1], "SAME"),
    (f32(2, 2, 3, 6), [1, 1, 1, 2], [1, 1, 1, 2], "SAME"),
    (f32(0, 4, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1], "SAME"),
)
_KINKS = np.array([np.nan, 1, 2, 2, 2, 1, 1, np.nan, np.nan], np.float32).reshape(1, 1, 9, 1)
_NUMBERS = (np.arange(32, dtype=np.int32) % 7 - 3).reshape(1, 4, 4, 2)


def _named(case: Any, batch: bool = False) -> dict[str, Any]:
    _, ksize, strides, padding = case
    named = {"ksize": ksize, "strides": strides, "padding": padding}
    return {**named, "include_batch_in_index": batch}


define(
    "MaxPoolWithArgmax",
    "input: T -> output: T, argmax: Targmax",
    T=dtypes_of(REAL),
    Targmax=dtypes_of(INDEX, int64),
    **_ATTRS,
    infer=_infer,
    kernel=_pooling_kernel(),
    grad=_grad,
    reference=_reference,
    samples=(
        *(sample(case[0], **_named(case)) for case in _CASES),
        sample(_CASES[0][0], **_named(_CASES[0], True), Targmax="int32"),
        sample(_CASES[2][0], **_named(_CASES[2], True)),
        sample(_KINKS, ksize=[1, 1, 3, 1], strides=[1, 1, 3, 1], padding="VALID",
               differentiable=()),
        sample(_NUMBERS, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME"),
    ),
    errors=(
        error_sample(ValueError, "does not fit", f32(1, 2, 2, 1), ksize=[1, 3, 3, 1],
                     strides=[1, 1, 1, 1], padding="VALID"),
    ),
    doc="The greatest element of every window of an image, and its flat index: "
    "``(y*width + x)*channels + c``, or with the batch before ``y``.",
)  # fmt: skip


# -------------------------------------------------------------------------------------- gradients

#: The result may be written anywhere: one step.
_SCATTER = """
for n in range(batch):
    for k in range(pooled):
        at = int64(load(argmax, n * pooled + k)) + n * shift
        if at < 0 or at >= batch * area:
            return 2
        store(output, at, load(output, at) + load(grad, n * pooled + k))
return 0
"""

_GATHER = """
for n in range(batch):
    for k in range(pooled):
        at = int64(load(argmax, n * pooled + k)) + n * shift
        if at < 0 or at >= batch * area:
            return 2
        store(output, n * pooled + k, load(grad, at))
return 0
"""


def _sizes(call_: Call) -> Mapping[str, int]:
    shape, places = concrete(call_.shapes[0]), concrete(call_.shapes[2])
    area = math.prod(shape[1:])
    return {
        "batch": shape[0],
        "area": area,
        "pooled": math.prod(places[1:]),
        "shift": 0 if call_.attrs["include_batch_in_index"] else area,
    }


def _indices(call_: Call, x: Any, argmax: Any) -> Any:
    """Flat positions in ``x``."""
    index = argmax.astype(np.int64)
    if not call_.attrs["include_batch_in_index"]:
        images = np.arange(x.shape[0]).reshape(-1, *(1,) * (index.ndim - 1))
        index = index + images * math.prod(x.shape[1:])
    wrong = (index < 0) | (index >= x.size)
    if wrong.any():
        raise invalid(f"index out of range: argmax {argmax[wrong][0]}")
    return index


def _scatter_reference(call_: Call, x: Any, dy: Any, argmax: Any) -> Any:
    dx = np.zeros(x.size, np.float64 if dy.dtype.kind == "f" else dy.dtype)
    np.add.at(dx, _indices(call_, x, argmax), dy)
    return dx.reshape(x.shape).astype(dy.dtype)


def _gather_reference(call_: Call, x: Any, ddx: Any, argmax: Any) -> Any:
    return ddx.reshape(-1)[_indices(call_, x, argmax)]


def _grad_infer(scatter: bool) -> Any:
    def infer(call_: Call) -> list[Dims]:
        image, given, places = call_.shapes
        windows = windows_of(call_)
        assert windows is not None
        places = merge_all([places, windows.pooled(image)])
        if scatter:
            merge_all([given, places])
            return [image]
        merge_all([image, given])
        return [places]

    return infer


def _second(type: str) -> Any:
    def grad(op: Any, dz: Any) -> tuple[Any, ...]:
        attrs = {name: op.attrs[name] for name in _ATTRS}
        return call.ZerosLike(op.input), apply_op(type, op.input, dz, op.argmax, **attrs), None

    return grad


def _grad_samples(scatter: bool) -> list[Any]:
    made = []
    for k, case in enumerate(_CASES):
        x = case[0]
        attrs = {**_named(case, k == 1), "Targmax": as_dtype("int64" if k % 2 else "int32")}
        y, argmax = _reference(Call("MaxPoolWithArgmax", attrs, (), ()), x)
        given = y[::-1].copy() if scatter else x[::-1].copy()
        made.append(sample(x, given, argmax, differentiable=(1,), **_named(case, k == 1)))
    return made


_WRONG = error_sample(
    Exception, "index out of range", f32(1, 2, 2, 1), f32(1, 1, 1, 1), np.array([[[[4]]]]),
    ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME", stage="run",
)  # fmt: skip
_UNLIKE = error_sample(
    ValueError, "not compatible", f32(1, 2, 2, 1), f32(1, 1, 2, 1), np.array([[[[4]]]]),
    ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME",
)  # fmt: skip

define(
    "MaxPoolGradWithArgmax",
    "input: T, grad: T, argmax: Targmax -> output: T",
    T=dtypes_of(REAL),
    Targmax=dtypes_of(INDEX),
    **_ATTRS,
    infer=_grad_infer(True),
    kernel=Procedure(_SCATTER, sizes=_sizes, fill={0: 0}),
    grad=_second("MaxPoolGradGradWithArgmax"),
    reference=_scatter_reference,
    samples=_grad_samples(True),
    errors=(_WRONG, _UNLIKE),
    doc="Gradient of MaxPoolWithArgmax: ``grad`` added up where ``argmax`` says.",
)
define(
    "MaxPoolGradGradWithArgmax",
    "input: T, grad: T, argmax: Targmax -> output: T",
    T=dtypes_of(REAL),
    Targmax=dtypes_of(INDEX),
    **_ATTRS,
    infer=_grad_infer(False),
    kernel=Procedure(_GATHER, sizes=_sizes),
    grad=_second("MaxPoolGradWithArgmax"),
    reference=_gather_reference,
    samples=_grad_samples(False),
    doc="Gradient of MaxPoolGradWithArgmax: the elements of ``grad`` that ``argmax`` names.",
)

MaxPoolWithArgmax = namedtuple("MaxPoolWithArgmax", ["output", "argmax"])


@export("nn.max_pool_with_argmax")
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> MaxPoolWithArgmax:
    """The greatest element of every window of an image, and where it lies.

    Args:
        input: (batch, height, width, channels); any real dtype.
        ksize, strides: four numbers.
        padding: see ``max_pool``.
        data_format: ``"NHWC"``.
        Targmax: dtype of the indices: int64 (the default) or int32.
        name: of the operation; ``MaxPoolWithArgmax`` by default.
        output_dtype: another name of ``Targmax``.
        include_batch_in_index: see below.

    Returns:
        A named tuple (output, argmax): the maxima, and the flat index of each in its image,
        ``(y*width + x)*channels + c``, or in the batch of images, ``((b*height + y)*width + ...``.
        Of equals it is the first.

    Raises:
        ValueError: the windows do not suit the image, or another data format.

    Gradient: dy, where argmax says.

    >>> x = tf.constant([1.0, 3.0, 2.0, 2.0], shape=[1, 1, 4, 1])
    >>> y = tf.nn.max_pool_with_argmax(x, [1, 1, 2, 1], [1, 1, 2, 1], "SAME")
    >>> tf.Session().run(y.argmax)[0, 0, :, 0]
    array([1, 2])
    """
    if data_format != "NHWC":
        raise ValueError(f"max_pool_with_argmax: data_format must be NHWC, not {data_format!r}")
    number = output_dtype if Targmax is None else Targmax
    found = apply_op(
        "MaxPoolWithArgmax",
        input,
        ksize=list(ksize),
        strides=list(strides),
        padding=padding,
        Targmax=as_dtype(int64 if number is None else number),
        include_batch_in_index=include_batch_in_index,
        name=name,
    )
    return MaxPoolWithArgmax(*found)
