"""From the inputs and outputs of a model to its layers and calls, in order.

    Walk back from the outputs along ``_keras_history``. The depth of a call is the length of the
    longest way from it to an output; calls are made from the deepest to the outputs, and layers are
    listed by depth, those of equal depth in the order in which the walk met them.

The order is Keras's: files of weights and ``get_weights`` rely on it.

Read next: network.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.node import Node


@dataclass
class Topology:
    """What ``find_topology`` found.

    Attributes:
        layers: all layers, inputs first.
        nodes: the calls.
        nodes_by_depth, layers_by_depth: depth -> nodes or layers; outputs have depth 0.
    """

    layers: list[Any] = field(default_factory=list)
    nodes: set[Node] = field(default_factory=set)
    nodes_by_depth: dict[int, list[Node]] = field(default_factory=dict)
    layers_by_depth: dict[int, list[Any]] = field(default_factory=dict)

    def in_order(self) -> list[Node]:
        """The calls, each behind those that it needs."""
        return [
            n for depth in sorted(self.nodes_by_depth)[::-1] for n in self.nodes_by_depth[depth]
        ]


def find_topology(inputs: Sequence[Any], outputs: Sequence[Any]) -> Topology:
    """The layers and calls between ``inputs`` and ``outputs``, lists of tensors out of layers.

    Raises:
        ValueError: an output needs something that is no input, or two layers have one name.
    """
    finished, first_met = _walk(outputs)
    depths: dict[Node, int] = {}
    layer_depths: dict[Any, int] = {}
    for node in reversed(finished):
        layer = node.outbound_layer
        # A layer that is called several times is as deep as its deepest call.
        depth = max(depths.get(node, 0), layer_depths.get(layer, 0))
        depths[node] = layer_depths[layer] = depth
        for before in _before(node):
            depths[before] = max(depth + 1, depths.get(before, 0))
    # Inputs that nothing uses are in the model too.
    for x in inputs:
        layer = x._keras_history[0]
        if layer not in layer_depths:
            layer_depths[layer] = 0
            first_met.setdefault(layer, -1)
            depths[layer._inbound_nodes[0]] = 0
    found = Topology(nodes=set(depths))
    for node, depth in depths.items():
        found.nodes_by_depth.setdefault(depth, []).append(node)
    for layer, depth in layer_depths.items():
        found.layers_by_depth.setdefault(depth, []).append(layer)
    for depth in sorted(found.layers_by_depth)[::-1]:
        found.layers_by_depth[depth].sort(key=lambda layer: first_met[layer])
        found.layers += found.layers_by_depth[depth]
    _check_connected(found, inputs)
    _check_names(found.layers)
    return found


def _before(node: Node) -> list[Node]:
    return [
        layer._inbound_nodes[index]
        for layer, index in zip(node.inbound_layers, node.node_indices, strict=True)
    ]


def _walk(outputs: Sequence[Any]) -> tuple[list[Node], dict[Any, int]]:
    """The calls that ``outputs`` need, each behind those it needs; when each layer was met."""
    finished: dict[Node, None] = {}
    first_met: dict[Any, int] = {}
    for x in outputs:
        layer, index, _ = x._keras_history
        # An explicit stack: deep models would exceed Python's.
        start = layer._inbound_nodes[index]
        stack = [(start, iter(_before(start)))] if start not in finished else []
        started = {start}
        first_met.setdefault(layer, len(first_met))
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                finished[node] = None
            elif following not in finished and following not in started:
                started.add(following)
                first_met.setdefault(following.outbound_layer, len(first_met))
                stack.append((following, iter(_before(following))))
    return list(finished), first_met


def _check_connected(found: Topology, inputs: Sequence[Any]) -> None:
    known = {id(x) for x in inputs}
    seen: list[str] = []
    for node in found.in_order():
        layer = node.outbound_layer
        if not node.inbound_layers and node.input_tensors != node.output_tensors:
            known.update(map(id, node.output_tensors))  # of nothing but constants
            continue
        for x in node.input_tensors:
            if hasattr(x, "_keras_history") and id(x) not in known:
                takes = "an Input" if x in node.output_tensors else f"which {layer.name!r} takes"
                raise ValueError(
                    f"Graph disconnected: the value of {x.name!r} {K.int_shape(x)}, {takes}, "
                    f"does not follow from the inputs of the model "
                    f"({', '.join(repr(i.name) for i in inputs)}). Layers reached before it: "
                    f"{seen or 'none'}"
                )
        known.update(map(id, node.output_tensors))
        seen.append(layer.name)


def _check_names(layers: Sequence[Any]) -> None:
    for name, count in Counter(layer.name for layer in layers).items():
        if count > 1:
            raise ValueError(
                f"The name {name!r} is used {count} times in the model. All layer names should be "
                "unique."
            )
