"""Images flipped, turned, cropped and padded: compositions of views.

Functions take one image (height, width, channels) or a batch of them.

Read next: batches.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.image.batches import (
    as_batch,
    as_given,
    at_least_three_axes,
    height_and_width,
    known,
    vector,
)
from flowgraph.ops.random import random_uniform
from flowgraph.ops.rules import number, shape_of
from flowgraph.shapes import format_dims

#: Axes counted from the end: one image and a batch are the same then.
_HEIGHT, _WIDTH = -3, -2


def _image(image: Any, what: str) -> Tensor:
    """As a tensor of 3 or 4 axes, or unknown rank."""
    x = convert_to_tensor(image, name="image")
    at_least_three_axes(x, what)
    if x.dims is not None and len(x.dims) > 4:
        raise ValueError(f"{what}: image must have 3 or 4 axes, not shape {format_dims(x.dims)}")
    return x


def _axes(x: Tensor, *axes: int) -> Any:
    """Axes as TensorFlow's graphs have them: from the front where the rank is known."""
    return np.array([a if x.dims is None else a + len(x.dims) for a in axes], np.int32)


# ------------------------------------------------------------------------------- flips, turns


def _flip(image: Any, axis: int, scope: str) -> Tensor:
    with name_scope(None, scope, [image]):
        x = _image(image, scope)
        return call.ReverseV2(x, _axes(x, axis))


@export("image.flip_left_right")
def flip_left_right(image: Any) -> Tensor:
    """Images mirrored: the first column becomes the last.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).

    Raises:
        ValueError: another rank.

    Gradient: dy, flipped likewise.

    >>> tf.Session().run(tf.image.flip_left_right([[[1], [2], [3]]]))[0, :, 0]
    array([3, 2, 1], dtype=int32)
    """
    return _flip(image, _WIDTH, "flip_left_right")


@export("image.flip_up_down")
def flip_up_down(image: Any) -> Tensor:
    """Images upside down: the first row becomes the last.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).

    Raises:
        ValueError: another rank.

    Gradient: dy, flipped likewise.

    >>> tf.Session().run(tf.image.flip_up_down([[[1]], [[2]]]))[:, 0, 0]
    array([2, 1], dtype=int32)
    """
    return _flip(image, _HEIGHT, "flip_up_down")


def _random_flip(image: Any, axis: int, seed: int | None, scope: str) -> Tensor:
    with name_scope(None, scope, [image]):
        x = _image(image, scope)
        flipped = call.ReverseV2(x, _axes(x, axis))
        if x.dims is not None and len(x.dims) == 3:
            chosen = call.Less(random_uniform([], 0.0, 1.0, seed=seed), np.float32(0.5))
        else:
            images = call.Slice(shape_of(x), [0], [1])
            each = call.Reshape(random_uniform(images, 0.0, 1.0, seed=seed), [-1, 1, 1, 1])
            chosen = call.Greater(each, np.float32(0.5))
        result = call.SelectV2(chosen, flipped, x)
        result.set_shape(x.dims)
        return result


@export("image.random_flip_left_right")
def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """Images mirrored, or not: each by the toss of a coin.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: another rank.

    Gradient: dy, flipped likewise.
    """
    return _random_flip(image, _WIDTH, seed, "random_flip_left_right")


@export("image.random_flip_up_down")
def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """Images upside down, or not: each by the toss of a coin.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        seed: see ``tf.set_random_seed``.

    Raises:
        ValueError: another rank.

    Gradient: dy, flipped likewise.
    """
    return _random_flip(image, _HEIGHT, seed, "random_flip_up_down")


def _swapped(x: Tensor) -> Any:
    """The permutation that swaps height and width."""
    if x.dims is not None:
        return np.array([1, 0, 2] if len(x.dims) == 3 else [0, 2, 1, 3], np.int32)
    rank = call.Rank(x)
    front = call.Range(number(0, rank), rank - 3, number(1, rank))
    return call.ConcatV2([front, call.Pack([rank - 2, rank - 3, rank - 1])], 0)


