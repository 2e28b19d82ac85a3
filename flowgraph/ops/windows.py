"""Windows that slide over images: how large results are, how much is padded, which axes are which.

    taps = 3, stride = 2, dilation = 1, SAME:   [ 0 | a b c d e | 0 ]    3 windows, 1 zero each side
                                                  +---+---+---+
A window covers ``span = (taps - 1) * dilation + 1`` elements.  VALID: windows lie inside.  SAME:
ceil(size / stride) of them, zeros where they stick out, the odd one behind.  EXPLICIT: as many
zeros as given.  Shared by convolutions, depthwise ones and dilations; holds no records.

Read next: convolution.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowgraph.shapes import Dims, ShapeError, format_dims

#: data_format -> (axis of channels, spatial axes); batches are axis 0.
AXES = {
    "NWC": (2, (1,)),
    "NCW": (1, (2,)),
    "NHWC": (3, (1, 2)),
    "NCHW": (1, (2, 3)),
    "NDHWC": (4, (1, 2, 3)),
    "NCDHW": (1, (2, 3, 4)),
}

PADDINGS = ("SAME", "VALID", "EXPLICIT")


@dataclass(frozen=True, slots=True)
class Window:
    """How a window of ``taps`` elements slides along one axis.

    before, after: what EXPLICIT padding adds.
    """

    taps: int | None
    stride: int
    dilation: int
    padding: str
    before: int = 0
    after: int = 0

    @property
    def span(self) -> int | None:
        """Elements from the first tap to the last."""
        return None if self.taps is None else (self.taps - 1) * self.dilation + 1

    def count(self, size: int | None) -> int | None:
        """Number of windows on an axis of ``size`` elements; ShapeError when none fits."""
        if size is None:
            return None
        if self.padding == "SAME":
            return -(-size // self.stride)
        span = self.span
        if span is None:
            return None
        padded = size + self.before + self.after
        if padded < span:
            raise ShapeError(
                f"a window of {span} elements does not fit into {padded}: "
                f"negative dimension size caused by subtracting {span} from {padded}"
            )
        return (padded - span) // self.stride + 1

    def frame(self, size: int) -> tuple[int, int]:
        """Zeros before and behind an axis of ``size`` elements."""
        if self.padding != "SAME":
            return self.before, self.after
        assert self.taps is not None
        covered = (-(-size // self.stride) - 1) * self.stride + (self.taps - 1) * self.dilation + 1
        total = max(covered - size, 0)
        return total // 2, total - total // 2


def windows(
    attrs: Mapping[str, Any],
    taps: Sequence[int | None],
    data_format: str,
    dilations: Sequence[int] | None = None,
) -> list[Window]:
    """The windows along the spatial axes, from the attrs ``strides``, ``padding`` and their like.

    Args:
        attrs: of the op; ``explicit_paddings`` holds two numbers for each axis.
        taps: size of the window along each spatial axis.
        data_format: a key of AXES.
        dilations: one for each axis of the input; 1 by default.

    Raises:
        ShapeError: an attr that does not suit.
    """
    _, spatial = AXES[data_format]
    rank = len(spatial) + 2
    strides, padding = attrs["strides"], attrs["padding"]
    steps = one_per_axis(strides, spatial, rank, "strides")
    rates = one_per_axis(dilations or [1] * rank, spatial, rank, "dilations")
    if padding not in PADDINGS:
        raise ShapeError(f"padding must be SAME or VALID, not {padding!r}")
    frame = attrs.get("explicit_paddings") or []
    if padding != "EXPLICIT":
        if any(frame):
            raise ShapeError(f"explicit_paddings {frame} need padding EXPLICIT, not {padding}")
        frame = [0] * (2 * rank)
    if len(frame) != 2 * rank:
        raise ShapeError(f"explicit_paddings must hold {2 * rank} numbers, not {len(frame)}")
    if min(frame) < 0:
        raise ShapeError(f"explicit_paddings must not be negative: {frame}")
    if any(frame[2 * a] or frame[2 * a + 1] for a in range(rank) if a not in spatial):
        raise ShapeError(f"explicit_paddings must be 0 in the batch and channel axes: {frame}")
    return [
        Window(size, steps[i], rates[i], padding, frame[2 * axis], frame[2 * axis + 1])
        for i, (axis, size) in enumerate(zip(spatial, taps, strict=True))
    ]


def one_per_axis(values: Sequence[int], spatial: Sequence[int], rank: int, what: str) -> list[int]:
    """The entries of the spatial axes; ShapeError unless all are positive and the others 1."""
    if len(values) != rank:
        raise ShapeError(f"{what} must hold {rank} numbers, not {len(values)}: {list(values)}")
    if min(values) < 1:
        raise ShapeError(f"{what} must be positive: {list(values)}")
    if any(values[axis] != 1 for axis in range(rank) if axis not in spatial):
        raise ShapeError(f"{what} must be 1 in the batch and channel axes: {list(values)}")
    return [values[axis] for axis in spatial]


def axes_of(data_format: str, rank: int) -> tuple[int, tuple[int, ...]]:
    """(axis of channels, spatial axes) of a format for tensors of ``rank``; else ShapeError."""
    found = AXES.get(data_format)
    if found is None or len(data_format) != rank:
        known = [name for name in AXES if len(name) == rank]
        raise ShapeError(f"data_format must be {' or '.join(known)}, not {data_format!r}")
    return found


def image_dims(dims: Dims, rank: int, what: str) -> tuple[int | None, ...]:
    """``dims`` (all unknown when its rank is); ShapeError when its rank is another."""
    if dims is None:
        return (None,) * rank
    if len(dims) != rank:
        raise ShapeError(f"{what} must be of rank {rank}, not of shape {format_dims(dims)}")
    return dims
