"""Pictures of models: a box for each layer, an arrow for each tensor.

    plot_model(model, "model.png", show_shapes=True)

``tf.view`` draws the operations of a graph; this draws the layers alone, as Keras does.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

__all__ = ["Dot", "model_to_dot", "plot_model"]


class Dot:
    """A picture as DOT text.

    Attributes:
        source: the text.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def to_string(self) -> str:
        """The text."""
        return self.source

    def create(self, prog: str | None = None, format: str = "svg") -> bytes:
        """The picture, as bytes.

        Args:
            prog: not used: Graphviz's ``dot`` lays it out.
            format: "svg", "png" or another that Graphviz has.
        """
        from flowgraph.view.render import draw

        return draw(self.source, format)

    def write(self, path: Any, prog: str | None = None, format: str | None = None) -> None:
        """Write the picture to a file.

        Args:
            path: of the file; its ending says the format (``.dot``: the text itself).
            prog: not used.
            format: the format, whatever the ending is.
        """
        path = Path(path)
        wanted = format or path.suffix.removeprefix(".").lower() or "png"
        if wanted in ("dot", "gv", "raw"):
            path.write_text(self.source, encoding="utf-8")
        else:
            path.write_bytes(self.create(format=wanted))

    def _repr_svg_(self) -> str:
        return self.create(format="svg").decode()


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int | None = None,
    subgraph: bool = False,
) -> Dot:
    """The picture of a model.

    Args:
        model: a model; one with a ``call`` of its own is drawn as its list of layers.
        show_shapes: whether the shapes of inputs and outputs stand in the boxes.
        show_layer_names: whether names do, besides the classes.
        rankdir: "TB" downwards, "LR" to the right.
        expand_nested: whether models inside are frames with their layers, not boxes.
        dpi: dots per inch, of images of dots.
        subgraph: not used; models inside are always parts of one text.

    >>> from flowgraph import keras
    >>> x = keras.Input((3,), name="x")
    >>> "x: InputLayer" in model_to_dot(keras.Model(x, x)).to_string()
    True
    """
    if rankdir not in ("TB", "BT", "LR", "RL"):
        raise ValueError(f"model_to_dot: rankdir is TB, BT, LR or RL, got {rankdir!r}")
    drawing = _Drawing(show_shapes, show_layer_names, expand_nested)
    drawing.model(model, "", "  ")
    head = ["digraph model {", f"  rankdir={rankdir};", "  concentrate=true;"]
    head += [f"  dpi={dpi};"] if dpi else []
    head += ['  node [shape=record, fontname="Helvetica"];', '  graph [fontname="Helvetica"];']
    return Dot("\n".join([*head, *drawing.lines, *drawing.edges, "}"]) + "\n")


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int | None = None,
) -> None:
    """Write the picture of a model to a file.

    Args:
        model: a model.
        to_file: the path; its ending says the format: .png, .svg, .dot.
        show_shapes, show_layer_names, rankdir, expand_nested, dpi: as of ``model_to_dot``.
    """
    picture = model_to_dot(model, show_shapes, show_layer_names, rankdir, expand_nested, dpi)
    picture.write(to_file)


class _Drawing:
    """Lines of boxes and frames, and lines of arrows."""

    def __init__(self, shapes: bool, names: bool, nested: bool) -> None:
        self.shapes, self.names, self.nested = shapes, names, nested
        self.lines: list[str] = []
        self.edges: list[str] = []

    def model(self, model: Any, path: str, indent: str) -> None:
        """The layers of a model; ``path`` leads to it, in the names of boxes."""
        topology = getattr(model, "_topology", None)
        for layer in _drawn(model):
            if self._is_open(layer):
                name = _quoted(f"cluster_{path}{layer.name}")
                label = _quoted(self._title(layer))
                self.lines += [f"{indent}subgraph {name} {{", f"{indent}  label={label};"]
                self.lines.append(f"{indent}  style=rounded;")
                self.model(layer, f"{path}{layer.name}/", indent + "  ")
                self.lines.append(f"{indent}}}")
            else:
                box = _quoted(path + layer.name)
                self.lines.append(f"{indent}{box} [label={_quoted(self._label(layer))}];")
        if topology is None:
            chain = [path + layer.name for layer in _drawn(model)]
            arrows = list(itertools.pairwise(chain))
        else:
            arrows = [
                (
                    self._end(x._keras_history[0], x._keras_history[2], path),
                    self._start(node, x, path),
                )
                for node in topology.in_order()
                for x in node.input_tensors
                if node.inbound_layers and hasattr(x, "_keras_history")
            ]
        for a, b in dict.fromkeys(arrows):
            self.edges.append(f"  {_quoted(a)} -> {_quoted(b)};")

    def _is_open(self, layer: Any) -> bool:
        return self.nested and getattr(layer, "_topology", None) is not None

    def _end(self, layer: Any, index: int, path: str) -> str:
        """The box that output ``index`` of ``layer`` leaves."""
        if not self._is_open(layer):
            return path + layer.name
        inner, _, number = layer.outputs[index]._keras_history
        return self._end(inner, number, f"{path}{layer.name}/")

    def _start(self, node: Any, x: Any, path: str) -> str:
        """The box that tensor ``x`` of a call enters."""
        layer = node.outbound_layer
        if not self._is_open(layer):
            return path + layer.name
        number = next(i for i, given in enumerate(node.input_tensors) if given is x)
        return f"{path}{layer.name}/{layer.inputs[number]._keras_history[0].name}"

    def _title(self, layer: Any) -> str:
        kind = type(layer).__name__
        inner = getattr(layer, "layer", None)
        if inner is not None and hasattr(inner, "get_config"):  # a wrapper
            kind = f"{kind}({type(inner).__name__})"
        return f"{layer.name}: {kind}" if self.names else kind

    def _label(self, layer: Any) -> str:
        title = _escaped(self._title(layer))
        if not self.shapes:
            return title
        into, out = (_escaped(_shape(layer, what)) for what in ("input_shape", "output_shape"))
        return f"{title}|{{input:|output:}}|{{{{{into}}}|{{{out}}}}}"


def _drawn(model: Any) -> list[Any]:
    """The layers that get boxes: of a Sequential model with its Input."""
    topology = getattr(model, "_topology", None)
    return list(model.layers if topology is None else topology.layers)


def _shape(layer: Any, what: str) -> str:
    try:
        return str(getattr(layer, what))
    except AttributeError:
        return "multiple"
    except RuntimeError:
        return "?"


def _escaped(text: str) -> str:
    """For a label of a record: its own signs are written with a backslash."""
    return "".join(f"\\{c}" if c in "\\{}|<>" else c for c in text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
