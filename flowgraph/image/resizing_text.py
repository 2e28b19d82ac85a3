"""The kernels of resizing, as text, put together from attrs: where taps lie, then what they add up.

The taps of the columns are found once and kept in tables; those of a row when it is its turn.

Read next: resizing.py (what the words mean, and what binds the names).
"""

from __future__ import annotations

import textwrap

_TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}


def kernel(
    type: str, method: str, align: bool, half: bool, dtype: str, out: str, channels: int
) -> str:
    """The text for an op ``type``; ``dtype`` and ``out`` are those of input 0 and the output."""
    if method == "area":
        share = "share = float32(1) / (scaleH * scaleW)\n"
        return _scales(align, 1) + share + _AREA.replace("{mixed}", _columns(channels))
    head = _scales(align)
    if type.endswith("Grad"):
        return head + _backward(method, align, half, out, channels)
    return head + _forward(method, align, half, dtype)


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


def _tables(method: str, align: bool, half: bool, each: str) -> str:
    """Where the taps of every column stand, and their weights; ``each``: pixel or element."""
    text = "for j in range(OW):\n" + _block(1, _taps(method, align, half, "j", "W"))
    depth, to, more = 1, "j", ""
    if each == "element":
        text += _block(1, ["for c in independent(C):"])
        depth, to, more = 2, "j * C + c", " + c"
    for k in range(_TAPS[method]):
        text += _block(depth, [f"store(at{k}, {to}, p{k} * C{more})"])
        if method != "nearest":
            text += _block(depth, [f"store(weight{k}, {to}, v{k})"])
    return text


def _forward(method: str, align: bool, half: bool, dtype: str) -> str:
    """Rows of the image are stretched once each and kept, then the rows of the result mixed."""
    count = _TAPS[method]
    taps = range(count)
    text = _tables(method, align, half, "element")
    if method != "nearest":
        text += "held = int64_stack(4)\n"
        text += "".join(f"store(held, {k}, int64(-1))\n" for k in taps)
    text += "for line in range(N * OH):\n"
    text += _block(1, ["i = line % OH", "to = line * (OW * C)"])
    text += _block(1, _taps(method, align, half, "i", "H"))
    if method == "nearest":
        pixel = "load(images, row + load(at0, j))"
        return text + _block(1, [
            "row = (line // OH * IH + p0) * (IW * C)",
            "for j in independent(OW * C):",
            f"    store(resized_images, to + j, {pixel})",
        ]) + "return 0\n"  # fmt: skip
    for k in taps:
        text += _block(1, [
            f"row = line // OH * IH + p{k}",
            f"r{k} = p{k} % {count} * (OW * C)",
            f"if load(held, p{k} % {count}) != row:",
            f"    store(held, p{k} % {count}, row)",
            *_stretched(method, f"r{k}", dtype),
        ])  # fmt: skip
    row = [f"load(lines, r{k} + j)" for k in taps]
    if method == "bilinear":
        mixed = f"{row[0]} + ({row[1]} - {row[0]}) * v1"
    else:
        mixed = " + ".join(f"{row[k]} * v{k}" for k in taps)
    return text + _block(1, [
        "for j in independent(OW * C):",
        f"    store(resized_images, to + j, {mixed})",
    ]) + "return 0\n"  # fmt: skip


def _stretched(method: str, to: str, dtype: str) -> list[str]:
    """Lines that put row ``row`` of the image, as wide as the result, at ``to`` of ``lines``."""
    lines = ["    first = row * (IW * C)"]
    pixel = "load(images, first + load(at{}, j))"
    if dtype != "float32":
        # converted all at once: columns are taken several times
        lines += [
            "    for c in independent(IW * C):",
            "        store(wide, c, float32(load(images, first + c)))",
        ]
        pixel = "load(wide, load(at{}, j))"
    taps = [pixel.format(k) for k in range(_TAPS[method])]
    if method == "bilinear":
        mixed = f"{taps[0]} + ({taps[1]} - {taps[0]}) * load(weight1, j)"
    else:
        mixed = " + ".join(f"{tap} * load(weight{k}, j)" for k, tap in enumerate(taps))
    return [
        *lines,
        "    for j in independent(OW * C):",
        f"        store(lines, {to} + j, {mixed})",
    ]


