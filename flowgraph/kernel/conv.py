"""Convolutions as TextKernels: panels of input windows, multiplied by a packed filter.

    y[p, o] = sum over k of window[p, k] * filter[k, o]       p: pixel (n, d, i, j) of the output
                                                              k: tap and channel of the filter
The windows of a few pixels are written side by side into a panel that stays in the cache (zeros
where they reach over the border), the filter is packed once into columns as wide as a register
tile, and tiles are multiplied.  Pixels are counted through all images, so that odd widths waste
nothing.

What this module calls a convolution is a list of *parts*, each one dense product with its own
offsets: one for each group of channels, and for the gradient by the input with stride s one for
each of the s residues of a coordinate, which meet different taps:

    dx[i] = sum over r with (i + before - r * dilation) % s == 0 of dy[(i + before - ...) / s] w[r]

Along an axis the taps t = 0, 1, ... of a part meet the input elements

    out * scale + first + t * step      and stand in the filter  pitch  elements apart.

Read next: lower/convolution.py (who makes parts), codegen/tiles.py (the register tile).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from flowgraph.kernel.ir import TextKernel

#: Distance of rows in the panel of ``multiply_rows``, in elements: an odd number of cache lines, so
#: that a column of it does not fall into few sets of the cache.
PITCH = 592

#: Numbers k that such a panel holds, so that a tile's rows stay in a first-level cache.
DEPTH = PITCH - 16

#: Rows and columns of the largest register tile.
MAX_ROWS, MAX_COLUMNS = 24, 32

#: Bytes of filter (or of panel) that should stay in a second-level cache.
CACHE_NBYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a part; see the module docstring.  Strides in elements.

    count: of outputs.   size: of the input.   out: stride of the output.
    """

    count: int
    size: int
    stride: int
    out: int
    taps: int
    first: int
    step: int
    scale: int
    pitch: int


@dataclass(frozen=True, slots=True)
class Part:
    """One dense product.  Offsets and strides in elements of the operands.

    x, w, y: where the part begins in input, filter and output.   columns: of the product.
    channels: numbers that a tap takes.   x_image, y_image: from image to image.
    w_channel, w_column: strides of the filter.   axes: three of them.
    """

    x: int
    w: int
    y: int
    columns: int
    channels: int
    batch: int
    x_image: int
    y_image: int
    w_channel: int
    w_column: int
    axes: tuple[Axis, Axis, Axis]

    @property
    def depth(self) -> int:
        """Terms of each sum."""
        taps = self.axes[0].taps * self.axes[1].taps * self.axes[2].taps
        return taps * self.channels

    @property
    def pixels(self) -> int:
        """Rows of the product."""
        axes = self.axes
        return self.batch * axes[0].count * axes[1].count * axes[2].count

    @property
    def merges(self) -> bool:
        """Whether the taps of a line lie side by side in the input."""
        last = self.axes[2]
        return last.step == 1 and last.stride == self.channels

    @property
    def row(self) -> int:
        """Distance of neighbouring pixels in the output, 0 where it is not always the same."""
        d, h, w = self.axes
        even = h.out == w.out * w.count and d.out == h.out * h.count
        return w.out if even and self.y_image == d.out * d.count else 0

    def words(self) -> list[int]:
        """The part's words in a block, in the order of ``_PART``."""
        d, h, w = self.axes
        width = w.taps if self.merges else 1
        return [
            self.x, self.w, self.y, self.columns, self.channels, self.depth, self.pixels,
            self.x_image, self.y_image, self.w_channel, self.w_column,
            width, self.row,
            *(n for a in (d, h, w) for n in (
                a.count, a.size, a.stride, a.out, a.taps, a.first, a.step, a.scale, a.pitch
            )),
        ]  # fmt: skip


_PART = (
    "x0 w0 y0 columns channels depth pixels x_image y_image w_channel w_column width row "
    + " ".join(
        f"{what}_{axis}"
        for axis in "dhw"
        for what in ("count", "size", "stride", "out", "taps", "first", "step", "scale", "pitch")
    )
).split()

#: Words before the first part.
_HEAD = 8


def _bind(names: str, indent: str = "    ") -> str:
    """Lines that read words of a part."""
    return "\n".join(
        f"{indent}{name} = slot(block, part + {_PART.index(name)})" for name in names.split()
    )


