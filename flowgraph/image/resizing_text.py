"""The kernels of resizing, as text, put together from attrs: where taps lie, then what they add up.

The taps of the columns are found once and kept in tables; those of a row when it is its turn.

Read next: resizing.py (what the words mean, and what binds the names).
"""

from __future__ import annotations

import textwrap

_TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}


def kernel(type: str, method: str, align: bool, half: bool, dtype: str, out: str) -> str:
    """The text for an op ``type``; ``dtype`` and ``out`` are those of input 0 and the output."""
    if method == "area":
        return _scales(align, 1) + _AREA
    head = _scales(align)
    if type.endswith("Grad"):
        return head + _backward(method, align, half, dtype, out)
    return head + _forward(method, align, half)


def _scales(align: bool, least: int = 0) -> str:
    """``least``: images of no more rows (columns) than that are not aligned: an area needs size."""
    lines = []
    for axis in "HW":
        plain = f"float32(I{axis}) / float32(O{axis})"
        if align:
            whole = f"float32(I{axis} - 1) / float32(maximum(O{axis} - 1, 1))"
            plain = f"select((O{axis} > 1) & (I{axis} > {least}), {whole}, {plain})"
        lines.append(f"scale{axis} = {plain}\n")
    return "".join(lines)


def _taps(method: str, align: bool, half: bool, index: str, axis: str) -> list[str]:
    """Lines that set p0, p1 ... (positions) and v0, v1 ... (weights) for output ``index``."""
    scale, last = f"scale{axis}", f"I{axis} - 1"
    if method == "nearest":
        place = f"float32({index}) * {scale}"
        if half:
            place = f"(float32({index}) + float32(0.5)) * {scale}"
        elif align:
            place = f"{place} + float32(0.5)"
        return [
            f"p0 = maximum(minimum(int64(floor({place})), {last}), 0)",
            "v0 = float32(1)",
        ]
    place = f"float32({index}) * {scale}"
    if half:
        # NB: the product is rounded before the difference, as in TensorFlow: no fused operation
        product = f"float32(float64(float32({index}) + float32(0.5)) * float64({scale}))"
        place = f"{product} - float32(0.5)"
    lines = [f"f = {place}", "b = floor(f)", "d = f - b"]
    if method == "bilinear":
        return [
            *lines,
            f"p0 = maximum(minimum(int64(b), {last}), 0)",
            # NB: at a whole number both are that pixel: what lies beyond may be NaN
            f"p1 = maximum(minimum(int64(ceil(f)), {last}), 0)",
            "v0 = float32(1) - d",
            "v1 = d",
        ]
    a = -0.5 if half else -0.75
    lines += ["d = rint(d * float32(1024)) / float32(1024)", "q = int64(b)"]
    for k in range(4):
        lines += [
            f"x = {('float32(1) + d', 'd', 'float32(1) - d', 'float32(2) - d')[k]}",
            f"v{k} = {_keys(a, far=k in (0, 3))}",
            f"p{k} = maximum(minimum(q + {k - 1}, {last}), 0)",
        ]
    if half:
        for k in range(4):
            lines.append(f"v{k} = select(p{k} == q + {k - 1}, v{k}, float32(0))")
        lines.append("total = v0 + v1 + v2 + v3")
        lines += [f"v{k} = v{k} / total" for k in range(4)]
    return lines


def _keys(a: float, *, far: bool) -> str:
    if far:
        return (
            f"((float32({a}) * x - float32({5 * a})) * x + float32({8 * a})) * x - float32({4 * a})"
        )
    return f"(float32({a + 2}) * x - float32({a + 3})) * x * x + float32(1)"


def _block(depth: int, lines: list[str]) -> str:
    return textwrap.indent("\n".join(lines) + "\n", "    " * depth)


