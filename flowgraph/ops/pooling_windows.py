"""Where pooling windows lie: result sizes, padding, and the loops that visit them.

    [1, 3, 3, 1] over NHWC  ==>  batch, (depth, height, width), channels   of the kernels
    [1, 1, 2, 2] over NCHW  ==>  batch * channels, (1, height, width), 1
    [1, 1, 1, k] over NHWC  ==>  batch * height * width, (1, 1, channels), 1

Every pooling kernel works on five axes; here the axes of a tensor become those.  References do
not use that: they list the elements of every window, whatever the axes.

Read next: pooling.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from flowgraph.graph.opdef import Call, Procedure
from flowgraph.ops.windows import Window
from flowgraph.shapes import Dims, ShapeError, format_dims, is_fully_known

#: data_format -> axis of the channels, by rank of the tensor.
CHANNELS = {4: {"NHWC": 3, "NCHW": 1}, 5: {"NDHWC": 4, "NCDHW": 1}}

#: Windows of more elements are walked by loops instead of being written out.
MOST_TAPS = 27


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of ``ksize`` elements, ``strides`` apart, along every axis of a tensor."""

    ksize: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    channels: int

    def along(self, axis: int) -> Window:
        """The windows along one axis."""
        # of one element no padding is needed, and 0 elements (a batch) have 0 of them
        padding = "SAME" if self.ksize[axis] == 1 else self.padding
        return Window(self.ksize[axis], self.strides[axis], 1, padding)

    def pooled(self, dims: Dims) -> Dims:
        """The shape of the result."""
        if dims is None:
            return (None,) * len(self.ksize)
        if len(dims) != len(self.ksize):
            raise ShapeError(f"input must be of rank {len(self.ksize)}, not {format_dims(dims)}")
        return tuple(self.along(axis).count(size) for axis, size in enumerate(dims))

    def members(self, shape: Sequence[int]) -> np.ndarray[Any, Any]:
        """For every window, the flat positions of its elements in row-major order; -1: outside."""
        positions = np.arange(math.prod(shape)).reshape(shape)
        frame = []
        for axis, size in enumerate(shape):
            window = self.along(axis)
            first, count = window.frame(size)[0], window.count(size) or 0
            last = (count - 1) * self.strides[axis] + self.ksize[axis] - first - size
            frame.append((first, max(last, 0)))
        framed = np.pad(positions, frame, constant_values=-1)
        if framed.size == 0:
            return np.zeros((*self.pooled(tuple(shape)), math.prod(self.ksize)), np.int64)  # type: ignore[misc]
        slices = tuple(slice(None, None, stride) for stride in self.strides)
        seen = sliding_window_view(framed, self.ksize)[slices]
        return seen.reshape(*seen.shape[: len(shape)], -1)

    def loops(self, shape: Sequence[int]) -> dict[str, int]:
        """The kernels' names: sizes D, H, W, C, results O?, taps K?, strides S?, padding P?.

        ``batch`` is how many such images there are.  Windows lo..hi of a row lie inside and may be
        handled together, which is worth it where there is one channel (else lo = hi = 0).
        """
        last = self.channels == len(shape) - 1
        space = [a for a in range(1, len(shape)) if a != self.channels]
        if self.ksize[self.channels] == self.strides[self.channels] == 1:
            axes = space
            batch = shape[0] * (1 if last else shape[self.channels])
            inner = shape[self.channels] if last else 1
        else:
            axes = [self.channels]
            area = math.prod(shape[a] for a in space)
            batch, inner = (shape[0] * area, 1) if last else (shape[0], area)
        names = {"batch": batch, "C": inner}
        for letter, place in zip("DHW", [*[None] * (3 - len(axes)), *axes], strict=True):
            size, taps, stride, first = 1, 1, 1, 0
            if place is not None:
                size, taps, stride = shape[place], self.ksize[place], self.strides[place]
                first = self.along(place).frame(size)[0]
            names[letter] = size
            names["O" + letter] = 1 if place is None else self.along(place).count(size) or 0
            names["K" + letter], names["S" + letter], names["P" + letter] = taps, stride, first
        lo = min(-(-names["PW"] // names["SW"]), names["OW"])
        hi = (names["W"] + names["PW"] - names["KW"]) // names["SW"] + 1
        single = inner == 1 and has_few_taps(names)
        names["lo"] = lo if single else 0
        names["hi"] = max(lo, min(names["OW"], hi)) if single else 0
        return names


def windows_of(call_: Call, first: int | None = None) -> Windows | None:
    """The windows of a pooling op; ShapeError when its attrs do not suit.

    ``first``: position of the input ``ksize``, behind which ``strides`` stands; None: both are
    attrs.  The result is None when such inputs are not known yet.
    """
    given: list[Any] = []
    for i, name in enumerate(("ksize", "strides")):
        value = call_.attrs[name] if first is None else call_.value(first + i)
        if value is None:
            return None
        given.append(tuple(int(n) for n in value))
    ksize, strides = given
    data_format = call_.attrs.get("data_format", "NHWC")
    rank = len(data_format)
    channels = CHANNELS.get(rank, {}).get(data_format)
    if channels is None or ("3D" in call_.type) != (rank == 5):
        known = CHANNELS[5 if "3D" in call_.type else 4]
        raise ShapeError(f"data_format must be {' or '.join(known)}, not {data_format!r}")
    if call_.attrs["padding"] not in ("SAME", "VALID"):
        raise ShapeError(f"padding must be SAME or VALID, not {call_.attrs['padding']!r}")
    for name, numbers in (("ksize", ksize), ("strides", strides)):
        if len(numbers) != rank:
            raise ShapeError(f"{name} must hold {rank} numbers, not {len(numbers)}")
        if min(numbers) < 1:
            raise ShapeError(f"{name} must be positive: {list(numbers)}")
    if ksize[0] != 1 or strides[0] != 1:
        raise ShapeError(f"windows span one image: ksize {list(ksize)}, strides {list(strides)}")
    deep = ksize[channels] != 1 or strides[channels] != 1
    wide = any(ksize[a] != 1 or strides[a] != 1 for a in range(1, rank) if a != channels)
    if deep and wide:
        raise ShapeError(
            f"windows lie along the channels or in space, not both: ksize {list(ksize)}"
        )
    return Windows(ksize, strides, call_.attrs["padding"], channels)


def loops_of(call_: Call, shape: Dims, first: int | None = None) -> dict[str, int]:
    """``Windows.loops`` of an op whose sizes are known."""
    windows = windows_of(call_, first)
    assert windows is not None and is_fully_known(shape)
    return windows.loops(shape)  # type: ignore[arg-type]


def is_tiled(loops: Mapping[str, int]) -> bool:
    """True when every element belongs to exactly one window."""
    return all(
        loops["K" + a] == loops["S" + a] and loops["O" + a] * loops["K" + a] == loops[a]
        for a in "DHW"
    )


def has_few_taps(loops: Mapping[str, int]) -> bool:
    """True when windows are small enough to be written out."""
    return loops["KD"] * loops["KH"] * loops["KW"] <= MOST_TAPS


#: Loops over the windows of images [start, stop); {body} finds row, od, oh, ow and ``to``, where
#: the window's results begin.  Starts ``r_d_h`` of a window's rows and ``w_k`` of its columns are
#: moved into the image where they stick out: an element seen twice changes no maximum.
_EVERY_WINDOW = """
for image in range(start, stop):
    {before}
    for od in range(OD):
        for oh in range(OH):
            row = (image * OD + od) * OH + oh
            left = {left}
            right = {right}
            {rows}
            {beside}
            for ow in range(OW):
                if ow < left or ow >= right:
                    to = (row * OW + ow) * C
                    {columns}
                    {body}
return 0
"""

_EDGES = [
    f"{a}{end} = {inside}"
    for a in "dhw"
    for end, inside in (
        ("0", f"maximum(o{a} * S{a.upper()} - P{a.upper()}, 0)"),
        (
            "1",
            f"minimum(o{a} * S{a.upper()} - P{a.upper()} + K{a.upper()}, {a.upper()})",
        ),
    )
]
_LOOPS = [
    "for d in range(d0, d1):",
    "    for h in range(h0, h1):",
    "        for w in range(w0, w1):",
]


def every_element(body: Sequence[str], at: str = "at") -> list[str]:
    """Lines that run ``body`` for every element inside the window; ``at``: where it lies."""
    place = f"            {at} = (((image * D + d) * H + h) * W + w) * C"
    return [*_EDGES, *_LOOPS, place, *("            " + line for line in body)]


def every_window(
    loops: Mapping[str, int],
    body: Sequence[str],
    before: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> str:
    """A kernel text that runs ``body`` for every window.

    before: what each image begins with.
    beside: what handles the windows left..right of a row itself.
    """
    rows, columns = [], []
    if has_few_taps(loops):
        rows = [
            f"r_{d}_{h} = ((image * D + {_inside('od', 'D', d)}) * H"
            f" + {_inside('oh', 'H', h)}) * W * C"
            for d, h in np.ndindex(loops["KD"], loops["KH"])
        ]
        columns = [f"w_{w} = {_inside('ow', 'W', w)} * C" for w in range(loops["KW"])]
    return _EVERY_WINDOW.format(
        left="lo" if beside else "int64(0)",
        right="hi" if beside else "int64(0)",
        before=_indented(before, 4),
        rows=_indented(rows, 12),
        beside=_indented(beside, 12),
        columns=_indented(columns, 20),
        body=_indented(body, 20),
    )


def _indented(lines: Sequence[str], by: int) -> str:
    return ("\n" + " " * by).join(lines)


def _inside(index: str, axis: str, tap: int) -> str:
    return f"minimum(maximum({index} * S{axis} - P{axis} + {tap}, 0), {axis} - 1)"


def taps(loops: Mapping[str, int]) -> list[str]:
    """Where the elements of a window of few lie, from the names of ``every_window``."""
    sizes = loops["KD"], loops["KH"], loops["KW"]
    return [f"r_{d}_{h} + w_{w}" for d, h, w in np.ndindex(sizes)]


def taps_beside(loops: Mapping[str, int]) -> list[str]:
    """The same for the windows lo..hi, which need not be moved, with literal strides."""
    sizes, stride = (loops["KD"], loops["KH"], loops["KW"]), loops["SW"]
    return [f"r_{d}_{h} + (ow * {stride} - PW + {w})" for d, h, w in np.ndindex(sizes)]


def pooling(
    kernel: Callable[[Call, Mapping[str, int]], str],
    image: Callable[[Call], Dims],
    first: int | None = None,
    known: tuple[int, ...] = (),
) -> Procedure:
    """The kernel rule of a pooling op.

    Args:
        kernel: its text, from the sizes.
        image: the shape of what the windows lie on.
        first: as ``windows_of`` takes it.
        known: further inputs that the kernel does not get.
    """

    def sizes(call_: Call) -> dict[str, int]:
        return loops_of(call_, image(call_), first)

    def flops(call_: Call) -> int:
        at, names = sizes(call_), ("batch", "OD", "OH", "OW", "C", "KD", "KH", "KW")
        return math.prod(at[name] for name in names)

    if first is not None:
        known = (*known, first, first + 1)
    return Procedure(
        "{kernel}",
        sizes=sizes,
        steps=lambda call_: sizes(call_)["batch"],
        known=known,
        choices=lambda call_: {"kernel": kernel(call_, sizes(call_))},
        flops=flops,
    )