@export("image.transpose_image", "image.transpose")
def transpose_image(image: Any, name: str | None = None) -> Tensor:
    """Images with rows and columns exchanged.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        name: of the operations; ``transpose`` by default.

    Raises:
        ValueError: another rank.

    Gradient: dy, transposed.

    >>> tf.image.transpose_image(tf.zeros([5, 3, 1])).shape.as_list()
    [3, 5, 1]
    """
    with name_scope(name, "transpose", [image]):
        x = _image(image, "transpose")
        return apply_op("Transpose", x, _swapped(x), name="transpose")


@export("image.rot90")
def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """Images turned counter-clockwise by ``k`` right angles.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        k: how often; an int or an int32 scalar.
        name: of the operations; ``rot90`` by default.

    Returns:
        The turned images: height and width are exchanged where ``k`` is odd.

    Raises:
        ValueError: another rank.

    Gradient: dy, turned back.

    >>> tf.Session().run(tf.image.rot90([[[1], [2]], [[3], [4]]]))[:, :, 0]
    array([[2, 4],
           [1, 3]], dtype=int32)
    """
    with name_scope(name, "rot90", [image, k]):
        x = _image(image, "rot90")
        turns = known(k)
        if turns is None:
            return _turned(x, k)
        turns = int(turns) % 4
        if turns == 0:
            return call.Identity(x)
        if turns == 2:
            return call.ReverseV2(x, _axes(x, _HEIGHT, _WIDTH))
        if turns == 1:
            return call.Transpose(call.ReverseV2(x, _axes(x, _WIDTH)), _swapped(x))
        return call.ReverseV2(call.Transpose(x, _swapped(x)), _axes(x, _WIDTH))


def _turned(x: Tensor, k: Tensor) -> Tensor:
    """``rot90`` where only the run knows ``k``: rows and columns are picked, and swapped if odd."""
    turns = call.FloorMod(k, number(4, k))
    if x.dims is None:
        x = call.Reshape(x, call.ConcatV2([np.array([-1], np.int32), call.Shape(x)[-3:]], 0))
    assert x.dims is not None
    rank = len(x.dims)
    height, width = (shape_of(x)[rank + axis] for axis in (_HEIGHT, _WIDTH))
    for axis, size, times in ((_HEIGHT, height, (2, 3)), (_WIDTH, width, (1, 2))):
        place = call.Range(number(0, size), size, number(1, size))
        is_one = [call.Equal(turns, number(n, turns)) for n in times]
        back = call.LogicalOr(*is_one)
        place = call.SelectV2(back, size - 1 - place, place)
        x = call.GatherV2(x, place, np.array(rank + axis, np.int32))
    odd = call.Equal(call.FloorMod(turns, number(2, turns)), number(1, turns))
    same = convert_to_tensor(np.arange(rank, dtype=np.int32))
    result = call.Transpose(x, call.SelectV2(odd, convert_to_tensor(_swapped(x)), same))
    first, last = ([None], None) if x.dims is None else (x.dims[: rank - 3], x.dims[-1])
    result.set_shape([*first, None, None, last])
    return result


# ------------------------------------------------------------------------------- crops, pads


def _require(condition: Any, what: str) -> None:
    """ValueError unless a condition on known numbers holds."""
    if not condition:
        raise ValueError(what)


def _check(what: str, least: int, **numbers: Any) -> None:
    """ValueError for known numbers below ``least``."""
    for name, value in numbers.items():
        found = known(value)
        _require(
            found is None or found >= least, f"{what}: {name} must be at least {least}, not {found}"
        )


@export("image.crop_to_bounding_box")
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """A rectangle out of every image.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        offset_height, offset_width: row and column of its upper left corner; ints or int32 scalars.
        target_height, target_width: its size.

    Raises:
        ValueError: it does not lie inside the image, or another rank.
        InvalidArgumentError: the same, where only the run knows.

    Gradient: dy in its place, zeros around.

    >>> x = tf.reshape(tf.range(12), [3, 4, 1])
    >>> tf.Session().run(tf.image.crop_to_bounding_box(x, 1, 2, 2, 2))[:, :, 0]
    array([[ 6,  7],
           [10, 11]], dtype=int32)
    """
    what = "crop_to_bounding_box"
    with name_scope(None, what, [image]):
        batch, added = as_batch(convert_to_tensor(image, name="image"), what)
        _check(what, 0, offset_height=offset_height, offset_width=offset_width)
        _check(what, 1, target_height=target_height, target_width=target_width)
        assert batch.dims is not None
        for size, offset, target, name in (
            (batch.dims[1], offset_height, target_height, "height"),
            (batch.dims[2], offset_width, target_width, "width"),
        ):
            begin, wanted = known(offset), known(target)
            if None not in (size, begin, wanted):
                _require(
                    begin + wanted <= size,
                    f"{what}: {name} must be >= target + offset: {size} for {wanted} + {begin}",
                )
        begin = vector(0, offset_height, offset_width, 0)
        cropped = call.Slice(batch, begin, vector(-1, target_height, target_width, -1))
        _set_space(cropped, batch, target_height, target_width)
        return as_given(cropped, added)


