"""Runs in an environment with TensorFlow: the argument names of every public function, as JSON."""

from __future__ import annotations

import inspect
import json
import os
import sys
import types

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf2  # noqa: ICN001  tf is its compat.v1

tf = tf2.compat.v1

#: Namespaces that are no part of the surface (other libraries, or later than TensorFlow 1.15).
LEFT_OUT = (
    "compat", "keras", "layers", "estimator", "nn.rnn_cell", "initializers.keras", "raw_ops",
    "test.mock", "experimental", "feature_column", "lite", "tpu", "mlir", "xla", "app.flags",
)  # fmt: skip


def walk(space, prefix, found, depth):
    for name in sorted(n for n in dir(space) if not n.startswith("_")):
        path = prefix + name
        if path in LEFT_OUT or name == "experimental":
            continue
        try:
            value = getattr(space, name)
            if isinstance(value, types.ModuleType):
                if depth:
                    walk(value, path + ".", found, depth - 1)
            elif callable(value) and not inspect.isclass(value):
                found[path] = list(inspect.signature(value).parameters)
        except Exception:  # noqa: BLE001  lazily loaded parts that are not installed
            continue


if __name__ == "__main__":
    names: dict[str, list[str]] = {}
    walk(tf, "", names, 2)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(names, file)
