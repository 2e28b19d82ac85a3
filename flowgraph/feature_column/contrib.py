"""The older columns of tf.contrib.layers, as those of tf.feature_column.

Read next: models.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.dtypes import float32, int64, string
from flowgraph.feature_column.categorical import (
    categorical_column_with_hash_bucket,
    categorical_column_with_identity,
    categorical_column_with_vocabulary_file,
    categorical_column_with_vocabulary_list,
    crossed_column,
    weighted_categorical_column,
)
from flowgraph.feature_column.dense import embedding_column, indicator_column
from flowgraph.feature_column.models import make_parse_example_spec
from flowgraph.feature_column.numeric import bucketized_column, numeric_column
from flowgraph.graph.export import export, export_value


@export("contrib.layers.real_valued_column")
def real_valued_column(
    column_name: str,
    dimension: int = 1,
    default_value: Any = None,
    dtype: Any = float32,
    normalizer: Callable[[Any], Any] | None = None,
) -> Any:
    """A column of numbers: tf.feature_column.numeric_column.

    Args:
        column_name: name of the feature.
        dimension: how many numbers an example has.
        default_value, dtype: as there.
        normalizer: function of the tensor.
    """
    return numeric_column(column_name, (dimension,), default_value, dtype, normalizer)


@export("contrib.layers.sparse_column_with_hash_bucket")
def sparse_column_with_hash_bucket(
    column_name: str,
    hash_bucket_size: int,
    combiner: str = "sum",
    dtype: Any = string,
    hash_keys: Any = None,
) -> Any:
    """Categories by a hash: tf.feature_column.categorical_column_with_hash_bucket.

    Args:
        column_name: name of the feature.
        hash_bucket_size, dtype: as there.
        combiner, hash_keys: accepted; combiners are arguments of models here.
    """
    return categorical_column_with_hash_bucket(column_name, hash_bucket_size, dtype)


@export("contrib.layers.sparse_column_with_keys")
def sparse_column_with_keys(
    column_name: str,
    keys: Sequence[Any],
    default_value: int = -1,
    combiner: str = "sum",
    dtype: Any = string,
) -> Any:
    """Words of a list: tf.feature_column.categorical_column_with_vocabulary_list.

    Args:
        column_name: name of the feature.
        keys: the words.
        default_value, dtype: as there.
        combiner: accepted.
    """
    return categorical_column_with_vocabulary_list(column_name, keys, dtype, default_value)


@export("contrib.layers.sparse_column_with_integerized_feature")
def sparse_column_with_integerized_feature(
    column_name: str, bucket_size: int, combiner: str = "sum", dtype: Any = int64
) -> Any:
    """Numbers of categories: tf.feature_column.categorical_column_with_identity.

    Args:
        column_name: name of the feature.
        bucket_size: how many categories there are.
        combiner, dtype: accepted.
    """
    return categorical_column_with_identity(column_name, bucket_size)


@export("contrib.layers.sparse_column_with_vocabulary_file")
def sparse_column_with_vocabulary_file(
    column_name: str,
    vocabulary_file: Any,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    combiner: str = "sum",
    dtype: Any = string,
) -> Any:
    """Lines of a file: tf.feature_column.categorical_column_with_vocabulary_file.

    Args:
        column_name: name of the feature.
        vocab_size: how many lines to take.
        vocabulary_file, num_oov_buckets, default_value, dtype: as there.
        combiner: accepted.
    """
    return categorical_column_with_vocabulary_file(
        column_name, vocabulary_file, vocab_size, num_oov_buckets,
        None if default_value == -1 else default_value, dtype,
    )  # fmt: skip


@export("contrib.layers.weighted_sparse_column")
def weighted_sparse_column(
    sparse_id_column: Any, weight_column_name: str, dtype: Any = float32
) -> Any:
    """Categories with weights: tf.feature_column.weighted_categorical_column.

    Args:
        sparse_id_column: the categories.
        weight_column_name: name of the feature with the weights.
        dtype: of the weights.
    """
    return weighted_categorical_column(sparse_id_column, weight_column_name, dtype)


@export("contrib.layers.one_hot_column")
def one_hot_column(sparse_id_column: Any) -> Any:
    """Categories as rows of numbers: tf.feature_column.indicator_column.

    Args:
        sparse_id_column: the categories.
    """
    return indicator_column(sparse_id_column)


@export("contrib.layers.embedding_column")
def _embedding_column(
    sparse_id_column: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> Any:
    """Categories as vectors: tf.feature_column.embedding_column.

    Args:
        sparse_id_column: the categories.
        dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm,
            trainable: as there.
    """
    return embedding_column(
        sparse_id_column, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt,
        max_norm, trainable,
    )  # fmt: skip


@export("contrib.layers.crossed_column")
def _crossed_column(
    columns: Sequence[Any],
    hash_bucket_size: int,
    combiner: str = "sum",
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: Any = None,
    hash_key: int | None = None,
) -> Any:
    """Combinations: tf.feature_column.crossed_column.

    Args:
        columns: the columns; of a hash its feature is crossed.
        hash_bucket_size, hash_key: as there.
        combiner, ckpt_to_load_from, tensor_name_in_ckpt: accepted.
    """
    keys = [getattr(c, "key", c) if hasattr(c, "hash_bucket_size") else c for c in columns]
    return crossed_column(keys, hash_bucket_size, hash_key)


export_value(bucketized_column, "contrib.layers.bucketized_column")
export_value(make_parse_example_spec, "contrib.layers.create_feature_spec_for_parsing")
