"""Summary operations: ScalarSummary, HistogramSummary, ImageSummary and their kin.

Each makes one string scalar, a serialized Summary.  They run on the host.

Read next: functions.py.
"""

from __future__ import annotations

import functools
import struct
import sys
from typing import Any

import numpy as np

from flowgraph.dtypes import ALL, FLOAT, REAL
from flowgraph.graph.opdef import (
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.image.files import encode_png
from flowgraph.ops.rules import f32, i32, invalid, require_rank
from flowgraph.ops.texts import filled, texts
from flowgraph.protos.summaries import HistogramProto, Summary, SummaryMetadata
from flowgraph.protos.tensors import packed_proto
from flowgraph.shapes import Dims, ShapeError

Array = np.ndarray[Any, Any]

_NO_NUMBERS = not_differentiable("a summary is text")


def _result(*values: Any) -> Array:
    """The output of an op: a Summary of these values."""
    return filled([Summary(value=values).SerializeToString()], ())


def _one_text(array: Any, name: str) -> bytes:
    """The bytes in a string scalar; InvalidArgumentError for other shapes."""
    if np.ndim(array):
        raise invalid(f"{name} must be scalar")
    return bytes(array[()] if isinstance(array, np.ndarray) else array)


def _tag(array: Any) -> str:
    return _one_text(array, "tag").decode(errors="replace")


def _listed(dims: Any) -> str:
    return "[" + ",".join("?" if d is None else str(d) for d in dims) + "]"


# ------------------------------------------------------------------------------------------ scalar


def _scalar_infer(call_: Call) -> list[Dims]:
    tags, values = call_.shapes
    if tags is not None and values is not None:
        fits = len(tags) == len(values) and all(
            None in (a, b) or a == b for a, b in zip(tags, values, strict=True)
        )
        if not fits:
            raise ShapeError(_no_match(tags, values))
    return [()]


def _no_match(tags: Any, values: Any) -> str:
    return f"tags and values are not the same shape: {_listed(tags)} != {_listed(values)}"


def _scalar_reference(call_: Call, tags: Any, values: Any) -> Array:
    tags, values = np.asarray(tags, object), np.asarray(values)
    if tags.shape != values.shape:
        raise invalid(_no_match(tags.shape, values.shape))
    with np.errstate(over="ignore"):
        numbers = values.reshape(-1).astype(np.float32).tolist()
    return _result(
        *(
            Summary.Value(tag=_tag(tag), simple_value=number)
            for tag, number in zip(tags.reshape(-1), numbers, strict=True)
        )
    )


define(
    "ScalarSummary",
    "tags: string, values: T -> summary: string",
    T=dtypes_of(REAL),
    infer=_scalar_infer,
    grad=_NO_NUMBERS,
    reference=_scalar_reference,
    samples=(
        sample(texts("loss"), f32()),
        sample(texts(["a", "b"]), f32(2)),
        sample(texts("step"), np.array(2**40 + 1)),
        sample(texts("none"), np.array(np.nan, np.float32)),
    ),
    errors=(
        error_sample(ValueError, "not the same shape", texts("loss"), f32(2)),
        error_sample(TypeError, "values", texts("loss"), np.array(True)),
    ),
    doc="A Summary of numbers, each under its tag.",
)


# --------------------------------------------------------------------------------------- histogram


@functools.cache
def bucket_limits() -> Array:
    """Where TensorFlow's buckets end: powers of 1.1 from 1e-12 to 1e20, their negatives, 0.

    NB: the powers are repeated products, with their roundings: others would not be found again.
    """
    limits, limit = [], 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    limits.append(sys.float_info.max)
    return np.array([-x for x in reversed(limits)] + [0.0] + limits)


def histogram_of(values: Array) -> HistogramProto:
    """How finite ``values`` are spread over the buckets ``[limit before, limit)``.

    Of a run of empty buckets only the last is kept.

    >>> histogram_of(np.array([0.5, 2.0])).bucket
    [0.0, 1.0, 0.0, 1.0, 0.0]
    """
    flat = values.reshape(-1).astype(np.float64)
    limits = bucket_limits()
    places = np.searchsorted(limits, flat, side="right").clip(max=len(limits) - 1)
    counts = np.bincount(places, minlength=len(limits))
    filled_ = counts > 0
    kept = filled_ | np.append(filled_[1:], True)
    largest = sys.float_info.max
    with np.errstate(over="ignore", invalid="ignore"):
        # one after the other, as TensorFlow adds: np.sum would add in pairs
        total, squares = (np.add.accumulate(np.append(0.0, x))[-1] for x in (flat, flat * flat))
    return HistogramProto(
        min=float(flat.min(initial=largest)), max=float(flat.max(initial=-largest)),
        num=flat.size, sum=float(total), sum_squares=float(squares),
        bucket_limit=limits[kept].tolist(), bucket=counts[kept].astype(float).tolist(),
    )  # fmt: skip


def _histogram_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "tag")
    return [()]