def _set_space(result: Tensor, batch: Tensor, height: Any, width: Any) -> None:
    dims: Any = batch.dims
    result.set_shape([dims[0], known(height), known(width), dims[3]])


@export("image.pad_to_bounding_box")
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """Every image in a larger one of zeros.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        offset_height, offset_width: rows above and columns before it; ints or int32 scalars.
        target_height, target_width: size of the larger one.

    Raises:
        ValueError: it does not fit into that, or another rank.
        InvalidArgumentError: the same, where only the run knows.

    Gradient: the part of dy where the image stands.

    >>> tf.Session().run(tf.image.pad_to_bounding_box([[[7]]], 0, 1, 2, 3))[:, :, 0]
    array([[0, 7, 0],
           [0, 0, 0]], dtype=int32)
    """
    what = "pad_to_bounding_box"
    with name_scope(None, what, [image]):
        batch, added = as_batch(convert_to_tensor(image, name="image"), what)
        _check(what, 0, offset_height=offset_height, offset_width=offset_width)
        frame = []
        for size, offset, target, name in zip(
            height_and_width(batch),
            (offset_height, offset_width),
            (target_height, target_width),
            ("height", "width"),
            strict=True,
        ):
            begin, wanted = known(offset), known(target)
            after = target - offset - size
            if None not in (begin, wanted) and not isinstance(size, Tensor):
                after = wanted - begin - size
                _require(
                    after >= 0,
                    f"{what}: {name} must be <= target - offset: {size} for {wanted} - {begin}",
                )
            frame += [offset if begin is None else begin, after]
        rows = vector(0, 0, *frame, 0, 0)
        padded = call.Pad(batch, call.Reshape(rows, [4, 2]) if isinstance(rows, Tensor)
                          else rows.reshape(4, 2))  # fmt: skip
        _set_space(padded, batch, target_height, target_width)
        return as_given(padded, added)


