"""``flowgraph view graph.pb -o graph.html``: a picture of a graph in a file.

    .pb .pbtxt                a GraphDef, or a SavedModel
    .meta                     a MetaGraphDef, as a Saver writes beside its checkpoints
    events.out.tfevents...    the last graph in an event file
    a folder                  a SavedModel, or the newest event file in it

Operations that this library does not know are an error that names them.

Read next: view/__init__.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowgraph import view
from flowgraph.errors import OpError
from flowgraph.graph.core import Graph
from flowgraph.protos.graphs import GraphDef
from flowgraph.protos.importing import import_graph_def
from flowgraph.protos.meta_graphs import MetaGraphDef
from flowgraph.protos.text_format import Parse, ParseError
from flowgraph.protos.wire import DecodeError
from flowgraph.saved_model.loading import parse_saved_model
from flowgraph.summary.writer import summary_iterator


def view_file(arguments: Sequence[str]) -> int:
    """Draw the graph that a file holds.

    Args:
        arguments: see ``flowgraph view --help``.

    Returns:
        0, or 1 after an error that is told.
    """
    parser = argparse.ArgumentParser(
        prog="flowgraph view", description="Draw the graph in a .pb, .pbtxt, .meta or event file, "
        "or in the folder of a SavedModel or of event files.",
    )  # fmt: skip
    parser.add_argument("graph", type=Path, help="the file or folder")
    parser.add_argument(
        "-o", "--out", type=Path, help="what to write: .html (default), .svg, .png or .dot"
    )
    parser.add_argument("--depth", type=int, help="levels of scopes that a picture opens")
    parser.add_argument("--overview", action="store_true", help="gradients and updates closed")
    parser.add_argument("--title", help="a heading (default: the name of the file)")
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)
    out = options.out or Path(options.graph.resolve().name).with_suffix(".html")
    try:
        graph = read_graph(options.graph)
        title = options.title or options.graph.resolve().name
        given: dict[str, Any] = {"title": title}
        if out.suffix not in (".html", ".htm"):
            given |= {"depth": options.depth, "overview": options.overview}
        view.save(out, graph, **given)
    except (OpError, OSError, ValueError, TypeError, RuntimeError) as error:
        sys.stderr.write(f"flowgraph view: {error}\n")
        return 1
    sys.stdout.write(f"wrote {out}, of {len(graph.get_operations())} operations\n")
    return 0


def read_graph(path: Path) -> Graph:
    """The graph in a file or folder, of the kinds that the module lists.

    Args:
        path: of it.

    Raises:
        FileNotFoundError: there is none.   ValueError: it holds no graph.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}")
    graph = Graph()
    with graph.as_default():
        import_graph_def(_graph_def(path), name="")
    return graph


def _graph_def(path: Path) -> GraphDef:
    if path.is_dir():
        if any((path / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
            return parse_saved_model(str(path)).meta_graphs[0].graph_def
        events = sorted(path.glob("*tfevents*"), key=lambda file: file.stat().st_mtime)
        if not events:
            raise ValueError(f"{path} holds neither a SavedModel nor event files")
        return _graph_def(events[-1])
    if "tfevents" in path.name:
        found = [e.graph_def for e in summary_iterator(str(path)) if e.HasField("graph_def")]
        if not found:
            raise ValueError(f"{path} holds no graph: FileWriter(folder, graph) writes one")
        return GraphDef.FromString(found[-1])
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return _graph_def(path.parent)
    try:
        if path.suffix in (".pbtxt", ".prototxt", ".txt"):
            return Parse(path.read_text(encoding="utf-8"), GraphDef())
        if path.suffix == ".meta":
            return MetaGraphDef.FromString(path.read_bytes()).graph_def
        made = GraphDef.FromString(path.read_bytes())
    except (DecodeError, ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no graph: {error}") from None
    if not made.node:
        raise ValueError(f"{path} holds no operations")
    return made
