"""Categories as dense input: indicators and embeddings.

Read next: categorical.py, models.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.feature_column.columns import CategoricalColumn, DenseColumn, Features
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.embedding import safe_embedding_lookup_sparse
from flowgraph.ops.gathering import one_hot
from flowgraph.ops.initializers import TruncatedNormal
from flowgraph.ops.reductions import reduce_sum
from flowgraph.ops.sparse_dense import sparse_tensor_to_dense
from flowgraph.ops.sparse_functions import sparse_merge
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.saving.warm_start import init_from_checkpoint


def check_categorical(column: Any) -> None:
    """``column`` gives categories.

    Raises:
        ValueError: it does not.
    """
    if not isinstance(column, CategoricalColumn):
        raise ValueError(f"categorical_column must be a categorical column. Given: {column}")


@dataclass(frozen=True)
class IndicatorColumn(DenseColumn):
    """How often each category is there; see indicator_column."""

    categorical_column: CategoricalColumn

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_indicator"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return self.categorical_column.parse_example_spec

    @property
    def size(self) -> int:
        return self.categorical_column.num_buckets

    def transform(self, features: Features) -> Any:
        ids, weights = self.categorical_column.ids(features)
        if weights is not None:
            merged = sparse_merge(ids, weights, self.size)
            return sparse_tensor_to_dense(merged, validate_indices=False)
        # NB: -1 stands for no category, and one_hot makes zeros of it
        places = sparse_tensor_to_dense(ids, default_value=-1)
        return reduce_sum(one_hot(places, self.size, 1.0, 0.0), [-2])

    def dense(self, features: Features, trainable: bool, collections: list[Any]) -> Tensor:
        return features.of(self)


@export("feature_column.indicator_column")
def indicator_column(categorical_column: CategoricalColumn) -> IndicatorColumn:
    """Categories as a row with a number for each: how often, or with which weight, it is there.

    Args:
        categorical_column: the categories.

    Raises:
        ValueError: another column.
    """
    check_categorical(categorical_column)
    return IndicatorColumn(categorical_column)


@dataclass(frozen=True)
class EmbeddingColumn(DenseColumn):
    """Vectors that are learned; see embedding_column."""

    categorical_column: CategoricalColumn
    dimension: int
    combiner: str
    initializer: Callable[..., Any]
    ckpt_to_load_from: str | None
    tensor_name_in_ckpt: str | None
    max_norm: float | None
    trainable: bool
    shared_name: str | None = None

    @property
    def name(self) -> str:
        kind = "shared_embedding" if self.shared_name else "embedding"
        return f"{self.categorical_column.name}_{kind}"

    @property
    def scope_name(self) -> str:
        """Name of the variable's scope."""
        return self.shared_name or self.name

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return self.categorical_column.parse_example_spec

    @property
    def size(self) -> int:
        return self.dimension

    def transform(self, features: Features) -> Any:
        return self.categorical_column.ids(features)

    def dense(self, features: Features, trainable: bool, collections: list[Any]) -> Tensor:
        ids, weights = features.of(self)
        vectors = self._vectors(self.trainable and trainable, collections)
        return safe_embedding_lookup_sparse(
            vectors, ids, weights, combiner=self.combiner, name=f"{self.name}_weights",
            max_norm=self.max_norm,
        )  # fmt: skip

    def _vectors(self, trainable: bool, collections: list[Any]) -> Any:
        graph, key = get_default_graph(), ("shared_embedding", self.shared_name)
        if self.shared_name:
            found = graph.get_collection(key)
            if found:
                return found[0]
        vectors = get_variable(
            "embedding_weights", [self.categorical_column.num_buckets, self.dimension], float32,
            self.initializer, trainable=trainable, collections=collections,
        )  # fmt: skip
        if self.shared_name:
            graph.add_to_collection(key, vectors)
        if self.ckpt_to_load_from is not None:
            init_from_checkpoint(self.ckpt_to_load_from, {str(self.tensor_name_in_ckpt): vectors})
        return vectors


def _checked_initializer(given: Any, dimension: Any) -> Any:
    if dimension is None or dimension < 1:
        raise ValueError(f"Invalid dimension {dimension}.")
    if given is not None and not callable(given):
        raise ValueError("initializer must be callable if specified.")
    return TruncatedNormal(0.0, 1.0 / math.sqrt(dimension)) if given is None else given


def _check_checkpoint(path: Any, name: Any) -> None:
    if (path is None) != (name is None):
        raise ValueError(
            "Must specify both `ckpt_to_load_from` and `tensor_name_in_ckpt` or none of them."
        )


@export("feature_column.embedding_column")
def embedding_column(
    categorical_column: CategoricalColumn,
    dimension: int,
    combiner: str = "mean",
    initializer: Callable[..., Any] | None = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> EmbeddingColumn:
    """Categories as vectors that are learned.

    Args:
        categorical_column: the categories.
        dimension: length of a vector.
        combiner: what becomes of several categories: ``mean``, ``sqrtn`` or ``sum``.
        initializer: of the vectors; a truncated normal one of deviation 1/sqrt(dimension) by
            default.
        ckpt_to_load_from: checkpoint whose tensor ``tensor_name_in_ckpt`` they begin with.
        tensor_name_in_ckpt: name of that tensor.
        max_norm: vectors longer than this are scaled down to it.
        trainable: whether optimisers change them.

    Raises:
        ValueError: a number or an argument is wrong.
    """
    check_categorical(categorical_column)
    initializer = _checked_initializer(initializer, dimension)
    _check_checkpoint(ckpt_to_load_from, tensor_name_in_ckpt)
    return EmbeddingColumn(
        categorical_column, dimension, combiner, initializer, ckpt_to_load_from,
        tensor_name_in_ckpt, max_norm, trainable,
    )  # fmt: skip


@export("feature_column.shared_embedding_columns")
def shared_embedding_columns(
    categorical_columns: Sequence[CategoricalColumn],
    dimension: int,
    combiner: str = "mean",
    initializer: Callable[..., Any] | None = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> list[EmbeddingColumn]:
    """Embedding columns of several features with one set of vectors.

    Args:
        categorical_columns: the categories; equally many of each.
        dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm,
            trainable: as of ``embedding_column``.
        shared_embedding_collection_name: of the vectors' scope; made of the columns' names by
            default.

    Raises:
        ValueError: columns are of different kinds or have different numbers of categories.
    """
    initializer = _checked_initializer(initializer, dimension)
    _check_checkpoint(ckpt_to_load_from, tensor_name_in_ckpt)
    if not categorical_columns:
        raise ValueError("categorical_columns must not be empty")
    ordered = sorted(categorical_columns, key=lambda column: column.name)
    first = ordered[0]
    for column in ordered:
        check_categorical(column)
        if type(column) is not type(first) or column.num_buckets != first.num_buckets:
            raise ValueError(
                "To use shared_embedding_column, all categorical_columns must have the same type "
                f"and the same number of buckets. Given column: {first} does not match given "
                f"column: {column}"
            )
    names = "_".join(column.name for column in ordered)
    shared = shared_embedding_collection_name or f"{names}_shared_embedding"
    return [
        EmbeddingColumn(
            column, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt,
            max_norm, trainable, shared,
        )
        for column in categorical_columns
    ]  # fmt: skip


def scope_of(column: DenseColumn) -> Any:
    """The variable scope of a column."""
    if isinstance(column, EmbeddingColumn) and column.shared_name:
        return variable_scope(None, column.shared_name)
    return variable_scope(None, column.name)
