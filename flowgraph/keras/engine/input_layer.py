"""Input: where a model's data come in.

    x = Input(shape=(13,))      Tensor("input_1:0", shape=(?, 13), dtype=float32)

Read next: network.py.
"""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.eager.func_graph import FuncGraph
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import Layer
from flowgraph.keras.engine.node import Node
from flowgraph.keras.engine.tensors import as_shape_tuple
from flowgraph.keras.utils.generic_utils import unpack_singleton


class InputLayer(Layer):
    """The layer of an Input: a placeholder, or a tensor that is given.

    Args:
        input_shape: of one sample, with None for unknown sizes.
        batch_size: how many samples, if that is known.
        batch_input_shape: both in one.
        dtype: of the input; ``K.floatx()`` by default.
        input_tensor: a tensor to take instead of making a placeholder.
        sparse: whether the placeholder is a sparse tensor's.
        name: of the layer and the placeholder; "input_1" by default.
        kwargs: arguments of later releases, not used.
    """

    def __init__(
        self,
        input_shape: Any = None,
        batch_size: int | None = None,
        batch_input_shape: Any = None,
        dtype: Any = None,
        input_tensor: Any = None,
        sparse: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("ragged", None)
        if name is None:
            name = f"input_{K.get_uid('input')}"
        if input_tensor is not None:
            dtype = dtype or K.dtype(input_tensor)
            batch_input_shape = batch_input_shape or K.int_shape(input_tensor)
        elif input_shape is None and batch_input_shape is None:
            raise ValueError(
                f"InputLayer {name!r}: give input_shape, batch_input_shape or input_tensor"
            )
        super().__init__(
            name=name,
            dtype=dtype,
            trainable=False,
            input_shape=input_shape,
            batch_size=batch_size,
            batch_input_shape=batch_input_shape,
        )
        self.built, self.sparse, self.supports_masking = True, sparse, True
        self.is_placeholder = input_tensor is None
        if input_tensor is None:
            with _graph_of_inputs().as_default():
                input_tensor = K.placeholder(
                    self.batch_input_shape, dtype=self.dtype, sparse=sparse, name=name
                )
        elif hasattr(input_tensor, "_keras_history"):  # it has come out of another layer
            input_tensor = tf.identity(input_tensor)
        input_tensor._keras_history = (self, 0, 0)
        input_tensor._keras_shape = shape = self.batch_input_shape
        Node(self, [], [], [], [input_tensor], [input_tensor], [None], [None], [shape], [shape])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer; a tensor that was given is not among them."""
        return {
            "batch_input_shape": self.batch_input_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "name": self.name,
        }


def Input(
    shape: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool = False,
    tensor: Any = None,
    batch_size: int | None = None,
) -> Any:
    """A tensor that the data of a model come in by.

    Args:
        shape: of one sample, with None for unknown sizes.
        batch_shape: the same with the batch size in front.
        name: of its layer and of its data in dicts of inputs; "input_1" by default.
        dtype: "float32" by default.
        sparse: whether it is a sparse tensor.
        tensor: a tensor to take instead of making a placeholder.
        batch_size: how many samples, if that is known.

    Raises:
        ValueError: there is neither a shape nor a tensor.

    >>> from flowgraph import keras
    >>> print(keras.Input(shape=(13,)))
    Tensor("input_1:0", shape=(?, 13), dtype=float32)
    """
    if batch_shape is None and tensor is None:
        if shape is None:
            raise ValueError("Input: give shape (of one sample) or batch_shape")
        batch_shape = (batch_size, *as_shape_tuple(shape))
    layer = InputLayer(
        batch_input_shape=batch_shape, name=name, dtype=dtype, sparse=sparse, input_tensor=tensor
    )
    return unpack_singleton(layer._inbound_nodes[0].output_tensors)


#: Where the graph of Inputs is kept with the graph that executes; no string equals it.
_SYMBOLIC = ("graph of keras inputs",)


def _graph_of_inputs() -> Any:
    """The default graph; with eager execution one beside it, which uses eager variables."""
    graph = tf.get_default_graph()
    if not tf.executing_eagerly():
        return graph
    kept = graph.get_collection_ref(_SYMBOLIC)
    if not kept:
        kept.append(FuncGraph("keras", graph))
        kept[0]._keras_phase = []  # its own learning phase, not that of functions
    return kept[0]


def input_layer_of(x: Any, name: str | None = None) -> Any:
    """``x`` if it is an Input, else an Input that takes the tensor ``x``."""
    if isinstance(getattr(x, "_keras_history", (None,))[0], InputLayer):
        return x
    return Input(tensor=x, name=name)
