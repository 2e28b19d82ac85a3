"""Connected: what a layer's calls were, by their nodes.

Read next: base_layer.py.
"""

from __future__ import annotations

from typing import Any

from flowgraph.keras.engine.node import Node
from flowgraph.keras.utils.generic_utils import unpack_singleton


class Connected:
    """The part of a layer that describes its calls."""

    name: str
    _inbound_nodes: list[Node]
    _outbound_nodes: list[Node]

    def _at(self, node_index: int, attribute: str) -> Any:
        if not self._inbound_nodes:
            raise RuntimeError(f"layer {self.name!r} was not called yet: it has no {attribute}")
        if not -len(self._inbound_nodes) <= node_index < len(self._inbound_nodes):
            raise ValueError(
                f"layer {self.name!r} was called {len(self._inbound_nodes)} times: there is no "
                f"node {node_index}"
            )
        return unpack_singleton(getattr(self._inbound_nodes[node_index], attribute))

    def _only(self, attribute: str, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(f"layer {self.name!r} was not called yet: it has no {what}")
        if len(self._inbound_nodes) > 1:
            raise AttributeError(
                f"layer {self.name!r} has multiple inbound nodes (it was called "
                f"{len(self._inbound_nodes)} times): use get_{what}_at(node_index)"
            )
        return unpack_singleton(getattr(self._inbound_nodes[0], attribute))

    def get_input_at(self, node_index: int) -> Any:
        """The input tensor (or list) of call number ``node_index``, from 0."""
        return self._at(node_index, "input_tensors")

    def get_output_at(self, node_index: int) -> Any:
        """The output tensor (or list) of call number ``node_index``."""
        return self._at(node_index, "output_tensors")

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape of the input (or a list) of call number ``node_index``."""
        return self._at(node_index, "input_shapes")

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape of the output (or a list) of call number ``node_index``."""
        return self._at(node_index, "output_shapes")

    def get_input_mask_at(self, node_index: int) -> Any:
        """The mask of the input (or a list) of call number ``node_index``."""
        return self._at(node_index, "input_masks")

    def get_output_mask_at(self, node_index: int) -> Any:
        """The mask of the output (or a list) of call number ``node_index``."""
        return self._at(node_index, "output_masks")

    @property
    def input(self) -> Any:
        """The input tensor (or list), of a layer that was called once."""
        return self._only("input_tensors", "input")

    @property
    def output(self) -> Any:
        """The output tensor (or list), of a layer that was called once."""
        return self._only("output_tensors", "output")

    @property
    def input_mask(self) -> Any:
        """The mask of the input, of a layer that was called once."""
        return self._only("input_masks", "input_mask")

    @property
    def output_mask(self) -> Any:
        """The mask of the output, of a layer that was called once."""
        return self._only("output_masks", "output_mask")

    @property
    def input_shape(self) -> Any:
        """The shape of the input (or a list), of a layer whose inputs all have the same."""
        return self._same("input_shapes", "input_shape")

    @property
    def output_shape(self) -> Any:
        """The shape of the output (or a list), of a layer whose outputs all have the same."""
        return self._same("output_shapes", "output_shape")

    def _same(self, attribute: str, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(f"layer {self.name!r} was not called yet: it has no {what}")
        shapes = [getattr(node, attribute) for node in self._inbound_nodes]
        if any(shape != shapes[0] for shape in shapes):
            raise AttributeError(
                f"layer {self.name!r} was called with several shapes: use get_{what}_at(node_index)"
            )
        return unpack_singleton(shapes[0])

    # Keras 2.0's names.
    @property
    def inbound_nodes(self) -> list[Node]:
        """The calls of this layer."""
        return self._inbound_nodes

    @inbound_nodes.setter
    def inbound_nodes(self, nodes: Any) -> None:
        self._inbound_nodes = list(nodes)

    @property
    def outbound_nodes(self) -> list[Node]:
        """The calls that take an output of this layer."""
        return self._outbound_nodes

    @outbound_nodes.setter
    def outbound_nodes(self, nodes: Any) -> None:
        self._outbound_nodes = list(nodes)