def _histogram_reference(call_: Call, tag: Any, values: Any) -> Array:
    name, values = _tag(tag), np.asarray(values)
    wrong = values[~np.isfinite(values)]
    if wrong.size:
        what = "Nan in summary histogram" if np.isnan(wrong[0]) else "Infinity in Histogram"
        raise invalid(f"{what} for: {name}")
    return _result(Summary.Value(tag=name, histo=histogram_of(values)))


define(
    "HistogramSummary",
    "tag: string, values: T -> summary: string",
    T=dtypes_of(REAL),
    infer=_histogram_infer,
    grad=_NO_NUMBERS,
    reference=_histogram_reference,
    samples=(
        sample(texts("h"), f32(7)),
        sample(texts("h"), i32([[1, 2, -3], [0, 0, 100]])),
        sample(texts("h"), np.array([4e4, -4e4, 1e-4, 0.0, 1e-12, -1e-13], np.float32)),
        sample(texts("h"), f32(0)),
        sample(texts("h"), f32()),
    ),
    errors=(
        error_sample(ValueError, "tag must be a scalar", texts(["h"]), f32(2)),
        error_sample(Exception, "Nan in summary histogram for: h",
                     texts("h"), np.array([1, np.nan, np.inf], np.float32), stage="run"),
        error_sample(Exception, "Infinity in Histogram for: h",
                     texts("h"), np.array([1, -np.inf]), stage="run"),
    ),
    doc="A Summary of a histogram: TensorFlow's buckets, whose limits grow by a tenth.",
)  # fmt: skip


# ------------------------------------------------------------------------------------------- image


def _names(tag: str, kind: str, most: int, count: int) -> list[str]:
    """``tag/image/0``, ``tag/image/1``, ...; without a number where there is to be one only."""
    if most == 1:
        return [f"{tag}/{kind}"] * count
    return [f"{tag}/{kind}/{k}" for k in range(count)]


def pixels_of(image: Array, bad_color: Array) -> Array:
    """Any finite numbers as 0..255.

    The largest becomes 255 and 0 stays 0; with negative ones the largest magnitude becomes 127 and
    0 becomes 128.  A pixel with another value gets ``bad_color``.  As in TensorFlow the factor is
    float32 and applied in the image's dtype: the largest of float64 may become 254.
    """
    kind, single = image.dtype.type, np.float32
    channels = image.shape[-1]
    pixels = image.reshape(-1, channels)
    finite = np.isfinite(pixels).all(axis=1)
    good = pixels[finite]
    lowest, highest = good.min(initial=np.inf), good.max(initial=-np.inf)
    top, offset = (127, 128) if lowest < 0 else (255, 0)
    limit = max(abs(lowest), abs(highest)) if lowest < 0 else highest
    with np.errstate(all="ignore"):
        scale = single(0) if limit < 1e-6 else single(top) / single(limit)
        scaled = good * kind(scale) + kind(offset)
    found = np.empty(pixels.shape, np.uint8)
    found[finite] = np.nan_to_num(scaled).clip(0, 255).astype(np.uint8)
    found[~finite] = bad_color[:channels]
    return found.reshape(image.shape)


def _image_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "tag")
    dims = call_.shapes[1]
    if dims is not None:
        _check_image(dims)
    most, color = call_.attrs["max_images"], call_.attrs["bad_color"]
    if most < 1:
        raise ShapeError(f"max_images must be at least 1, not {most}")
    if color.dtype != np.uint8:
        raise ShapeError(f"bad_color must be uint8, got {color.dtype}")
    if color.ndim != 1:
        raise ShapeError(f"bad_color must be a vector, got shape {_listed(color.shape)}")
    return [()]


def _check_image(dims: Any) -> None:
    if len(dims) != 4 or dims[3] not in (None, 1, 3, 4):
        raise ShapeError(f"tensor must be 4-D with last dim 1, 3, or 4, not {_listed(dims)}")


def _image_reference(call_: Call, tag: Any, tensor: Any) -> Array:
    most, color = call_.attrs["max_images"], call_.attrs["bad_color"]
    name, dims = _tag(tag), tensor.shape
    try:
        _check_image(dims)
    except ShapeError as error:
        raise invalid(str(error)) from None
    if 0 in dims[1:]:
        raise invalid(f"input tensor must have non-zero dims. Found: {_listed(dims)}.")
    _, height, width, depth = dims
    images = tensor[:most]
    if images.dtype != np.uint8:
        if depth > color.size:
            raise invalid("expected depth <= bad_color.size, got "
                          f"depth = {depth}, bad_color.size = {color.size}")  # fmt: skip
        images = [pixels_of(image, color) for image in images]
    return _result(
        *(
            Summary.Value(
                tag=one,
                image=Summary.Image(
                    height=height, width=width, colorspace=depth,
                    encoded_image_string=encode_png(image, -1),
                ),
            )
            for one, image in zip(_names(name, "image", most, len(images)), images, strict=True)
        )
    )  # fmt: skip


