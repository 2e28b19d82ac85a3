"""Programs of the libraries (losses, layers, metrics ...) give what they give under TensorFlow.

    FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_programs.py

Each ``programs_*.py`` has PROGRAMS, name -> f(tf); each runs here and in TensorFlow, and values,
names, dtypes, static shapes and classes of errors are compared.  tf.layers and tf.contrib need the
packages tf_keras and tf_slim beside TensorFlow.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs_worker import run

import flowgraph as tf

pytestmark = pytest.mark.peers

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
HERE = Path(__file__).parent
CASES = [
    (path.stem, name)
    for path in sorted(HERE.glob("programs_*.py"))
    if path.stem != "programs_worker"
    for name in __import__(path.stem).PROGRAMS
]


@cache
def answers(module: str) -> Any:
    """What TensorFlow gives for each program of ``module``."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "answers")
        worker = str(HERE / "programs_worker.py")
        subprocess.run([PEER, worker, module, str(place)], check=True, cwd=HERE)
        return pickle.loads(place.read_bytes())  # our own worker wrote it


def compare(where: str, here: Any, there: Any) -> None:
    """Assert that two answers agree."""
    if isinstance(there, dict):
        assert isinstance(here, dict), where
        assert set(here) == set(there), where
        for key, value in there.items():
            compare(f"{where}[{key!r}]", here[key], value)
    elif isinstance(there, tuple) and there and there[0] == "error":
        assert here[:2] == there[:2], f"{where}: {here} instead of {there}"
    elif isinstance(there, (list, tuple)):
        assert isinstance(here, (list, tuple)), f"{where}: {here} instead of {there}"
        assert len(here) == len(there), f"{where}: {here} instead of {there}"
        for i, (a, b) in enumerate(zip(here, there, strict=True)):
            compare(f"{where}[{i}]", a, b)
    elif isinstance(there, (np.ndarray, float)):
        assert np.asarray(here).dtype == np.asarray(there).dtype, where
        if np.asarray(there).dtype.kind in "fc":
            finite = np.abs(there[np.isfinite(there)]) if np.ndim(there) else np.abs(there)
            size = max(1.0, float(np.max(finite, initial=0.0)))
            np.testing.assert_allclose(here, there, 2e-5, 4e-6 * size, err_msg=where)
        else:
            np.testing.assert_array_equal(here, there, err_msg=where)
    else:
        assert here == there, where


@pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter")
@pytest.mark.parametrize(("module", "name"), CASES)
def test_programs_agree(module: str, name: str) -> None:
    program = __import__(module).PROGRAMS[name]
    compare(name, run(tf, program), answers(module)[name])
