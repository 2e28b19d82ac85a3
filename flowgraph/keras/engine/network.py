"""Network: layers joined to one, by inputs and outputs or by a ``call`` of one's own.

    Model(inputs, outputs)     every call on the ways between them is made again, for other inputs,
                               whenever the model is called
    class Mine(Model)          ``call`` says what happens; the layers in attributes are its layers

A network is a layer: it can be called, and stand in other networks.

Read next: topology.py, sequential.py, model.py (training).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import flowgraph as tf
from flowgraph.errors import did_you_mean
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import Layer, Node, count_params
from flowgraph.keras.engine.input_layer import Input, InputLayer, input_layer_of
from flowgraph.keras.engine.tensors import (
    as_shape_tuple,
    collect_shapes,
    is_shape,
    listed,
    mask_of,
    walk_back,
)
from flowgraph.keras.engine.topology import Topology, find_topology
from flowgraph.keras.utils.generic_utils import is_all_none, to_list, unpack_singleton

#: Attributes of a network that hold layers, but not as a part of its own making.
_LISTS = frozenset(["_layers", "_input_layers", "_output_layers", "inputs", "outputs"])


class Network(Layer):
    """Layers joined to one.

    Args:
        inputs: an Input or a list of them.
        outputs: what follows from them, a tensor or a list.
        name: "model_1" by default.

    A subclass that gives neither defines ``call``.

    Attributes:
        layers: the layers, inputs first.
        inputs, outputs: lists of tensors; None where they are not known yet.
        input_names, output_names: the names of their layers.
        built: whether the weights exist.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name, trainable = kwargs.pop("name", None), kwargs.pop("trainable", True)
        if len(args) == 3:
            *args, name = args  # type: ignore[assignment]
        given = dict(zip(("inputs", "outputs"), args, strict=False))
        unknown = set(kwargs) - {"inputs", "outputs"}
        if unknown or len(args) > 2:
            raise TypeError(
                f"{type(self).__name__}: takes inputs, outputs and name; got "
                f"{', '.join(map(repr, sorted(unknown))) or 'too many arguments'}"
            )
        given.update(kwargs)
        self._init_network(name, trainable)
        if given:
            if len(given) < 2:
                raise TypeError(f"{type(self).__name__}: give both inputs and outputs")
            self._init_graph(given["inputs"], given["outputs"])

    def _init_network(self, name: str | None, trainable: bool = True) -> None:
        """The attributes of every network."""
        self._init_layer(name, trainable)
        self._is_graph_network = False
        self.supports_masking = True
        self._topology: Topology | None = None
        self._layers: list[Layer] = []
        self.inputs: Any = None
        self.outputs: Any = None
        self.input_names: list[str] = []
        self.output_names: list[str] = []
        self.optimizer: Any = None
        self._is_compiled = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _LISTS:
            object.__setattr__(self, name, value)
            return
        if "_inbound_nodes" not in self.__dict__ and not name.startswith("_tracked"):
            if isinstance(value, Layer):
                raise RuntimeError(
                    f"{type(self).__name__}: call super().__init__() before setting {name!r}"
                )
        super().__setattr__(name, value)

    # --------------------------------------------------------------------------- from the tensors

    def _init_graph(self, inputs: Any, outputs: Any) -> None:
        self.inputs, self.outputs = listed(inputs), listed(outputs)
        self._check_tensors()
        self._topology = find_topology(self.inputs, self.outputs)
        self._layers = self._topology.layers
        self._is_graph_network = self.built = True
        self._input_layers = [x._keras_history[0] for x in self.inputs]
        self._output_layers = [x._keras_history[0] for x in self.outputs]
        self._input_coordinates = [x._keras_history for x in self.inputs]
        self._output_coordinates = [x._keras_history for x in self.outputs]
        self.input_names = [layer.name for layer in self._input_layers]
        self.output_names = _unique([layer.name for layer in self._output_layers])
        # NB: as in Keras, a network's first node is its own; calls are numbered from 1 in configs.
        Node(
            self,
            [],
            [],
            [],
            self.inputs,
            self.outputs,
            [mask_of(x) for x in self.inputs],
            [mask_of(x) for x in self.outputs],
            collect_shapes(self.inputs),
            collect_shapes(self.outputs),
        )

    def _check_tensors(self) -> None:
        if len({id(x) for x in self.inputs}) != len(self.inputs):
            raise ValueError(
                f"{self.name!r}: an input is given twice: {[x.name for x in self.inputs]}"
            )
        for what, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            for x in tensors:
                if not hasattr(x, "_keras_history"):
                    raise ValueError(
                        f"{self.name!r}: {what} of a model must come out of layers (an Input, or "
                        f"what a layer returns); {getattr(x, 'name', x)!r} does not: wrap the "
                        "operations in a Lambda layer"
                    )
        for x in self.inputs:
            layer = x._keras_history[0]
            if not isinstance(layer, InputLayer):
                raise ValueError(
                    f"{self.name!r}: the inputs of a model must be made by Input; {x.name!r} comes "
                    f"out of layer {layer.name!r}"
                )

    # ----------------------------------------------------------------------------------- layers

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model."""
        return self._layers if self._is_graph_network else super()._sublayers()

    def _sublayers(self) -> list[Layer]:
        return self.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer by its name, or by its number in ``layers``.

        Args:
            name: of the layer.
            index: used when given; negative ones count from the end.

        Raises:
            ValueError: there is none.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"{self.name!r} has {len(self.layers)} layers; no number {index}")
            return self.layers[index]
        if not name:
            raise ValueError("get_layer: give the name of the layer, or its index")
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise ValueError(f"No such layer: {name!r} in {self.name!r}{did_you_mean(name, names)}")

    @property
    def _feed_inputs(self) -> list[Any]:
        """The inputs that data are fed to: those that are placeholders."""
        return [x for x in self.inputs or () if _is_fed(x)]

    @property
    def _feed_input_names(self) -> list[str]:
        names = zip(self.inputs or (), self.input_names, strict=True)
        return [name for x, name in names if _is_fed(x)]

    @property
    def _feed_input_shapes(self) -> list[Any]:
        return [K.int_shape(x) for x in self._feed_inputs]

    @property
    def uses_learning_phase(self) -> bool:
        """Whether an output is another in training."""
        phase = K.learning_phase()
        if self.outputs is None or isinstance(phase, int):
            return False
        ends = {x.op for x in self.inputs}
        return phase.op in walk_back(self.outputs, lambda op: op in ends)

    @property
    def input(self) -> Any:
        """The input tensor, or the list of them."""
        return self._only("input_tensors", "input") if self.inputs is None else _one(self.inputs)

    @property
    def output(self) -> Any:
        """The output tensor, or the list of them."""
        return (
            self._only("output_tensors", "output") if self.outputs is None else _one(self.outputs)
        )

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or the list of them."""
        if self.inputs is None:
            return self._same("input_shapes", "input_shape")
        return _one(collect_shapes(self.inputs))

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or the list of them."""
        if self.outputs is None:
            return self._same("output_shapes", "output_shape")
        return _one(collect_shapes(self.outputs))

    @property
    def input_spec(self) -> Any:
        """What inputs are checked against: a shape with any batch, for models of known inputs."""
        return None

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        if value is not None:
            raise AttributeError("the input_spec of a model follows from its inputs")

    # ------------------------------------------------------------------------------ what it does

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs for ``inputs``.

        Args:
            inputs: a tensor, or a list of them.
            training: whether it is training; the learning phase decides by default.
            mask: of the inputs.
        """
        if not self._is_graph_network:
            raise NotImplementedError(
                f"{type(self).__name__}: a model without inputs and outputs must define call()"
            )
        return self._run(inputs, mask, training)[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs for ``inputs`` with ``mask``; None for a model with ``call``."""
        return self._run(inputs, mask, None)[1] if self._is_graph_network else None

    def _computed(self, inputs: Any, mask: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        if not self._is_graph_network or type(self).call is not Network.call:
            return super()._computed(inputs, mask, kwargs)
        return self._run(inputs, kwargs.get("mask", mask), kwargs.get("training"))

    def _run(self, inputs: Any, mask: Any, training: Any) -> tuple[Any, Any]:
        """Outputs and their masks, by making every call again."""
        assert self._topology is not None
        tensors = self._ordered(inputs)
        masks = [None] * len(tensors) if is_all_none(mask) else to_list(mask, allow_tuple=True)
        known = {
            id(own): pair
            for own, pair in zip(self.inputs, zip(tensors, masks, strict=True), strict=True)
        }
        for node in self._topology.in_order():
            if node.input_tensors == node.output_tensors:  # of an Input
                continue
            pairs = {id(x): known.get(id(x), (x, mask_of(x))) for x in node.input_tensors}
            made = {key: x for key, (x, _) in pairs.items()}
            xs, arguments = node.remade(partial(_of_same_id, made))
            x_masks = unpack_singleton([pairs[id(x)][1] for x in listed(node.inputs)])
            layer = node.outbound_layer
            if training is not None and layer._takes("training") and "training" not in arguments:
                arguments = {**arguments, "training": training}
            with K.name_scope(layer.name):
                results, out_masks = layer._computed(xs, x_masks, arguments)
            out_masks = to_list(out_masks, allow_tuple=True)
            if len(out_masks) != len(node.output_tensors):
                out_masks = [None] * len(node.output_tensors)
            found = zip(listed(results), out_masks, strict=True)
            known.update(zip(map(id, node.output_tensors), found, strict=True))
        done = [known[id(x)] for x in self.outputs]
        for x, m in done:
            x._keras_mask = m
        return _one([x for x, _ in done]), _one([m for _, m in done])

    def _ordered(self, inputs: Any) -> list[Any]:
        """The tensors of ``inputs`` in the order of the model's; dicts go by names."""
        if isinstance(inputs, dict):
            missing = [name for name in self.input_names if name not in inputs]
            if missing:
                raise ValueError(
                    f"model {self.name!r}: no value for input {missing[0]!r}; the dict has "
                    f"{sorted(inputs)}"
                )
            return [inputs[name] for name in self.input_names]
        tensors = listed(inputs)
        if len(tensors) != len(self.inputs):
            raise ValueError(
                f"model {self.name!r} has {len(self.inputs)} inputs ({self.input_names}), it was "
                f"called with {len(tensors)}"
            )
        return tensors

    def _note_shapes(self, inputs: Any, outputs: Any) -> None:
        for x in listed(outputs):
            x._keras_shape = K.int_shape(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs, by asking every layer.

        Args:
            input_shape: a tuple, or a list of them for several inputs.
        """
        if not self._is_graph_network:
            raise NotImplementedError(f"{type(self).__name__} does not say the shape of its output")
        assert self._topology is not None
        given = [input_shape] if is_shape(input_shape) else list(input_shape)
        if len(given) != len(self.inputs):
            raise ValueError(
                f"model {self.name!r} has {len(self.inputs)} inputs, got {len(given)} shapes"
            )
        known = {id(x): as_shape_tuple(shape) for x, shape in zip(self.inputs, given, strict=True)}
        for node in self._topology.in_order():
            if node.input_tensors == node.output_tensors:
                continue
            shapes = [known.get(id(x), K.int_shape(x)) for x in listed(node.inputs)]
            layer = node.outbound_layer
            if type(layer).compute_output_shape is Layer.compute_output_shape:
                found: Any = node.output_shapes  # the graph knows better than "as the input"
            else:
                found = layer.compute_output_shape(unpack_singleton(shapes))
            found = [found] if is_shape(found) else found
            for x, shape in zip(node.output_tensors, found, strict=True):
                known[id(x)] = as_shape_tuple(shape)
        return _one([known[id(x)] for x in self.outputs])

    def build(self, input_shape: Any = None) -> None:
        """Make the weights of a model with ``call``.

        Args:
            input_shape: with the batch; a list of shapes for several inputs.

        Raises:
            ValueError: the model cannot be called with floats of this shape.
        """
        if self._is_graph_network or self.built:
            self.built = True
            return
        if input_shape is None:
            raise ValueError(f"{self.name!r}.build: give the shape of the input, with its batch")
        shapes = [input_shape] if is_shape(input_shape) else list(input_shape)
        with tf.name_scope(self.name):
            xs = [K.placeholder(as_shape_tuple(shape)) for shape in shapes]
            self.built = True
            super()._computed(_one(xs) if is_shape(input_shape) else xs, None, {})

    def _make_weights(self, inputs: Any) -> None:
        self.built = True  # the layers inside make theirs when they are called

    # ------------------------------------------------------------------ what is not known at first

    def _set_inputs(self, inputs: Any, training: Any = None) -> None:
        """Learn the inputs and outputs of a model with ``call`` from data, for training.

        Args:
            inputs: an array or tensor, a list of them, or a dict of them.
            training: what ``call`` is given, where it takes that.
        """
        if self.inputs is not None:
            return
        arrays = inputs if isinstance(inputs, (list, tuple, dict)) else [inputs]
        if isinstance(arrays, dict):
            named = dict(arrays)
        else:
            named = {f"input_{i + 1}": x for i, x in enumerate(arrays)}
        made = {
            name: x
            if isinstance(x, tf.Tensor)
            else Input(batch_shape=(None, *x.shape[1:]), dtype=_input_dtype(x))
            for name, x in named.items()
        }
        made = {name: input_layer_of(x) for name, x in made.items()}
        given: Any = made if isinstance(inputs, dict) else list(made.values())
        if not isinstance(inputs, (list, tuple, dict)):
            given = given[0]
        extra = {} if training is None or not self._takes("training") else {"training": training}
        outputs = self(given, **extra)
        self.inputs, self.outputs = list(made.values()), listed(outputs)
        self.input_names = list(made)
        self.output_names = [f"output_{i + 1}" for i in range(len(self.outputs))]

    # ---------------------------------------------------------------------------- weights, losses

    def get_weights(self) -> list[Any]:
        """The values of the weights, layer by layer."""
        return K.batch_get_value(self._weights_by_layer())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the weights to arrays, layer by layer.

        Args:
            weights: as ``get_weights`` gives them.

        Raises:
            ValueError: too many, too few, or one of another shape; nothing is set then.
        """
        self._set_all(self._weights_by_layer(), list(weights))

    def _weights_by_layer(self) -> list[Any]:
        own = [*self._trainable_weights, *self._non_trainable_weights]
        inner = [w for layer in self.layers for w in layer.weights]
        return list(dict.fromkeys([*inner, *own]))

    def _relevant(self, pairs: list[tuple[Any, list[Any]]]) -> list[Any]:
        """Of (loss or update, inputs) pairs what needs no Input but the model's own.

        Layers that are called several times, in other models too, have losses of every call.
        """
        if self.inputs is None or tf.executing_eagerly():
            return list(dict.fromkeys(x for x, _ in pairs))
        ends = {x.op for x in self.inputs}
        found = []
        for x, _ in pairs:
            needed = walk_back([x], lambda op: op in ends)
            if not any(op not in ends and _is_input(op) for op in needed):
                found.append(x)
        return list(dict.fromkeys(found))

    @property
    def losses(self) -> list[Any]:
        """What ``add_loss`` of it and its layers was given, as far as it is of this model."""
        return self._relevant(self._all_losses())

    @property
    def updates(self) -> list[Any]:
        """What ``add_update`` of its layers was given, as far as it is of this model."""
        return self._relevant(self._all_updates())

    @property
    def state_updates(self) -> list[Any]:
        """The updates of the stateful layers, which predictions run too."""
        return self._relevant(
            [pair for layer in self.layers if layer.stateful for pair in layer._all_updates()]
        )

    @property
    def stateful(self) -> bool:
        """Whether a layer is."""
        return any(layer.stateful for layer in self.layers)

    @stateful.setter
    def stateful(self, value: bool) -> None:
        if value:
            raise AttributeError("a model is stateful when a layer of it is")

    def reset_states(self) -> None:
        """Set the states of the stateful layers to their first values."""
        for layer in self.layers:
            if layer.stateful and hasattr(layer, "reset_states"):
                layer.reset_states()

    def count_params(self) -> int:
        """How many numbers the weights hold; of the layers that are built."""
        if not self.built and not self.layers:
            raise RuntimeError(f"{self.name!r} has no weights yet: call it, or build(input_shape)")
        return count_params(self.weights)


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found


def _of_same_id(found: Mapping[int, Any], x: Any) -> Any:
    return found.get(id(x), x)


def _one(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _is_input(op: Any) -> bool:
    return op.type == "Placeholder" and hasattr(op.outputs[0], "_keras_history")


def _is_fed(x: Any) -> bool:
    return getattr(x._keras_history[0], "is_placeholder", True)


def _input_dtype(x: Any) -> str | None:
    """Of the Input for an array: integers stay what they are, floats become floatx."""
    dtype = tf.as_dtype(x.dtype)
    return None if dtype.is_floating else dtype.name
