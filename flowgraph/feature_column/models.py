"""From columns to tensors: input_layer and linear_model, with their variables.

    input_layer/<column>/embedding_weights          linear_model/<column>/weights
                                                    linear_model/bias_weights

Read next: columns.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowgraph.dtypes import float32
from flowgraph.feature_column.columns import CategoricalColumn, DenseColumn, FeatureColumn, Features
from flowgraph.feature_column.dense import scope_of
from flowgraph.graph.apply import call
from flowgraph.graph.default import GraphKeys, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.arithmetic import add_n
from flowgraph.ops.embedding import safe_embedding_lookup_sparse
from flowgraph.ops.initializers import Zeros
from flowgraph.ops.joining import concat
from flowgraph.ops.reshaping import reshape
from flowgraph.ops.rules import shape_of
from flowgraph.ops.variable_scope import get_variable, variable_scope
from flowgraph.ops.variables import Variable


def checked_columns(feature_columns: Any) -> list[Any]:
    """The columns, sorted by name.

    Raises:
        ValueError: none, no list, something that is no column, or two of one name.
    """
    if isinstance(feature_columns, FeatureColumn):
        feature_columns = [feature_columns]
    if isinstance(feature_columns, Mapping):
        raise ValueError("Expected feature_columns to be iterable, found dict.")
    columns = list(feature_columns)
    if not columns:
        raise ValueError("feature_columns must not be empty.")
    seen: dict[str, Any] = {}
    for column in columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(f"Items of feature_columns must be feature columns. Given: {column}")
        if column.name in seen:
            raise ValueError(
                f"Duplicate feature column name found for columns: {column} and "
                f"{seen[column.name]}. This usually means that these columns refer to same base "
                "feature. Either one must be discarded or a duplicated but renamed item must be "
                "inserted in features dict."
            )
        seen[column.name] = column
    return sorted(columns, key=lambda column: column.name)


def _matrix(tensor: Tensor, rows: Any, size: int) -> Tensor:
    """``tensor`` as ``[rows, size]``."""
    dims = tensor.dims
    if dims is not None and len(dims) == 2 and dims[1] == size:
        return tensor
    return reshape(tensor, [rows, size])


def _collections(given: Iterable[Any] | None) -> list[Any]:
    own = list(given or ())
    for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES):
        if key not in own:
            own.append(key)
    return own


def _noted(before: int) -> list[Variable]:
    """The variables that were made since there were ``before``."""
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)[before:]


def _count() -> int:
    return len(get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES))


@export("feature_column.input_layer")
def input_layer(
    features: Mapping[str, Any],
    feature_columns: Any,
    weight_collections: Iterable[Any] | None = None,
    trainable: bool = True,
    cols_to_vars: dict[Any, Any] | None = None,
    cols_to_output_tensors: dict[Any, Any] | None = None,
) -> Tensor:
    """The features of a batch as one matrix: dense columns side by side, sorted by name.

    Args:
        features: name -> Tensor or SparseTensor.
        feature_columns: dense columns: numeric, bucketized, indicator and embedding columns.
        weight_collections: further collections for variables.
        trainable: whether optimisers change them.
        cols_to_vars: a dict that gets column -> list of its variables.
        cols_to_output_tensors: a dict that gets column -> its part of the matrix.

    Returns:
        A float32 tensor ``[batch, sum of the columns' sizes]``.

    Raises:
        ValueError: no columns, two of one name, or one that is not dense; a feature is missing.

    >>> a, b = (tf.feature_column.numeric_column(key) for key in "ab")
    >>> batch = {"a": tf.constant([1.0, 2.0]), "b": tf.constant([3.0, 4.0])}
    >>> tf.Session().run(tf.feature_column.input_layer(batch, [b, a]))
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    columns = checked_columns(feature_columns)
    for column in columns:
        if not isinstance(column, DenseColumn):
            raise ValueError(
                "Items of feature_columns must be a _DenseColumn. You can wrap a categorical "
                f"column with an embedding_column or indicator_column. Given: {column}"
            )
    collections = _collections(weight_collections)
    cache, parts = Features(features), []
    with variable_scope(None, "input_layer"):
        for column in columns:
            before = _count()
            with scope_of(column):
                tensor = column.dense(cache, trainable, collections)
                part = _matrix(tensor, shape_of(tensor)[0], column.size)
            parts.append(part)
            if cols_to_vars is not None:
                cols_to_vars[column] = _noted(before)
            if cols_to_output_tensors is not None:
                cols_to_output_tensors[column] = part
        return concat(parts, 1)


@export("feature_column.linear_model")
def linear_model(
    features: Mapping[str, Any],
    feature_columns: Any,
    units: int = 1,
    sparse_combiner: str = "sum",
    weight_collections: Iterable[Any] | None = None,
    trainable: bool = True,
    cols_to_vars: dict[Any, Any] | None = None,
) -> Tensor:
    """A linear function of features: sum over columns of x w, plus a bias.

    Args:
        features: name -> Tensor or SparseTensor.
        feature_columns: columns of any kind; of a categorical one each category has a weight.
        units: how many functions.
        sparse_combiner: what becomes of several categories: ``sum``, ``mean`` or ``sqrtn``.
        weight_collections: further collections for variables.
        trainable: whether optimisers change them.
        cols_to_vars: a dict that gets column -> list of its variables, and ``bias``.

    Returns:
        A float32 tensor ``[batch, units]``.

    Raises:
        ValueError: no columns, two of one name, or something else; a feature is missing.
    """
    columns = checked_columns(feature_columns)
    collections = _collections(weight_collections)
    cache, sums = Features(features), []
    with variable_scope(None, "linear_model"):
        for column in columns:
            before = _count()
            with variable_scope(None, getattr(column, "scope_name", column.name)):
                sums.append(
                    _weighted_sum(column, cache, units, sparse_combiner, collections, trainable)
                )
            if cols_to_vars is not None:
                cols_to_vars[column] = _noted(before)
        total = add_n(sums, name="weighted_sum_no_bias")
        bias = get_variable(
            "bias_weights", [units], float32, Zeros(), trainable=trainable, collections=collections
        )
        if cols_to_vars is not None:
            cols_to_vars["bias"] = [bias]
        return call.BiasAdd(total, bias, name="weighted_sum")


def _weighted_sum(
    column: Any,
    cache: Features,
    units: int,
    combiner: str,
    collections: list[Any],
    trainable: bool,
) -> Tensor:
    # NB: a bucketized column is both; as categories its product is a lookup
    is_categorical = isinstance(column, CategoricalColumn)
    inner = None
    if isinstance(column, DenseColumn) and not is_categorical:
        given = column.dense(cache, trainable, collections)
        inner = _matrix(given, shape_of(given)[0], column.size)
    size = column.num_buckets if is_categorical else column.size
    weights = get_variable(
        "weights", [size, units], float32, Zeros(), trainable=trainable, collections=collections
    )
    if inner is not None:
        return call.MatMul(inner, weights, name="weighted_sum")
    ids, of_ids = column.ids(cache)
    with name_scope(None, "weighted_sum"):
        return safe_embedding_lookup_sparse(weights, ids, of_ids, combiner=combiner)


@export("feature_column.make_parse_example_spec")
def make_parse_example_spec(feature_columns: Iterable[Any]) -> dict[str, Any]:
    """What tf.parse_example has to know about the features of columns.

    Args:
        feature_columns: the columns.

    Raises:
        ValueError: two columns say different things about a feature, or one is no column.

    >>> n = tf.feature_column.numeric_column("n")
    >>> tf.feature_column.make_parse_example_spec([n])
    {'n': FixedLenFeature(shape=(1,), dtype=tf.float32, default_value=None)}
    """
    spec: dict[str, Any] = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(f"All feature_columns must be feature columns. Given: {column}")
        for key, value in column.parse_example_spec.items():
            if spec.setdefault(key, value) != value:
                raise ValueError(
                    f"feature_columns contain different parse_spec for key {key}. Given {value} "
                    f"and {spec[key]}"
                )
    return spec