def _forward(method: str, align: bool, half: bool) -> str:
    """The tables have an entry for every element of a row of the result."""
    taps = range(_TAPS[method])
    text = "for j in range(OW):\n" + _block(1, _taps(method, align, half, "j", "W"))
    text += _block(1, ["for c in independent(C):"])
    for k in taps:
        text += _block(2, [f"store(at{k}, j * C + c, p{k} * C + c)"])
        if method != "nearest":
            text += _block(2, [f"store(weight{k}, j * C + c, v{k})"])
    text += "for line in range(N * OH):\n"
    text += _block(1, ["i = line % OH", *_taps(method, align, half, "i", "H")])
    text += _block(1, [f"r{k} = (line // OH * IH + p{k}) * (IW * C)" for k in taps])
    text += _block(1, ["to = line * (OW * C)", "for j in independent(OW * C):"])
    if method == "nearest":
        return text + _block(2, [_STORE.format("load(images, r0 + load(at0, j))")]) + "return 0\n"
    pixel = "float32(load(images, r{} + a{}))".format
    lines = [f"a{k} = load(at{k}, j)" for k in taps]
    lines += [f"w{k} = load(weight{k}, j)" for k in taps]
    if method == "bilinear":
        lines += [f"t{k} = {pixel(k, 0)}" for k in taps]
        lines += [f"t{k} = t{k} + ({pixel(k, 1)} - t{k}) * w1" for k in taps]
        lines.append(_STORE.format("t0 + (t1 - t0) * v1"))
    else:
        for k in taps:
            lines.append(f"t{k} = " + " + ".join(f"{pixel(k, m)} * w{m}" for m in taps))
        lines.append(_STORE.format(" + ".join(f"t{k} * v{k}" for k in taps)))
    return text + _block(2, lines) + "return 0\n"


_STORE = "store(resized_images, to + j, {})"


def _backward(method: str, align: bool, half: bool, dtype: str, out: str) -> str:
    """The tables have an entry for every column of dy; pixels get their sums in row order."""
    taps = range(_TAPS[method])
    text = "for k in independent(N * IH * IW * C):\n"
    text += _block(1, [f"store(output, k, {out}(0))"])
    text += "for j in range(OW):\n" + _block(1, _taps(method, align, half, "j", "W"))
    for k in taps:
        text += _block(1, [f"store(at{k}, j, p{k} * C)", f"store(weight{k}, j, v{k})"])
    text += "for line in range(N * OH):\n"
    text += _block(1, ["i = line % OH", *_taps(method, align, half, "i", "H")])
    text += _block(1, [f"r{k} = (line // OH * IH + p{k}) * (IW * C)" for k in taps])
    text += _block(1, ["for j in range(OW):", "    at = (line * OW + j) * C"])
    for k in taps:
        for m in taps:
            dy = f"{out}(load(grads, at + c))"
            if method != "nearest":
                dy = f"w * {dy}"
                text += _block(2, [f"w = {out}(v{k} * load(weight{m}, j))"])
            text += _block(2, [f"to = r{k} + load(at{m}, j)", "for c in independent(C):"])
            text += _block(3, [f"store(output, to + c, load(output, to + c) + {dy})"])
    return text + "return 0\n"


#: Every element of the result: a sum over the rows and columns that its area touches.
_AREA = """
share = float32(1) / (scaleH * scaleW)
for line in range(N * OH):
    i = line % OH
    top = float32(i) * scaleH
    bottom = float32(i + 1) * scaleH
    for j in range(OW):
        left = float32(j) * scaleW
        right = float32(j + 1) * scaleW
        to = (line * OW + j) * C
        for c in independent(C):
            store(resized_images, to + c, float32(0))
        for y in range(int64(floor(top)), int64(ceil(bottom))):
            tall = minimum(float32(y + 1), bottom) - maximum(float32(y), top)
            row = (line // OH * IH + minimum(y, IH - 1)) * IW
            for x in range(int64(floor(left)), int64(ceil(right))):
                wide = minimum(float32(x + 1), right) - maximum(float32(x), left)
                w = tall * wide * share
                at = (row + minimum(x, IW - 1)) * C
                for c in independent(C):
                    v = load(resized_images, to + c) + float32(load(images, at + c)) * w
                    store(resized_images, to + c, v)
return 0
"""