def _least(a: Any, b: Any) -> Any:
    """The lesser of two ints or int32 scalars."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return call.Minimum(*(convert_to_tensor(v, dtype=int32) for v in (a, b)))
    return min(a, b)


def _half_of_excess(a: Any, b: Any) -> Any:
    """max((a - b) // 2, 0)"""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        difference = call.Sub(*(convert_to_tensor(v, dtype=int32) for v in (a, b)))
        return call.Maximum(call.FloorDiv(difference, number(2, difference)), number(0, difference))
    return max((a - b) // 2, 0)


@export("image.resize_image_with_crop_or_pad", "image.resize_with_crop_or_pad")
def resize_image_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Tensor:
    """Images brought to a size by cutting off what is too much, or adding zeros, evenly around.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        target_height, target_width: of the result.

    Raises:
        ValueError: a size that is not positive, or another rank.

    Gradient: dy in its place, zeros where pixels were cut off.

    >>> x = tf.reshape(tf.range(1, 6), [1, 5, 1])
    >>> tf.Session().run(tf.image.resize_image_with_crop_or_pad(x, 2, 3))[:, :, 0]
    array([[2, 3, 4],
           [0, 0, 0]], dtype=int32)
    """
    what = "resize_image_with_crop_or_pad"
    with name_scope(None, what, [image]):
        batch, added = as_batch(convert_to_tensor(image, name="image"), what)
        _check(what, 1, target_height=target_height, target_width=target_width)
        height, width = height_and_width(batch)
        target_height, target_width = (
            t if known(t) is None else int(known(t)) for t in (target_height, target_width)
        )
        cropped = crop_to_bounding_box(
            batch,
            _half_of_excess(height, target_height),
            _half_of_excess(width, target_width),
            _least(height, target_height),
            _least(width, target_width),
        )
        padded = pad_to_bounding_box(
            cropped,
            _half_of_excess(target_height, height),
            _half_of_excess(target_width, width),
            target_height,
            target_width,
        )
        return as_given(padded, added)


@export("image.central_crop")
def central_crop(image: Any, central_fraction: Any) -> Tensor:
    """The middle of every image: this part of its height and of its width.

    Args:
        image: (batch, height, width, channels) or (height, width, channels).
        central_fraction: 0 < fraction <= 1, a number or a float scalar.

    Returns:
        An image without its first and last ``int(size * (1 - fraction) / 2)`` rows and columns.

    Raises:
        ValueError: the fraction is not in (0, 1], or another rank.

    Gradient: dy in its place, zeros around.

    >>> tf.image.central_crop(tf.zeros([10, 8, 3]), 0.5).shape.as_list()
    [6, 4, 3]
    """
    fraction = known(central_fraction)
    if fraction is not None and not 0 < fraction <= 1:
        raise ValueError(f"central_crop: central_fraction must be within (0, 1], not {fraction}")
    with name_scope(None, "central_crop", [image]):
        x = _image(image, "central_crop")
        if fraction == 1:
            return x
        if x.dims is None:
            raise ValueError("central_crop: the rank of the image must be known")
        rank = len(x.dims)
        begin: list[Any] = [0] * rank
        size: list[Any] = list(x.dims)
        size[-1] = -1
        size[0] = -1 if rank == 4 else size[0]
        for axis in (rank - 3, rank - 2):
            length = x.dims[axis]
            if length is not None and fraction is not None:
                begin[axis] = int((length - length * fraction) / 2)
                size[axis] = length - 2 * begin[axis]
                continue
            total = shape_of(x)[axis]
            wide = call.Cast(total, DstT="float64")
            share = call.Cast(convert_to_tensor(central_fraction), DstT="float64")
            away = call.RealDiv(call.Sub(wide, call.Mul(wide, share)), np.float64(2))
            begin[axis] = call.Cast(away, DstT="int32")
            size[axis] = call.Sub(total, call.Mul(begin[axis], number(2, total)))
        cropped = call.Slice(x, vector(*begin), vector(*size))
        kept = [v if isinstance(v, int) and v >= 0 else None for v in size]
        cropped.set_shape([*x.dims[: rank - 3], *kept[rank - 3 : -1], x.dims[-1]])
        return cropped


@export("random_crop", "image.random_crop")
def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A block of ``size`` out of a tensor, at a random place.

    Args:
        value: a tensor of any rank.
        size: of the block along every axis, an int vector.
        seed: see ``tf.set_random_seed``.
        name: of the operations; ``random_crop`` by default.

    Raises:
        ValueError: the block is larger than the tensor.
        InvalidArgumentError: the same, where only the run knows.

    Gradient: dy in its place, zeros around.

    >>> tf.random_crop(tf.zeros([32, 32, 3]), [24, 24, 3]).shape.as_list()
    [24, 24, 3]
    """
    with name_scope(name, "random_crop", [value, size]) as scope:
        x = convert_to_tensor(value, name="value")
        block = convert_to_tensor(size, dtype=int32, name="size")
        shape = shape_of(x)
        there, wanted = constant_value(shape), constant_value(block)
        if there is not None and wanted is not None:
            fits = there.shape == wanted.shape and bool((there >= wanted).all())
            _require(
                fits, f"random_crop: {wanted.tolist()} does not fit into {there.tolist()}: "
                "need value.shape >= size",
            )  # fmt: skip
        limit = call.AddV2(call.Sub(shape, block), number(1, block))
        places = random_uniform(call.Shape(shape), maxval=int32.max, dtype=int32, seed=seed)
        # NB: a block that does not fit has no place: Slice refuses it
        offset = call.FloorMod(places, call.Maximum(limit, number(1, limit)))
        return apply_op("Slice", x, offset, block, name=scope)
