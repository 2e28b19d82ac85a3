"""Drawings of units (REQUIREMENTS N1, N21), activation curves (N4) and other plots."""

from __future__ import annotations

import itertools
import math
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import view
from flowgraph.view.render import draw

SVG = "{http://www.w3.org/2000/svg}"


def circles_and_lines(drawing):
    root = ET.fromstring(draw(drawing.source, "svg"))
    found = {"node": [], "edge": []}
    for group in root.iter(SVG + "g"):
        if group.get("class") in found:
            found[group.get("class")].append(group.find(SVG + "title").text)
    return [n for n in found["node"] if n[0].isdigit()], found["edge"]


# ------------------------------------------------------------------------------------------- units


def test_three_inputs_and_four_units_have_twelve_connections():
    """N1: a 3->4 fully connected layer."""
    circles, lines = circles_and_lines(view.units([3, 4]))
    assert len(circles) == 7 and len(lines) == len(set(lines)) == 12


@pytest.mark.parametrize("sizes", [[4, 5, 2], [3, 6, 5, 1], [1, 1]])
@pytest.mark.parametrize("direction", ["LR", "BT"])
def test_counts_of_networks(sizes, direction):
    """N21: sum of l_i circles, sum of l_i * l_(i+1) lines."""
    circles, lines = circles_and_lines(view.units(sizes, direction=direction))
    assert len(circles) == sum(sizes)
    assert len(set(lines)) == sum(a * b for a, b in itertools.pairwise(sizes))


def test_large_layers_are_abridged():
    circles, lines = circles_and_lines(view.units([100, 4], max_units=6))
    assert sorted(c for c in circles if c.startswith("0_")) == sorted(
        f"0_{i}" for i in (0, 1, 2, 97, 98, 99)
    )
    assert len(lines) == 24
    assert len(circles_and_lines(view.units([30, 2], max_units=None))[1]) == 60


def test_weights_are_written_and_coloured():
    """N6: the network that computes XOR."""
    first = (np.array([[20.0, -20.0], [20.0, -20.0]]), [-10.0, 30.0])
    second = (np.array([[20.0], [20.0]]), [-30.0])
    source = view.units([first, second], title="XOR", values=[[0, 1], [1, 1], [0.99]]).source
    assert source.count("label=20") == 4 and source.count("label=-20") == 2
    assert "bias -10" in source and "label=0.99" in source
    assert "weight -20" in source


