"""Training programs in TensorFlow and here: names, values after every step, rates, averages.

See test_tensorflow.py for how to run it; train_programs.py has the programs.
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
import train_programs

import flowgraph as tf

pytestmark = pytest.mark.peers

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")

#: What differs on purpose: (start of the program's name, key) -> why.
DIFFERENT = {
    ("adam, sparse", "updates"): "one ApplyAdam with the dense gradient",
    ("decay: piecewise", "name"): "a look-up, not a case",
    ("decay: cosine", "name"): "fewer operations",
}


@cache
def answers() -> dict[str, Any]:
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            [PEER, train_programs.__file__, file.name],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return dict(pickle.loads(Path(file.name).read_bytes()))


@cache
def ours() -> dict[str, Any]:
    return train_programs.results(tf)


def test_train_programs() -> None:
    if not PEER:
        pytest.skip("FLOWGRAPH_TENSORFLOW names no interpreter with TensorFlow")
    told = []
    for name, theirs in answers().items():
        mine = ours()[name]
        if "error" in theirs:
            assert "does not match type float64" in theirs["error"]
            continue
        for key, expected in theirs.items():
            if any(name.startswith(start) and key == what for start, what in DIFFERENT):
                continue
            if key != "values":
                if mine[key] != expected:
                    told.append(f"{name}, {key}: {mine[key]} for {expected}")
                continue
            for step, (a, b) in enumerate(zip(mine[key], expected, strict=True)):
                for i, (x, y) in enumerate(zip(a, b, strict=True)):
                    rtol = 1e-9 if y.dtype == np.float64 else 2e-5
                    if not np.allclose(x, y, rtol=rtol, atol=rtol * 0.1):
                        told.append(f"{name}, step {step}, variable {i}: {x} for {y}")
    if told:
        pytest.fail("\n".join(told), pytrace=False)
