"""C1: how long until the first training step is done: CPU seconds of a process and its children.

From the start of the process to the end of the first step of T1, loss returned: import, build,
compile, initialise, run.  With an empty compile cache, and with what an earlier process left in it.
"""

from tools.bench.row import CPU_SECONDS, Case, Figure, Row
from tools.bench.rows import t1
from tools.bench.rows.t1 import in_jax, in_pytensor, in_tf1, in_torch  # noqa: F401  the same step

ROW = Row(
    "C1",
    "process start to the end of the first step of T1: CPU seconds, children included",
    cases=(
        Case("warm", figure=Figure(at_most=0.4), cache="warm"),
        Case("empty", figure=Figure(at_most=1.5, of=("jax", 2.2)), cache="empty"),
    ),
    metric=CPU_SECONDS,
    rtol=1e-3,
)


def reference(case):
    return t1.losses(1)
