"""Models for images give what tf_keras's give, with its files of weights.

FLOWGRAPH_TENSORFLOW=/path/to/python pytest -m peers tests/peers/test_keras_applications.py
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from flowgraph.keras import applications
from flowgraph.keras import backend as K

PEER = os.environ.get("FLOWGRAPH_TENSORFLOW", "")
WORKER = Path(__file__).parent / "keras_applications_worker.py"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not PEER, reason="FLOWGRAPH_TENSORFLOW names no interpreter"),
]


def _models():
    for node in ast.parse(WORKER.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODELS":
            return ast.literal_eval(node.value)
    raise AssertionError


MODELS = _models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("applications")
    subprocess.run([PEER, str(WORKER), str(place)], check=True)
    return place


def set_by_name(model, path):
    h5py = pytest.importorskip("h5py")
    parts = {"1": "2a", "2": "2b", "3": "2c", "0": "1"}
    with h5py.File(path) as file:
        for name in file.attrs["layer_names"]:
            arrays = [np.asarray(file[name][key]) for key in file[name].attrs["weight_names"]]
            found = re.fullmatch(r"conv(\d)_block(\d)_(\d)_(conv|bn)", name)
            if found:
                stage, block, part, kind = found.groups()
                kind = {"conv": "res", "bn": "bn"}[kind]
                name = f"{kind}{stage}{'abcdef'[int(block) - 1]}_branch{parts[part]}"
            known = {"conv1_conv": "conv1", "conv1_bn": "bn_conv1", "predictions": "fc7"}
            if arrays:
                model.get_layer(known.get(name, name)).set_weights(arrays)


@pytest.mark.parametrize("name", MODELS)
def test_outputs(folder, name):
    K.clear_session()
    path = folder / f"{name}.h5"
    if name == "ResNet50":  # the same layers have other names, and another order, there
        model = applications.ResNet50(weights=None, **MODELS[name])
        set_by_name(model, path)
    else:
        model = getattr(applications, name)(weights=path, **MODELS[name])
    stored = np.load(folder / f"{name}.npz")
    found = K.get_session().run(model.output, {model.input: stored["x"]})
    # NB: ResNet50 of later releases has another small number under the root
    near = 1e-2 if name == "ResNet50" else 1e-4
    np.testing.assert_allclose(found, stored["y"], rtol=near, atol=near * np.max(stored["y"]))
