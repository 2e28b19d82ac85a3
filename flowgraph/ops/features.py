"""What a program says about the features of its examples, and the functions that parse them.

    tf.parse_example(serialized, {
        "label": tf.FixedLenFeature([], tf.int64),
        "words": tf.VarLenFeature(tf.string),
    })

Read next: parsing.py (the operations).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flowgraph.dtypes import DType, as_dtype, int64, string
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.texts import texts
from flowgraph.shapes import Dims
from flowgraph.tensor_shape import as_dims

# ------------------------------------------------------------------------------------- descriptions


@export("VarLenFeature", "io.VarLenFeature")
class VarLenFeature(NamedTuple):
    """A feature with any number of values of ``dtype``: becomes a SparseTensor."""

    dtype: Any


@export("FixedLenFeature", "io.FixedLenFeature")
class FixedLenFeature(NamedTuple):
    """A feature of one shape: becomes a tensor ``[batch, *shape]``.

    ``default_value``: for examples that do not have it; None: every example must.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


@export("FixedLenSequenceFeature", "io.FixedLenSequenceFeature")
class FixedLenSequenceFeature(NamedTuple):
    """A feature with any number of entries of one shape: becomes ``[batch, longest, *shape]``.

    ``allow_missing``: examples need not have it; must be true for ``tf.parse_example``.
    ``default_value``: what shorter ones are filled up with; 0 or ``""`` by default.
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


@export("SparseFeature", "io.SparseFeature")
class SparseFeature(NamedTuple):
    """A row of a sparse matrix, as two features: values and the columns they stand in.

    ``index_key``: the feature with the columns, or a list of one for each axis;  ``value_key``:
    that with the values, of ``dtype``;  ``size``: the number of columns, a list if there are
    several axes;  ``already_sorted``: the columns are in increasing order.
    """

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


class _Raw:
    """Features in the form that the operations take: sorted by key, sparse and dense apart."""

    def __init__(self, features: Mapping[str, Any] | None, kinds: tuple[type, ...]) -> None:
        self.sparse: dict[str, DType] = {}
        self.dense: dict[str, tuple[DType, Dims, Any]] = {}
        self.may_miss: list[str] = []
        for key in sorted(features or {}):
            feature = (features or {})[key]
            if not isinstance(feature, kinds):
                raise ValueError(
                    call_message(
                        f"Invalid feature {key}:{feature}.",
                        fix=f"say what it holds: {{{key!r}: tf.FixedLenFeature([], {feature!r})}}, "
                        "or tf.VarLenFeature",
                    )
                )
            self._add(key, feature)
        both = sorted(set(self.sparse) & set(self.dense))
        if both:
            raise ValueError(f"Dense and sparse keys must not intersect; intersection: {both}")

    def _add(self, key: str, feature: Any) -> None:
        if not feature.dtype:
            raise ValueError(f"Missing type for feature {key}.")
        dtype = as_dtype(feature.dtype)
        if isinstance(feature, VarLenFeature):
            self._add_sparse(key, dtype)
        elif isinstance(feature, SparseFeature):
            self._add_indexed(key, feature, dtype)
        else:
            if feature.shape is None:
                raise ValueError(f"Missing shape for feature {key}.")
            dims = as_dims(feature.shape)
            if isinstance(feature, FixedLenSequenceFeature):
                self.dense[key] = (dtype, dims, feature.default_value)
                if feature.allow_missing:
                    self.may_miss.append(key)
            else:
                if dims and dims[0] is None:
                    raise ValueError(
                        f"First dimension of shape for feature {key} unknown. Consider using "
                        "FixedLenSequenceFeature."
                    )
                if dims is None or None in dims:
                    raise ValueError(f"All dimensions of shape for feature {key} need to be known.")
                self.dense[key] = (dtype, dims, feature.default_value)

    def _add_sparse(self, key: str, dtype: DType) -> None:
        if self.sparse.setdefault(key, dtype) is not dtype:
            raise ValueError(f"Conflicting type for feature {key}.")

    def _add_indexed(self, key: str, feature: SparseFeature, dtype: DType) -> None:
        for index_key in _listed(feature.index_key):
            self._add_sparse(index_key, int64)
        self._add_sparse(feature.value_key, dtype)

    def padded(self, features: Mapping[str, Any]) -> _Raw:
        """With an unknown size in front of the features that are sequences."""
        for key, feature in features.items():
            if isinstance(feature, FixedLenSequenceFeature):
                if not feature.allow_missing:
                    raise ValueError(
                        "Unsupported: FixedLenSequenceFeature requires allow_missing to be True."
                    )
                dtype, dims, default = self.dense[key]
                self.dense[key] = (dtype, (None, *(dims or ())), default)
        return self

    @property
    def sparse_keys(self) -> list[str]:
        return sorted(self.sparse)

    @property
    def sparse_types(self) -> list[DType]:
        return [self.sparse[key] for key in self.sparse_keys]

    @property
    def dense_shapes(self) -> list[Dims]:
        return [dims for _, dims, _ in self.dense.values()]

    def defaults(self) -> list[Tensor]:
        """One tensor for each dense feature, empty where there is no default."""
        return [_default(key, *dense) for key, dense in self.dense.items()]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _default(key: str, dtype: DType, dims: Dims, default: Any) -> Tensor:
    if dims and dims[0] is None:
        default = ("" if dtype is string else 0) if default is None else default
        return call.Reshape(convert_to_tensor(default, dtype=dtype), [])
    if default is None:
        return convert_to_tensor([], dtype=dtype)
    name = "key_" + re.sub(r"[^A-Za-z0-9_.\-/]", "_", key)
    return call.Reshape(convert_to_tensor(default, dtype=dtype, name=name), list(dims or ()))


# ---------------------------------------------------------------------------------------- results


def _sparse_tensors(parts: Sequence[Tensor], count: int) -> list[SparseTensor]:
    """SparseTensors from all indices, then all values, then all shapes."""
    triples = zip(parts[:count], parts[count : 2 * count], parts[2 * count :], strict=True)
    return [SparseTensor(*triple) for triple in triples]


def _finished(features: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What was asked for: SparseFeatures put together, and what only they needed left out."""
    result = {key: value for key, value in found.items() if key in features}
    for key in sorted(features):
        feature = features[key]
        if isinstance(feature, SparseFeature):
            columns = [found[k] for k in _listed(feature.index_key)]
            result[key] = _merged(
                columns, found[feature.value_key], _listed(feature.size), feature.already_sorted
            )
    return result


