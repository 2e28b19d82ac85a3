"""Receivers: what an exported model is fed, and the features that a model function gets from it.

Read next: exporting.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flowgraph.dtypes import string
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.constants import placeholder
from flowgraph.ops.features import parse_example

#: Names of what is not named by the user.
FEATURE, LABEL, RECEIVER = "feature", "label", "input"


def _named(given: Any, default: str, what: str) -> dict[str, Any]:
    """A dict of tensors out of one, or of one tensor.

    Raises:
        ValueError: it is None, a name is no text, or a value no tensor.
    """
    if given is None:
        raise ValueError(f"{what}s must be defined.")
    named = dict(given) if isinstance(given, Mapping) else {default: given}
    for key, value in named.items():
        if not isinstance(key, (str, int)):
            raise ValueError(f"{what} keys must be strings or ints: {key}.")
        if not isinstance(value, (Tensor, SparseTensor)):
            raise ValueError(f"{what} {key} must be a Tensor or SparseTensor; got {value!r}.")
    return named


def _alternatives(given: Any) -> dict[str, dict[str, Any]] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ValueError(f"receiver_tensors_alternatives must be a dict: {given}.")
    return {name: _named(part, RECEIVER, "receiver_tensor") for name, part in given.items()}


class _Serving(NamedTuple):
    features: Any
    receiver_tensors: dict[str, Any]
    receiver_tensors_alternatives: dict[str, dict[str, Any]] | None


@export("estimator.export.ServingInputReceiver")
class ServingInputReceiver(_Serving):
    """What a served model is fed, and the features made of it.

    Args:
        features: a tensor, or a dict from names to tensors; one tensor becomes ``feature``.
        receiver_tensors: the tensors that are fed, a dict or one, which becomes ``input``.
        receiver_tensors_alternatives: name -> other tensors that can be fed instead.

    Raises:
        ValueError: something is no tensor, or has no name.
    """

    __slots__ = ()

    def __new__(
        cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None
    ) -> ServingInputReceiver:
        """Check everything, and make the record."""
        return super().__new__(
            cls,
            _named(features, FEATURE, "feature"),
            _named(receiver_tensors, RECEIVER, "receiver_tensor"),
            _alternatives(receiver_tensors_alternatives),
        )


@export("estimator.export.TensorServingInputReceiver")
class TensorServingInputReceiver(_Serving):
    """As ServingInputReceiver, for model functions whose features are one tensor.

    Args:
        features: a tensor.
        receiver_tensors, receiver_tensors_alternatives: as there.
    """

    __slots__ = ()

    def __new__(
        cls, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Any = None
    ) -> TensorServingInputReceiver:
        """Check everything, and make the record."""
        if not isinstance(features, (Tensor, SparseTensor)):
            raise ValueError(f"feature must be a Tensor or SparseTensor; got {features!r}.")
        return super().__new__(
            cls,
            features,
            _named(receiver_tensors, RECEIVER, "receiver_tensor"),
            _alternatives(receiver_tensors_alternatives),
        )


class _Supervised(NamedTuple):
    features: Any
    labels: Any
    receiver_tensors: dict[str, Any]


@export("estimator.experimental.SupervisedInputReceiver")
class SupervisedInputReceiver(_Supervised):
    """What a graph that trains or evaluates is fed, and the features and labels made of it.

    Args:
        features: a tensor, or a dict from names to tensors.
        labels: as ``features``.
        receiver_tensors: the tensors that are fed, a dict or one.
    """

    __slots__ = ()

    def __new__(cls, features: Any, labels: Any, receiver_tensors: Any) -> SupervisedInputReceiver:
        """Check everything, and make the record."""
        for given, default, what in ((features, FEATURE, "feature"), (labels, LABEL, "label")):
            _named(given, default, what)
        return super().__new__(
            cls, features, labels, _named(receiver_tensors, RECEIVER, "receiver_tensor")
        )


@export("estimator.export.build_parsing_serving_input_receiver_fn")
def build_parsing_serving_input_receiver_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A function whose receiver is fed serialized tf.train.Examples, by the name ``examples``.

    Args:
        feature_spec: name -> FixedLenFeature, VarLenFeature and so on.
        default_batch_size: how many Examples are fed; None: any number.
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        """Placeholder and features."""
        examples = placeholder(string, [default_batch_size], name="input_example_tensor")
        return ServingInputReceiver(
            parse_example(examples, dict(feature_spec)), {"examples": examples}
        )

    return serving_input_receiver_fn


def _fed(given: Mapping[str, Any], batch_size: int | None) -> dict[str, Tensor]:
    """Placeholders of the dtypes and shapes of tensors, but for their first sizes."""
    made = {}
    for name, value in given.items():
        tensor = value if isinstance(value, Tensor) else convert_to_tensor(value)
        dims = None if tensor.dims is None else [batch_size, *tensor.dims[1:]]
        plain = "".join(c if c.isalnum() or c in "_.-/" else "_" for c in str(name))
        made[name] = placeholder(tensor.dtype.base_dtype, dims, name=plain)
    return made


@export("estimator.export.build_raw_serving_input_receiver_fn")
def build_raw_serving_input_receiver_fn(
    features: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A function whose receiver is fed the features themselves.

    Args:
        features: name -> tensor or array of the dtype and shape; the first size is not used.
        default_batch_size: the first size of what is fed; None: any.
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        """Placeholders, which are the features."""
        fed = _fed(features, default_batch_size)
        return ServingInputReceiver(fed, fed)

    return serving_input_receiver_fn


@export("estimator.experimental.build_raw_supervised_input_receiver_fn")
def build_raw_supervised_input_receiver_fn(
    features: Any, labels: Any, default_batch_size: int | None = None
) -> Callable[[], SupervisedInputReceiver]:
    """A function whose receiver is fed features and labels themselves.

    Args:
        features: tensor, or name -> tensor or array of the dtype and shape.
        labels: the same.
        default_batch_size: the first size of what is fed; None: any.

    Raises:
        ValueError: a name is in both.
    """
    named = features if isinstance(features, Mapping) else {FEATURE: features}
    named_labels = labels if isinstance(labels, Mapping) else {LABEL: labels}
    twice = set(named) & set(named_labels)
    if twice:
        raise ValueError(f"Features and labels must have distinct keys. Found overlapping keys: "
                         f"{sorted(twice)}")  # fmt: skip

    def supervised_input_receiver_fn() -> SupervisedInputReceiver:
        """Placeholders, which are features and labels."""
        fed, fed_labels = _fed(named, default_batch_size), _fed(named_labels, default_batch_size)
        return SupervisedInputReceiver(
            fed if isinstance(features, Mapping) else fed[FEATURE],
            fed_labels if isinstance(labels, Mapping) else fed_labels[LABEL],
            {**fed, **fed_labels},
        )

    return supervised_input_receiver_fn
