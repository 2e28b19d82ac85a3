"""Seeds of random operations: which stream an operation draws from.

    graph seed   op seed    stream
    given        given      (graph seed, op seed)                 TensorFlow's numbers
    -            given      (87654321, op seed)                   TensorFlow's numbers
    given        -          (graph seed, hash of the op's name)
    -            -          (87654321, hash of the op's name)

NB: without an op seed TensorFlow counts the operations made before, or takes the clock.  Here every
process draws the same, and adding an operation elsewhere changes nothing.

Read next: philox.py (the streams), random.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.opdef import Call, not_differentiable
from flowgraph.ops.philox import Stream

#: The graph seed of a graph that was given none.
DEFAULT_GRAPH_SEED = 87654321

_MAX_SEED = 2**31 - 1

#: The ``grad`` slot of random ops.
NO_GRADIENT = not_differentiable("random numbers do not depend on anything")


def _hash_of(name: str) -> int:
    """63 bits that depend on ``name`` alone, the same in every process."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@export("get_seed", "random.get_seed")
def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The pair of seeds that a random operation made now would use, given its own seed.

    Args:
        op_seed: the operation's seed, or None.

    Returns:
        (graph seed, operation seed); (None, None) when neither is given, and the operation's name
        decides.
    """
    graph_seed = get_default_graph().seed
    if graph_seed is None and op_seed is None:
        return None, None
    if op_seed is None:
        graph = get_default_graph()
        return graph_seed, _hash_of(graph.stream_prefix + graph.get_name_scope())
    seeds = DEFAULT_GRAPH_SEED if graph_seed is None else graph_seed, op_seed % _MAX_SEED
    return (0, _MAX_SEED) if seeds == (0, 0) else seeds


def seeds_of(op_seed: int | None, type: str) -> dict[str, Any]:
    """Attrs seed and seed2 of an operation of ``type`` about to be made under its own name."""
    graph = get_default_graph()
    if op_seed is None:
        name = graph.stream_prefix + graph.unique_name(type, mark_as_used=False)
        seed = DEFAULT_GRAPH_SEED if graph.seed is None else graph.seed
        return {"seed": seed, "seed2": _hash_of(name)}
    return dict(zip(("seed", "seed2"), get_seed(op_seed), strict=True))


def stream_of(call_: Call, counter: Any) -> Stream:
    """The place in its stream of an op with attrs ``seed`` and ``seed2``."""
    return Stream(call_.attrs["seed"], call_.attrs["seed2"], counter)
