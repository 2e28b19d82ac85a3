"""Two networks against each other: one makes points, the other tells them from real ones.

The real points lie on a ring.  The generator turns noise into points; the discriminator answers how
real a point looks.  They are trained in turn, each step changing its own weights only
(``var_list``).

Covers REQUIREMENTS K16 (the family GAN; alternating updates).  At the end at least 0.8 of the
generated points lie within 0.25 of the ring, and every one of its eight sectors has some; 0.6 and
six with --quick.

    python examples/gan.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import flowgraph as tf

NOISE, BATCH_SIZE, WIDTH = 4, 128, 0.05


def real_points(count: int, rng: np.random.Generator) -> np.ndarray:
    """Synthetic: points near the circle of radius 1."""
    angle, radius = rng.uniform(0, 2 * np.pi, count), rng.normal(1, WIDTH, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)


class Game:
    """The graph: attributes are the tensors and operations to run."""

    def __init__(self) -> None:
        self.noise = tf.placeholder(tf.float32, [None, NOISE], name="noise")
        self.real = tf.placeholder(tf.float32, [None, 2], name="real")
        self.made = self._generate(self.noise)
        of_real, of_made = self._discriminate(self.real), self._discriminate(self.made)
        with tf.name_scope("losses"):
            entropy = tf.nn.sigmoid_cross_entropy_with_logits
            yes, no = tf.ones_like, tf.zeros_like
            self.d_loss = tf.reduce_mean(
                entropy(labels=0.9 * yes(of_real), logits=of_real)  # 0.9: never quite sure
                + entropy(labels=no(of_made), logits=of_made)
            )
            self.g_loss = tf.reduce_mean(entropy(labels=yes(of_made), logits=of_made))
        self.generator = tf.trainable_variables("generator")
        self.discriminator = tf.trainable_variables("discriminator")
        adam = lambda rate: tf.train.AdamOptimizer(rate, beta1=0.5)
        self.train_d = adam(0.002).minimize(self.d_loss, var_list=self.discriminator)
        self.train_g = adam(0.001).minimize(self.g_loss, var_list=self.generator)

    def _generate(self, noise: Any) -> Any:
        with tf.variable_scope("generator"):
            x = tf.layers.dense(noise, 48, tf.nn.relu)
            x = tf.layers.dense(x, 48, tf.nn.relu)
            return tf.layers.dense(x, 2)

    def _discriminate(self, points: Any) -> Any:
        with tf.variable_scope("discriminator", reuse=tf.AUTO_REUSE):
            x = tf.layers.dense(points, 64, tf.nn.leaky_relu, name="first")
            x = tf.layers.dense(x, 64, tf.nn.leaky_relu, name="second")
            return tf.layers.dense(x, 1, name="logit")


def score(points: np.ndarray) -> dict[str, float]:
    """The part of the points near the ring, and how many of its eight sectors they reach."""
    near = np.abs(np.hypot(*points.T) - 1) < 0.25
    sector = np.floor((np.arctan2(points[near, 1], points[near, 0]) / np.pi + 1) * 4) % 8
    return {"near": float(near.mean()), "sectors": float(len(np.unique(sector)))}


def draw(path: Path, real: np.ndarray, stages: dict[int, np.ndarray]) -> None:
    """What the generator made after some steps, over real points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(stages), 3.2), layout="constrained")
    for axis, (step, points) in zip(figure.subplots(1, len(stages)), stages.items(), strict=True):
        axis.scatter(*real.T, s=3, color="#BBBBBB", label="real")
        axis.scatter(*points.T, s=3, color="#B2182B", label="generated")
        axis.set_title(f"step {step}")
        axis.set_xlim(-1.7, 1.7)
        axis.set_ylim(-1.7, 1.7)
        axis.set_aspect("equal")
    axis.legend(loc="center", markerscale=3, frameon=False)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, score, draw; returns what ``score`` says of 1,000 generated points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    steps = 2000 if options.quick else 8000
    rng = np.random.default_rng(1)
    stages = {}
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)
        game = Game()
        sess.run(tf.global_variables_initializer())
        test = rng.normal(size=(1000, NOISE))
        for step in range(steps + 1):
            if step % (steps // 4) == 0:
                stages[step] = sess.run(game.made, {game.noise: test})
                print("step {:5d}  near the ring {near:.3f}, sectors {sectors:.0f} of 8".format(
                    step, **score(stages[step])))  # fmt: skip
            noise = rng.normal(size=(BATCH_SIZE, NOISE))
            sess.run(game.train_d, {game.noise: noise, game.real: real_points(BATCH_SIZE, rng)})
            sess.run(game.train_g, {game.noise: rng.normal(size=(BATCH_SIZE, NOISE))})
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "gan.png", real_points(1000, rng), stages)
    return score(stages[steps])


if __name__ == "__main__":
    main()
