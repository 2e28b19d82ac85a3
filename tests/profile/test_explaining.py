"""``tf.explain``: passes with their reasons, kernels, what Python runs, memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import cli
from flowgraph import compile as compiler
from flowgraph.optimize import algebra
from flowgraph.profile.explaining import WHY


def explained(build, **shapes):
    with tf.Graph().as_default():
        feeds = {n: tf.placeholder(tf.float32, [None] * len(s), n) for n, s in shapes.items()}
        fetches = build(**feeds)
        return tf.explain(fetches, {feeds[n]: tf.TensorShape(s) for n, s in shapes.items()})


def pass_of(found, name):
    return next(report for report in found.passes if report.name == name)


def test_every_pass_is_told_with_its_reason():
    found = explained(lambda x: tf.exp(x), x=(3,))
    names = [name for name, _ in compiler.PASSES]
    names += [f"{name}, sizes known" for name, _ in compiler.CONCRETE_PASSES]
    told = [report.name for report in found.passes]
    assert told[: len(compiler.PASSES)] == names[: len(compiler.PASSES)]
    assert set(told) <= set(names)
    assert all(report.why for report in found.passes)
    assert {name for name, _ in (*compiler.PASSES, *compiler.CONCRETE_PASSES)} == set(WHY)
    assert found.passes[0].before == found.frozen
    for one, other in zip(found.passes, found.passes[1:], strict=False):
        if one.name != "dce":  # sizes become known in between
            assert one.after == other.before
    assert all(r.before - len(r.gone) + len(r.made) == r.after for r in found.passes)


def test_rules_and_merged_operations_are_named():
    def build(x):
        return tf.exp(x + 0.0, name="one") * tf.exp(x, name="other") + 2.0 * tf.constant(3.0)

    found = explained(build, x=(4,))
    assert ("Mul", "mul_1") in pass_of(found, "fold").gone
    ((rule, proof, names),) = pass_of(found, "algebra").rules
    assert rule == "add zero"
    assert proof
    assert names == ["add"]
    assert ("Exp", "other") in pass_of(found, "cse").gone
    text = str(found)
    assert "rule 'add zero'" in text
    assert "computed twice" in text
    assert algebra.applied is None


def test_kernels_and_their_cost():
    found = explained(lambda x: tf.tanh(x * 2.0) + 1.0, x=(8, 4))
    assert found.kernels == 1
    ((label, names),) = found.fused
    assert label == "Mul+Tanh+AddV2"
    assert names == ("mul", "Tanh", "add")
    assert (found.flops, found.bytes) == (32 * 14, 2 * 4 * 32 + 8)
    assert "test_explaining.py:" in str(found)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda x: tf.py_func(lambda v: v, [x], tf.float32), "outside of the graph"),
        (lambda x: tf.as_string(x), "strings"),
        (lambda x: tf.Print(x, [x]), "outside of the graph"),
        (lambda x: tf.where(x > 0), "size of its result"),
    ],
)
def test_what_python_runs_has_a_reason(build, reason):
    found = explained(build, x=(3,))
    ((_, type_, told, line),) = found.host
    assert reason in told
    assert line.startswith("test_explaining.py:")
    assert f"({type_}): {told}" in str(found)


def test_sizes_that_depend_on_values_end_the_plan():
    found = explained(lambda x: tf.exp(tf.gather(x, tf.where(x > 0)[:, 0])), x=(3,))
    assert found.waits_for
    assert "planned while running" in str(found)


def test_loops_are_told_for_one_pass():
    def build(x):
        return tf.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, tf.matmul(a, x)), [0, x])[1]

    found = explained(build, x=(4, 4))
    assert [flops for label, flops, _ in found.loops if label == "MatMul"] == [2 * 4**3]
    assert "counted for one pass" in str(found)


def test_nothing_is_run_and_mistakes_are_those_of_a_run():
    calls = []
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None], "x")
        y = tf.py_func(lambda v: calls.append(v) or v, [x], tf.float32)
        tf.explain([y, {"also": y}], {x: np.zeros(3)})
        with pytest.raises((TypeError, ValueError)):
            tf.explain(y, {"nothing:0": 1.0})
        with pytest.raises((TypeError, ValueError)):
            tf.explain(3.0)
    assert not calls


PROGRAM = """
import sys
import tensorflow as tf
x = tf.placeholder(tf.float32, [4, 4])
w = tf.Variable(tf.ones([4, 4]))
y = tf.reduce_sum(tf.matmul(x, w), name="total")
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(3):
        print(sess.run(y, {x: [[1.0] * 4] * 4}), sys.argv[1:])
sys.exit(3)
"""


def command(*arguments, cwd):
    (cwd / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(Path(tf.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "flowgraph", *arguments], env=environment, cwd=cwd,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_flowgraph_profile(tmp_path):
    done = command(
        "profile", "--by", "line", "--memory", "--trace", "t.json", "program.py", "--by", "me",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout == "64.0 ['--by', 'me']\n" * 3
    assert "4 runs, with the compiling of their kernels" in done.stderr
    (row,) = [line for line in done.stderr.splitlines() if line.startswith("program.py:6")]
    assert row.split()[3:5] != []
    assert "together at the peak" in done.stderr
    assert (tmp_path / "t.json").read_text().startswith('{"traceEvents"')


def test_flowgraph_explain(tmp_path):
    done = command("explain", "program.py", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == "64.0 []\n" * 3
    assert done.stderr.count("== session.run of") == 2
    assert "== session.run of total:0" in done.stderr
    assert "MatMul [4, 4]  128 flops, 192 B   MatMul  program.py:6" in done.stderr


def test_commands_without_a_program(capsys):
    for name in ("profile", "explain"):
        with pytest.raises(SystemExit):
            cli.main([name])
        assert "give the script" in capsys.readouterr().err
