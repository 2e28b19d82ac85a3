"""The examples reach the scores that they state, in their quick forms, and draw their pictures."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf
from flowgraph import keras

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PNG, SVG = b"\x89PNG", b"<?xml"


@pytest.fixture(autouse=True)
def _new_graph():
    keras.backend.clear_session()
    yield
    keras.backend.clear_session()


def load(name: str):
    """The example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, folder: Path, *pictures: str):
    """What main() returns in the quick form; ``pictures`` were written into ``folder``."""
    pytest.importorskip("matplotlib")
    found = load(name).main(["--quick", "--out", str(folder)])
    for picture in pictures:
        begin = SVG if picture.endswith(".svg") else PNG
        assert (folder / picture).read_bytes().startswith(begin), picture
    assert len(list(folder.iterdir())) == len(pictures)
    return found


def test_convolutions_read_digits_K15_K16(tmp_path):
    assert run("digits_cnn", tmp_path, "digits_cnn.png", "digits_cnn_history.png") >= 0.95


def test_prices_of_houses_K9_R5(tmp_path, capsys):
    """K2: the summary has 140, 110, 11: 261."""
    scores = run("house_prices", tmp_path, "house_prices.png")
    assert scores["fall"] >= 10
    assert scores["r2"] >= 0.9
    text = capsys.readouterr().out
    assert "Total params: 261" in text
    assert [line.split()[-1] for line in text.splitlines() if "(Dense)" in line] == [
        "140", "110", "11"
    ]  # fmt: skip


def test_frauds_K10_N18(tmp_path):
    scores = run("fraud", tmp_path, "fraud.png")
    assert scores["auc"] >= 0.95
    assert scores["recall"] >= 0.6 and scores["precision"] >= 0.6
    # The area of a ranking: all pairs in order, none, three of four.
    rates = load("fraud").rates
    truth = np.array([1, 1, 0, 0])
    areas = [rates(truth, np.array(p))[2] for p in ([4, 3, 2, 1], [1, 2, 3, 4], [4, 2, 3, 1])]
    assert areas == [1, 0, 0.75]


def test_ages_K11(tmp_path):
    assert run("ages", tmp_path, "ages.png") >= 0.9


def test_three_outputs_K13(tmp_path):
    scores = run("readers", tmp_path, "readers.png")
    assert scores["years"] <= 6 and scores["sex"] >= 0.8 and scores["income"] >= 0.6


@pytest.mark.slow
def test_two_inputs_two_outputs_K12(tmp_path, capsys):
    scores = run("headlines", tmp_path, "headlines.png", "headlines_history.png")
    assert scores["main_output"] >= 0.85 and scores["main_output"] > scores["aux_output"]
    text = capsys.readouterr().out
    for weights in ("5120000", "69760", "2432", "4160", "65", "33", "Total params: 5,200,610"):
        assert weights in text, weights
    assert "main_output_loss" in text and "aux_output_loss" in text


def test_inception_K14(tmp_path, capsys):
    assert run("inception", tmp_path, "inception.png") >= 0.93
    assert "Total params: 140,160" in capsys.readouterr().out
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        high, wide = (load("inception").towers(axis) for axis in (1, -1))
    assert high.output_shape == (None, 768, 256, 64)
    assert wide.output_shape == (None, 256, 256, 192)
    assert len(said) == 1 and "axis" in str(said[0].message)
    weights = [layer.count_params() for layer in wide.layers if "conv" in layer.name]
    assert sorted(weights) == [256, 256, 256, 36928, 102464]


def test_gan_K16(tmp_path):
    scores = run("gan", tmp_path, "gan.png")
    assert scores["near"] >= 0.6 and scores["sectors"] >= 6


def test_each_side_of_the_gan_trains_its_own_weights_K16():
    game = load("gan").Game()
    rng = np.random.default_rng(0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        feed = {game.noise: rng.normal(size=(8, 4)), game.real: rng.normal(size=(8, 2))}
        for step, changes in ((game.train_d, [False, True]), (game.train_g, [True, False])):
            before = sess.run([game.generator, game.discriminator])
            sess.run(step, feed)
            after = sess.run([game.generator, game.discriminator])
            changed = [
                any(not np.array_equal(a, b) for a, b in zip(*pair, strict=True))
                for pair in zip(before, after, strict=True)
            ]
            assert changed == changes


def test_autoencoder_K4(tmp_path):
    """K4: the encoder is a model of its own, of the auto-encoder's layers."""
    assert run("autoencoder", tmp_path, "autoencoder.png") <= 0.8
    whole, encoder = load("autoencoder").make_models()
    assert encoder.layers == whole.layers[:4]


@pytest.mark.slow
def test_char_rnn_K16(tmp_path, capsys):
    assert run("char_rnn", tmp_path, "char_rnn.png") <= 2
    assert "\nThe " in capsys.readouterr().out


def test_optimizers_N13_N14(tmp_path):
    pictures = "optimizers.svg", "optimizers_batches.png", "optimizers_digits.png"
    left = run("optimizers", tmp_path, *pictures)
    assert len(left) == 7 and max(left.values()) < 0.7, left
    assert sorted(left.values())[-2] < 0.2, left
    example = load("optimizers")
    first, second = example.ways(), example.ways()
    assert len(first) == 6
    assert all(np.array_equal(first[name], second[name]) for name in first)
    end = {name: example.valley(*points[-1]) for name, points in first.items()}
    assert max(end.values()) < 0.1


def test_vanishing_gradient_N19(tmp_path):
    scores = run("vanishing_gradient", tmp_path, "vanishing_gradient.png")
    assert scores["ratio"] < 1e-3
    assert scores["ReLU"] > 0.9 and scores["sigmoid"] < 0.3


def test_playground_N20(tmp_path):
    epochs = [f"playground_epoch_{n}.png" for n in (5, 20, 80)]
    scores = run("playground", tmp_path, "playground.png", *epochs)
    assert scores["xor", "no hidden layer"] <= 0.75
    assert scores["spiral", "8 + 8 units"] >= 0.95
    assert scores["spiral", "4 units"] < 0.95  # harder data needs deeper networks
    for kind in ("gauss", "circle", "xor", "spiral"):
        x, y = load("playground").make_points(kind)
        assert x.shape == (400, 2) and y.tolist().count(1) == 200


def test_overfitting_N22(tmp_path):
    gaps = run("overfitting", tmp_path, "overfitting.png")
    assert gaps["none"] > 0.3
    for remedy, part in (("dropout", 2 / 3), ("L2", 1 / 2), ("dropout and L2", 1 / 2)):
        assert gaps[remedy] <= part * gaps["none"], gaps


def test_two_processes_G24():
    """G24: the losses of two processes in step are those of one."""
    assert load("two_processes").main(["--quick"]) <= 1e-6
