"""Tables between the words of a vocabulary and their numbers.

Read next: classes.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import as_dtype, int64, string
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.casts import cast
from flowgraph.ops.sequences import range as range_
from flowgraph.ops.sizes import size
from flowgraph.tables.classes import (
    FastHashSpec,
    HasherSpec,
    IdTableWithHashBuckets,
    StaticHashTable,
)
from flowgraph.tables.initializers import (
    KeyValueTensorInitializer,
    TextFileIdTableInitializer,
    TextFileIndex,
    TextFileStringTableInitializer,
)


def _keys(dtype: Any) -> Any:
    """The dtype of a table for keys of ``dtype``."""
    wanted = as_dtype(dtype)
    if not (wanted.is_integer or wanted is string):
        raise TypeError(f"Only integer and string keys are supported, got {wanted.name}.")
    return int64 if wanted.is_integer else wanted


def _check_buckets(num_oov_buckets: int) -> None:
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be >= 0, got {num_oov_buckets}.")


@export("contrib.lookup.index_table_from_file")
def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: HasherSpec = FastHashSpec,
    key_dtype: Any = string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> Any:
    """A table from the words of a file, one a line, to their numbers.

    Args:
        vocabulary_file: path of the file.
        num_oov_buckets: buckets for other words.
        vocab_size: how many lines to take; all by default.
        default_value: number of other words when there are no buckets.
        hasher_spec: how other words are hashed.
        key_dtype: dtype of the words.
        name: of the scope, ``string_to_index`` by default.
        key_column_index, value_column_index, delimiter: columns of the file.

    Raises:
        ValueError: no file, or a number is out of range.
    """
    if vocabulary_file is None or (not isinstance(vocabulary_file, Tensor) and not vocabulary_file):
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    _check_buckets(num_oov_buckets)
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0, got {vocab_size}.")
    keys = _keys(key_dtype)
    with name_scope(name, "string_to_index"):
        with name_scope(None, "hash_table"):
            fill = TextFileIdTableInitializer(
                vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter,
                "table_init", keys,
            )  # fmt: skip
            table = StaticHashTable(fill, default_value)
        return _with_buckets(table, num_oov_buckets, hasher_spec, key_dtype)


def _with_buckets(
    table: StaticHashTable, buckets: int, hasher_spec: HasherSpec, key_dtype: Any
) -> Any:
    if not buckets and table.key_dtype is as_dtype(key_dtype):
        return table
    return IdTableWithHashBuckets(table, buckets, hasher_spec, key_dtype=key_dtype)


@export("contrib.lookup.index_table_from_tensor")
def index_table_from_tensor(
    mapping: Any = None,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: HasherSpec = FastHashSpec,
    dtype: Any = string,
    name: str | None = None,
    vocabulary_list: Any = None,
) -> Any:
    """A table from words to their places in a list.

    Args:
        mapping: the words, a vector.
        num_oov_buckets: buckets for other words.
        default_value: number of other words when there are no buckets.
        hasher_spec: how other words are hashed.
        dtype: of the words.
        name: of the scope, ``string_to_index`` by default.
        vocabulary_list: newer name of ``mapping``.

    Raises:
        ValueError: no words, or a number is out of range.
    """
    words = mapping if vocabulary_list is None else vocabulary_list
    if words is None:
        raise ValueError("vocabulary_list must be specified.")
    _check_buckets(num_oov_buckets)
    keys = _keys(dtype)
    with name_scope(name, "string_to_index"):
        given = convert_to_tensor(words)
        if given.dtype.is_integer != keys.is_integer:
            raise ValueError(f"Invalid dtype: expected {as_dtype(dtype).name}, got "
                             f"{given.dtype.name}")  # fmt: skip
        numbers = cast(range_(size(given)), int64)
        given = cast(given, int64) if given.dtype.is_integer else given
        with name_scope(None, "hash_table"):
            fill = KeyValueTensorInitializer(given, numbers, keys, int64, name="table_init")
            table = StaticHashTable(fill, default_value)
        return _with_buckets(table, num_oov_buckets, hasher_spec, dtype)


@export("contrib.lookup.index_to_string_table_from_file")
def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER,
    value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> StaticHashTable:
    """A table from numbers to the words of a file, one a line.

    Args:
        vocabulary_file: path of the file.
        vocab_size: how many lines to take; all by default.
        default_value: word of other numbers.
        name: of the scope, ``index_to_string`` by default.
        key_column_index, value_column_index, delimiter: columns of the file.

    Raises:
        ValueError: no file, or ``vocab_size`` is not positive.
    """
    if not isinstance(vocabulary_file, Tensor) and not vocabulary_file:
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0, got {vocab_size}.")
    with name_scope(name, "index_to_string"):
        fill = TextFileStringTableInitializer(
            vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter,
            "table_init",
        )  # fmt: skip
        return StaticHashTable(fill, default_value)


@export("contrib.lookup.index_to_string_table_from_tensor")
def index_to_string_table_from_tensor(
    mapping: Any = None,
    default_value: str = "UNK",
    name: str | None = None,
    vocabulary_list: Any = None,
) -> StaticHashTable:
    """A table from places in a list to its words.

    Args:
        mapping: the words, a vector.
        default_value: word of other numbers.
        name: of the scope, ``index_to_string`` by default.
        vocabulary_list: newer name of ``mapping``.

    Raises:
        ValueError: no words.
    """
    words = mapping if vocabulary_list is None else vocabulary_list
    if words is None:
        raise ValueError("vocabulary_list must be specified.")
    with name_scope(name, "index_to_string"):
        given = convert_to_tensor(words, string)
        numbers = cast(range_(size(given)), int64)
        fill = KeyValueTensorInitializer(numbers, given, int64, string, name="table_init")
        return StaticHashTable(fill, default_value)