def _merged(
    columns: list[SparseTensor], values: SparseTensor, sizes: list[Any], already_sorted: bool
) -> SparseTensor:
    """A SparseTensor of ``values`` in the columns that the values of ``columns`` name."""
    if len(columns) != len(sizes):
        raise ValueError(f"SparseFeature has {len(columns)} index keys, but {len(sizes)} sizes")
    rows = columns[0].indices[:, :-1]
    places = [call.ExpandDims(column.values, 1) for column in columns]
    indices = call.ConcatV2([rows, *places], 1)
    extent = convert_to_tensor([int(size) for size in sizes], dtype=int64)
    shape = call.ConcatV2([columns[0].dense_shape[:-1], extent], 0)
    merged = SparseTensor(indices, values.values, shape)
    return merged if already_sorted else _in_order(merged, len(sizes))


def _in_order(x: SparseTensor, axes: int) -> SparseTensor:
    """The same elements, ordered by their places."""
    indices, values = x.indices, x.values
    rank = (indices.dims or (None, None))[1] or axes
    for axis in range(rank - 1, -1, -1):  # by the last axis first; every sort keeps what was
        order = EXPORTS["argsort"](indices[:, axis], stable=True)
        indices, values = EXPORTS["gather"](indices, order), EXPORTS["gather"](values, order)
    return SparseTensor(indices, values, x.dense_shape)


# -------------------------------------------------------------------------------------- functions


