"""Linear regression: find the line y = 3x + 2 again from noisy points.

The smallest training program: one weight and one bias, squared error, gradient descent.

Covers REQUIREMENTS G1 (build, then run), G10 (variables), G14 (W*x + b) and N12 (gradient descent).

    python examples/linear_regression.py [--quick]
"""

from __future__ import annotations

import argparse

import numpy as np

import flowgraph as tf

SLOPE, INTERCEPT = 3.0, 2.0


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Train and return the slope and intercept found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    steps = 200 if parser.parse_args(arguments).quick else 1000

    random = np.random.default_rng(0)
    xs = random.uniform(-1, 1, 200).astype(np.float32)
    ys = SLOPE * xs + INTERCEPT + random.normal(0, 0.1, 200).astype(np.float32)

    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None], name="x")
        y = tf.placeholder(tf.float32, [None], name="y")
        W = tf.Variable(0.0, name="W")
        b = tf.Variable(0.0, name="b")
        loss = tf.reduce_mean(tf.square(W * x + b - y), name="loss")
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)

        sess.run(tf.global_variables_initializer())
        for step in range(steps + 1):
            if step % (steps // 5) == 0:
                values = sess.run([loss, W, b], {x: xs, y: ys})
                print("step {:5d}  loss {:.5f}  W {:.4f}  b {:.4f}".format(step, *values))
            sess.run(train, {x: xs, y: ys})
        slope, intercept = sess.run([W, b])

    best = np.polyfit(xs.astype(np.float64), ys.astype(np.float64), 1)
    print(f"found          y = {slope:.4f} x + {intercept:.4f}")
    print(f"least squares  y = {best[0]:.4f} x + {best[1]:.4f}")
    return float(slope), float(intercept)


if __name__ == "__main__":
    main()
