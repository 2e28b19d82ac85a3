"""Columns: descriptions of features, equal when they say the same, that make tensors of a batch.

    dense         a matrix [batch, size]                      numeric, indicator, embedding
    categorical   ids as a SparseTensor, with weights or not  hash, identity, vocabulary, crossed

Read next: numeric.py, categorical.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowgraph.dtypes import int64, string
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.casts import cast
from flowgraph.ops.comparison import where
from flowgraph.ops.gathering import gather_nd
from flowgraph.ops.reshaping import expand_dims
from flowgraph.ops.rules import shape_of


class Ids(NamedTuple):
    """The categories of each example, as numbers; ``weights`` may be None."""

    ids: SparseTensor
    weights: SparseTensor | None


class Features:
    """The features of a batch, and what columns have made of them: each is made once.

    Args:
        features: name -> Tensor or SparseTensor.
    """

    def __init__(self, features: Mapping[str, Any]) -> None:
        self._features = dict(features)
        self._made: dict[Any, Any] = {}

    def raw(self, key: str) -> Any:
        """A feature by its name; a vector becomes a matrix of one column.

        Raises:
            ValueError: there is none, or it is a scalar.
        """
        if key not in self._made:
            if key not in self._features:
                raise ValueError(f"Feature {key} is not in features dictionary.")
            given = self._features[key]
            if not isinstance(given, SparseTensor):
                given = convert_to_tensor(given)
                rank = given.get_shape().ndims
                if rank == 0:
                    raise ValueError(f"Feature (key: {key}) cannot have rank 0. Given: {given}")
                if rank == 1:
                    given = expand_dims(given, -1)
            self._made[key] = given
        return self._made[key]

    def of(self, column: Any) -> Any:
        """What ``column.transform`` makes of the batch."""
        if isinstance(column, str):
            return self.raw(column)
        if column not in self._made:
            self._made[column] = column.transform(self)
        return self._made[column]


@dataclass(frozen=True)
class FeatureColumn:
    """The base of columns."""

    @property
    def name(self) -> str:
        """Name of the column, and of its variables' scope."""
        raise NotImplementedError

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """Name -> what tf.parse_example has to know about the features this column takes."""
        raise NotImplementedError

    def transform(self, features: Features) -> Any:
        """What is made of a batch before variables come in.

        Args:
            features: the batch.
        """
        raise NotImplementedError


class DenseColumn(FeatureColumn):
    """A column that gives a matrix."""

    @property
    def size(self) -> int:
        """Columns of the matrix."""
        raise NotImplementedError

    def dense(self, features: Features, trainable: bool, collections: list[Any]) -> Tensor:
        """The tensor of a batch: its rows have ``size`` elements.

        Args:
            features: the batch.
            trainable: whether optimisers change its variables.
            collections: collections for these.
        """
        raise NotImplementedError


class CategoricalColumn(FeatureColumn):
    """A column that gives ids."""

    @property
    def num_buckets(self) -> int:
        """How many ids there are."""
        raise NotImplementedError

    def ids(self, features: Features) -> Ids:
        """Ids of a batch, as a matrix.

        Args:
            features: the batch.
        """
        return Ids(features.of(self), None)


def as_sparse(given: Any) -> SparseTensor:
    """``given`` as a SparseTensor; of a tensor, without ``""`` and -1."""
    if isinstance(given, SparseTensor):
        return given
    ignored = "" if given.dtype.base_dtype is string else -1
    other = convert_to_tensor(ignored, given.dtype.base_dtype, name="ignore_value")
    indices = where(call.NotEqual(given, other), name="indices")
    return SparseTensor(
        indices, gather_nd(given, indices, name="values"), cast(shape_of(given), int64)
    )


def check_key(key: Any) -> None:
    """A name of a feature is a text.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(key, str):
        raise ValueError(f"key must be a string. Got: type {type(key)}. Given key: {key}.")
