"""Unit-level drawings of small dense networks: a circle per unit, a line per weight.

units([2, 3, 1])          of sizes alone
units([W1, W2])           lines by weight: blue above zero, orange below, wider for larger
units(y)                  of a tensor: the MatMuls that lead to it are its layers
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.graph.node import Operation, Tensor
from flowgraph.view.digraph import new_digraph

if TYPE_CHECKING:
    from graphviz import Digraph

#: Types between layers that change what a unit gives, not how many there are.
_ACTIVATIONS = frozenset((
    "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softmax", "LogSoftmax",
    "Softplus", "Softsign",
))  # fmt: skip
_SUMS = frozenset(("Add", "AddV2", "BiasAdd"))
_PASSING = frozenset(("Identity", "Reshape", "Squeeze", "StopGradient", "Cast"))

_FILLS = {"input": "#EEF2F7", "hidden": "#DCE9F7", "output": "#DDF1DC"}
_LINES = {"input": "#7F7F7F", "hidden": "#2F6CAB", "output": "#35823A"}
_ABOVE, _BELOW, _PLAIN = "#2F6CAB", "#C76A12", "#8D97A8"

#: Weights are written on the lines of a drawing with at most this many.
_MAX_WRITTEN = 24


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights (inputs, units) or None where only sizes are known; biases (units,) or None."""

    inputs: int
    units: int
    weights: np.ndarray | None = None
    biases: np.ndarray | None = None
    activation: str = ""


def units(
    network: Any,
    *,
    session: Any = None,
    values: Sequence[Any] | None = None,
    max_units: int | None = 16,
    direction: str = "LR",
    title: str | None = None,
) -> Digraph:
    """A drawing of a dense network with a circle for each unit and a line for each weight.

    Args:
        network: sizes of the layers, the inputs first; or their weights, arrays (inputs, units),
            or (weights, biases) pairs; or a tensor of the graph, of which the chain of ``MatMul``
            with variables is drawn; or a model with ``layers`` that have ``get_weights()``.
        session: of a tensor: whose weights colour the lines; without, only sizes are drawn.
        values: per layer, the inputs first, what each unit gave: written in the circles.
        max_units: larger layers are abridged to this many circles; None draws all.
        direction: LR (the inputs at the left) or BT (at the bottom).
        title: a heading.

    Returns:
        A ``graphviz.Digraph``; ``tf.view.save(path, drawing)`` writes it.

    Raises:
        ValueError: sizes of neighbouring layers do not fit, there are no dense layers, or an
            unknown direction.
        TypeError: none of the above kinds of network.

    >>> units([3, 4]).source.count(" -> ")
    12
    """
    if direction not in ("LR", "BT"):
        raise ValueError(f"direction must be LR or BT, got {direction!r}")
    layers = list(_layers_of(network, session))
    _check(layers)
    sizes = [layers[0].inputs, *(layer.units for layer in layers)]
    hidden = [f"hidden {i + 1}" if len(layers) > 2 else "hidden" for i in range(len(layers) - 1)]
    names = ["input", *hidden, "output"]
    graph = new_digraph("LR", title or "")
    # Positions are ours; the lines go below the circles.
    graph.attr(layout="neato", splines="line", outputorder="edgesfirst")
    graph.engine = "neato"
    graph.attr("node", shape="circle", fixedsize="true", width="0.42", style="filled")
    graph.attr("edge", arrowhead="none", penwidth="0.8", fontsize="8")
    shown = [_shown(size, max_units) for size in sizes]
    count = sum(len(a) * len(b) for a, b in itertools.pairwise(shown))
    # Written weights need room on their lines.
    written = count <= _MAX_WRITTEN
    has_weights = any(layer.weights is not None for layer in layers)
    place = _Placing(direction, shown, 2.2 if written and has_weights else 1.5)
    for number, weights in enumerate(layers):
        _draw_weights(graph, number, weights, place, written=written)
    for number, name in enumerate(names):
        layer = layers[number - 1] if number else None
        given = None if values is None else np.asarray(values[number]).ravel()
        _draw_layer(graph, number, f"{name}, {sizes[number]}", place, layer, given)
    return graph