def test_the_network_of_a_tensor():
    """N21: from the graph itself, with and without weights."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4])
        h = tf.layers.dense(x, 5, tf.nn.relu, name="first")
        w = tf.Variable(tf.ones([3, 5]) * 2.0, name="turned")
        y = tf.nn.softmax(tf.matmul(h, w, transpose_b=True) + tf.Variable(tf.zeros([3])))
        circles, lines = circles_and_lines(view.units(y))
        assert len(circles) == 12 and len(lines) == 4 * 5 + 5 * 3
        source = view.units(y).source
        assert "Relu" in source and "Softmax" in source
        session.run(tf.global_variables_initializer())
        assert "weight 2" in view.units(y, session=session).source
        with pytest.raises(ValueError, match="comes from no MatMul"):
            view.units(tf.exp(x))


def test_the_network_of_a_model():
    class Dense:
        def __init__(self, inputs, units):
            self.arrays = [np.ones((inputs, units)), np.zeros(units)]

        def get_weights(self):
            return self.arrays

    class Model:
        layers = [Dense(2, 3), Dense(3, 1)]

    assert len(circles_and_lines(view.units(Model()))[1]) == 9


def test_wrong_networks():
    with pytest.raises(ValueError, match="3 units is followed by weights for 2"):
        view.units([np.ones((4, 3)), np.ones((2, 1))])
    with pytest.raises(ValueError, match="two sizes"):
        view.units([3])
    with pytest.raises(TypeError, match="got str"):
        view.units("x")
    with pytest.raises(ValueError, match="LR or BT"):
        view.units([1, 2], direction="TB")
    with pytest.raises(ValueError, match="shape"):
        view.units([np.ones(3)])


# ------------------------------------------------------------------------------------------- plots


def test_curves_are_those_of_the_formulas():
    """N4, N3: the data of the six panels."""
    curves = view.activation_curves(span=(-4.0, 4.0), points=81)
    x = np.linspace(-4, 4, 81)
    sigmoid = 1 / (1 + np.exp(-x))
    expected = [
        (sigmoid, sigmoid * (1 - sigmoid)),
        (np.tanh(x), 1 - np.tanh(x) ** 2),
        (np.maximum(x, 0), x > 0),
        (np.maximum(0.1 * x, x), np.where(x > 0, 1, 0.1)),
        (np.where(x > 0, x, np.expm1(x)), np.where(x > 0, 1, np.exp(x))),
        (np.maximum(x, -0.5 * x - 1), np.where(x > -0.5 * x - 1, 1, -0.5)),
    ]
    assert len(curves) == 6
    inside = np.abs(x) > 1e-9  # but for the kinks
    for (title, (at, y, dy)), (f, df) in zip(curves.items(), expected, strict=True):
        np.testing.assert_allclose(at, x)
        np.testing.assert_allclose(y, f, atol=1e-12, err_msg=title)
        np.testing.assert_allclose(dy[inside], df[inside], atol=1e-12, err_msg=title)


def test_six_panels(tmp_path):
    """N4: one call writes an SVG with six panels."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "activations.svg"
    figure = view.plot_activations(path)
    assert len(figure.axes) == 6
    root = ET.parse(path).getroot()
    assert sum(g.get("id", "").startswith("axes_") for g in root.iter(SVG + "g")) == 6
    for axis, (x, y, _) in zip(figure.axes, view.activation_curves().values(), strict=True):
        line = axis.lines[2]
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_array_equal(line.get_ydata(), y)
    again = tmp_path / "again.svg"
    view.plot_activations(again)
    assert again.read_bytes() == path.read_bytes()
    own = view.plot_activations(None, {"cube": lambda x: x * x * x}, derivatives=False)
    assert [axis.get_title() for axis in own.axes] == ["cube"]


def test_learning_curves(tmp_path):
    """N22: training and validation in one panel."""
    pytest.importorskip("matplotlib")

    class History:
        history = {"loss": [3, 2, 1], "val_loss": [3, 3, 3], "acc": [0.1, 0.2, 0.3]}

    figure = view.plot_history(tmp_path / "h.png", History(), title="fit")
    assert [axis.get_title() for axis in figure.axes] == ["loss", "acc"]
    assert [len(axis.lines) for axis in figure.axes] == [2, 1]
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    assert len(view.plot_history(None, [1.0, 0.5]).axes) == 1
    with pytest.raises(ValueError, match="empty"):
        view.plot_history(None, {})


def test_decision_boundaries(tmp_path):
    """N20."""
    pytest.importorskip("matplotlib")
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (50, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)

    def predict(points):
        assert points.dtype == np.float32
        return 1 / (1 + np.exp(-20 * points[:, 0] * points[:, 1]))

    figure = view.plot_decision_boundary(tmp_path / "b.svg", predict, x, y, resolution=20)
    assert len(figure.axes) == 2  # with the bar of colours

    class Model:
        def predict(self, points):
            return np.stack([points[:, 0], points[:, 1], -points.sum(1)], 1)

    view.plot_decision_boundary(None, Model(), x, np.eye(3)[y], resolution=20)
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        view.plot_decision_boundary(None, predict, x[:, :1], y)


