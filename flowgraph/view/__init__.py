"""Pictures of graphs, the way TensorBoard shows them: scopes as frames, shapes on edges.

    Graph -> roles, fold, scopes -> picture.py: boxes and edges -> digraph.py: DOT -> render.py

``tf.view.dot(graph)`` returns a ``graphviz.Digraph``, ``tf.view.save("graph.svg", graph)`` writes a
file, and a Graph at the end of a notebook cell shows itself.  ``tf.view.html`` writes a page to
look into (model.py, page.py); ``optimized`` and ``plan`` show what the compiler made (compiled.py),
``units`` a small dense network unit by unit (units.py), ``plot_...`` curves (plots.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowgraph.graph.core import Graph
from flowgraph.view.colours import make_colouring
from flowgraph.view.compiled import optimized, plan
from flowgraph.view.digraph import to_digraph
from flowgraph.view.memory import memory_map
from flowgraph.view.model import make_model
from flowgraph.view.page import Page, to_html
from flowgraph.view.picture import make_picture
from flowgraph.view.plots import (
    activation_curves,
    plot_activations,
    plot_decision_boundary,
    plot_history,
    plot_memory,
    plot_roofline,
    plot_trajectories,
    trajectories,
)
from flowgraph.view.recording import Recording, record
from flowgraph.view.render import RendererNotFoundError, draw, use_in_graphviz_package
from flowgraph.view.roof import Roof, measure_roof
from flowgraph.view.units import units

if TYPE_CHECKING:
    from graphviz import Digraph

__all__ = [
    "Page", "Recording", "RendererNotFoundError", "Roof", "activation_curves", "dot", "html",
    "measure_roof", "memory_map", "mime_bundle", "optimized", "plan", "plot_activations",
    "plot_decision_boundary", "plot_history", "plot_memory", "plot_roofline", "plot_trajectories",
    "record", "save", "trajectories", "units",
]  # fmt: skip

#: What a notebook cell shows is smaller than what a file holds.
NOTEBOOK_MAX_NODES = 80


def dot(
    graph_or_fetches: Any = None,
    depth: float | None = None,
    *,
    opened: Sequence[str] = (),
    closed: Sequence[str] = (),
    fold: bool = True,
    direction: str = "BT",
    title: str | None = None,
    overview: bool = False,
    max_nodes: int = 300,
    fold_blocks: bool | None = None,
    colour_by: str = "role",
    run_metadata: Any = None,
    values: Recording | None = None,
) -> Digraph:
    """The graph as a ``graphviz.Digraph``.

    Name scopes are frames, or boxes where they are closed.  Variables are cylinders, placeholders
    parallelograms, constants white ovals; colours tell the forward part, the gradients and the
    updates apart.  A solid line is a tensor, labelled ``float32[?, 64]``; a green line with two
    heads a variable handed to the operation that changes it; a dashed line a control dependency.
    Tooltips (in SVG) tell the user's line.

    Args:
        graph_or_fetches: a Graph, a Session, or tensors, operations, variables and Keras models
            (also nested), of which only what they need is drawn.  Default: the default graph.
        depth: how many levels of scopes are open: 0 none, ``math.inf`` all.  Default: as many as
            keep the picture below ``max_nodes``.
        opened, closed: full names of scopes to open or close besides.
        fold: draw a variable with its reads, its initial value and its optimizer slots as one node,
            and constants that are mere arguments (axes, the 2 of ``x * 2``) inside their operation.
            Without, and with ``depth=math.inf``, every operation is one node and every input one
            edge.
        overview: draw each scope that holds only gradients, or only updates, as one box.
        direction: where values flow: BT (up, as in TensorBoard), TB, LR or RL.
        title: a heading.
        max_nodes: see ``depth``.
        fold_blocks: draw scopes that are alike (three or more, as the layers of a deep network)
            once.  Default: where the picture would otherwise be above ``max_nodes``.
        colour_by: ``role``, ``device``, ``type``; ``time``, ``flops`` or ``bytes`` of
            ``run_metadata``; ``bytes`` without one: the size of the outputs.  A legend tells.
        run_metadata: of a traced ``Session.run``, or several, of which the mean is taken.
        values: a Recording, of ``tf.view.record``: its values and gradients stand on the edges.

    Raises:
        TypeError, ValueError: nothing that can be drawn; an unknown scope; another direction.

    >>> import flowgraph as tf
    >>> with tf.Graph().as_default() as graph:
    ...     x = tf.placeholder(tf.float32, [None, 3], name="x")
    ...     print("float32[?, 3]" in dot(graph).source)
    True
    """
    if direction not in ("BT", "TB", "LR", "RL"):
        raise ValueError(f"direction must be BT, TB, LR or RL, got {direction!r}")
    use_in_graphviz_package()
    picture = make_picture(
        graph_or_fetches,
        depth,
        opened=opened,
        closed=closed,
        fold=fold,
        overview=overview,
        max_nodes=max_nodes,
        fold_blocks=fold_blocks,
    )
    colouring = make_colouring(picture, colour_by, run_metadata)
    return to_digraph(picture, direction, title, colouring, values)


def save(
    path: Any, graph_or_fetches: Any = None, depth: float | None = None, **options: Any
) -> Path:
    """Write the picture of a graph to a file; its ending says the format.

    Args:
        path: ends in ``.svg`` (scales, has tooltips), ``.png``, ``.dot``, ``.html`` (the page of
            ``tf.view.html``), or ``.pdf`` where a system Graphviz is installed.
        graph_or_fetches, depth, options: as of ``dot``; or a Digraph alone.

    Returns:
        The path.

    Raises:
        ValueError: the path has no ending.
        RendererNotFoundError: there is no Graphviz program (``.dot`` needs none).
        RuntimeError: the program does not know the format.
    """
    path = Path(path)
    file_format = path.suffix.removeprefix(".").lower()
    if not file_format:
        raise ValueError(f"the ending of {str(path)!r} must say the format: .svg, .png or .dot")
    if file_format in ("html", "htm"):
        html(path, graph_or_fetches, **options)
        return path
    made = getattr(graph_or_fetches, "source", None)  # a Digraph, of tf.view.plan and the like
    if not isinstance(made, str):
        made = dot(graph_or_fetches, depth, **options).source
    if file_format in ("dot", "gv"):
        path.write_text(made, encoding="utf-8")
    else:
        path.write_bytes(draw(made, file_format))
    return path


def html(
    path: Any = None,
    graph_or_fetches: Any = None,
    *,
    run_metadata: Any = None,
    values: Recording | None = None,
    title: str | None = None,
) -> Page:
    """The graph as one HTML page to look into with a browser; it needs no network.

    Scopes open and close; pointing at a node tells its shape, dtype, time, bytes and the user's
    line; names, types and lines can be searched; operations can be stepped through in the order in
    which they run.

    Args:
        path: of the file to write, usually ending in ``.html``; None writes none.
        graph_or_fetches: as of ``dot``.
        run_metadata: of a traced ``Session.run``, or several: gives a heat map by time, flops or
            bytes, and the list of the slowest operations.
        values: a Recording, of ``tf.view.record``: the steps show values and, where they were
            taken, go back through the gradients.
        title: what the page is called.

    Returns:
        A Page: ``str(page)`` is its text, and at the end of a notebook cell it shows itself.

    Raises:
        TypeError, ValueError: nothing that can be drawn; a RunMetadata without a trace.

    >>> with tf.Graph().as_default() as graph:
    ...     _ = tf.constant(1.0) + 2.0
    >>> str(tf.view.html(None, graph)).startswith("<!DOCTYPE html>")
    True
    """
    model = make_model(graph_or_fetches, title=title, run_metadata=run_metadata, values=values)
    page = Page(to_html(model), model["title"])
    if path is not None:
        page.save(path)
    return page


def mime_bundle(graph: Graph) -> dict[str, str]:
    """What a notebook shows for a Graph: an overview as SVG, and text where none can be drawn."""
    bundle = {"text/plain": f"<tf.Graph with {graph.version} operations>"}
    try:
        source = dot(graph, overview=True, max_nodes=NOTEBOOK_MAX_NODES).source
        bundle["image/svg+xml"] = draw(source, "svg").decode()
    except RendererNotFoundError as error:
        bundle["text/plain"] += f"\n(no picture: {error})"
    return bundle
