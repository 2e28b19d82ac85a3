"""The examples in docstrings are right."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf

PACKAGE = Path(tf.__file__).parent
MODULES = [
    ".".join(("flowgraph", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")


class Checker(doctest.OutputChecker):
    """Floats agree to five digits: the last ones differ between machines."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Whether ``got`` is ``want``, but for the last digits of floats and line breaks."""
        if super().check_output(want, got, optionflags):
            return True
        wanted, found = NUMBER.findall(want), NUMBER.findall(got)
        same_text = "".join(NUMBER.sub("#", want).split()) == "".join(NUMBER.sub("#", got).split())
        return same_text and np.allclose(
            [float(number) for number in wanted], [float(number) for number in found], rtol=1e-5
        )


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name.removesuffix(".__init__"))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(Checker(), optionflags=flags)
    for test in doctest.DocTestFinder().find(module, extraglobs={"tf": tf, "np": np}):
        tf.reset_default_graph()
        runner.run(test)
    assert runner.tries and not runner.failures