def test_ways_of_optimizers(tmp_path):
    """N14: several trajectories, the same in every run, as SVG."""
    valley = lambda x, y: x * x + 10.0 * y * y
    optimizers = {
        "descent": tf.train.GradientDescentOptimizer(0.04),
        "momentum": tf.train.MomentumOptimizer(0.01, 0.9),
        "Adagrad": tf.train.AdagradOptimizer(0.5),
        "RMSprop": tf.train.RMSPropOptimizer(0.1),
        "Adam": tf.train.AdamOptimizer(0.2),
    }
    paths = view.trajectories(valley, optimizers, (-4.0, 1.0), steps=30)
    again = view.trajectories(valley, optimizers, (-4.0, 1.0), steps=30)
    x, y = -4.0, 1.0
    for point in paths["descent"]:
        np.testing.assert_allclose(point, (x, y), rtol=1e-5, atol=1e-12)  # the rate is a float32
        x, y = x - 0.04 * 2 * x, y - 0.04 * 20 * y
    for name, points in paths.items():
        assert points.shape == (31, 2) and points.dtype == np.float64
        assert valley(*points[-1]) < 0.7 * valley(*points[0]), name
        np.testing.assert_array_equal(points, again[name])
    pytest.importorskip("matplotlib")
    figure = view.plot_trajectories(tmp_path / "ways.svg", valley, paths, title="ways")
    assert len(figure.axes[0].lines) == 6
    view.plot_trajectories(None, lambda x, y: valley(x, y) + 1, paths, logarithmic=True)
    with pytest.raises(ValueError, match="give a function"):
        view.plot_trajectories(None, valley, {})
    with pytest.raises(ValueError, match="not \\(n, 2\\)"):
        view.plot_trajectories(None, valley, {"flat": [1.0, 2.0]})


def test_memory_maps(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [32, 32], name="x")
        w = tf.Variable(tf.ones([32, 32]), name="w")
        a = tf.matmul(x, w, name="a")
        b = tf.matmul(a, w, name="b")
        y = tf.reduce_sum(tf.matmul(a, b, name="c"))
        session.run(tf.global_variables_initializer())
        feed = {x: np.ones((32, 32), np.float32)}
        found = view.memory_map(y, feed)
        by_name = {buffer.name: buffer for buffer in found.buffers}
        for name in "abc":
            assert by_name[name].nbytes == 4096
        assert {b.name for b in found.owners()} >= {"a", "b", "c"}
        assert found.live.max() == 3 * 4096 <= found.arena_nbytes
        assert found.labels[found.peak] == "MatMul"
        assert found.outside["variable"] == 4096 and found.outside["feed"] == 4096
        text = str(found)
        assert "12.3 kB alive" in text and "besides: " in text
        for row, nbytes in enumerate(found.live):  # nothing is counted twice
            taken = np.zeros(found.arena_nbytes, bool)
            for buffer in found.buffers:
                if buffer.first <= row <= buffer.last:
                    taken[buffer.offset : buffer.offset + buffer.nbytes] = True
            assert taken.sum() == nbytes
        metadata = tf.RunMetadata()
        session.run(y, feed, options=tf.RunOptions(trace_level=3), run_metadata=metadata)
        assert view.memory_map(metadata).buffers == found.buffers
        pytest.importorskip("matplotlib")
        figure = view.plot_memory(tmp_path / "memory.svg", y, feed, title="three products")
        assert len(figure.axes[1].patches) == len(found.buffers)


def test_rooflines(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [64, 64], name="x")
        y = tf.reduce_sum(tf.exp(tf.matmul(x, x)))
        feed = {x: np.ones((64, 64), np.float32)}
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        session.run(y, feed, options=options, run_metadata=metadata)
        only_copies = tf.RunMetadata()
        session.run(tf.transpose(x), feed, options=options, run_metadata=only_copies)
    roof = view.Roof(gflops=50.0, gbytes=10.0, cached_gbytes=40.0)
    assert roof.ridge == 5.0
    assert roof.at(1.0) == 10.0 and roof.at(1.0, 1000) == 40.0 and roof.at(100.0) == 50.0
    pytest.importorskip("matplotlib")
    figure = view.plot_roofline(tmp_path / "roof.svg", metadata, roof=roof, title="two kernels")
    (points,) = figure.axes[0].collections
    rows = [row for row in tf.profile.table(metadata).rows if row.flops]
    np.testing.assert_allclose(sorted(points.get_offsets()[:, 1]), sorted(r.gflops for r in rows))
    with pytest.raises(ValueError, match="no kernel of this run"):
        view.plot_roofline(None, only_copies, roof=roof)


@pytest.mark.slow
def test_the_roof_of_this_machine():
    roof = view.measure_roof()
    assert roof is view.measure_roof()
    assert roof.gflops > 0.1 and 0.1 < roof.gbytes < 2 * roof.cached_gbytes


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'flowgraph\[plot\]'"):
        view.plot_history(None, [1.0])
    assert math.isclose(view.activation_curves(points=3)["tanh"][1][1], 0.0)
