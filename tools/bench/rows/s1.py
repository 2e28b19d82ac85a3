"""S1: a checkpoint of 100 MB, written and read back into the same session.

The baseline copies a file of that size with the standard library, in the same directory: reading
and writing as often as the round trip does.  Both find their files in the system's cache.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

_FIGURE = Figure(fraction=0.5)

ROW = Row(
    "S1",
    "Saver: write a checkpoint of 100 MB and restore it",
    cases=(Case("4 variables", 4, _FIGURE), Case("40 variables", 40, _FIGURE)),
    baseline="numpy",
)

_NUMBERS = 25_000_000


def _values(case):
    random = generator()
    return [random.rand(_NUMBERS // case.size).astype(np.float32) for _ in range(case.size)]


def reference(case):
    return [np.array([values[0] for values in _values(case)], np.float64)]


def in_numpy(lib, case):
    folder = tempfile.TemporaryDirectory()
    source = Path(folder.name) / "source"
    values = _values(case)
    source.write_bytes(b"".join(v.tobytes() for v in values))

    def call():
        shutil.copyfile(source, Path(folder.name) / "copy")
        return [np.array([v[0] for v in values])]

    return call


def in_tf1(lib, case):
    tf = lib.module
    variables = [tf.Variable(np.zeros_like(v), name=f"v{i}") for i, v in enumerate(_values(case))]
    inputs = [tf.placeholder(tf.float32, v.shape) for v in variables]
    heads = tf.stack([v[0] for v in variables])
    session, saver = lib.session(), tf.train.Saver(variables)
    sets = [v.assign(x) for v, x in zip(variables, inputs, strict=True)]
    session.run([s.op for s in sets], dict(zip(inputs, _values(case), strict=True)))
    folder = tempfile.TemporaryDirectory()

    def call():
        path = str(Path(folder.name) / "model")  # NB: keeps the directory
        saver.save(session, path, write_meta_graph=False)
        saver.restore(session, path)
        return [session.run(heads)]

    return call
