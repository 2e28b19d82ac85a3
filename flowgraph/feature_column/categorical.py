"""Categorical columns: hashes, numbers, vocabularies, crosses of them, and weights.

Read next: columns.py, dense.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, float32, int64, string
from flowgraph.feature_column.columns import (
    CategoricalColumn,
    Features,
    Ids,
    as_sparse,
    check_key,
)
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies
from flowgraph.graph.export import export
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.casts import cast
from flowgraph.ops.checks import assert_greater_equal, assert_less
from flowgraph.ops.features import VarLenFeature
from flowgraph.ops.identity import identity
from flowgraph.ops.sparse_cross import DEFAULT_KEY, sparse_cross_hashed
from flowgraph.ops.strings_hashing import string_to_hash_bucket_fast
from flowgraph.ops.strings_numbers import as_string
from flowgraph.platform.file_io import path_of
from flowgraph.tables.vocabularies import index_table_from_file, index_table_from_tensor


@dataclass(frozen=True)
class _OfOneFeature(CategoricalColumn):
    key: str

    @property
    def name(self) -> str:
        return self.key

    def _given(self, features: Features, dtype: Any) -> SparseTensor:
        """The feature, sparse and of the kind (texts or integers) that ``dtype`` is of."""
        sparse = as_sparse(features.raw(self.key))
        own = sparse.dtype.base_dtype
        if not (own is string or own.is_integer):
            raise ValueError(
                f"column_name: {self.key}: SparseColumn input must be string or integer, got "
                f"{own.name}"
            )
        if own.is_integer != dtype.is_integer:
            raise ValueError(
                f"Column dtype and SparseTensors dtype must be compatible. key: {self.key}, column "
                f"dtype: {dtype.name}, tensor dtype: {own.name}"
            )
        return sparse


def _with(sparse: SparseTensor, values: Any) -> SparseTensor:
    return SparseTensor(sparse.indices, values, sparse.dense_shape)


def _text_or_integer(dtype: Any, key: str) -> Any:
    dtype = as_dtype(dtype)
    if not (dtype is string or dtype.is_integer):
        raise ValueError(
            f"dtype must be string or integer. dtype: {dtype.name}, column_name: {key}"
        )
    return dtype


@dataclass(frozen=True)
class HashedCategoricalColumn(_OfOneFeature):
    """Hashes; see categorical_column_with_hash_bucket."""

    hash_bucket_size: int
    dtype: Any

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: VarLenFeature(self.dtype)}

    @property
    def num_buckets(self) -> int:
        return self.hash_bucket_size

    def transform(self, features: Features) -> Any:
        sparse = self._given(features, self.dtype)
        texts = sparse.values if self.dtype is string else as_string(sparse.values)
        return _with(
            sparse, string_to_hash_bucket_fast(texts, self.hash_bucket_size, name="lookup")
        )


@export("feature_column.categorical_column_with_hash_bucket")
def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = string
) -> HashedCategoricalColumn:
    """Categories that are texts or integers: their hash modulo ``hash_bucket_size``.

    Args:
        key: name of the feature.
        hash_bucket_size: how many categories there are.
        dtype: of the feature.

    Raises:
        ValueError: no size; the dtype is neither of texts nor of integers.
    """
    if hash_bucket_size is None:
        raise ValueError(f"hash_bucket_size must be set. key: {key}")
    if hash_bucket_size < 1:
        raise ValueError(
            f"hash_bucket_size must be at least 1. hash_bucket_size: {hash_bucket_size}, key: {key}"
        )
    check_key(key)
    return HashedCategoricalColumn(key, hash_bucket_size, _text_or_integer(dtype, key))


@dataclass(frozen=True)
class IdentityCategoricalColumn(_OfOneFeature):
    """Numbers of categories; see categorical_column_with_identity."""

    number_buckets: int
    default_value: int | None

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: VarLenFeature(int64)}

    @property
    def num_buckets(self) -> int:
        return self.number_buckets

    def transform(self, features: Features) -> Any:
        sparse = self._given(features, int64)
        ids = cast(sparse.values, int64, name="values")
        size = convert_to_tensor(self.number_buckets, int64, name="num_buckets")
        zero = convert_to_tensor(0, int64, name="zero")
        if self.default_value is None:
            checks = [
                assert_less(ids, size, message=f"{self.key}: a category is no number below "
                                               f"{self.number_buckets}"),
                assert_greater_equal(ids, zero, message=f"{self.key}: a category is negative"),
            ]  # fmt: skip
            with control_dependencies(checks):
                return _with(sparse, identity(ids))
        wrong = call.LogicalOr(call.Less(ids, zero), call.GreaterEqual(ids, size))
        default = convert_to_tensor(self.default_value, int64, name="default_value")
        return _with(sparse, call.SelectV2(wrong, default, ids))


@export("feature_column.categorical_column_with_identity")
def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityCategoricalColumn:
    """Categories that are numbers in ``[0, num_buckets)``.

    Args:
        key: name of the feature.
        num_buckets: how many categories there are.
        default_value: the category of numbers out of range; None: such a number is an error of the
            run.

    Raises:
        ValueError: ``num_buckets`` is not positive, or the default out of range.
    """
    check_key(key)
    if num_buckets < 1:
        raise ValueError(f"num_buckets {num_buckets} < 1, column_name {key}")
    if default_value is not None and not 0 <= default_value < num_buckets:
        raise ValueError(
            f"default_value {default_value} not in range [0, {num_buckets}), column_name {key}"
        )
    return IdentityCategoricalColumn(key, num_buckets, default_value)


@dataclass(frozen=True)
class VocabularyListCategoricalColumn(_OfOneFeature):
    """Words of a list; see categorical_column_with_vocabulary_list."""

    vocabulary_list: tuple[Any, ...]
    dtype: Any
    default_value: int
    num_oov_buckets: int

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: VarLenFeature(self.dtype)}

    @property
    def num_buckets(self) -> int:
        return len(self.vocabulary_list) + self.num_oov_buckets

    def transform(self, features: Features) -> Any:
        sparse = self._given(features, self.dtype)
        words = sparse
        dtype = self.dtype
        if dtype.is_integer:
            dtype, words = int64, _with(sparse, cast(sparse.values, int64))
        table = index_table_from_tensor(
            vocabulary_list=list(self.vocabulary_list), num_oov_buckets=self.num_oov_buckets,
            default_value=self.default_value, dtype=dtype, name=f"{self.key}_lookup",
        )  # fmt: skip
        return table.lookup(words)


@export("feature_column.categorical_column_with_vocabulary_list")
def categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Sequence[Any],
    dtype: Any = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyListCategoricalColumn:
    """Categories that are the words of a list.

    Args:
        key: name of the feature.
        vocabulary_list: the words: texts or integers, each once.
        dtype: of the feature; that of the words by default.
        default_value: category of other words; -1: they are left out.
        num_oov_buckets: categories for other words, chosen by a hash.

    Raises:
        ValueError: no words; a word is there twice; dtypes do not fit; both ``default_value`` and
            ``num_oov_buckets`` are given.

    >>> colour = tf.feature_column.categorical_column_with_vocabulary_list("c", ["red", "green"])
    >>> layer = tf.feature_column.input_layer(
    ...     {"c": tf.constant(["green", "blue"])}, [tf.feature_column.indicator_column(colour)])
    >>> with tf.Session() as sess:
    ...     sess.run(tf.tables_initializer())
    ...     print(sess.run(layer))
    [[0. 1.]
     [0. 0.]]
    """
    check_key(key)
    words = list(vocabulary_list) if vocabulary_list is not None else []
    if not words:
        raise ValueError(f"vocabulary_list {vocabulary_list} must be non-empty, column_name: {key}")
    if len(set(words)) != len(words):
        raise ValueError(
            f"Duplicate keys in vocabulary_list {vocabulary_list}, column_name: {key}"
        )
    own = as_dtype(string if np.asarray(words).dtype.kind in "USO" else np.asarray(words).dtype)
    _check_buckets(key, num_oov_buckets, default_value != -1)
    own = _text_or_integer(own, key)
    wanted = own if dtype is None else _text_or_integer(dtype, key)
    if wanted.is_integer != own.is_integer:
        raise ValueError(
            f"dtype {wanted.name} and vocabulary dtype {own.name} do not match, column_name: {key}"
        )
    return VocabularyListCategoricalColumn(
        key, tuple(words), wanted, default_value, num_oov_buckets
    )


def _check_buckets(key: str, buckets: int, has_default: bool) -> None:
    if buckets < 0:
        raise ValueError(f"Invalid num_oov_buckets {buckets} in {key}.")
    if buckets and has_default:
        raise ValueError(f"Can't specify both num_oov_buckets and default_value in {key}.")


@dataclass(frozen=True)
class VocabularyFileCategoricalColumn(_OfOneFeature):
    """Words of a file; see categorical_column_with_vocabulary_file."""

    vocabulary_file: str
    vocabulary_size: int
    num_oov_buckets: int
    dtype: Any
    default_value: int

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: VarLenFeature(self.dtype)}

    @property
    def num_buckets(self) -> int:
        return self.vocabulary_size + self.num_oov_buckets

    def transform(self, features: Features) -> Any:
        sparse = self._given(features, self.dtype)
        words, dtype = sparse, self.dtype
        if dtype.is_integer:
            dtype, words = int64, _with(sparse, cast(sparse.values, int64))
        table = index_table_from_file(
            self.vocabulary_file, self.num_oov_buckets, self.vocabulary_size, self.default_value,
            key_dtype=dtype, name=f"{self.key}_lookup",
        )  # fmt: skip
        return table.lookup(words)


@export("feature_column.categorical_column_with_vocabulary_file")
def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = string,
) -> VocabularyFileCategoricalColumn:
    """Categories that are the lines of a file.

    Args:
        key: name of the feature.
        vocabulary_file: path of the file.
        vocabulary_size: how many lines to take; all of them when None.
        num_oov_buckets: categories for other words, chosen by a hash.
        default_value: category of other words; -1, the default: they are left out.
        dtype: of the feature.

    Raises:
        ValueError: no file; a number is out of range; both ``default_value`` and
            ``num_oov_buckets`` are given.
        NotFoundError: ``vocabulary_size`` is None and there is no such file.
    """
    check_key(key)
    if not vocabulary_file:
        raise ValueError(f"Missing vocabulary_file in {key}.")
    path = path_of(vocabulary_file)
    if vocabulary_size is None:
        if not os.path.exists(path):
            raise ValueError(f"vocabulary_file in {key} does not exist: {path}")
        with open(path, "rb") as file:
            vocabulary_size = sum(1 for _ in file)
    if vocabulary_size < 1:
        raise ValueError(f"Invalid vocabulary_size in {key}.")
    _check_buckets(key, num_oov_buckets, default_value is not None)
    return VocabularyFileCategoricalColumn(
        key, path, vocabulary_size, num_oov_buckets, _text_or_integer(dtype, key),
        -1 if default_value is None else default_value,
    )  # fmt: skip


@dataclass(frozen=True)
class CrossedColumn(CategoricalColumn):
    """Hashes of combinations; see crossed_column."""

    keys: tuple[Any, ...]
    hash_bucket_size: int
    hash_key: int | None

    def _leaves(self) -> list[Any]:
        """The features and columns that are crossed, those of crosses inside taken apart."""
        found: list[Any] = []
        for key in self.keys:
            found += key._leaves() if isinstance(key, CrossedColumn) else [key]
        return found

    @property
    def name(self) -> str:
        names = [leaf if isinstance(leaf, str) else leaf.name for leaf in self._leaves()]
        return "_X_".join(sorted(names))

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = {}
        for key in self.keys:
            own = {key: VarLenFeature(string)} if isinstance(key, str) else key.parse_example_spec
            spec.update(own)
        return spec

    @property
    def num_buckets(self) -> int:
        return self.hash_bucket_size

    def transform(self, features: Features) -> Any:
        crossed = []
        for leaf in self._leaves():
            if isinstance(leaf, str):
                crossed.append(features.raw(leaf))
                continue
            ids, weights = leaf.ids(features)
            if weights is not None:
                raise ValueError(
                    f"crossed_column does not support weight_tensor, but the given column "
                    f"populates weight_tensor. Given column: {leaf.name}"
                )
            crossed.append(ids)
        return sparse_cross_hashed(
            crossed, self.hash_bucket_size,
            DEFAULT_KEY if self.hash_key is None else self.hash_key,
        )  # fmt: skip


@export("feature_column.crossed_column")
def crossed_column(
    keys: Sequence[Any], hash_bucket_size: int, hash_key: int | None = None
) -> CrossedColumn:
    """Categories that are combinations: a hash of one value of each of several features.

    Args:
        keys: names of features, bucketized columns and other categorical columns (but no hashes).
        hash_bucket_size: how many categories there are.
        hash_key: what hashing begins with.

    Raises:
        ValueError: fewer than two keys, a key that is none of these, no size.
    """
    if not hash_bucket_size or hash_bucket_size < 1:
        raise ValueError(f"hash_bucket_size must be > 1. hash_bucket_size: {hash_bucket_size}")
    if not keys or len(keys) < 2:
        raise ValueError(f"keys must be a list with length > 1. Given: {keys}")
    for key in keys:
        if isinstance(key, HashedCategoricalColumn):
            raise ValueError(
                "categorical_column_with_hash_bucket is not supported for crossing. Hashing before "
                "crossing will increase probability of collision. Instead, use the feature name as "
                f"a string. Given: {key}"
            )
        if not isinstance(key, (str, CategoricalColumn)):
            raise ValueError(
                "Unsupported key type. All keys must be either string, or categorical column "
                f"except HashedCategoricalColumn. Given: {key}"
            )
    return CrossedColumn(tuple(keys), hash_bucket_size, hash_key)


@dataclass(frozen=True)
class WeightedCategoricalColumn(CategoricalColumn):
    """Categories with weights; see weighted_categorical_column."""

    categorical_column: CategoricalColumn
    weight_feature_key: str
    dtype: Any

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        spec = dict(self.categorical_column.parse_example_spec)
        if self.weight_feature_key in spec:
            raise ValueError(
                f"Parse config {spec[self.weight_feature_key]} already exists for "
                f"{self.weight_feature_key}."
            )
        return {**spec, self.weight_feature_key: VarLenFeature(self.dtype)}

    @property
    def num_buckets(self) -> int:
        return self.categorical_column.num_buckets

    def transform(self, features: Features) -> Any:
        weights = features.raw(self.weight_feature_key)
        if not isinstance(weights, SparseTensor):
            indices = self.categorical_column.ids(features).ids.indices
            shape = cast(call.Shape(weights), int64)
            weights = SparseTensor(indices, call.GatherNd(weights, indices), shape)
        if weights.dtype.base_dtype is not self.dtype:
            raise ValueError(f"Bad dtype, expected {self.dtype.name}, but got "
                             f"{weights.dtype.name}.")  # fmt: skip
        return _with(weights, cast(weights.values, float32))

    def ids(self, features: Features) -> Ids:
        return Ids(self.categorical_column.ids(features).ids, features.of(self))


@export("feature_column.weighted_categorical_column")
def weighted_categorical_column(
    categorical_column: CategoricalColumn, weight_feature_key: str, dtype: Any = float32
) -> WeightedCategoricalColumn:
    """Categories of another column, each with a weight that a second feature gives.

    Args:
        categorical_column: the categories.
        weight_feature_key: name of the feature with the weights, in the same places.
        dtype: of the weights.

    Raises:
        ValueError: the dtype has no numbers.
    """
    dtype = as_dtype(dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype {dtype.name} is not convertible to float.")
    return WeightedCategoricalColumn(categorical_column, weight_feature_key, dtype)


