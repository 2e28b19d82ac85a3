"""V1: pictures: from a graph in memory to a drawn SVG, and to the page of the viewer.

The graph has exactly so many operations, in scopes block_i/layer_j of four (a product with a
constant, a sum, an activation); the activations differ, so blocks are not all alike.  "SVG": as
``tf.view.save`` does by default, Graphviz included: as many levels as keep it below 300 nodes.
"top": the top level alone.  "page": ``tf.view.html``.  The result is the number of operations.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row

_OURS = frozenset(("flowgraph",))

ROW = Row(
    "V1",
    "pictures of graphs of 50, 500, 5,000 and 10,000 operations: SVG, top level, page",
    cases=(
        Case("SVG 50", 50, figure=Figure(at_most=0.3), only=_OURS),
        Case("SVG 500", 500, figure=Figure(at_most=1.0), only=_OURS),
        Case("SVG 5000", 5_000, figure=Figure(at_most=2.0), only=_OURS),
        Case("top 10000", 10_000, figure=Figure(at_most=5.0), only=_OURS),
        Case("page 50", 50, figure=Figure(at_most=0.02), only=_OURS),
        Case("page 500", 500, figure=Figure(at_most=0.05), only=_OURS),
        Case("page 5000", 5_000, figure=Figure(at_most=0.5), only=_OURS),
    ),
)

_LAYERS_PER_BLOCK = 6


def reference(case):
    return [np.float64(case.size)]


def in_tf1(lib, case):
    tf = lib.module
    graph = _graph(tf, case.size)

    def call():
        if case.name.startswith("page"):
            text = tf.view.page.to_html(tf.view.model.make_model(graph))
            assert text.rstrip().endswith("</html>") and len(text) < 1_000_000
            return [len(graph.get_operations())]
        depth = 0 if case.name.startswith("top") else None
        picture = tf.view.render.draw(tf.view.dot(graph, depth).source, "svg")
        assert picture.rstrip().endswith(b"</svg>")
        return [len(graph.get_operations())]

    return call


def _graph(tf, size):
    """A graph of ``size`` operations, a placeholder and as many identities as fill it up in all."""
    functions = (tf.tanh, tf.sigmoid, tf.nn.relu, tf.exp, tf.sin, tf.square, tf.nn.elu)
    graph = tf.Graph()
    with graph.as_default():
        h = tf.placeholder(tf.float32, [None, 64], name="x")
        for layer in range((size - 1) // 4):
            block = layer // _LAYERS_PER_BLOCK
            with tf.name_scope(f"block_{block}/layer_{layer % _LAYERS_PER_BLOCK}/"):
                h = functions[(layer + block * block) % len(functions)](h * 2.0 + h)
        for _ in range((size - 1) % 4):
            h = tf.identity(h)
    assert len(graph.get_operations()) == size
    return graph
