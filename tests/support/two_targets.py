"""One op, computed natively and by its reference."""

from __future__ import annotations

from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph import config
from flowgraph.graph.apply import apply_op
from flowgraph.graph.opdef import OPDEFS, Compiled


def _fed(given: Any, feeds: dict[Any, Any]) -> Any:
    """NB: no constants, which are folded: by the reference."""
    if isinstance(given, list):
        return [_fed(x, feeds) for x in given]
    array = np.asarray(given)
    dtype = tf.string if array.dtype.hasobject else array.dtype
    place = tf.placeholder(dtype, array.shape)
    feeds[place] = array
    return place


def both(type: str, inputs: list[Any], **attrs: Any) -> tuple[Any, Any]:
    """What a session makes of the op, natively and by the reference; a list is a list input."""
    found = []
    assert isinstance(OPDEFS[type].kernel, Compiled)
    for target in ("cpu", "reference"):
        # NB: the environment is read once in a process
        with tf.Graph().as_default(), config.override(TARGET=target):
            feeds: dict[Any, Any] = {}
            result = apply_op(type, *[_fed(x, feeds) for x in inputs], **attrs)
            outputs = []
            for output in result if isinstance(result, list) else [result]:
                outputs.extend(output if isinstance(output, list) else [output])
            with tf.Session() as session:
                found.append(session.run(outputs, feeds))
    return found[0], found[1]


def agree(type: str, inputs: list[Any], exact: bool = False, **attrs: Any) -> None:
    """``exact``: floats bit for bit (but for the signs of NaN)."""
    for got, expected in zip(*both(type, inputs, **attrs), strict=True):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        if got.dtype.kind == "f" and not exact:
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(got, expected)
            if got.dtype.kind == "f":
                real = ~np.isnan(expected)
                assert (np.signbit(got) == np.signbit(expected))[real].all()
