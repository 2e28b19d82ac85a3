"""SignatureDefs: what a graph computes, from which tensors to which, under names for users.

Read next: building.py (who writes them), loading.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.variables import Variable
from flowgraph.protos.fields import ENUMS
from flowgraph.protos.meta_graphs import SignatureDef, TensorInfo
from flowgraph.protos.tensors import shape_proto
from flowgraph.saved_model import names

_DT_FLOAT, _DT_STRING, _DT_INT64 = (
    ENUMS["DataType"][name] for name in ("DT_FLOAT", "DT_STRING", "DT_INT64")
)


@export("saved_model.utils.build_tensor_info", "saved_model.build_tensor_info")
def build_tensor_info(tensor: Any) -> TensorInfo:
    """Name, dtype and static shape of a tensor, as a message.

    Args:
        tensor: a Tensor, SparseTensor or Variable.

    Raises:
        RuntimeError: when executing eagerly.   TypeError: it is none of them.

    >>> print(tf.saved_model.utils.build_tensor_info(tf.zeros([2], name="z")))
    name: "z:0"
    dtype: DT_FLOAT
    tensor_shape {
      dim {
        size: 2
      }
    }
    <BLANKLINE>
    """
    if get_default_graph().executes:
        raise RuntimeError("build_tensor_info is not supported when executing eagerly.")
    if isinstance(tensor, Variable):
        tensor = tensor._variable
    if isinstance(tensor, SparseTensor):
        info = TensorInfo(dtype=tensor.dtype.base_dtype.as_datatype_enum)
        info.coo_sparse.values_tensor_name = tensor.values.name
        info.coo_sparse.indices_tensor_name = tensor.indices.name
        info.coo_sparse.dense_shape_tensor_name = tensor.dense_shape.name
        dims = tensor.get_shape().dims
        shape = None if dims is None else tuple(dim.value for dim in dims)
        info.tensor_shape.CopyFrom(shape_proto(shape))
        return info
    if not isinstance(tensor, Tensor):
        raise TypeError(f"build_tensor_info takes a tensor, got {tensor!r}")
    info = TensorInfo(name=tensor.name, dtype=tensor.dtype.base_dtype.as_datatype_enum)
    info.tensor_shape.CopyFrom(shape_proto(tensor.dims))
    info.tensor_shape.SetInParent()
    return info


@export(
    "saved_model.utils.get_tensor_from_tensor_info", "saved_model.get_tensor_from_tensor_info"
)
def get_tensor_from_tensor_info(
    tensor_info: TensorInfo, graph: Graph | None = None, import_scope: str | None = None
) -> Any:
    """The tensor that a TensorInfo names.

    Args:
        tensor_info: the message.
        graph: where it is; the default graph when None.
        import_scope: the name scope that the graph was imported into.

    Raises:
        KeyError: it is not there.   ValueError: the message names no tensor.
    """
    graph = get_default_graph() if graph is None else graph

    def tensor(name: str) -> Tensor:
        return graph.get_tensor_by_name(f"{import_scope}/{name}" if import_scope else name)

    encoding = tensor_info.WhichOneof("encoding")
    if encoding == "name":
        return tensor(tensor_info.name)
    if encoding == "coo_sparse":
        sparse = tensor_info.coo_sparse
        return SparseTensor(
            tensor(sparse.indices_tensor_name),
            tensor(sparse.values_tensor_name),
            tensor(sparse.dense_shape_tensor_name),
        )
    raise ValueError(f"Invalid TensorInfo.encoding: {encoding}")


@export("saved_model.signature_def_utils.build_signature_def", "saved_model.build_signature_def")
def build_signature_def(
    inputs: Mapping[str, TensorInfo] | None = None,
    outputs: Mapping[str, TensorInfo] | None = None,
    method_name: str | None = None,
) -> SignatureDef:
    """A SignatureDef.

    Args:
        inputs: name -> TensorInfo.
        outputs: name -> TensorInfo.
        method_name: what is done, for servers: ``signature_constants.PREDICT_METHOD_NAME`` and its
            like.

    >>> x = tf.saved_model.utils.build_tensor_info(tf.placeholder(tf.float32, name="x"))
    >>> tf.saved_model.build_signature_def({"in": x}, {"out": x}, "m").inputs["in"].name
    'x:0'
    """
    made = SignatureDef(method_name=method_name)
    for target, given in ((made.inputs, inputs), (made.outputs, outputs)):
        for key, info in (given or {}).items():
            target[key].CopyFrom(info)
    return made


def _infos(given: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {key: build_tensor_info(tensor) for key, tensor in given.items()}


@export(
    "saved_model.signature_def_utils.predict_signature_def", "saved_model.predict_signature_def"
)
def predict_signature_def(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> SignatureDef:
    """The signature of a graph that computes any tensors from any tensors.

    Args:
        inputs: name -> tensor.
        outputs: name -> tensor.

    Raises:
        ValueError: one of them is empty.
    """
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if not given:
            raise ValueError(f"Prediction `{what}` cannot be None or empty.")
    return build_signature_def(_infos(inputs), _infos(outputs), names.PREDICT_METHOD_NAME)


@export(
    "saved_model.signature_def_utils.regression_signature_def",
    "saved_model.regression_signature_def",
)
def regression_signature_def(examples: Any, predictions: Any) -> SignatureDef:
    """The signature of a graph that computes one number from each tf.train.Example.

    Args:
        examples: string tensor, of serialized Examples.
        predictions: float32 tensor.

    Raises:
        ValueError: an argument is None or of another dtype.
    """
    for what, tensor in (("examples", examples), ("predictions", predictions)):
        if tensor is None:
            raise ValueError(f"Regression `{what}` cannot be None.")
    inputs, outputs = _infos({names.INPUTS: examples}), _infos({names.OUTPUTS: predictions})
    _check(inputs, names.INPUTS, _DT_STRING, "Regression input tensors must be of type string")
    _check(outputs, names.OUTPUTS, _DT_FLOAT, "Regression output tensors must be of type float")
    return build_signature_def(inputs, outputs, names.REGRESS_METHOD_NAME)


@export(
    "saved_model.signature_def_utils.classification_signature_def",
    "saved_model.classification_signature_def",
)
def classification_signature_def(examples: Any, classes: Any, scores: Any) -> SignatureDef:
    """The signature of a graph that computes classes of tf.train.Examples.

    Args:
        examples: string tensor, of serialized Examples.
        classes: string tensor with the names of the classes, or None.
        scores: float32 tensor with a number for each class, or None.

    Raises:
        ValueError: ``examples``, or both others, are None; a dtype is another.
    """
    if examples is None:
        raise ValueError("Classification `examples` cannot be None.")
    if classes is None and scores is None:
        raise ValueError("Classification `classes` and `scores` cannot both be None.")
    inputs = _infos({names.INPUTS: examples})
    _check(inputs, names.INPUTS, _DT_STRING, "Classification input tensors must be of type string")
    given = {names.CLASSES: classes, names.SCORES: scores}
    outputs = _infos({key: tensor for key, tensor in given.items() if tensor is not None})
    _check(outputs, names.CLASSES, _DT_STRING, "Classification classes must be a string Tensor")
    _check(outputs, names.SCORES, _DT_FLOAT, "Classification scores must be a float Tensor")
    return build_signature_def(inputs, outputs, names.CLASSIFY_METHOD_NAME)


def _check(infos: Mapping[str, TensorInfo], key: str, dtype: int, text: str) -> None:
    if key in infos and infos[key].dtype != dtype:
        said = {number: name for name, number in ENUMS["DataType"].items()}[infos[key].dtype]
        raise ValueError(f"{text}. Found {said}.")


@export("saved_model.signature_def_utils.is_valid_signature", "saved_model.is_valid_signature")
def is_valid_signature(signature_def: SignatureDef) -> bool:
    """Whether a signature has the inputs and outputs that its method name asks for.

    Args:
        signature_def: the message.
    """
    inputs, outputs = signature_def.inputs, signature_def.outputs
    method = signature_def.method_name
    if method == names.PREDICT_METHOD_NAME:
        return bool(inputs) and bool(outputs)
    if set(inputs) != {names.INPUTS} or inputs[names.INPUTS].dtype != _DT_STRING:
        return False
    if method == names.REGRESS_METHOD_NAME:
        return set(outputs) == {names.OUTPUTS} and outputs[names.OUTPUTS].dtype == _DT_FLOAT
    wanted = {names.CLASSES: (_DT_STRING, _DT_INT64), names.SCORES: (_DT_FLOAT,)}
    return (
        method == names.CLASSIFY_METHOD_NAME
        and bool(outputs)
        and all(key in wanted and info.dtype in wanted[key] for key, info in outputs.items())
    )