@export("parse_example", "io.parse_example")
def parse_example(
    serialized: Any,
    features: Mapping[str, Any],
    name: str | None = None,
    example_names: Any = None,
) -> dict[str, Any]:
    """The features of a batch of ``tf.train.Example``.

    Args:
        serialized: a vector of strings: ``SerializeToString`` of each Example.
        features: a dict from the names of features to FixedLenFeature, VarLenFeature, SparseFeature
            or FixedLenSequenceFeature.
        name: of the scope; ``ParseExample`` by default.
        example_names: a vector of strings: how messages call the examples.

    Returns:
        A dict from the same names to tensors ``[batch, ...]`` or SparseTensors.

    Raises:
        ValueError: a description that says not enough, or a default that does not fit.
        InvalidArgumentError: an example without a feature that it must have, or with another kind
            or number of values (when run).

    >>> example = tf.train.Example(features=tf.train.Features(feature={
    ...     "age": tf.train.Feature(int64_list=tf.train.Int64List(value=[29]))}))
    >>> parsed = tf.parse_example(
    ...     [example.SerializeToString()], {"age": tf.FixedLenFeature([], tf.int64)})
    >>> tf.Session().run(parsed)
    {'age': array([29])}
    """
    kinds = (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature)
    if not features:
        raise ValueError(f"Missing: features was {features}.")
    raw = _Raw(features, kinds).padded(features)
    names = texts([]) if example_names is None else example_names
    with name_scope(name, "ParseExample", [serialized, example_names]):
        outputs = _flat(
            apply_op(
                "ParseExample", serialized, convert_to_tensor(names, dtype=string),
                raw.sparse_keys, list(raw.dense), raw.defaults(),
                sparse_types=raw.sparse_types, dense_shapes=raw.dense_shapes, name=name,
            )
        )  # fmt: skip
        return _finished(features, _named(raw, outputs))


def _flat(outputs: Any) -> list[Tensor]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _named(raw: _Raw, outputs: list[Tensor]) -> dict[str, Any]:
    count = len(raw.sparse)
    sparse = _sparse_tensors(outputs[: 3 * count], count)
    return {
        **dict(zip(raw.sparse_keys, sparse, strict=True)),
        **dict(zip(raw.dense, outputs[3 * count :], strict=True)),
    }


@export("parse_single_example", "io.parse_single_example")
def parse_single_example(
    serialized: Any,
    features: Mapping[str, Any],
    name: str | None = None,
    example_names: Any = None,
) -> dict[str, Any]:
    """The features of one ``tf.train.Example``; see ``tf.parse_example``.

    Args:
        serialized: a scalar string.
        features: as of ``tf.parse_example``.
        name: of the scope; ``ParseSingleExample`` by default.
        example_names: a scalar string, of no effect.

    Returns:
        A dict from the names to tensors and SparseTensors, without an axis for the batch.

    Raises:
        ValueError, InvalidArgumentError: as ``tf.parse_example``.
    """
    kinds = (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature)
    if not features:
        raise ValueError("Missing features.")
    raw = _Raw(features, kinds).padded(features)
    with name_scope(name, "ParseSingleExample", [serialized, example_names]):
        outputs = _flat(
            apply_op(
                "ParseSingleExample", serialized, raw.defaults(), num_sparse=len(raw.sparse),
                sparse_keys=raw.sparse_keys, dense_keys=list(raw.dense),
                sparse_types=raw.sparse_types, dense_shapes=raw.dense_shapes, name=name,
            )
        )  # fmt: skip
        return _finished(features, _named(raw, outputs))


