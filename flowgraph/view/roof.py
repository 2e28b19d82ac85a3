"""The machine's roof: how fast it computes and how fast it moves memory, measured once a process.

    measure_roof()  ->  Roof(gflops=85.0, gbytes=18.2, cached_gbytes=96.0)

A kernel that does i flops for every byte it moves cannot run faster than min(gflops, i * gbytes)
(Williams, Waterman and Patterson, 2009); what fits into a cache has a steeper roof.

Read next: plots.py (``plot_roofline``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from flowgraph.client_config import RunOptions
from flowgraph.graph.apply import call
from flowgraph.graph.core import Graph
from flowgraph.ops.variables import Variable
from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.profile.tables import table
from flowgraph.session import Session

#: A product that is large enough to run at full speed, an array that no cache holds, one that fits
#: into a core's own, and how often each runs: short ones often, so that one is not disturbed.
_MATRIX, _LARGE, _SMALL = 384, 16_000_000, 12_000
_RUNS = {_MATRIX: 40, _LARGE: 6, _SMALL: 200}

#: Kernels that move fewer bytes are compared with the roof of the cache.
CACHED_BYTES = 500_000


@dataclass(frozen=True, slots=True)
class Roof:
    """What the machine can do, in one process as the sessions of this library use it.

    Attributes:
        gflops: float32 operations per ns, in a large matrix product.
        gbytes: bytes per ns, read and written, in an update of a large array.
        cached_gbytes: the same of an array in the cache.
        double_gflops: as gflops, in float64; None: as fast.
    """

    gflops: float
    gbytes: float
    cached_gbytes: float
    double_gflops: float | None = None

    @property
    def ridge(self) -> float:
        """Flops per byte from which on computing is the limit."""
        return self.gflops / self.gbytes

    def at(self, intensity: float, nbytes: float = np.inf) -> float:
        """Flops per ns that can be reached with so many flops per byte, moving ``nbytes``."""
        speed = self.cached_gbytes if nbytes <= CACHED_BYTES else self.gbytes
        return min(self.gflops, intensity * speed)

    def least_ns(self, flops: float, nbytes: float, *, double: bool = False) -> float:
        """The shortest time for so many flops and bytes in one call, moving while computing."""
        peak = self.double_gflops if double and self.double_gflops else self.gflops
        speed = self.cached_gbytes if nbytes <= CACHED_BYTES else self.gbytes
        return max(flops / peak, nbytes / speed)


@cache
def measure_roof() -> Roof:
    """The best of a few runs; takes about half a second, once.

    Returns:
        A Roof.
    """
    with Graph().as_default(), Session() as session:
        matrix = Variable(np.ones((_MATRIX, _MATRIX), np.float32) / _MATRIX)
        double = Variable(np.ones((_MATRIX, _MATRIX)) / _MATRIX)
        products = [call.MatMul(m.read_value(), m.read_value()) for m in (matrix, double)]
        arrays = [Variable(np.ones(size, np.float32)) for size in (_LARGE, _SMALL)]
        updates = [v.assign(v.read_value() * 0.5 + 1.0).op for v in arrays]
        session.run([v.initializer for v in (matrix, double, *arrays)])
        return Roof(
            _best(session, call.Sum(products[0], [0, 1]), "MatMul", "gflops", _RUNS[_MATRIX]),
            _best(session, updates[0], "", "gbytes", _RUNS[_LARGE]),
            _best(session, updates[1], "", "gbytes", _RUNS[_SMALL]),
            _best(session, call.Sum(products[1], [0, 1]), "MatMul", "gflops", _RUNS[_MATRIX]),
        )


def _best(session: Session, fetch: object, label: str, rate: str, runs: int) -> float:
    found = 0.0
    for _ in range(runs):
        metadata = RunMetadata()
        options = RunOptions(trace_level=RunOptions.FULL_TRACE)
        session.run(fetch, options=options, run_metadata=metadata)
        for row in table(metadata).rows:
            if label in row.label:
                found = max(found, float(getattr(row, rate)))
    return found
