"""The kernels of batch normalisation, as text: forward and backward, channels last and first.

A piece of memory that the first-level cache holds is summed in the dtype of the images, then its
mean and square deviations join those of the pieces before in float64.

Read next: batch_norm.py (what binds these names).
"""

from __future__ import annotations

#: Statistics of one channel -> the outputs, and what the last pass needs.
_STATISTICS = """
    if {training}:
        m2 = load(wide_m2, c)
        whole = float64(count)
        if count == 0:
            whole = nan
            m2 = nan
        middle = {T}(load(wide_mean, c) + (whole - whole))
        spread = {T}(m2 / whole)
        store(batch_variance, c, {T}(m2 / float64(maximum(count - 1, 1))))
    else:
        middle = load(mean, c)
        spread = load(variance, c)
        store(batch_variance, c, spread)
    store(batch_mean, c, middle)
    store(reserve_space_1, c, middle)
    store(reserve_space_2, c, spread)
    store(center, c, middle)
    store(slope, c, load(scale, c) / sqrt(spread + {eps}))
"""

_FORWARD_LAST = (
    """
if {training}:
    for c in independent(C):
        store(wide_mean, c, 0.0)
        store(wide_m2, c, 0.0)
    for k in range((count + piece - 1) // piece):
        first = k * piece
        last = minimum(first + piece, count)
        fours = (last - first) // 4
        for c in independent(C):
            store(part, c, {T}(0))
        for r in range(fours):
            at = (first + 4 * r) * C
            for c in independent(C):
                pair = load(x, at + c) + load(x, at + C + c)
                other = load(x, at + 2 * C + c) + load(x, at + 3 * C + c)
                store(part, c, load(part, c) + (pair + other))
        for r in range(first + 4 * fours, last):
            for c in independent(C):
                store(part, c, load(part, c) + load(x, r * C + c))
        size = {T}(last - first)
        for c in independent(C):
            store(center, c, load(part, c) / size)
            store(part, c, {T}(0))
        for r in range(fours):
            at = (first + 4 * r) * C
            for c in independent(C):
                m = load(center, c)
                d0 = load(x, at + c) - m
                d1 = load(x, at + C + c) - m
                d2 = load(x, at + 2 * C + c) - m
                d3 = load(x, at + 3 * C + c) - m
                store(part, c, load(part, c) + ((d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)))
        for r in range(first + 4 * fours, last):
            for c in independent(C):
                d = load(x, r * C + c) - load(center, c)
                store(part, c, load(part, c) + d * d)
        now = float64(last - first)
        share = now / float64(last)
        for c in independent(C):
            delta = float64(load(center, c)) - load(wide_mean, c)
            store(wide_mean, c, load(wide_mean, c) + delta * share)
            joined = float64(load(part, c)) + delta * delta * (float64(first) * share)
            store(wide_m2, c, load(wide_m2, c) + joined)
for c in range(C):"""
    + _STATISTICS
    + """
for r in range(count):
    for c in independent(C):
        normal = (load(x, r * C + c) - load(center, c)) * load(slope, c)
        store(y, r * C + c, normal + load(offset, c))
return 0
"""
)

_FORWARD_FIRST = (
    """
for c in range(C):
    if {training}:
        wide = 0.0
        square = 0.0
        done = int64(0)
        for n in range(batch):
            for k in range((inner + piece - 1) // piece):
                first = (n * C + c) * inner + k * piece
                last = (n * C + c) * inner + minimum(k * piece + piece, inner)
                total = {T}(0)
                for i in reducing(first, last):
                    total += load(x, i)
                m = total / {T}(last - first)
                squares = {T}(0)
                for i in reducing(first, last):
                    squares += (load(x, i) - m) * (load(x, i) - m)
                share = float64(last - first) / float64(done + last - first)
                delta = float64(m) - wide
                wide = wide + delta * share
                square = square + float64(squares) + delta * delta * (float64(done) * share)
                done = done + last - first
        store(wide_mean, c, wide)
        store(wide_m2, c, square)"""
    + _STATISTICS
    + """
    for n in range(batch):
        at = (n * C + c) * inner
        m = load(center, c)
        a = load(slope, c)
        b = load(offset, c)
        for i in independent(inner):
            store(y, at + i, (load(x, at + i) - m) * a + b)
return 0
"""
)