_BYTES = ((np.arange(48) * 37) % 251).astype(np.uint8).reshape(2, 2, 4, 3)
_HOLES = np.array([np.nan, 1, 2, -1, np.inf, 0.5], np.float32).reshape(1, 2, 3, 1)

define(
    "ImageSummary",
    "tag: string, tensor: T -> summary: string",
    T=dtypes_of(FLOAT | {"uint8"}),
    max_images=3,
    bad_color=Attr("tensor", np.array([255, 0, 0, 255], np.uint8)),
    infer=_image_infer,
    grad=_NO_NUMBERS,
    reference=_image_reference,
    samples=(
        sample(texts("i"), _BYTES),
        sample(texts("i"), _BYTES, max_images=1),
        sample(texts("i"), f32(3, 5, 2, 1), max_images=2),
        sample(texts("i"), _HOLES),
        sample(texts("i"), f32(0, 5, 2, 4)),
    ),
    errors=(
        error_sample(ValueError, "4-D with last dim 1, 3, or 4", texts("i"), f32(2, 3, 3)),
        error_sample(ValueError, "4-D with last dim 1, 3, or 4", texts("i"), f32(1, 3, 3, 2)),
        error_sample(ValueError, "max_images", texts("i"), f32(1, 3, 3, 1), max_images=0),
        error_sample(ValueError, "must be a vector", texts("i"), f32(1, 3, 3, 1),
                     bad_color=np.array([[1]], np.uint8)),
        error_sample(ValueError, "must be uint8", texts("i"), f32(1, 3, 3, 1),
                     bad_color=np.array([1])),
        error_sample(Exception, "depth = 3, bad_color.size = 2", texts("i"), f32(1, 3, 3, 3),
                     bad_color=np.array([1, 2], np.uint8), stage="run"),
        error_sample(Exception, "non-zero dims", texts("i"), f32(1, 0, 3, 3), stage="run"),
    ),
    doc="A Summary of the first images of a batch, as PNG.",
)  # fmt: skip


# ------------------------------------------------------------------------------------------- audio


def wav_of(samples: Array, rate: float) -> bytes:
    """A WAV file of 16 bits: (frames, channels) in [-1, 1], ``rate`` frames a second.

    Samples are rounded to the nearest multiple of 1/32768, halves away from 0.
    """
    scaled = samples.astype(np.float64) * 32768
    rounded = np.nan_to_num(np.trunc(scaled + np.copysign(0.5, scaled)))
    data = rounded.clip(-32768, 32767).astype("<i2").tobytes()
    frames = max(1, round(rate))
    width = 2 * samples.shape[1]
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, samples.shape[1],
        frames, frames * width & 0xFFFFFFFF, width, 16, b"data", len(data),
    )  # fmt: skip
    return head + data


def _audio_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "tag")
    require_rank(call_.shapes[2], 0, "sample_rate")
    if call_.shapes[1] is not None and len(call_.shapes[1]) not in (2, 3):
        raise ShapeError(f"tensor must be 3-D or 2-D, got: {_listed(call_.shapes[1])}")
    if call_.attrs["max_outputs"] < 1:
        raise ShapeError(f"max_outputs must be at least 1, not {call_.attrs['max_outputs']}")
    return [()]


def _audio_reference(call_: Call, tag: Any, tensor: Any, sample_rate: Any) -> Array:
    most, name = call_.attrs["max_outputs"], _tag(tag)
    if tensor.ndim not in (2, 3):
        raise invalid(f"tensor must be 3-D or 2-D, got: {_listed(tensor.shape)}")
    if np.size(sample_rate) != 1:
        raise invalid("sample_rate must be one number")
    rate = float(np.asarray(sample_rate).item())
    if not rate > 0:
        raise invalid("sample_rate must be > 0")
    sounds = tensor[:most, :, None] if tensor.ndim == 2 else tensor[:most]
    channels = sounds.shape[2]
    if not 0 < channels < 1 << 15 or rate > 0xFFFFFFFF or sounds[:1].size > 1 << 30:
        raise invalid(f"a WAV file cannot hold {channels} channels of {sounds.shape[1]} frames at "
                      f"{rate:g} a second")  # fmt: skip
    return _result(
        *(
            Summary.Value(
                tag=one,
                audio=Summary.Audio(
                    sample_rate=rate, num_channels=channels, length_frames=sound.shape[0],
                    encoded_audio_string=wav_of(sound, rate), content_type="audio/wav",
                ),
            )
            for one, sound in zip(_names(name, "audio", most, len(sounds)), sounds, strict=True)
        )
    )  # fmt: skip


