"""Smoke test: the same text in numba's own CUDA simulator (slow: a few blocks only)."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = r'''
import json, math, sys
import numpy as np
from numba import cuda, types
from flowgraph.codegen.cuda import emit
from flowgraph.kernel.ir import KERNEL_DTYPES
from kernel_cases import SOFTMAX, kernel_of

def run(kernel, words, arrays):
    """All launches; b0, b1 ... are ``arrays``, scratch is made here."""
    memory = dict(arrays)
    for launch in emit(kernel).launches(words):
        stage = launch.stage
        names = {n: getattr(types, n) for n in KERNEL_DTYPES - {"bool"}}
        names |= {"math": math, "cuda": cuda}
        exec(stage.text, names)
        for p in stage.parameters:
            if p.pointer:
                memory.setdefault(p.name, np.zeros(64, p.dtype))
        given = [
            memory[p.name] if p.pointer else w
            for p, w in zip(stage.parameters, launch.words, strict=True)
        ]
        cuda.jit(names[stage.name])[launch.grid, stage.threads](*given)

rng = np.random.default_rng(0)
found = {}

x, y = rng.normal(0, 1, 100).astype(np.float32), np.zeros(100, np.float32)
kernel = kernel_of(
    ("map",), lambda s: s.store(1, s.max(s.tanh(s.load(0, "float32")), 0.0) * 0.5),
    ("float32", "in", "1"), ("float32", "out", "1"),
)
run(kernel, [100, 0, 0], {"b0": x, "b1": y})
found["elementwise"] = float(abs(y - np.maximum(np.tanh(x), 0) / 2).max())

x, y = rng.normal(0, 1, (1, 70)).astype(np.float32), np.zeros((1, 70), np.float32)
run(SOFTMAX, [1, 70, 0, 70, 0, 70], {"b0": x.ravel(), "b1": y.reshape(-1)})
e = np.exp(x)
found["softmax"] = float(abs(y - e / e.sum()).max())

x, y = rng.normal(0, 1, (70, 2)).astype(np.float32), np.zeros(2, np.float32)
kernel = kernel_of(
    ("reduce", "map"), lambda s: s.store(1, s.reduce_sum(s.load(0, "float32"))),
    ("float32", "in", "s1"), ("float32", "out", "01"),
)
run(kernel, [70, 2, 0, 2, 0], {"b0": x.ravel(), "b1": y})
found["columns"] = float(abs(y - x.sum(0)).max())
found["widened"] = str(y.dtype)
print(json.dumps(found))
'''


@pytest.mark.slow
def test_numba_simulator_agrees():
    path = [entry for entry in sys.path if entry]  # this process's tests and package
    env = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("widened") == "float32"
    assert set(found) == {"elementwise", "softmax", "columns"}
    assert all(error < 1e-5 for error in found.values()), found
