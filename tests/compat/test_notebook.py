"""Cells that run again replace what they made."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import notebook
from flowgraph.graph.verify import verify

CELLS = {
    "data": """
x = tf.placeholder(tf.float32, [None, 4], name="x")
y = tf.placeholder(tf.float32, [None, 1], name="y")
""",
    "model": """
with tf.variable_scope("net"):
    w = tf.get_variable("w", [4, WIDTH], initializer=tf.glorot_uniform_initializer(seed=1))
hidden = tf.nn.relu(tf.layers.dense(tf.matmul(x, w), 8))
guess = tf.layers.dense(hidden, 1)
""",
    "other": """
aside = tf.get_variable("aside", [], initializer=tf.ones_initializer())
more = aside.assign_add(1.0)
other = tf.layers.dense(x, 2, trainable=False)
""",
    "loss": """
loss = tf.losses.mean_squared_error(y, guess)
tf.summary.scalar("loss", loss)
step = tf.train.AdamOptimizer(0.05).minimize(loss)
merged = tf.summary.merge_all()
init = tf.global_variables_initializer()
""",
}


class Shell:
    """What flowgraph needs of IPython's."""

    def __init__(self) -> None:
        self.names: dict = {"tf": tf, "WIDTH": 5}
        self.hooks: dict = {"pre_run_cell": [], "post_run_cell": []}
        self.events = types.SimpleNamespace(
            register=lambda event, hook: self.hooks[event].append(hook),
            unregister=lambda event, hook: self.hooks[event].remove(hook),
        )

    def run(self, cell: str, text: str | None = None, has_id: bool = True):
        info = types.SimpleNamespace(cell_id=cell if has_id else None, raw_cell=cell)
        for hook in self.hooks["pre_run_cell"]:
            hook(info)
        try:
            exec(CELLS[cell] if text is None else text, self.names)
        finally:
            for hook in self.hooks["post_run_cell"]:
                hook(types.SimpleNamespace(info=info))
        return self.names


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.setattr(notebook, "_runs", {})
    with tf.Graph().as_default():
        made = Shell()
        notebook.load_ipython_extension(made)
        yield made
        notebook.unload_ipython_extension(made)
        assert made.hooks == {"pre_run_cell": [], "post_run_cell": []}


def names_of(graph):
    return [op.name for op in graph.get_operations()]


FEED = np.random.default_rng(0).normal(size=(16, 4))


def train(names, sess, steps=3):
    feed = {names["x"]: FEED, names["y"]: FEED[:, :1]}
    return [sess.run([names["step"], names["loss"]], feed)[1] for _ in range(steps)]


def test_running_everything_twice_gives_the_same_graph(shell):
    graph = tf.get_default_graph()
    for cell in CELLS:
        names = shell.run(cell)
    first, variables = names_of(graph), [v.name for v in tf.global_variables()]
    with tf.Session() as sess:
        sess.run(names["init"])
        losses = train(names, sess)
    for _ in range(2):
        for cell in CELLS:
            names = shell.run(cell)
        assert sorted(names_of(graph)) == sorted(first)
        assert sorted(v.name for v in tf.global_variables()) == sorted(variables)
        assert len(tf.get_collection(tf.GraphKeys.SUMMARIES)) == 1
        verify(graph)
    with tf.Session() as sess:
        sess.run(names["init"])
        assert train(names, sess) == losses


def test_an_edited_cell_replaces_what_depends_on_it(shell):
    with tf.Session(config=tf.ConfigProto(auto_init=True)) as sess:
        for cell in CELLS:
            names = shell.run(cell)
        losses = train(names, sess)
        assert [sess.run(names["more"]) for _ in range(3)] == [2, 3, 4]
        old, aside = dict(names), names["other"].name
        names["WIDTH"] = 7
        names = shell.run("model")
        assert names["w"].name == "net/w:0" and sess.run(names["w"]).shape == (4, 7)
        assert names["guess"].name == old["guess"].name
        # What the cell "loss" made of the old model is gone, and says what to do.
        with pytest.raises(ValueError, match="was replaced when a cell ran again"):
            train(names, sess, 1)
        with pytest.raises(ValueError, match="'dense/Relu' was replaced|'Relu' was replaced"):
            tf.matmul(old["hidden"], tf.ones([8, 1]))
        assert tf.get_collection(tf.GraphKeys.SUMMARIES) == []
        # Another cell's variable keeps its value, its layer its name.
        assert sess.run(names["more"]) == 5
        assert names["other"].name == aside
        names = shell.run("loss")
        again = train(names, sess)
        assert again != losses and again[-1] < again[0]
        names["WIDTH"] = 5
        shell.run("model")
        names = shell.run("loss")
        assert train(names, sess) == losses
        shell.run("other")
        assert sess.run(names["more"]) == 2


