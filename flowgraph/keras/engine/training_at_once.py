"""AtOnce: what stands for the session where operations are executed at once.

With eager execution a model's Inputs, and all that compile makes of them, lie in a graph of their
own, whose variables are the eager ones (input_layer.py).  A step is a plan of that graph, made for
the shapes of its feeds and run on the variables' memory.

Read next: eager/program.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.eager.program import Program


class AtOnce:
    """Makes functions of feeds, as a Session does.

    Args:
        graph: of the Inputs.
    """

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def make_callable(self, fetches: Sequence[Any], feeds: Sequence[Any]) -> Callable[..., Any]:
        """A function of values for ``feeds`` that gives those of ``fetches``.

        Args:
            fetches: tensors, and behind them operations.
            feeds: tensors.
        """
        graph = self.graph
        dtypes = [feed.dtype.base_dtype.as_numpy_dtype for feed in feeds]
        programs: dict[Any, Any] = {}

        def call(*values: Any) -> list[Any]:
            arrays = [np.ascontiguousarray(v, t) for v, t in zip(values, dtypes, strict=True)]
            arrays = [a.reshape(np.shape(v)) for a, v in zip(arrays, values, strict=True)]
            captured = [(outer, inner) for outer, inner in graph.captures.values()]
            arrays += [outer._array for outer, _ in captured]
            shapes = tuple(a.shape for a in arrays)
            if shapes not in programs:
                keys = [*feeds, *(inner for _, inner in captured)]
                variables = list(graph.refs)
                refs = [graph.refs[variable] for variable in variables]
                programs[shapes] = Program(list(fetches), keys, shapes, refs), variables
            program, variables = programs[shapes]
            storages = [variable._storage for variable in variables]
            return [array[()] for array in program.run(tuple(arrays), storages)]

        return call