def _backward(method: str, align: bool, half: bool, out: str, channels: int) -> str:
    """Rows of dy are added up per row of the image, then the columns."""
    taps = range(_TAPS[method])
    every = "independent" if channels >= 8 else "range"
    text = _tables(method, align, half, "pixel")
    text += "for n in range(N):\n"
    text += _block(1, [
        "for k in independent(IH * OW * C):",
        f"    store(lines, k, {out}(0))",
        "for i in range(OH):",
        "    at = (n * OH + i) * (OW * C)",
    ])  # fmt: skip
    text += _block(2, _taps(method, align, half, "i", "H"))
    for k in taps:
        dy = f"{out}(load(grads, at + j))"
        more = dy if method == "nearest" else f"w * {dy}"
        text += _block(2, [
            f"to = p{k} * (OW * C)",
            f"w = {out}(v{k})",
            "for j in independent(OW * C):",
            f"    store(lines, to + j, load(lines, to + j) + {more})",
        ])  # fmt: skip
    text += _block(1, [
        "for y in range(IH):",
        "    first = (n * IH + y) * (IW * C)",
        "    for k in independent(IW * C):",
        f"        store(output, first + k, {out}(0))",
        "    for j in range(OW):",
        "        at = (y * OW + j) * C",
    ])  # fmt: skip
    for k in taps:
        if method != "nearest":
            text += _block(3, [f"w = {out}(load(weight{k}, j))"])
        dy = "load(lines, at + c)"
        more = dy if method == "nearest" else f"w * {dy}"
        text += _block(3, [
            f"to = first + load(at{k}, j)",
            f"for c in {every}(C):",
            f"    store(output, to + c, load(output, to + c) + {more})",
        ])  # fmt: skip
    return text + "return 0\n"


#: The rows of an area are added up first, all columns at once, then the columns.
_AREA = """
for line in range(N * OH):
    i = line % OH
    top = float32(i) * scaleH
    bottom = float32(i + 1) * scaleH
    for k in independent(IW * C):
        store(wide, k, float32(0))
    for y in range(int64(floor(top)), int64(ceil(bottom))):
        tall = minimum(float32(y + 1), bottom) - maximum(float32(y), top)
        row = (line // OH * IH + minimum(y, IH - 1)) * (IW * C)
        for k in independent(IW * C):
            store(wide, k, load(wide, k) + float32(load(images, row + k)) * tall)
    for j in range(OW):
        left = float32(j) * scaleW
        right = float32(j + 1) * scaleW
        to = (line * OW + j) * C
{mixed}return 0
"""

_COLUMNS = """
for x in range(int64(floor(left)), int64(ceil(right))):
    w = (minimum(float32(x + 1), right) - maximum(float32(x), left)) * share
    at = minimum(x, IW - 1) * C
"""


def _columns(channels: int) -> str:
    """The sum over columns of one pixel; few channels are kept in registers."""
    if channels > 4:
        clear = ["for c in independent(C):", "    store(resized_images, to + c, float32(0))"]
        add = [
            "for c in independent(C):",
            "    v = load(resized_images, to + c) + load(wide, at + c) * w",
            "    store(resized_images, to + c, v)",
        ]
        return _block(2, clear) + _block(2, _COLUMNS.strip().split("\n")) + _block(3, add)
    every = range(channels)
    text = _block(2, [f"s{c} = float32(0)" for c in every])
    text += _block(2, _COLUMNS.strip().split("\n"))
    text += _block(3, [f"s{c} += load(wide, at + {c}) * w" for c in every])
    return text + _block(2, [f"store(resized_images, to + {c}, s{c})" for c in every])
