"""Graph -> networkx.MultiDiGraph, for analyses that networkx knows: paths, components, layers.

networkx is imported when this is used; building and running graphs never needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowgraph.graph.site import format_site
from flowgraph.shapes import format_dims

if TYPE_CHECKING:
    from flowgraph.graph.core import Graph


def to_networkx(graph: Graph) -> Any:
    """See Graph.to_networkx."""
    import networkx as nx

    result = nx.MultiDiGraph()
    for op in graph.get_operations():
        result.add_node(
            op.name, type=op.type, device=op.device, attrs=dict(op.attrs), site=format_site(op.site)
        )
        for position, tensor in enumerate(op.inputs):
            result.add_edge(
                tensor.op.name,
                op.name,
                tensor=tensor.name,
                input=position,
                dtype=tensor.dtype.name,
                shape=format_dims(tensor.dims),
                control=False,
            )
    for op in graph.get_operations():
        for before in op._control_inputs:
            result.add_edge(before.name, op.name, control=True)
    return result
