"""Layers around a layer: TimeDistributed, Bidirectional."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import InputSpec, Layer
from flowgraph.keras.engine.serialization import deserialize, serialize
from flowgraph.keras.layers.common import Configured, Shape
from flowgraph.keras.utils.generic_utils import CustomObjectScope, has_arg, to_list


class Wrapper(Configured):
    """Base class of layers around a layer.

    Args:
        layer: the layer.
        kwargs: of every layer.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__} takes a layer, got {layer!r}")
        super().__init__(**kwargs)
        self.layer = layer

    def get_config(self) -> dict[str, Any]:
        """The layer and the arguments, as plain data."""
        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Wrapper:
        """The layer with these arguments.

        Args:
            config: as ``get_config`` gives it.
            custom_objects: name -> class or function.
        """
        given = dict(config)
        layer = deserialize(given.pop("layer"), custom_objects)
        return cls(layer, **given)


class TimeDistributed(Wrapper):
    """A layer applied to every step of sequences by itself, with the same weights.

    Args:
        layer: takes (samples, ...).
        kwargs: of every layer.

    Input shape: (samples, steps, ...).   Output shape: (samples, steps, ... of the layer's).

    All steps are the samples of one call of the layer.

    >>> from flowgraph import keras
    >>> print(TimeDistributed(keras.layers.Conv2D(8, 3))(keras.Input((10, 28, 28, 1))).shape)
    (?, 10, 26, 26, 8)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)

    def _child_shape(self, input_shape: Any) -> Shape:
        return (input_shape[0], *tuple(input_shape)[2:])

    def build(self, input_shape: Any) -> None:
        """Make the weights of the layer."""
        child = self._child_shape(input_shape)
        rank = getattr(self.layer.input_spec, "ndim", None)
        if rank is not None and rank != len(child):
            raise ValueError(
                f"{self._word}: its layer {self.layer.name!r} ({type(self.layer).__name__}) takes "
                f"inputs of rank {rank}, found an input of shape {tuple(input_shape)}, whose steps "
                f"have shape {child}"
            )
        if not self.layer.built:
            self.layer.build(child)
            self.layer.built = True
            if self.layer._initial_weights is not None:
                self.layer.set_weights(self.layer._initial_weights)
                self.layer._initial_weights = None
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(samples, steps, ...)."""
        child = self.layer.compute_output_shape(self._child_shape(input_shape))
        return (child[0], input_shape[1], *child[1:])

    @staticmethod
    def _joined(x: Any) -> Any:
        """(samples, steps, ...) as (samples * steps, ...)."""
        known = x.shape.as_list()
        y = tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0))
        both = None if None in known[:2] else known[0] * known[1]
        y.set_shape([both, *known[2:]])
        return y

    @staticmethod
    def _apart(y: Any, like: Any) -> Any:
        """(samples * steps, ...) as (samples, steps, ...)."""
        known = [*like.shape.as_list()[:2], *y.shape.as_list()[1:]]
        x = tf.reshape(y, tf.concat([tf.shape(like)[:2], tf.shape(y)[1:]], 0))
        x.set_shape(known)
        return x

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The operations of the layer."""
        given = {"training": training} if self.layer._takes("training") else {}
        child = None if mask is None else self._mask_of_child(mask)
        output, self._child_mask = self.layer._computed(self._joined(inputs), child, given)
        return self._apart(output, inputs)

    def _mask_of_child(self, mask: Any) -> Any:
        # A mask (samples, steps) says nothing about the axes behind: the layer gets none.
        return self._joined(mask) if K.ndim(mask) != 2 else None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the steps; of the layer's mask where that is for more axes."""
        child = to_list(self._child_mask)[0] if hasattr(self, "_child_mask") else None
        if child is not None:
            return self._apart(child, inputs)
        if mask is None:
            return None
        steps = tf.cast(mask, tf.bool)
        return steps if K.ndim(mask) == 2 else tf.reduce_any(steps, list(range(2, K.ndim(mask))))  # type: ignore[arg-type]


#: How the outputs of both directions are joined, by ``merge_mode``.
_MERGED: dict[str, Any] = {
    "concat": lambda x, y: tf.concat([x, y], -1),
    "sum": lambda x, y: x + y,
    "ave": lambda x, y: (x + y) / 2,
    "mul": lambda x, y: x * y,
}