class _Placing:
    """Where the circles stand, in inches: layers along one axis, units centred along the other."""

    def __init__(self, direction: str, shown: Sequence[Sequence[int]], apart: float) -> None:
        self.direction, self.shown, self.apart = direction, shown, apart
        self.pitch = 0.55

    def at(self, layer: int, place: float) -> tuple[float, float]:
        """Of the circle at ``place`` in the list of those shown."""
        along = layer * self.apart
        across = (place - (self.slots(layer) - 1) / 2) * self.pitch
        return (along, -across) if self.direction == "LR" else (across, along)

    def slots(self, layer: int) -> int:
        """Circles, and the gap where some were left out."""
        return len(self.shown[layer]) + self.is_abridged(layer)

    def is_abridged(self, layer: int) -> bool:
        """True when not every unit has a circle."""
        units = self.shown[layer]
        return units[-1] != len(units) - 1

    def of_unit(self, layer: int, unit: int) -> tuple[float, float]:
        """Of a unit that is shown."""
        place = self.shown[layer].index(unit)
        return self.at(layer, place + (self.is_abridged(layer) and place != unit))

    def of_gap(self, layer: int) -> tuple[float, float]:
        """Of the dots for the units left out."""
        units = self.shown[layer]
        return self.at(layer, next(i for i, unit in enumerate(units) if unit != i))

    def of_label(self, layer: int) -> tuple[float, float]:
        """Of the name of a layer: above it, or at its left."""
        if self.direction == "LR":
            tallest = max(self.slots(i) for i in range(len(self.shown)))
            return layer * self.apart, tallest / 2 * self.pitch + 0.25
        widest = max(self.slots(i) for i in range(len(self.shown)))
        return -(widest / 2 * self.pitch + 0.6), layer * self.apart


def _position(point: tuple[float, float]) -> str:
    return f"{point[0]:.3f},{point[1]:.3f}!"


def _shown(size: int, limit: int | None) -> list[int]:
    """Numbers of the units that have a circle."""
    if limit is None or size <= limit:
        return list(range(size))
    first = (limit + 1) // 2
    return [*range(first), *range(size - (limit - first), size)]


def _check(layers: Sequence[_Layer]) -> None:
    if not layers:
        raise ValueError("units: a network has two sizes or one layer of weights at least")
    for before, after in itertools.pairwise(layers):
        if before.units != after.inputs:
            raise ValueError(
                f"units: a layer of {before.units} units is followed by weights for "
                f"{after.inputs} inputs"
            )


# ----------------------------------------------------------------------------------------- drawing


def _draw_layer(
    graph: Digraph,
    number: int,
    name: str,
    place: _Placing,
    layer: _Layer | None,
    values: np.ndarray | None,
) -> None:
    kind = name.split(maxsplit=1)[0].rstrip(",")
    activation = layer.activation if layer is not None else ""
    lines = [*name.split(", "), *([activation] if activation else [])]
    label = f'<{html.escape(lines[0])}<BR/><FONT COLOR="#595959">'
    label += "<BR/>".join(html.escape(line) for line in lines[1:]) + "</FONT>>"
    graph.node(
        f"layer {number}", label=label, shape="plaintext", style="", fontsize="10",
        fixedsize="false", pos=_position(place.of_label(number)),
    )  # fmt: skip
    for unit in place.shown[number]:
        text, tip = "", f"{lines[0]}, unit {unit}"
        if layer is not None and layer.biases is not None:
            tip += f", bias {layer.biases[unit]:.4g}"
            text = f"{layer.biases[unit]:+.3g}" if layer.biases[unit] else "0"
        if values is not None:
            text = f"{values[unit]:.3g}"
            tip += f": {values[unit]:.6g}"
        graph.node(
            f"{number}_{unit}", label=text, fontsize="8", fillcolor=_FILLS[kind],
            color=_LINES[kind], tooltip=tip, pos=_position(place.of_unit(number, unit)),
        )  # fmt: skip
    if place.is_abridged(number):
        dots = "\u22ee" if place.direction == "LR" else "\u22ef"
        graph.node(
            f"dots {number}", label=dots, shape="plaintext", style="", fontsize="14",
            pos=_position(place.of_gap(number)),
        )  # fmt: skip


def _draw_weights(
    graph: Digraph, number: int, layer: _Layer, place: _Placing, *, written: bool
) -> None:
    weights = layer.weights
    largest = float(np.abs(weights).max(initial=0.0)) if weights is not None else 0.0
    for row, before in enumerate(place.shown[number]):
        for after in place.shown[number + 1]:
            style = {"color": _PLAIN}
            if weights is not None:
                weight = float(weights[before, after])
                part = abs(weight) / largest if largest else 0.0
                colour = _ABOVE if weight >= 0 else _BELOW
                style = {
                    "color": f"{colour}{int(60 + 195 * part):02X}",
                    "penwidth": f"{0.4 + 2.6 * part:.2f}",
                    "tooltip": f"weight {weight:.6g}",
                }
                if written:
                    # At different parts of the line, so that lines which cross keep theirs apart.
                    there = 0.3 + 0.2 * (row % 2)
                    start, end = place.of_unit(number, before), place.of_unit(number + 1, after)
                    at = tuple(a + there * (b - a) for a, b in zip(start, end, strict=True))
                    graph.node(
                        f"weight {number} {before} {after}", label=f"{weight:.3g}", fontsize="8",
                        shape="box", style="filled", fillcolor="white", color="white",
                        fontcolor=colour, fixedsize="false", margin="0.02,0.01", width="0",
                        height="0", pos=_position((at[0], at[1])),
                    )  # fmt: skip
            graph.edge(f"{number}_{before}", f"{number + 1}_{after}", **style)


