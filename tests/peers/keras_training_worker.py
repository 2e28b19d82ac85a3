"""Runs in an environment with tf_keras: makes the trainings of tests/support.

python keras_training_worker.py ANSWERS     (a pickle of {case: what came of it})
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import tf_keras
from keras_training_cases import CASES, run

answers = {}
for case in CASES:
    tf_keras.backend.clear_session()
    try:
        answers[case] = run(tf_keras, case, True)
    except Exception as error:  # noqa: BLE001  reported by the test
        answers[case] = repr(error)
Path(sys.argv[1]).write_bytes(pickle.dumps(answers))