_PACK = f"""\
def pack_windows(block, part, x, panel, pitch, pixel, count, k0, k1):
    # panel[r, k - k0] = input of pixel + r at k, for k0 <= k < k1
{
    _bind(
        "x0 channels width x_image "
        "count_d size_d stride_d taps_d first_d step_d scale_d "
        "count_h size_h stride_h taps_h first_h step_h scale_h "
        "count_w size_w stride_w taps_w first_w step_w scale_w"
    )
}
    run = width * channels
    runs = taps_w // maximum(width, 1)
    j = pixel % count_w
    rest = pixel // count_w
    i = rest % count_h
    rest = rest // count_h
    d = rest % count_d
    image = x0 + rest // count_d * x_image
    for r in range(count):
        at = r * pitch - k0
        k = int64(0)
        left = j * scale_w + first_w
        for td in range(taps_d):
            z = d * scale_d + first_d + td * step_d
            for th in range(taps_h):
                y = i * scale_h + first_h + th * step_h
                outside = (z < 0) | (z >= size_d) | (y < 0) | (y >= size_h)
                line = image + z * stride_d + y * stride_h
                for tw in range(runs):
                    if (k + run > k0) & (k < k1):
                        q = left + tw * step_w
                        begin = maximum(k0 - k, 0)
                        end = minimum(k1 - k, run)
                        low = maximum(-q, 0) * channels
                        high = minimum(width, size_w - q) * channels
                        low = end if outside else minimum(maximum(low, begin), end)
                        high = minimum(maximum(high, low), end)
                        place = line + q * stride_w
                        for e in independent(begin, low):
                            store(panel, at + e, {{dtype}}(0))
                        for e in independent(low, high):
                            store(panel, at + e, load(x, place + e))
                        for e in independent(high, end):
                            store(panel, at + e, {{dtype}}(0))
                    k += run
                    at += run
        j += 1
        if j == count_w:
            j = 0
            i += 1
            if i == count_h:
                i = 0
                d += 1
                if d == count_d:
                    d = 0
                    image += x_image
    return int64(0)


"""

_PACK_FILTER = f"""\
def pack_filter(block, part, w, packed, wide):
    # packed[c, k, e] = filter[k, c * wide + e], zero beyond the last column
{_bind("w0 columns channels w_channel w_column taps_d taps_h taps_w pitch_d pitch_h pitch_w")}
    at = int64(0)
    for c in range((columns + wide - 1) // wide):
        some = minimum(wide, columns - c * wide)
        for td in range(taps_d):
            for th in range(taps_h):
                for tw in range(taps_w):
                    place = w0 + td * pitch_d + th * pitch_h + tw * pitch_w + c * wide * w_column
                    for k in range(channels):
                        if w_column == 1:
                            for e in independent(some):
                                store(packed, at + e, load(w, place + e))
                        else:
                            for e in independent(some):
                                store(packed, at + e, load(w, place + e * w_column))
                        for e in independent(some, wide):
                            store(packed, at + e, {{dtype}}(0))
                        at += wide
                        place += w_channel
    return int64(0)


"""

_PRODUCT = f"""\
def kernel(block, start, stop):
    x = {{dtype}}_pointer(slot(block, 0))
    w = {{dtype}}_pointer(slot(block, 1))
    out = {{dtype}}_pointer(slot(block, 2))
    packed = {{dtype}}_pointer(slot(block, 3))
    panel = {{dtype}}_pointer(slot(block, 4))
    sums = {{dtype}}_pointer(slot(block, 5))
    group = slot(block, 6)
    for number in range(start, stop):
        part = {_HEAD} + number * {len(_PART)}
{
    _bind(
        "y0 columns depth pixels row y_image count_d out_d count_h out_h count_w out_w",
        "        ",
    )
}
        rows = tile_rows(panel, columns)
        wide = tile_columns(panel, columns)
        blocks = (columns + wide - 1) // wide
        whole = blocks if columns % wide == 0 else blocks - 1
        done = pack_filter(block, part, w, packed, wide)
        chunks = maximum((depth + DEPTH - 1) // DEPTH, 1)
        chunk = ((depth + chunks - 1) // chunks + 15) // 16 * 16
        height = rows * group
        pixel = int64(0)
        while pixel < pixels:
            count = minimum(height, pixels - pixel)
            tiles = (count + rows - 1) // rows
            full = count // rows if row > 0 else 0
            for number_of_chunk in range(chunks):
                k0 = minimum(number_of_chunk * chunk, depth)
                k1 = minimum(k0 + chunk, depth)
                done = pack_windows(block, part, x, panel, PITCH, pixel, count, k0, k1)
                for c in range(blocks):
                    b = offset(packed, (c * depth + k0) * wide)
                    for t in range(tiles):
                        if (c < whole) & (t < full):
                            to = offset(out, y0 + (pixel + t * rows) * row + c * wide)
                            to_row = row
                        else:
                            to = offset(sums, (c * height + t * rows) * wide)
                            to_row = wide
                        a = offset(panel, t * rows * PITCH)
                        left = count - t * rows
                        multiply_rows(
                            a, PITCH, b, k1 - k0, to, to_row, columns, left, number_of_chunk
                        )
            if (full < tiles) | (whole < blocks):
                # what did not go straight to its place
                j = pixel % count_w
                rest = pixel // count_w
                i = rest % count_h
                rest = rest // count_h
                d = rest % count_d
                n = rest // count_d
                for r in range(count):
                    place = y0 + n * y_image + d * out_d + i * out_h + j * out_w
                    straight = whole if r < full * rows else 0
                    for c in range(straight, blocks):
                        source = (c * height + r) * wide
                        for e in independent(minimum(wide, columns - c * wide)):
                            store(out, place + c * wide + e, load(sums, source + e))
                    j += 1
                    if j == count_w:
                        j = 0
                        i += 1
                        if i == count_h:
                            i = 0
                            d += 1
                            if d == count_d:
                                d = 0
                                n += 1
            pixel += height
    return 0
"""

