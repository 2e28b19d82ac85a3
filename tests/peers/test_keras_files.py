"""Models that Keras 2 writes to HDF5 files load here, and ours load there.

    FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_keras_files.py

The interpreter needs tf_keras and h5py beside TensorFlow.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from flowgraph.keras import backend as K
from flowgraph.keras.models import load_model

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
WORKER = Path(__file__).parent / "keras_files_worker.py"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter"),
]
#: name -> whether tf_keras takes the optimizer's state: it gives SGD without momentum no slots.
NAMES = {
    "images": True, "recurrent": True, "branched": False, "sequences": True, "others": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("keras")
    subprocess.run([PEER, str(WORKER), "write", str(place)], check=True)
    found = {}
    for name in NAMES:
        K.clear_session()
        model = load_model(place / f"{name}.h5")
        stored = np.load(place / f"{name}.npz")
        inputs = [stored[key] for key in stored.files if key.startswith("x")]
        outputs = K.get_session().run(model.outputs, dict(zip(model.inputs, inputs, strict=True)))
        state = model.optimizer.get_weights() if model._is_compiled else []
        found[name] = outputs, [stored[k] for k in stored.files if k.startswith("y")], state
        model.save(place / f"back_{name}.h5")
    subprocess.run([PEER, str(WORKER), "read", str(place)], check=True)
    return place, found


@pytest.mark.parametrize("name", NAMES)
def test_files_of_keras_load_here(folder, name):
    outputs, wanted, state = folder[1][name]
    for y, other in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(y, other, rtol=1e-5, atol=1e-6)
    assert name == "others" or state[0] > 0  # steps that were made
    if name != "branched":
        assert all(np.any(slot) for slot in state[1 : len(state) // 2])


@pytest.mark.parametrize("name", NAMES)
def test_our_files_load_in_keras(folder, name):
    place, found = folder
    stored = np.load(place / f"back_{name}.npz")
    for i, other in enumerate(found[name][1]):
        np.testing.assert_allclose(stored[f"y{i}"], other, rtol=1e-5, atol=1e-6)
    assert (stored["slots"] > 1) == NAMES[name]