@export("parse_single_sequence_example", "io.parse_single_sequence_example")
def parse_single_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The context and the steps of one ``tf.train.SequenceExample``.

    Args:
        serialized: a scalar string.
        context_features: a dict from names to FixedLenFeature, VarLenFeature or SparseFeature.
        sequence_features: a dict from names to FixedLenSequenceFeature or VarLenFeature.
        example_name: a scalar string: how messages call the example.
        name: of the scope; ``ParseSingleSequenceExample`` by default.

    Returns:
        Two dicts: features of the context; and of the steps, as tensors ``[steps, *shape]`` or
        SparseTensors of one row for each step.

    Raises:
        ValueError: a description that says not enough.
        InvalidArgumentError: a feature is missing, or has another kind or number of values (when
            run).
    """
    if not (context_features or sequence_features):
        raise ValueError("Missing features.")
    context_kinds = (VarLenFeature, FixedLenFeature, SparseFeature)
    context = _Raw(context_features, context_kinds)
    steps = _Raw(sequence_features, (VarLenFeature, FixedLenSequenceFeature))
    _refuse_defaults(sequence_features)
    with name_scope(name, "ParseSingleSequenceExample", [serialized, example_name]):
        outputs = _flat(
            apply_op(
                "ParseSingleSequenceExample", serialized, texts(steps.may_miss),
                context.sparse_keys, list(context.dense), steps.sparse_keys, list(steps.dense),
                context.defaults(), "" if example_name is None else example_name,
                context_sparse_types=context.sparse_types,
                context_dense_shapes=context.dense_shapes,
                feature_list_sparse_types=steps.sparse_types,
                feature_list_dense_types=[dtype for dtype, _, _ in steps.dense.values()],
                feature_list_dense_shapes=steps.dense_shapes, name=name,
            )
        )  # fmt: skip
        split = 3 * len(context.sparse) + len(context.dense)
        return (
            _finished(context_features or {}, _named(context, outputs[:split])),
            _finished(sequence_features or {}, _named(steps, outputs[split:])),
        )


@export("io.parse_sequence_example")
def parse_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """The contexts and the steps of a batch of ``tf.train.SequenceExample``.

    Args:
        serialized: a vector of strings.
        context_features: a dict from names to FixedLenFeature, VarLenFeature or SparseFeature.
        sequence_features: a dict from names to FixedLenSequenceFeature or VarLenFeature.
        example_names: a vector of strings: how messages call the examples.
        name: of the scope; ``ParseSequenceExample`` by default.

    Returns:
        Three dicts: features of the contexts, as of ``tf.parse_example``; of the steps, as tensors
        ``[batch, steps, *shape]``, filled up with zeros or empty strings, or SparseTensors of one
        row for each step; and for each of these tensors how many steps every example has.

    Raises:
        ValueError: a description that says not enough.
        InvalidArgumentError: a feature is missing, or has another kind or number of values (when
            run).

    >>> steps = [tf.train.Feature(int64_list=tf.train.Int64List(value=[n])) for n in (1, 2)]
    >>> example = tf.train.SequenceExample(feature_lists=tf.train.FeatureLists(
    ...     feature_list={"n": tf.train.FeatureList(feature=steps)})).SerializeToString()
    >>> _, parsed, lengths = tf.io.parse_sequence_example(
    ...     [example], sequence_features={"n": tf.FixedLenSequenceFeature([], tf.int64)})
    >>> tf.Session().run([parsed, lengths])
    [{'n': array([[1, 2]])}, {'n': array([2])}]
    """
    if not (context_features or sequence_features):
        raise ValueError("Missing features.")
    context = _Raw(context_features, (VarLenFeature, FixedLenFeature, SparseFeature))
    steps = _Raw(sequence_features, (VarLenFeature, FixedLenSequenceFeature))
    _refuse_defaults(sequence_features)
    names = texts([]) if example_names is None else example_names
    with name_scope(name, "ParseSequenceExample", [serialized, example_names]):
        outputs = _flat(
            apply_op(
                "ParseSequenceExample", serialized, convert_to_tensor(names, dtype=string),
                context.defaults(), feature_list_dense_missing_assumed_empty=steps.may_miss,
                context_sparse_keys=context.sparse_keys, Ncontext_sparse=len(context.sparse),
                context_dense_keys=list(context.dense), Ncontext_dense=len(context.dense),
                feature_list_sparse_keys=steps.sparse_keys, Nfeature_list_sparse=len(steps.sparse),
                feature_list_dense_keys=list(steps.dense), Nfeature_list_dense=len(steps.dense),
                context_sparse_types=context.sparse_types,
                context_dense_shapes=context.dense_shapes,
                feature_list_sparse_types=steps.sparse_types,
                feature_list_dense_types=[dtype for dtype, _, _ in steps.dense.values()],
                feature_list_dense_shapes=steps.dense_shapes, name=name,
            )
        )  # fmt: skip
        split = 3 * len(context.sparse) + len(context.dense)
        lengths = len(outputs) - len(steps.dense)
        return (
            _finished(context_features or {}, _named(context, outputs[:split])),
            _finished(sequence_features or {}, _named(steps, outputs[split:lengths])),
            dict(zip(steps.dense, outputs[lengths:], strict=True)),
        )


def _refuse_defaults(sequence_features: Mapping[str, Any] | None) -> None:
    for key, feature in sorted((sequence_features or {}).items()):
        if isinstance(feature, FixedLenSequenceFeature) and feature.default_value is not None:
            raise ValueError(f"{key}: FixedLenSequenceFeature has no default in a sequence example")
