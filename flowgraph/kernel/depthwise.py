"""Depthwise convolutions as TextKernels: every channel has filters of its own.

    y[n, i, j, c * m + q] = sum over r, s of x[n, i * stride + r * dilation - before, ..., c]
                            w[r, s, c, q]                                      m: filters a channel

There is nothing to share between channels, so loops run along them: neighbours in memory, and
vectors.  Images are channels last.

    block  [x, w, y, partial sums, batch, channels, m,
            height, width, rows, columns, taps, stride, dilation, before (each twice)]

Read next: lower/depthwise.py.
"""

from __future__ import annotations

from functools import cache

from flowgraph.kernel.ir import TextKernel

#: Words after the pointers.
_NAMES = (
    "batch", "channels", "multiple", "height", "width", "rows", "columns", "taps_h", "taps_w",
    "stride_h", "stride_w", "dilation_h", "dilation_w", "before_h", "before_w",
)  # fmt: skip

_HEAD = """\
def kernel(block, start, stop):
    x = {dtype}_pointer(slot(block, 0))
    w = {dtype}_pointer(slot(block, 1))
    y = {dtype}_pointer(slot(block, 2))
    partial = {dtype}_pointer(slot(block, 3))
""" + "".join(f"    {name} = slot(block, {4 + i})\n" for i, name in enumerate(_NAMES))

_FORWARD = (
    _HEAD
    + """\
    depth = channels * multiple
    for line in range(start, stop):
        n = line // rows
        top = line % rows * stride_h - before_h
        for j in range(columns):
            left = j * stride_w - before_w
            to = (line * columns + j) * depth
            for o in independent(depth):
                store(y, to + o, {dtype}(0))
            for r in range(taps_h):
                i = top + r * dilation_h
                if (i >= 0) & (i < height):
                    for s in range(taps_w):
                        k = left + s * dilation_w
                        if (k >= 0) & (k < width):
                            at = ((n * height + i) * width + k) * channels
                            tap = (r * taps_w + s) * depth
                            if multiple == 1:
                                for o in independent(depth):
                                    total = load(y, to + o)
                                    store(y, to + o, total + load(x, at + o) * load(w, tap + o))
                            else:
                                for c in range(channels):
                                    one = load(x, at + c)
                                    o = c * multiple
                                    for q in independent(multiple):
                                        total = load(y, to + o + q)
                                        store(y, to + o + q, total + one * load(w, tap + o + q))
    return 0
"""
)

#: x is the gradient that is made, y the one that is given.
_INPUT = (
    _HEAD
    + """\
    depth = channels * multiple
    for line in range(start, stop):
        n = line // height
        for k in range(width):
            to = (line * width + k) * channels
            for c in independent(channels):
                store(x, to + c, {dtype}(0))
            for r in range(taps_h):
                down = line % height + before_h - r * dilation_h
                i = down // stride_h
                if (down == i * stride_h) & (i >= 0) & (i < rows):
                    for s in range(taps_w):
                        along = k + before_w - s * dilation_w
                        j = along // stride_w
                        if (along == j * stride_w) & (j >= 0) & (j < columns):
                            at = ((n * rows + i) * columns + j) * depth
                            tap = (r * taps_w + s) * depth
                            if multiple == 1:
                                for c in independent(channels):
                                    total = load(x, to + c)
                                    store(x, to + c, total + load(y, at + c) * load(w, tap + c))
                            else:
                                for c in range(channels):
                                    total = load(x, to + c)
                                    o = c * multiple
                                    for q in range(multiple):
                                        total += load(y, at + o + q) * load(w, tap + o + q)
                                    store(x, to + c, total)
    return 0
"""
)

#: w is the gradient that is made, y the one that is given.  Sums of a line are added up first: the
#: order keeps rounding errors small.
_FILTER = (
    _HEAD
    + """\
    depth = channels * multiple
    all_taps = taps_h * taps_w * depth
    for e in independent(all_taps):
        store(w, e, {dtype}(0))
    for line in range(batch * rows):
        n = line // rows
        top = line % rows * stride_h - before_h
        for e in independent(all_taps):
            store(partial, e, {dtype}(0))
        for j in range(columns):
            left = j * stride_w - before_w
            given = (line * columns + j) * depth
            for r in range(taps_h):
                i = top + r * dilation_h
                if (i >= 0) & (i < height):
                    for s in range(taps_w):
                        k = left + s * dilation_w
                        if (k >= 0) & (k < width):
                            at = ((n * height + i) * width + k) * channels
                            tap = (r * taps_w + s) * depth
                            if multiple == 1:
                                for o in independent(depth):
                                    total = load(partial, tap + o)
                                    more = load(x, at + o) * load(y, given + o)
                                    store(partial, tap + o, total + more)
                            else:
                                for c in range(channels):
                                    one = load(x, at + c)
                                    o = c * multiple
                                    for q in independent(multiple):
                                        total = load(partial, tap + o + q)
                                        more = one * load(y, given + o + q)
                                        store(partial, tap + o + q, total + more)
        for e in independent(all_taps):
            store(w, e, load(w, e) + load(partial, e))
    return 0
"""
)

_TEXTS = {"forward": _FORWARD, "input": _INPUT, "filter": _FILTER}


@cache
def depthwise(kind: str, dtype: str) -> TextKernel:
    """The kernel of ``kind`` forward, input or filter.

    The outer loop runs over lines of images: of y, of x, and for the filter all at once (start and
    stop are not read).
    """
    return TextKernel(f"depthwise_{kind}_{dtype}", _TEXTS[kind].replace("{dtype}", dtype))
