"""Partitioners: into how many pieces TensorFlow would cut a variable over its servers.

There is one process here and a variable is one piece.  The functions compute what TensorFlow's do,
so that programs which pass them on keep working; a variable that would get more than one piece is
refused by ``get_variable``.

Read next: shared_variables.py (who asks a partitioner).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.dtypes import as_dtype, float32
from flowgraph.graph.export import export
from flowgraph.tensor_shape import as_dims

Partitioner = Callable[..., list[int]]


def refuse_pieces(name: str, pieces: Sequence[int]) -> None:
    """ValueError unless ``pieces`` asks for one piece."""
    if any(int(count) != 1 for count in pieces):
        raise ValueError(
            f"{name!r} would be cut into {[int(n) for n in pieces]} pieces: partitioned variables "
            "need several servers, which flowgraph does not have; leave out the partitioner"
        )


def _on_axis(axis: int, shape: Any, pieces: Callable[[list[int]], int]) -> list[int]:
    dims = as_dims(shape)
    if dims is None or None in dims:
        raise ValueError(f"a partitioner needs a completely known shape, got {shape}")
    sizes = [int(size) for size in dims]  # type: ignore[arg-type]
    result = [1] * len(sizes)
    if sizes:
        if not 0 <= axis < len(sizes):
            raise ValueError(f"partitioner: axis {axis} is out of range for shape {sizes}")
        result[axis] = max(1, min(pieces(sizes), sizes[axis]))
    return result


def _element_nbytes(dtype: Any, bytes_per_string_element: int) -> int:
    kind = as_dtype(dtype).base_dtype
    return kind.size or bytes_per_string_element


@export("fixed_size_partitioner")
def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Partitioner:
    """A partitioner of a fixed number of pieces along an axis.

    Args:
        num_shards: pieces; an axis of fewer elements gets one for each.
        axis: along which to cut.

    Returns:
        ``f(shape, dtype)`` that gives the number of pieces per axis.

    >>> tf.fixed_size_partitioner(3)(shape=[10, 4], dtype=tf.float32)
    [3, 1]
    """

    def partitioner(shape: Any, **_: Any) -> list[int]:
        return _on_axis(axis, shape, lambda sizes: num_shards)

    return partitioner


@export("variable_axis_size_partitioner")
def variable_axis_size_partitioner(
    max_shard_bytes: int,
    axis: int = 0,
    bytes_per_string_element: int = 16,
    max_shards: int | None = None,
) -> Partitioner:
    """A partitioner that keeps each piece below a size.

    Args:
        max_shard_bytes: the most bytes of a piece.
        axis: along which to cut.
        bytes_per_string_element: what a string is taken to need.
        max_shards: the most pieces.

    Returns:
        ``f(shape, dtype)`` that gives the number of pieces per axis.

    Raises:
        ValueError: a limit is not positive.

    >>> tf.variable_axis_size_partitioner(64)(shape=[10, 4], dtype=tf.float32)
    [3, 1]
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError(
            "variable_axis_size_partitioner: max_shard_bytes and bytes_per_string_element must be "
            f"positive, got {max_shard_bytes} and {bytes_per_string_element}"
        )
    if max_shards is not None and max_shards < 1:
        raise ValueError(
            f"variable_axis_size_partitioner: max_shards must be positive, got {max_shards}"
        )

    def partitioner(shape: Any, dtype: Any = float32, **_: Any) -> list[int]:
        nbytes = _element_nbytes(dtype, bytes_per_string_element)

        def pieces(sizes: list[int]) -> int:
            slice_nbytes = nbytes * math.prod(sizes[:axis] + sizes[axis + 1 :])
            slices_per_shard = max(1, max_shard_bytes // max(slice_nbytes, 1))
            count = math.ceil(sizes[axis] / slices_per_shard)
            return count if max_shards is None else min(max_shards, count)

        return _on_axis(axis, shape, pieces)

    return partitioner


@export("min_max_variable_partitioner")
def min_max_variable_partitioner(
    max_partitions: int = 1,
    axis: int = 0,
    min_slice_size: int = 256 << 10,
    bytes_per_string_element: int = 16,
) -> Partitioner:
    """A partitioner that cuts into as many pieces as keep each above a size.

    Args:
        max_partitions: the most pieces.
        axis: along which to cut.
        min_slice_size: the fewest bytes of a piece.
        bytes_per_string_element: what a string is taken to need.

    Returns:
        ``f(shape, dtype)`` that gives the number of pieces per axis.

    >>> tf.min_max_variable_partitioner(4, min_slice_size=64)(shape=[10, 4], dtype=tf.float32)
    [3, 1]
    """

    def partitioner(shape: Any, dtype: Any = float32, **_: Any) -> list[int]:
        nbytes = _element_nbytes(dtype, bytes_per_string_element)

        def pieces(sizes: list[int]) -> int:
            wanted = math.ceil(nbytes * math.prod(sizes) / min_slice_size)
            return max(1, min(max_partitions, wanted))

        return _on_axis(axis, shape, pieces)

    return partitioner