class Bidirectional(Wrapper):
    """A recurrent layer, and a second one from the last step to the first.

    Args:
        layer: a recurrent layer; the second one is made of its config.
        merge_mode: how both outputs are joined: "concat", "sum", "mul", "ave"; None gives both.
        weights: arrays, the first values of the weights.
        kwargs: of every layer.

    The weights are those of the forward layer, then those of the backward one.  With
    ``return_sequences`` the backward output is in the order of the input.

    >>> from flowgraph import keras
    >>> print(Bidirectional(keras.layers.LSTM(16))(keras.Input((20, 8))).shape)
    (?, 32)
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, **kwargs: Any
    ) -> None:
        if merge_mode is not None and merge_mode not in _MERGED:
            raise ValueError(
                f"Bidirectional: merge_mode is one of {', '.join(map(repr, _MERGED))} or None, got "
                f"{merge_mode!r}"
            )
        for what in ("go_backwards", "return_sequences", "get_initial_state"):
            if not hasattr(layer, what):
                raise ValueError(f"Bidirectional takes a recurrent layer, got {layer!r}")
        given = kwargs.pop("backward_layer", None)  # of later releases
        super().__init__(layer, weights=weights, **kwargs)
        if given is not None:
            given = deserialize(given) if isinstance(given, Mapping) else given
        forward = copy.copy(layer)
        vars(forward).update(_inbound_nodes=[], _outbound_nodes=[])
        vars(forward)["_tracked"] = dict(layer._tracked)
        self.forward_layer = forward
        self.backward_layer = given or _backwards(layer)
        self.forward_layer.name = f"forward_{layer.name}"
        self.backward_layer.name = f"backward_{layer.name}"
        # The layer that was given only says what they are like.
        self._tracked.pop("layer")
        self.merge_mode, self.stateful = merge_mode, layer.stateful
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec
        if hasattr(layer, "batch_input_shape") and not hasattr(self, "batch_input_shape"):
            self.batch_input_shape = layer.batch_input_shape

    @property
    def _both(self) -> tuple[Any, Any]:
        return self.forward_layer, self.backward_layer

    def build(self, input_shape: Any) -> None:
        """Make the weights of both layers."""
        many = isinstance(input_shape, list)
        first = input_shape[0] if many else input_shape
        half = (len(input_shape) - 1) // 2 if many else 0
        for layer, states in zip(
            self._both, (input_shape[1 : 1 + half], input_shape[1 + half :]) if many else ((), ()),
            strict=True,
        ):  # fmt: skip
            if not layer.built:
                with K.name_scope(layer.name):
                    layer.build([first, *states] if states else first)
                layer.built = True
                layer.input_spec = to_list(layer.input_spec)[0]
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the joined output; then those of the states with ``return_state``."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        found = self.forward_layer.compute_output_shape(shape)
        output, states = (found[0], list(found[1:])) if self.return_state else (found, [])
        if self.merge_mode == "concat":
            output = (*output[:-1], output[-1] * 2)
        outputs = [output, output] if self.merge_mode is None else [output]
        outputs += states + states
        return outputs if len(outputs) > 1 else output

    def __call__(self, inputs: Any, initial_state: Any = None, **kwargs: Any) -> Any:
        """The output for ``inputs``.

        Args:
            inputs: a tensor; or a list of it and the initial states.
            initial_state: a list: the states of the forward layer, then of the backward one.
            kwargs: ``mask``, ``training``.
        """
        if isinstance(inputs, (list, tuple)):
            given = list(inputs)
        else:
            given = [inputs, *to_list(initial_state or [], allow_tuple=True)]
        if len(given) % 2 == 0:
            raise ValueError(
                f"{self._word}: initial_state has the states of both layers, so an even number; "
                f"found {len(given) - 1}"
            )
        spec = to_list(self.forward_layer.input_spec)[0]
        self.input_spec = spec if len(given) == 1 else [spec, *([None] * (len(given) - 1))]
        try:
            return super().__call__(given[0] if len(given) == 1 else given, **kwargs)
        finally:
            self.input_spec = to_list(self.forward_layer.input_spec)[0]

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The operations of both layers."""
        many = isinstance(inputs, (list, tuple))
        x, states = (inputs[0], list(inputs[1:])) if many else (inputs, [])
        mask = mask[0] if isinstance(mask, list) else mask
        half, found = len(states) // 2, []
        for layer, own in zip(self._both, (states[:half], states[half:]), strict=True):
            given = {"training": training} if has_arg(layer.call, "training") else {}
            if mask is not None and has_arg(layer.call, "mask"):
                given["mask"] = mask
            with K.name_scope(layer.name):
                found.append(to_list(layer.call([x, *own] if own else x, **given)))
        (y, *ends), (back, *back_ends) = found
        if self.return_sequences:
            back = K.reverse(back, 1)
        if self.merge_mode is None:
            outputs = [y, back]
        else:
            outputs = [_MERGED[self.merge_mode](y, back)]
        outputs += [*ends, *back_ends]
        return outputs if len(outputs) > 1 else outputs[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's mask where the output has steps."""
        of_input = mask[0] if isinstance(mask, list) else mask
        kept = of_input if self.return_sequences else None
        outputs = [kept, kept] if self.merge_mode is None else [kept]
        if self.return_state:
            outputs += [None] * (2 * len(self.forward_layer.state_sizes))
        return outputs if len(outputs) > 1 else outputs[0]

    def _of_stored(self, arrays: Any) -> Any:
        """Stored weights in the layout of these layers."""
        half = len(arrays) // 2
        if len(arrays) % 2 or not all(hasattr(layer, "_of_stored") for layer in self._both):
            return arrays
        forward, backward = self._both
        return [*forward._of_stored(arrays[:half]), *backward._of_stored(arrays[half:])]

    def reset_states(self) -> None:
        """Set the states of both layers to zeros."""
        for layer in self._both:
            layer.reset_states()

    def get_config(self) -> dict[str, Any]:
        """The layer and the arguments, as plain data."""
        return {**super().get_config(), "merge_mode": self.merge_mode}


def _backwards(layer: Any) -> Any:
    """A layer like ``layer``, with weights of its own, in the other direction."""
    config = layer.get_config()
    config["go_backwards"] = not config["go_backwards"]
    config.pop("batch_input_shape", None)
    cells = [layer.cell, *getattr(layer.cell, "cells", [])] if hasattr(layer, "cell") else []
    with CustomObjectScope({type(cell).__name__: type(cell) for cell in cells}):
        return type(layer).from_config(config)