# ------------------------------------------------------------------------------------ the network


def _layers_of(network: Any, session: Any) -> Iterator[_Layer]:
    if isinstance(network, Tensor):
        yield from _layers_of_tensor(network, session)
    elif hasattr(network, "layers"):
        yield from _layers_of_model(network)
    elif isinstance(network, (list, tuple)) and network:
        if all(isinstance(item, (int, np.integer)) for item in network):
            for inputs, size in itertools.pairwise(network):
                yield _Layer(int(inputs), int(size))
            return
        for item in network:
            weights, biases = item if isinstance(item, (list, tuple)) else (item, None)
            yield _of_weights(np.asarray(weights), biases, "")
    else:
        raise TypeError(
            f"units: expected sizes, weights, a tensor or a model, got {type(network).__name__}"
        )


def _of_weights(weights: np.ndarray, biases: Any, activation: str) -> _Layer:
    if weights.ndim != 2:
        raise ValueError(f"units: weights have shape (inputs, units), got {weights.shape}")
    found = None if biases is None else np.asarray(biases).ravel()
    return _Layer(weights.shape[0], weights.shape[1], weights, found, activation)


def _layers_of_model(model: Any) -> Iterator[_Layer]:
    for layer in model.layers:
        arrays = layer.get_weights()
        if arrays and np.ndim(arrays[0]) == 2:
            activation = getattr(getattr(layer, "activation", None), "__name__", "")
            biases = arrays[1] if len(arrays) > 1 and np.ndim(arrays[1]) == 1 else None
            yield _of_weights(
                np.asarray(arrays[0]), biases, "" if activation == "linear" else activation
            )


def _layers_of_tensor(tensor: Tensor, session: Any) -> list[_Layer]:
    found: list[tuple[Operation, Tensor | None, str]] = []
    activation, bias, current = "", None, tensor
    while True:
        op = current.op
        if op.type == "MatMul" and _is_parameter(op.inputs[1]):
            found.append((op, bias, activation))
            activation, bias, current = "", None, op.inputs[0]
        elif op.type in _ACTIVATIONS:
            activation, current = op.type, op.inputs[0]
        elif op.type in _SUMS:
            parameters = [t for t in op.inputs if _is_parameter(t)]
            others = [t for t in op.inputs if not _is_parameter(t)]
            if len(others) != 1:
                break
            bias, current = parameters[0], others[0]
        elif op.type in _PASSING and op.inputs:
            current = op.inputs[0]
        else:
            break
    if not found:
        raise ValueError(
            f"units: {tensor.name!r} comes from no MatMul of a value with a variable: "
            f"its operation is {tensor.op.type}, and the way back ends at {current.name!r}"
        )
    return [_layer_of(op, bias, activation, session) for op, bias, activation in reversed(found)]


def _layer_of(op: Operation, bias: Tensor | None, activation: str, session: Any) -> _Layer:
    weight, turned = op.inputs[1], bool(op.attrs.get("transpose_b"))
    if session is not None:
        array = np.asarray(session.run(weight))
        biases = None if bias is None else np.asarray(session.run(bias)).ravel()
        made = _of_weights(array.T if turned else array, None, activation)
        if biases is not None and biases.size == made.units:
            return _of_weights(array.T if turned else array, biases, activation)
        return made
    dims = weight.dims
    if dims is None or len(dims) != 2 or None in dims:
        raise ValueError(f"units: the shape of {weight.name!r} is not known; give a session")
    inputs, size = (dims[1], dims[0]) if turned else (dims[0], dims[1])
    return _Layer(int(inputs or 0), int(size or 0), None, None, html.escape(activation))


def _is_parameter(tensor: Tensor) -> bool:
    """True for what is read from a variable, and for constants."""
    op = tensor.op
    while op.type == "Identity" and op.inputs:
        op = op.inputs[0].op
    return op.type in ("Const", "VariableV2", "Variable", "ReadVariableOp", "VarHandleOp") or (
        bool(op.outputs) and op.outputs[0].dtype.is_ref
    )
