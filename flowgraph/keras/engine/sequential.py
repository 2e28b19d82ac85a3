"""Sequential: one layer behind the other.

    Sequential([Dense(10, input_dim=2), Dense(1)])     built at once
    Sequential([Dense(10), Dense(1)])                  built by the first data, or build(shape)

Read next: network.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras.engine.base_layer import Layer
from flowgraph.keras.engine.input_layer import Input, InputLayer
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.serialization import deserialize, serialize
from flowgraph.keras.engine.tensors import as_shape_tuple, is_shape, listed
from flowgraph.keras.utils.generic_utils import CustomObjectScope


class Sequential(Model):
    """Layers one behind the other, each with one input and one output.

    Args:
        layers: a list of layers.
        name: "sequential_1" by default.

    The first layer may say what its input is (``input_shape``, ``input_dim``,
    ``batch_input_shape``), or be an InputLayer or a model: then the model is built with every layer
    that is added. Else it is when it is first called, trained or ``build`` is called.
    """

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None) -> None:
        self._init_network(name)
        self._own: list[Layer] = []
        self._given_inputs: list[Layer] = []  # an InputLayer that was added
        self._build_input_shape: Any = None
        for layer in layers or ():
            self.add(layer)

    # ------------------------------------------------------------------------------------ layers

    def add(self, layer: Any) -> None:
        """Add a layer behind the last.

        Args:
            layer: a layer or model; an Input stands for its layer.

        Raises:
            TypeError: it is no layer.   ValueError: it has several outputs.
        """
        if isinstance(getattr(layer, "_keras_history", (None,))[0], InputLayer):
            layer = layer._keras_history[0]
        if not isinstance(layer, Layer):
            hint = ": make one, with ()" if isinstance(layer, type) else ""
            raise TypeError(f"Sequential.add takes a layer, got {layer!r}{hint}")
        if self.outputs is not None and self._is_graph_network:
            self._append(layer, self.outputs[0])
        elif not self._own:
            self._begin(layer)
        else:
            self._own.append(layer)
        self._changed()

    def _begin(self, layer: Layer) -> None:
        """Add the first layer."""
        if isinstance(layer, InputLayer):
            self.inputs = listed(layer.output)
            self.outputs = self.inputs
            self._given_inputs = [layer]
            self._is_graph_network = True
            return
        first: Any = layer
        while isinstance(first, Sequential) and not first._is_graph_network and first._own:
            first = first._own[0]
        shape = getattr(first, "batch_input_shape", None)
        dtype = getattr(first, "dtype", None)
        if isinstance(layer, Network) and layer._is_graph_network:
            if len(layer.inputs) != 1:
                raise ValueError(
                    f"Sequential: model {layer.name!r} has {len(layer.inputs)} inputs; a layer of "
                    "a Sequential model has one"
                )
            shape, dtype = layer.input_shape, layer.inputs[0].dtype.name
        if shape is None:
            self._own.append(layer)
            return
        x = Input(batch_shape=shape, dtype=dtype, name=f"{layer.name}_input")
        self.inputs, self._is_graph_network = [x], True
        self._append(layer, x)

    def _append(self, layer: Layer, x: Any) -> None:
        outputs = layer(x)
        if len(listed(outputs)) != 1:
            raise ValueError(
                f"Sequential: layer {layer.name!r} has {len(listed(outputs))} outputs; a layer of "
                "a Sequential model has one"
            )
        self._own.append(layer)
        self.outputs = listed(outputs)

    def pop(self) -> None:
        """Take the last layer away.

        Raises:
            TypeError: there is none.
        """
        if not self._own:
            raise TypeError(f"Sequential.pop: {self.name!r} has no layers")
        last = self._own.pop()
        if self._is_graph_network:
            node = last._inbound_nodes.pop()
            for layer in node.inbound_layers:
                layer._outbound_nodes.remove(node)
            self.outputs = node.input_tensors
            if not self._own:
                self.inputs = self.outputs = None
                self._given_inputs = []
                self._is_graph_network = False
        self._changed()

    def _changed(self) -> None:
        """Make the graph of the layers there are."""
        self._inbound_nodes.clear()
        self.built = False
        if self._is_graph_network and self._own:
            self._init_graph(self.inputs, self.outputs)

    @property
    def layers(self) -> list[Layer]:
        """The layers that were added, without an InputLayer."""
        return list(self._own)

    # ---------------------------------------------------------------------------------- building

    def build(self, input_shape: Any = None) -> None:
        """Make the weights, for inputs of a shape.

        Args:
            input_shape: with the batch.

        Raises:
            ValueError: the shape is not known.
        """
        if self.built:
            return
        shape = input_shape if input_shape is not None else self._build_input_shape
        if shape is None or not is_shape(shape):
            raise ValueError(
                f"Sequential {self.name!r}: the input shape is not known; give the first layer an "
                "input_shape, or build(input_shape) one with the batch: (None, 3)"
            )
        self._connect(Input(batch_shape=as_shape_tuple(shape)), shape)

    def _connect(self, x: Any, shape: Any) -> None:
        """Call every layer, from ``x`` on."""
        self._build_input_shape = shape
        layers, self._own = self._own, []
        self.inputs, self._is_graph_network = listed(x), True
        for layer in layers:
            self._append(layer, x)
            x = self.outputs[0]
        self._changed()

    def _set_inputs(self, inputs: Any, training: Any = None) -> None:
        if self.inputs is not None:
            return
        found = list(inputs.values()) if isinstance(inputs, dict) else listed(inputs)
        if len(found) != 1:
            raise ValueError(f"Sequential {self.name!r} has one input, got {len(found)}")
        x = found[0]
        if isinstance(x, tf.Tensor):
            self._connect(Input(tensor=x), tuple(x.shape.as_list()))
        else:
            dtype = tf.as_dtype(x.dtype)
            shape = (None, *x.shape[1:])
            kept = None if dtype.is_floating else dtype.name
            self._connect(Input(batch_shape=shape, dtype=kept), shape)

    def _make_weights(self, inputs: Any) -> None:
        if not self.built:
            x = listed(inputs)[0]
            if tf.executing_eagerly():
                self.built = True
                return
            shape = (None, *x.shape.as_list()[1:])
            with tf.name_scope(None):
                self._connect(Input(batch_shape=shape, dtype=x.dtype.base_dtype.name), shape)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The output for ``inputs``; arguments as of Network.call."""
        if self._is_graph_network:
            return super().call(inputs, training=training, mask=mask)
        for layer in self._own:
            extra = {"training": training} if training is not None else {}
            inputs = layer(inputs, **(extra if layer._takes("training") else {}))
        return inputs

    def _computed(self, inputs: Any, mask: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        if self._is_graph_network:
            return self._run(inputs, kwargs.get("mask", mask), kwargs.get("training"))
        return super()._computed(inputs, mask, kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, by asking every layer.

        Args:
            input_shape: a tuple, with the batch.
        """
        for layer in self._own:
            input_shape = layer.compute_output_shape(input_shape)
        return as_shape_tuple(input_shape)

    # ------------------------------------------------------------------------------- predictions

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: int = 0) -> Any:
        """The predictions: probabilities, where the last activation makes them.

        Args:
            x, batch_size, verbose: as of ``predict``.
        """
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: int = 0) -> Any:
        """The most probable class of every sample; of a single output whether it is above 0.5.

        Args:
            x, batch_size, verbose: as of ``predict``.
        """
        found = self.predict_proba(x, batch_size, verbose)
        return found.argmax(axis=-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    # ----------------------------------------------------------------------------------- configs

    def get_config(self) -> dict[str, Any]:
        """The name and the layers, as plain data."""
        config: dict[str, Any] = {
            "name": self.name,
            "layers": [serialize(layer) for layer in [*self._given_inputs, *self._own]],
        }
        if self._build_input_shape is not None:
            config["build_input_shape"] = self._build_input_shape
        return config

    @classmethod
    def from_config(
        cls, config: Any, custom_objects: Mapping[str, Any] | None = None
    ) -> Sequential:
        """The model with these layers.

        Args:
            config: as ``get_config`` gives it, or a list of layers, as older releases do.
            custom_objects: name -> class or function.
        """
        given = {"layers": config} if isinstance(config, list) else dict(config)
        model: Any = cls(name=given.get("name"))  # type: ignore[arg-type]
        with CustomObjectScope(custom_objects or {}):
            for layer in given["layers"]:
                model.add(deserialize(layer))
        shape = given.get("build_input_shape")
        if not model.inputs and model._own and shape is not None:
            model.build(shape)
        return model
