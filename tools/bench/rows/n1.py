"""N1: what check_numerics costs: T1's training step with it and without.

With it every run also tells whether the loss and all variables are finite, and keeps what it takes
to find the operation at fault when they are not.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row
from tools.bench.rows import t1

_BOTH = frozenset(("flowgraph", "flowgraph-unchecked"))

ROW = Row(
    "N1",
    "T1's step with ConfigProto(check_numerics=True); 1 / 1.05 of the speed without",
    cases=(Case("step", figure=Figure(fraction=0.952), only=_BOTH),),
    check_calls=8,
    rtol=1e-3,
    baseline="flowgraph-unchecked",
)


def reference(case):
    return [np.asarray(loss) for loss in t1.losses(ROW.check_calls)]


def in_tf1(lib, case):
    config = lib.module.ConfigProto(check_numerics=True)
    return t1.in_tf1(lib.with_session(lambda: lib.module.Session(config=config)), case)


def in_unchecked(lib, case):
    return t1.in_tf1(lib, case)
