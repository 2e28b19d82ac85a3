"""Trainings give what they give in Keras: histories, weights, predictions.

    FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_keras_training.py

The interpreter needs the package tf_keras beside TensorFlow.  Where Keras 2.2.4 and tf_keras differ
(weighted metrics, losses over weights that are 0, hinges of 0 and 1, names of metrics) the cases
leave it out.
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
from keras_training_cases import CASES, run

from flowgraph import keras

pytestmark = pytest.mark.peers

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
HERE = Path(__file__).parent


@cache
def answers() -> Any:
    """What came of each training in tf_keras."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "answers")
        subprocess.run([PEER, str(HERE / "keras_training_worker.py"), str(place)], check=True)
        return pickle.loads(place.read_bytes())  # our own worker wrote it


@pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter")
@pytest.mark.parametrize("case", CASES)
def test_as_in_keras(case: str) -> None:
    there = answers()[case]
    assert not isinstance(there, str), there
    keras.backend.clear_session()
    here = run(keras, case, False)
    assert set(here["history"]) == set(there["history"])
    for name, values in there["history"].items():
        np.testing.assert_allclose(
            here["history"][name], values, rtol=2e-5, atol=2e-6, err_msg=name
        )
    for part in ("weights", "predicted"):
        for got, wanted in zip(here[part], there[part], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5, err_msg=part)
    np.testing.assert_allclose(here["evaluated"], there["evaluated"], rtol=2e-5, atol=2e-6)
