"""N2: what profiling costs: T1's training step with every kernel timed, and without.

``trace``: RunOptions(FULL_TRACE) with a RunMetadata in every step.  ``profile``: the steps run
inside ``tf.profile()``.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row
from tools.bench.rows import t1

_BOTH = frozenset(("flowgraph", "flowgraph-unchecked"))

ROW = Row(
    "N2",
    "T1's step with every kernel timed; 1 / 1.03 of the speed without",
    cases=(
        Case("trace", figure=Figure(fraction=0.971), only=_BOTH),
        Case("profile", figure=Figure(fraction=0.971), only=_BOTH),
    ),
    check_calls=8,
    rtol=1e-3,
    baseline="flowgraph-unchecked",
)


def reference(case):
    return [np.asarray(loss) for loss in t1.losses(ROW.check_calls)]


def in_tf1(lib, case):
    tf = lib.module
    if case.name == "profile":
        tf.profile().start()
        return t1.in_tf1(lib, case)
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    metadata = tf.RunMetadata()

    class Traced(tf.Session):
        def run(self, fetches, feed_dict=None):
            return super().run(fetches, feed_dict, options, metadata)

    return t1.in_tf1(lib.with_session(Traced), case)


def in_unchecked(lib, case):
    return t1.in_tf1(lib, case)
