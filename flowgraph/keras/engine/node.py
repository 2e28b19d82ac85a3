"""Node: one call of a layer, from its input tensors to its output tensors.

    x = Input((3,))        Node 0 of input_1:   () -> x
    y = Dense(4)(x)        Node 0 of dense_1:   x -> y          y._keras_history = (dense_1, 0, 0)

Every tensor that comes out of a layer says where it comes from: ``_keras_history`` is (layer,
number of the layer's node, number among the node's outputs), and ``_keras_shape`` its static shape
as a tuple.  A model is found by walking from its outputs to its inputs along these.

Read next: base_layer.py, topology.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flowgraph.keras.engine.tensors import listed, replaced

if TYPE_CHECKING:
    from flowgraph.keras.engine.base_layer import Layer


class Node:
    """A call of ``outbound_layer``; making one adds it to the layers that it joins.

    Args:
        outbound_layer: the layer that was called.
        inbound_layers: the layers that the inputs come from.
        node_indices: of each input, which node of its layer made it.
        tensor_indices: of each input, which output of that node it is.
        input_tensors, output_tensors: lists of tensors.
        input_masks, output_masks: their masks, tensors or None.
        input_shapes, output_shapes: their shapes, tuples.
        arguments: what else the layer was called with.
        inputs: what it was called with: a tensor, or a structure of them; found from
            ``input_tensors`` by default.

    Tensors of layers among ``arguments`` are the last of ``input_tensors``.


    An input that comes from no layer, as a placeholder of ``tf``, is not among the first three.
    """

    def __init__(
        self,
        outbound_layer: Layer,
        inbound_layers: Sequence[Layer],
        node_indices: Sequence[int],
        tensor_indices: Sequence[int],
        input_tensors: Sequence[Any],
        output_tensors: Sequence[Any],
        input_masks: Sequence[Any] = (),
        output_masks: Sequence[Any] = (),
        input_shapes: Sequence[Any] = (),
        output_shapes: Sequence[Any] = (),
        arguments: dict[str, Any] | None = None,
        inputs: Any = None,
    ) -> None:
        self.outbound_layer = outbound_layer
        self.inbound_layers = list(inbound_layers)
        self.node_indices, self.tensor_indices = list(node_indices), list(tensor_indices)
        self.input_tensors, self.output_tensors = list(input_tensors), list(output_tensors)
        self.input_masks, self.output_masks = list(input_masks), list(output_masks)
        self.input_shapes, self.output_shapes = list(input_shapes), list(output_shapes)
        self.arguments = dict(arguments or {})
        given = self.input_tensors[0] if len(self.input_tensors) == 1 else self.input_tensors
        self.inputs = given if inputs is None else inputs
        for layer in self.inbound_layers:
            layer._outbound_nodes.append(self)
        outbound_layer._inbound_nodes.append(self)

    @property
    def count(self) -> int:
        """How many of the input tensors are not among the arguments."""
        return len(listed(self.inputs))

    def remade(self, replace: Callable[[Any], Any]) -> tuple[Any, dict[str, Any]]:
        """What to call the layer with to make this call again on other tensors.

        Args:
            replace: of a tensor: the one to take instead.
        """
        return replaced(self.inputs, replace), replaced(self.arguments, replace)

    def __repr__(self) -> str:
        inputs = ", ".join(layer.name for layer in self.inbound_layers)
        return f"<Node ({inputs}) -> {self.outbound_layer.name}>"

    def get_config(self) -> dict[str, Any]:
        """Names instead of layers, and neither tensors nor shapes."""
        return {
            "outbound_layer": self.outbound_layer.name,
            "inbound_layers": [layer.name for layer in self.inbound_layers],
            "node_indices": self.node_indices,
            "tensor_indices": self.tensor_indices,
        }
