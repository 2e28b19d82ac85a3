"""ExportOutputs: the outputs of an exported model, one for each of its signatures.

Read next: exporting.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowgraph.dtypes import string
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.variables import Variable
from flowgraph.protos.meta_graphs import SignatureDef
from flowgraph.saved_model import names
from flowgraph.saved_model.signatures import (
    build_signature_def,
    build_tensor_info,
    classification_signature_def,
    predict_signature_def,
    regression_signature_def,
)

_TENSORS = (Tensor, SparseTensor, Variable)


@export("estimator.export.ExportOutput")
class ExportOutput:
    """The base of what a model can put out."""

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> SignatureDef:
        """The signature from the tensors that are fed to this output.

        Args:
            receiver_tensors: name -> tensor.
        """
        raise NotImplementedError


def _only(receivers: Mapping[str, Any], what: str) -> Any:
    """The tensor of serialized Examples that such signatures take."""
    if len(receivers) != 1:
        raise ValueError(f"{what} input must be a single string Tensor; got {dict(receivers)}")
    (tensor,) = receivers.values()
    if tensor.dtype is not string:
        raise ValueError(f"{what} input must be a single string Tensor; got {dict(receivers)}")
    return tensor


@export("estimator.export.ClassificationOutput")
class ClassificationOutput(ExportOutput):
    """Classes, or a number for each class.

    Args:
        scores: float tensor, or None.
        classes: string tensor, or None.

    Raises:
        ValueError: both are None, or of another dtype.
    """

    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        if scores is not None and not (isinstance(scores, Tensor) and scores.dtype.is_floating):
            raise ValueError(f"Classification scores must be a float32 Tensor; got {scores}")
        if classes is not None and not (isinstance(classes, Tensor) and classes.dtype is string):
            raise ValueError(f"Classification classes must be a string Tensor; got {classes}")
        if scores is None and classes is None:
            raise ValueError("At least one of scores and classes must be set.")
        self._scores, self._classes = scores, classes

    @property
    def scores(self) -> Any:
        """A number for each class."""
        return self._scores

    @property
    def classes(self) -> Any:
        """Names of classes."""
        return self._classes

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> SignatureDef:
        """A signature of classification.

        Args:
            receiver_tensors: one string tensor, by any name.
        """
        examples = _only(receiver_tensors, "Classification")
        return classification_signature_def(examples, self._classes, self._scores)


@export("estimator.export.RegressionOutput")
class RegressionOutput(ExportOutput):
    """A number for each Example.

    Args:
        value: float tensor.

    Raises:
        ValueError: it is of another dtype.
    """

    def __init__(self, value: Any) -> None:
        if not (isinstance(value, Tensor) and value.dtype.is_floating):
            raise ValueError(f"Regression output value must be a float32 Tensor; got {value}")
        self._value = value

    @property
    def value(self) -> Tensor:
        """The numbers."""
        return self._value

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> SignatureDef:
        """A signature of regression.

        Args:
            receiver_tensors: one string tensor, by any name.
        """
        return regression_signature_def(_only(receiver_tensors, "Regression"), self._value)


@export("estimator.export.PredictOutput")
class PredictOutput(ExportOutput):
    """Any tensors.

    Args:
        outputs: a tensor, or a dict from names to tensors.

    Raises:
        ValueError: a name is no text, or a value no tensor.
    """

    def __init__(self, outputs: Any) -> None:
        named = outputs if isinstance(outputs, Mapping) else {"output": outputs}
        for key, value in named.items():
            if not isinstance(key, str):
                raise ValueError(f"Prediction output key must be a string; got {key!r}")
            if not isinstance(value, _TENSORS):
                raise ValueError(f"Prediction output value must be a Tensor; got {value!r}")
        self._outputs = dict(named)

    @property
    def outputs(self) -> dict[str, Any]:
        """Name -> tensor."""
        return self._outputs

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> SignatureDef:
        """A signature of prediction.

        Args:
            receiver_tensors: name -> tensor.
        """
        return predict_signature_def(receiver_tensors, self._outputs)


class ModeOutput(ExportOutput):
    """Loss, metrics and predictions of a graph that trains or evaluates.

    Args:
        method_name: of the signature.
        loss: scalar tensor.
        predictions: tensor or dict of tensors.
        metrics: name -> (value, update).
    """

    def __init__(self, method_name: str, loss: Any, predictions: Any, metrics: Any) -> None:
        named = predictions if isinstance(predictions, Mapping) else {"output": predictions}
        self._method = method_name
        self._outputs = {"loss": loss} if loss is not None else {}
        self._outputs.update({f"predictions/{key}": value for key, value in named.items()})
        for key, (value, update) in (metrics or {}).items():
            self._outputs[f"metrics/{key}/value"] = value
            if isinstance(update, (Tensor, Variable)):
                self._outputs[f"metrics/{key}/update_op"] = update

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> SignatureDef:
        """A signature with all of it.

        Args:
            receiver_tensors: name -> tensor.
        """
        inputs = {key: build_tensor_info(tensor) for key, tensor in receiver_tensors.items()}
        outputs = {key: build_tensor_info(tensor) for key, tensor in self._outputs.items()}
        return build_signature_def(inputs, outputs, self._method)


def with_default(outputs: Mapping[str, ExportOutput]) -> dict[str, ExportOutput]:
    """The outputs, one of them also under the key of the default signature.

    Raises:
        ValueError: there are several and none is the default.
    """
    made = dict(outputs)
    key = names.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    if len(made) == 1:
        (only,) = made.values()
        made[key] = only
    if made and key not in made:
        raise ValueError(
            "Multiple export_outputs were provided, but none of them is specified as the default.  "
            "Do this by naming one of them with "
            "signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY."
        )
    return made