def test_cells_without_ids_are_known_by_their_text(shell):
    for _ in range(3):
        shell.run("other", "v = tf.get_variable('v', [2])", has_id=False)
    assert names_of(tf.get_default_graph()).count("v") == 1
    with pytest.raises(ValueError, match="v"):
        shell.run("another", "v = tf.get_variable('v', [3])", has_id=False)


def test_a_cell_that_fails_is_replaced_too(shell):
    with pytest.raises(ZeroDivisionError):
        shell.run("model", "v = tf.get_variable('v', [2]); 1 / 0")
    shell.run("model", "v = tf.get_variable('v', [2])")
    assert names_of(tf.get_default_graph()).count("v") == 1


def test_a_cell_may_make_the_default_graph_anew(monkeypatch):
    monkeypatch.setattr(notebook, "_runs", {})
    shell = Shell()
    notebook.replace(shell=shell)
    text = "tf.reset_default_graph(); v = tf.get_variable('v', [2]); c = v * 2.0"
    for _ in range(3):
        names = shell.run("model", text)
    assert names["c"].name == "mul:0"


def test_branches_loops_and_iterators(shell):
    text = """
n = tf.constant(3)
p = tf.placeholder(tf.float32, [])
loop = tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + p), [0, 0.0])[1]
branch = tf.cond(p > 1.0, lambda: loop * 2.0, lambda: loop)
element = tf.data.Dataset.range(5).make_one_shot_iterator().get_next()
slope = tf.gradients(branch, p)[0]
"""
    after = "twice = tf.while_loop(lambda i: i < 2, lambda i: i + 1, [0]); all_ = branch + 1.0"
    with tf.Session() as sess:
        first = None
        for _ in range(3):
            names = shell.run("model", text)
            names = shell.run("after", after)
            assert sess.run([names["branch"], names["slope"]], {names["p"]: 2.0}) == [12, 6]
            assert [sess.run(names["element"]) for _ in range(3)] == [0, 1, 2]
            assert sess.run(names["twice"]) == 2
            first = first or names_of(tf.get_default_graph())
            assert names_of(tf.get_default_graph()) == first
            verify(tf.get_default_graph())
        shell.run("model", text)
        assert sess.run(names["twice"]) == 2, "what does not depend on it stays"
        with pytest.raises(ValueError, match="replaced"):
            sess.run(names["all_"], {names["p"]: 2.0})


def test_kept_callables_of_what_was_replaced_do_not_run(shell):
    names = shell.run("model", "v = tf.Variable(2.0, name='v'); c = v * 3.0")
    with tf.Session(config=tf.ConfigProto(auto_init=True)) as sess:
        call = sess.make_callable(names["c"])
        assert call() == 6
        names = shell.run("model", "v = tf.Variable(5.0, name='v'); c = v * 3.0")
        with pytest.raises(ValueError, match="replaced"):
            call()
        assert sess.run(names["c"]) == 15


def test_blocks_with_names_anywhere():
    with tf.Graph().as_default():
        for _ in range(2):
            with tf.notebook.cell("part"):
                v = tf.get_variable("v", [2])
                tf.add_to_collection("mine", v)
        assert v.name == "v:0" and tf.get_collection("mine") == [v]


def test_keras_layers(shell):
    text = "model = tf.keras.models.Sequential([tf.keras.layers.Dense(3, input_shape=(2,))])"
    found = [[w.name for w in shell.run("model", text)["model"].weights] for _ in range(2)]
    assert found[0] == found[1] and len(tf.global_variables()) == 2


def test_outside_of_notebooks():
    with pytest.raises(RuntimeError, match="this is no notebook"):
        tf.notebook.replace()


IN_IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def cell(id, code):
    shell.run_cell(code, cell_id=id).raise_error()
cell("c0", "%load_ext flowgraph.notebook\\n%load_ext flowgraph.compat.tensorflow")
cell("c1", "import tensorflow as tf; tf.config.auto_init = True; sess = tf.InteractiveSession()")
for n in (3, 4):
    cell("c2", f"w = tf.get_variable('w', [{n}], initializer=tf.ones_initializer())")
    cell("c3", "print(w.name, sess.run(tf.reduce_sum(w)), len(tf.global_variables()))")
cell("c4", "%unload_ext flowgraph.notebook")
"""


def test_a_real_shell():
    pytest.importorskip("IPython")
    done = subprocess.run(
        [sys.executable, "-c", IN_IPYTHON], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["w:0", "3.0", "1", "w:0", "4.0", "1"], done.stderr
