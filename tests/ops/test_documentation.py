"""Public functions of the op files have docstrings that name all arguments; examples run."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.graph.export import EXPORTS

FUNCTIONS = {
    id(f): (name, f)
    for name, f in sorted(EXPORTS.items())
    if inspect.isfunction(f) and f.__module__.startswith(("flowgraph.ops.", "flowgraph.image."))
}


def _failures(examples: list[doctest.DocTest]) -> list[str]:
    runner = doctest.DocTestRunner(verbose=False)
    texts: list[str] = []
    for example in examples:
        runner.run(example, out=texts.append)
    return texts


@pytest.mark.parametrize(("name", "function"), FUNCTIONS.values(), ids=lambda v: str(v))
def test_public_functions_are_documented(name: str, function: Any) -> None:
    doc = inspect.getdoc(function)
    assert doc, name
    if "Arguments and errors as" not in doc:
        for argument in inspect.signature(function).parameters:
            known = argument in doc or argument in ("name", "_", "_sentinel", "args", "kwargs")
            assert known, f"{name}: {argument} is not in the docstring"
    finder = doctest.DocTestFinder(recurse=False)
    globs = {"tf": tf, "np": np}
    failures = _failures(finder.find(function, name, module=False, globs=globs))
    assert not failures, "".join(failures)
