"""P1: a batch of an input pipeline: 128 x 784 float32 rows of an array in memory, in order.

"fetched" hands the batch to the caller; "used" sums its rows inside the graph, as training would
read it; "shuffled" draws the rows from a buffer of 1,000, and prepares them in the background.
The array (25,600 rows, 80 MB) does not fit the caches.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

_FIGURE = Figure(at_most=20e-6)
_BATCH, _ROWS, _WIDTH = 128, 25_600, 784

ROW = Row(
    "P1",
    "a batch of 128 x 784 float32 from memory, by tf.data",
    cases=(
        Case("fetched", figure=_FIGURE),
        Case("used", figure=_FIGURE),
        Case(
            "shuffled",
            figure=Figure(ratio=0.5),
            only=frozenset({"flowgraph", "tensorflow"}),  # PyTorch has no such buffer
        ),
    ),
    check_calls=2,
)


def _rows():
    return generator().rand(_ROWS, _WIDTH).astype(np.float32)


def reference(case):
    """The first batches; of a shuffled one only its shape is known."""
    batches = _rows().astype(np.float64)[: ROW.check_calls * _BATCH].reshape(-1, _BATCH, _WIDTH)
    if case.name == "shuffled":
        return [np.array([_BATCH, _WIDTH], np.float64)] * ROW.check_calls
    return list(batches.sum(axis=2) if case.name == "used" else batches)


def in_tf1(lib, case):
    tf = lib.module
    data = tf.data.Dataset.from_tensor_slices(_rows())
    if case.name == "shuffled":
        data = data.shuffle(1000, seed=1)
    data = data.repeat().batch(_BATCH)
    if case.name == "shuffled":
        data = data.prefetch(2)
    iterator = tf.data.make_initializable_iterator(data)
    batch = iterator.get_next()
    if case.name == "used":
        batch = tf.reduce_sum(batch, axis=1)
    session = lib.session()
    session.run(iterator.initializer)
    function = session.make_callable(batch, [])
    if case.name == "shuffled":
        return lambda: [np.array(function().shape)]
    return lambda: [function()]


def in_torch(lib, case):
    torch = lib.module
    rows = torch.from_numpy(_rows())
    at = [0]

    def batch():
        start, at[0] = at[0], (at[0] + _BATCH) % _ROWS
        part = rows[start : start + _BATCH]
        return part.sum(1) if case.name == "used" else part.clone()

    return lambda: [batch()]
