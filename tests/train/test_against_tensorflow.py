"""Training programs against what TensorFlow says: names, and values after some steps.

tensorflow.json holds TensorFlow's answers to the programs of tests/support/train_programs.py;
tests/peers/test_train.py asks it again.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import train_programs

import flowgraph as tf

EXPECTED = json.loads(Path(__file__).with_name("tensorflow.json").read_text(encoding="utf-8"))

OPTIMIZERS = [
    (name, sparse) for name in train_programs.OPTIMIZERS for sparse in ("dense", "sparse")
]


def plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize(("name", "kind"), OPTIMIZERS)
def test_optimizers(name: str, kind: str) -> None:
    make = train_programs.OPTIMIZERS[name]
    found = train_programs.train(tf, make, sparse=kind == "sparse", dtype="float32")
    expected = EXPECTED[f"{name}, {kind}, float32"]
    assert plain(found["operation"]) == expected["operation"]
    if (name, kind) != ("adam", "sparse"):  # one ApplyAdam, with the dense gradient
        assert plain(found["updates"]) == expected["updates"]
    assert found["slots"] == expected["slots"]
    names = [variable[0] for variable in found["variables"]]
    assert names == list(expected["final"])
    for variable, value in zip(names, found["values"][-1], strict=True):
        np.testing.assert_allclose(
            value.reshape(-1), expected["final"][variable], rtol=2e-5, atol=2e-6
        )


@pytest.mark.parametrize("name", train_programs.OPTIMIZERS)
def test_optimizers_in_double_precision(name: str) -> None:
    """float64 variables, to which the numbers of the optimizers are cast."""
    make = train_programs.OPTIMIZERS[name]
    for kind in ("dense", "sparse"):
        found = train_programs.train(tf, make, sparse=kind == "sparse", dtype="float64")
        expected = EXPECTED[f"{name}, {kind}, float32"]["final"]["net/w:0"]
        names = [variable[0] for variable in found["variables"]]
        got = found["values"][-1][names.index("net/w:0")]
        assert got.dtype == np.float64
        np.testing.assert_allclose(got.reshape(-1), expected, rtol=1e-4, atol=1e-5)


@cache
def decays() -> dict[str, Any]:
    return train_programs.decays(tf)


@pytest.mark.parametrize("name", [n for n in EXPECTED if n.startswith("decay: ")])
def test_decays(name: str) -> None:
    found = decays()[name.removeprefix("decay: ")]
    np.testing.assert_allclose(found["values"][0], EXPECTED[name]["rates"], rtol=2e-6)
    if name not in ("decay: piecewise", "decay: cosine"):  # a look-up; fewer operations
        assert found["name"] == EXPECTED[name]["name"]


@cache
def averages() -> dict[str, Any]:
    return train_programs.averages(tf)


@pytest.mark.parametrize("name", [n for n in EXPECTED if n.startswith("average: ")])
def test_moving_averages(name: str) -> None:
    found, expected = dict(averages()[name.removeprefix("average: ")]), dict(EXPECTED[name])
    final, wanted = found.pop("values")[-1], expected.pop("final")
    assert plain(found) == expected
    for value, numbers in zip(final, wanted.values(), strict=True):
        np.testing.assert_allclose(value.reshape(-1), numbers, rtol=1e-6)


def test_the_global_step() -> None:
    found = train_programs.steps(tf)
    del found["values"]
    assert found == EXPECTED["global step"]
