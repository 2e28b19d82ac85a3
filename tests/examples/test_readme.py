"""The programs of README.md and docs/ do what the text says; links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[str]:
    """The Python programs on a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def run(program: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_twenty_lines_train_something(tmp_path):
    program = blocks(ROOT / "README.md")[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 24
    output = run(program, tmp_path)
    assert float(output.split()[-1]) < 0.005
    assert (tmp_path / "graph.svg").exists()


def test_an_op_is_added_in_twelve_lines(tmp_path):
    program = blocks(ROOT / "README.md")[1]
    assert len([line for line in program.splitlines() if line.strip()]) <= 12
    check = """
import flowgraph as tf
x = tf.placeholder(tf.float32, [None])
y = bell(x)
(g,) = tf.gradients(y, x)
with tf.Session() as sess:
    a, b = sess.run([y, g], {x: [0.0, 0.5, -1.0]})
np.testing.assert_allclose(a, np.exp([0, -0.25, -1]), rtol=1e-6)
np.testing.assert_allclose(b, [0, -np.exp(-0.25), 2 * np.exp(-1.0)], rtol=1e-6)
"""
    run(program + check, tmp_path)


def test_pictures_and_profiling_pages(tmp_path):
    setup = """
import flowgraph as tf
w = tf.Variable([1.0, 2.0], name="w")
loss = tf.reduce_sum(w * w)
train, feed, graph = tf.train.AdamOptimizer().minimize(loss), None, tf.get_default_graph()
W1, b1, W2, b2 = [[1.0, 2.0, 3.0]] * 2, [0.0] * 3, [[1.0]] * 3, [0.0]
y = tf.matmul(tf.placeholder(tf.float32, [None, 2]), tf.Variable(W1)) + tf.Variable(b1)
sess = tf.Session()
sess.run(tf.global_variables_initializer())
metadata = tf.RunMetadata()
sess.run(train, options=tf.RunOptions(trace_level=3), run_metadata=metadata)
"""
    pages = blocks(ROOT / "docs/pictures.md") + blocks(ROOT / "docs/profiling.md")
    run(setup + "".join(pages), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "graph.svg", "graph.html", "loss.png", "backward.svg", "kernels.svg", "plan.svg",
        "trace.json", "roof.svg",
    }  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    if page.name == "README.md":
        for name in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
            assert (ROOT / "flowgraph" / name).exists() or (ROOT / name).exists(), name