_FILTER = f"""\
def kernel(block, start, stop):
    x = {{dtype}}_pointer(slot(block, 0))
    dy = {{dtype}}_pointer(slot(block, 1))
    dw = {{dtype}}_pointer(slot(block, 2))
    packed = {{dtype}}_pointer(slot(block, 3))
    panel = {{dtype}}_pointer(slot(block, 4))
    sums = {{dtype}}_pointer(slot(block, 5))
    height = slot(block, 6)
    most = slot(block, 7)
    for number in range(start, stop):
        part = {_HEAD} + number * {len(_PART)}
{_bind("w0 y0 columns depth pixels row w_channel", "        ")}
        rows = tile_rows(panel, columns)
        wide = tile_columns(panel, columns)
        blocks = (columns + wide - 1) // wide
        chunks = (depth + most - 1) // most
        chunk = (depth + chunks - 1) // chunks
        tiles = (chunk + rows - 1) // rows
        room = tiles * rows
        # an odd number of cache lines, and tiles that stick out stay in their row
        pitch = ((room + 15) // 16 | 1) * 16
        for number_of_chunk in range(chunks):
            k0 = number_of_chunk * chunk
            k1 = minimum(k0 + chunk, depth)
            for e in independent(blocks * room * wide):
                store(sums, e, {{dtype}}(0))
            pixel = int64(0)
            while pixel < pixels:
                count = minimum(height, pixels - pixel)
                done = pack_windows(block, part, x, panel, pitch, pixel, count, k0, k1)
                for c in range(blocks):
                    some = minimum(wide, columns - c * wide)
                    for r in range(count):
                        place = y0 + (pixel + r) * row + c * wide
                        at = (c * height + r) * wide
                        for e in independent(some):
                            store(packed, at + e, load(dy, place + e))
                        for e in independent(some, wide):
                            store(packed, at + e, {{dtype}}(0))
                for c in range(blocks):
                    b = offset(packed, c * height * wide)
                    for t in range(tiles):
                        a = offset(panel, t * rows)
                        to = offset(sums, (c * room + t * rows) * wide)
                        left = k1 - k0 - t * rows
                        multiply_columns(a, pitch, b, count, to, wide, columns, left, 1)
                pixel += height
            for k in range(k0, k1):
                for c in range(blocks):
                    place = w0 + k * w_channel + c * wide
                    source = (c * room + k - k0) * wide
                    for e in independent(minimum(wide, columns - c * wide)):
                        store(dw, place + e, load(sums, source + e))
    return 0
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A kernel with what its block holds beside pointers.

    scratch: elements of the three buffers behind the pointers of the operands.
    words: of the block, after those six pointers.
    """

    kernel: TextKernel
    scratch: tuple[int, int, int]
    words: list[int]


def _columns(parts: Sequence[Part]) -> int:
    """Columns of a packed filter, rounded up to whole tiles."""
    return max(-(-part.columns // MAX_COLUMNS) for part in parts) * MAX_COLUMNS


def product(dtype: str, itemsize: int, parts: Sequence[Part]) -> Program:
    """y = windows of x times the filter, for every part.

    Block: ``[x, w, y, packed filter, panel, sums, tiles in a panel, 0, parts...]``.  A filter that
    does not fit the cache is read less often when several tiles share a panel.
    """
    columns, depth = _columns(parts), max(part.depth for part in parts)
    group = 1 if columns * depth * itemsize <= CACHE_NBYTES else 8
    rows = group * MAX_ROWS
    scratch = (columns * depth, rows * PITCH, rows * columns)
    words = [group, 0, *(word for part in parts for word in part.words())]
    return Program(_product_kernel(dtype), scratch, words)


def filter_product(dtype: str, itemsize: int, parts: Sequence[Part]) -> Program:
    """dw = transposed windows of x times dy, for every part (in which y is dy and w is dw).

    Block: ``[x, dy, dw, packed dy, panel, sums, pixels in a panel, most k in it, parts...]``.
    """
    columns, depth = _columns(parts), max(part.depth for part in parts)
    most = min(depth, 2 * DEPTH)
    room = most + MAX_ROWS + 32
    height = max(32, min(256, CACHE_NBYTES // (room * itemsize) // 16 * 16))
    scratch = (columns * height, height * room, columns * room)
    words = [height, most, *(word for part in parts for word in part.words())]
    return Program(_filter_kernel(dtype), scratch, words)


@cache
def _product_kernel(dtype: str) -> TextKernel:
    text = (_PACK + _PACK_FILTER + _PRODUCT).replace("{dtype}", dtype)
    return TextKernel(f"convolution_{dtype}", text)


@cache
def _filter_kernel(dtype: str) -> TextKernel:
    return TextKernel(f"convolution_filter_{dtype}", (_PACK + _FILTER).replace("{dtype}", dtype))
