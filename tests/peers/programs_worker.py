"""Runs in an environment with TensorFlow: runs programs of one programs_*.py, tells what they gave.

    python programs_worker.py programs_losses ANSWERS     (a pickle of {name: answer})

An answer is what the program returned, made plain (see ``plain``), or ``("error", class name)``.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # tf.layers stands on it

import numpy as np


def plain(value):
    """Arrays, numbers, text; a tensor becomes (name, dtype, shape)."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "get_shape") and hasattr(value, "op"):
        dims = value.get_shape()
        shape = None if dims.ndims is None else tuple(dims.as_list())
        return "tensor", value.name, value.dtype.base_dtype.name, shape
    if isinstance(value, np.generic):
        return np.asarray(value)
    return value


def run(tf, program):
    """What ``program`` gives in a new graph."""
    tf.reset_default_graph()
    try:
        return plain(program(tf))
    except Exception as error:  # noqa: BLE001  its class is the answer
        return "error", type(error).__name__, str(error)


def main():
    """Run the programs named on the command line."""
    import tensorflow as tf2  # noqa: ICN001  tf is its compat.v1

    tf = tf2.compat.v1
    tf.disable_v2_behavior()
    tf.logging.set_verbosity("FATAL")
    warnings.simplefilter("ignore")
    module, answers = sys.argv[1:]
    programs = importlib.import_module(module).PROGRAMS
    found = {name: run(tf, program) for name, program in programs.items()}
    with open(answers, "wb") as file:
        pickle.dump(found, file)


if __name__ == "__main__":
    main()
