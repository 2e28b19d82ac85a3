"""Runs in an environment with TensorFlow: applies op types by name and says what came out.

Reads a pickled list of cases on stdin, writes a pickled list of answers to the file named by its
argument (TensorFlow writes to stdout as it likes).  Shares no code with flowgraph.

    case    {"type", "inputs": [(argument, is list, [(array, const, is ref, static shape)])],
             "attrs", "gradients": positions of the inputs to differentiate by, or ()}
    answer  {"values", "dtypes", "shapes", "gradients" (None: undefined)}
             or {"error": (class name, text)}
"""

from __future__ import annotations

import os
import pickle
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its own summation orders are less exact

import numpy as np
import tensorflow as tf2  # noqa: ICN001  tf is its compat.v1
from tensorflow.python.framework import op_def_library, op_def_registry

tf = tf2.compat.v1
tf.disable_v2_behavior()
tf.logging.set_verbosity("FATAL")


#: How the lines of a message begin that only say where the operation was made.
TRACE = ("File ", "Detected at node", "Node: ")


def shape_of(tensor):
    dims = tensor.shape
    return None if dims.rank is None else tuple(dims.as_list())


def as_attr(value):
    if isinstance(value, list):
        return [as_attr(v) for v in value]
    return (
        tf.as_dtype(value)
        if isinstance(value, np.dtype) and not value.hasobject
        else (tf.string if isinstance(value, np.dtype) else value)
    )


def defaults(type):
    """The default attrs of an op type, but for those that its inputs decide."""
    definition = op_def_registry.get(type)
    decided = set()
    for argument in definition.input_arg:
        decided |= {argument.type_attr, argument.number_attr, argument.type_list_attr}
    found = {}
    for attr in definition.attr:
        if attr.HasField("default_value") and attr.name not in decided:
            value = attr.default_value
            kind = value.WhichOneof("value")
            if kind == "list":
                (filled,) = [f for f in ("i", "f", "s", "type", "b") if getattr(value.list, f)] or [
                    "i"
                ]
                found[attr.name] = list(getattr(value.list, filled))
            elif kind == "shape":
                unknown = value.shape.unknown_rank
                found[attr.name] = None if unknown else [d.size for d in value.shape.dim]
            else:
                found[attr.name] = getattr(value, kind)
    return found


def answer(case):
    if op_def_registry.get(case["type"]) is None:
        return {"error": ("Missing", f"TensorFlow has no op {case['type']}")}
    with tf.Graph().as_default():
        feeds, flat, kwargs, variables = {}, [], {}, []
        undefined = False
        for argument, is_list, parts in case["inputs"]:
            tensors = []
            for array, const, is_ref, static in parts:
                if is_ref:
                    tensor = tf.Variable(array, use_resource=False)
                    variables.append(tensor)
                    tensor = tensor._ref()
                elif const:
                    tensor = tf.constant(array)
                else:
                    dtype = tf.string if array.dtype.hasobject else tf.as_dtype(array.dtype)
                    tensor = tf.placeholder(dtype, static)
                    feeds[tensor] = array
                tensors.append(tensor)
            flat += tensors
            kwargs[argument] = tensors if is_list else tensors[0]
        attrs = defaults(case["type"]) | {k: as_attr(v) for k, v in case["attrs"].items()}
        result = op_def_library.apply_op(case["type"], **kwargs, **attrs)
        if isinstance(result, tf.Operation):
            outputs = []
        elif isinstance(result, tf.Tensor):
            outputs = [result]
        else:
            outputs = tf.nest.flatten(list(result))
        gradients = []
        if case["gradients"]:
            floats = [y for y in outputs if y.dtype.base_dtype.is_floating]
            total = tf.add_n([tf.cast(tf.reduce_sum(tf.sin(y)), tf.float64) for y in floats])
            try:
                found = tf.gradients(total, [flat[k] for k in case["gradients"]])
            except LookupError:
                undefined, found = True, []
            gradients = [None if g is None else tf.convert_to_tensor(g) for g in found]
        with tf.Session() as session:
            session.run([v.initializer for v in variables])
            fetched = [g for g in gradients if g is not None]
            values, slopes = session.run([outputs, fetched], feeds)
            if not outputs:
                session.run(result, feeds)
        slopes = iter(slopes)
        return {
            # NB: bytes become an array that keeps the zeros at their end.
            "values": [np.asarray(v, object if isinstance(v, bytes) else None) for v in values],
            "dtypes": [y.dtype.base_dtype.name for y in outputs],
            "shapes": [shape_of(y) for y in outputs],
            "gradients": None
            if undefined
            else [None if g is None else np.asarray(next(slopes)) for g in gradients],
        }


def main():
    """Answers one by one, so that those before a case that ends the process are not lost."""
    cases = pickle.load(sys.stdin.buffer)
    with open(sys.argv[1], "wb") as file:
        for case in cases:
            try:
                found = answer(case)
            except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
                text = str(getattr(error, "message", error)).removeprefix("Graph execution error:")
                lines = [line.strip() for line in text.splitlines()]
                text = [line for line in lines if line and not line.startswith(TRACE)]
                found = {"error": (type(error).__name__, text[0] if text else "")}
            pickle.dump(found, file)
            file.flush()


if __name__ == "__main__":
    main()