FORWARD = {"last": _FORWARD_LAST, "first": _FORWARD_FIRST}

#: Sums of one channel -> gradients, and the line that gives dx: slope * (dy - mean - tilt * x).
_SUMS = """
    inverse = {T}(1) / sqrt(load(reserve_space_2, c) + {eps})
    store(offset_backprop, c, {T}(load(wide_dy, c)))
    store(scale_backprop, c, {T}(load(wide_dyx, c)) * inverse)
    store(slope, c, load(scale, c) * inverse)
    if {training}:
        whole = float64(maximum(count, 1))
        store(part, c, {T}(load(wide_dy, c) / whole))
        store(tilt, c, {T}(load(wide_dyx, c) / whole) * inverse * inverse)
    else:
        store(part, c, {T}(0))
        store(tilt, c, {T}(0))
"""

_BACKWARD_LAST = (
    """
for c in independent(C):
    store(wide_dy, c, 0.0)
    store(wide_dyx, c, 0.0)
for k in range((count + piece - 1) // piece):
    first = k * piece
    last = minimum(first + piece, count)
    twos = (last - first) // 2
    for c in independent(C):
        store(part, c, {T}(0))
        store(part_x, c, {T}(0))
    for r in range(twos):
        at = (first + 2 * r) * C
        for c in independent(C):
            m = load(reserve_space_1, c)
            g0 = load(y_backprop, at + c)
            g1 = load(y_backprop, at + C + c)
            bent = g0 * (load(x, at + c) - m) + g1 * (load(x, at + C + c) - m)
            store(part, c, load(part, c) + (g0 + g1))
            store(part_x, c, load(part_x, c) + bent)
    for r in range(first + 2 * twos, last):
        for c in independent(C):
            g = load(y_backprop, r * C + c)
            store(part, c, load(part, c) + g)
            bent = g * (load(x, r * C + c) - load(reserve_space_1, c))
            store(part_x, c, load(part_x, c) + bent)
    for c in independent(C):
        store(wide_dy, c, load(wide_dy, c) + float64(load(part, c)))
        store(wide_dyx, c, load(wide_dyx, c) + float64(load(part_x, c)))
for c in range(C):"""
    + _SUMS
    + """
for r in range(count):
    for c in independent(C):
        bent = (load(x, r * C + c) - load(reserve_space_1, c)) * load(tilt, c)
        rest = load(y_backprop, r * C + c) - load(part, c) - bent
        store(x_backprop, r * C + c, load(slope, c) * rest)
return 0
"""
)

_BACKWARD_FIRST = (
    """
for c in range(C):
    m = load(reserve_space_1, c)
    wide = 0.0
    wide_x = 0.0
    for n in range(batch):
        for k in range((inner + piece - 1) // piece):
            first = (n * C + c) * inner + k * piece
            last = (n * C + c) * inner + minimum(k * piece + piece, inner)
            total = {T}(0)
            for i in reducing(first, last):
                total += load(y_backprop, i)
            bent = {T}(0)
            for i in reducing(first, last):
                bent += load(y_backprop, i) * (load(x, i) - m)
            wide = wide + float64(total)
            wide_x = wide_x + float64(bent)
    store(wide_dy, c, wide)
    store(wide_dyx, c, wide_x)"""
    + _SUMS
    + """
    for n in range(batch):
        at = (n * C + c) * inner
        a = load(slope, c)
        b = load(part, c)
        t = load(tilt, c)
        for i in independent(inner):
            rest = load(y_backprop, at + i) - b - (load(x, at + i) - m) * t
            store(x_backprop, at + i, a * rest)
return 0
"""
)

BACKWARD = {"last": _BACKWARD_LAST, "first": _BACKWARD_FIRST}
