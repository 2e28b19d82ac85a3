"""Programs in the manner of TensorFlow 1's time run unchanged: each asserts that it has learnt."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import flowgraph as tf
from flowgraph import cli

PROGRAMS = sorted(Path(__file__).parent.joinpath("old").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_old_program(program, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    tf.reset_default_graph()
    try:
        status = cli.main(["run", str(program)])
    except SystemExit as end:
        status = end.code or 0
    finally:
        importlib.import_module("flowgraph.compat.tensorflow").uninstall()
        tf.reset_default_graph()
    assert status == 0, capfd.readouterr().err[-3000:]