_RATE = np.array(8000, np.float32)
_SOUND = np.array([[0.0, 0.5, -0.5, 1.0, -1.0, 2.0]], np.float32)

define(
    "AudioSummaryV2",
    "tag: string, tensor: float32, sample_rate: float32 -> summary: string",
    max_outputs=3,
    infer=_audio_infer,
    grad=_NO_NUMBERS,
    reference=_audio_reference,
    samples=(
        sample(texts("a"), _SOUND, _RATE, max_outputs=1),
        sample(texts("a"), f32(4, 5, 2), np.array(44100.5, np.float32)),
        sample(texts("a"), f32(1, 0), _RATE),
        sample(texts("a"), f32(0, 4), _RATE),
    ),
    errors=(
        error_sample(ValueError, "3-D or 2-D", texts("a"), f32(3), _RATE),
        error_sample(ValueError, "max_outputs", texts("a"), f32(1, 3), _RATE, max_outputs=0),
        error_sample(Exception, "sample_rate must be > 0", texts("a"), f32(1, 3), f32() * 0,
                     stage="run"),
        error_sample(Exception, "0 channels", texts("a"), f32(1, 2, 0), _RATE, stage="run"),
    ),
    doc="A Summary of the first sounds of a batch, as WAV files.",
)  # fmt: skip


# --------------------------------------------------------------------------------- tensors, merging


def _tensor_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "tag")
    require_rank(call_.shapes[2], 0, "serialized_summary_metadata")
    return [()]


def _parsed(kind: Any, data: bytes, complaint: str) -> Any:
    try:
        return kind.FromString(data)
    except ValueError:
        raise invalid(complaint) from None


def _tensor_reference(call_: Call, tag: Any, tensor: Any, metadata: Any) -> Array:
    data = _one_text(metadata, "serialized_summary_metadata")
    return _result(
        Summary.Value(
            tag=_tag(tag),
            tensor=packed_proto(np.asarray(tensor)),
            metadata=_parsed(SummaryMetadata, data, "the metadata are no SummaryMetadata"),
        )
    )


define(
    "TensorSummaryV2",
    "tag: string, tensor: T, serialized_summary_metadata: string -> summary: string",
    T=dtypes_of(ALL),
    infer=_tensor_infer,
    grad=_NO_NUMBERS,
    reference=_tensor_reference,
    samples=(
        sample(texts("t"), f32(2, 3), texts("")),
        sample(texts("t"), texts(["a", "b"]), texts(b"\x0a\x06\x0a\x04text")),
        sample(texts("t"), f32(0, 2), texts(b"\x12\x01d")),
    ),
    errors=(
        error_sample(ValueError, "tag must be a scalar", texts(["t"]), f32(2), texts("")),
        error_sample(Exception, "no SummaryMetadata", texts("t"), f32(2), texts(b"\xff"),
                     stage="run"),
    ),
    doc="A Summary of a tensor of any dtype, with a SummaryMetadata that says who shows it.",
)  # fmt: skip


def _merge_infer(call_: Call) -> list[Dims]:
    if not call_.shapes:
        raise ShapeError("inputs must hold at least one summary")
    return [()]


def _merge_reference(call_: Call, *inputs: Any) -> Array:
    merged: list[Any] = []
    seen: set[str] = set()
    for data in (data for array in inputs for data in np.asarray(array, object).reshape(-1)):
        for value in _parsed(Summary, data, "Could not parse one of the summary inputs").value:
            if value.tag and value.tag in seen:
                raise invalid(f"Duplicate tag {value.tag} found in summary inputs")
            seen.add(value.tag)
            merged.append(value)
    return _result(*merged)


_TWO = [
    filled([Summary(value=[Summary.Value(tag=tag, simple_value=1)]).SerializeToString()], ())
    for tag in "ab"
]

define(
    "MergeSummary",
    "inputs: N*string -> summary: string",
    infer=_merge_infer,
    grad=_NO_NUMBERS,
    reference=_merge_reference,
    samples=(sample(_TWO), sample(_TWO[:1]), sample([_TWO[0], texts(["", ""])])),
    errors=(
        error_sample(Exception, "Duplicate tag a", [_TWO[0], _TWO[0]], stage="run"),
        error_sample(Exception, "Could not parse", [texts(b"\xff")], stage="run"),
    ),
    doc="The values of several summaries in one.",
)
