"""XOR with a network of two stages, the program of the lecture: W1[2,2], W2[2,1], Bias1, Bias2.

One unit cannot separate XOR; two sigmoid units in front of it can.  So small a network has local
minima, where about one training in five ends; the cost tells, and training starts again from other
weights.

Covers REQUIREMENTS N7 (the snippet runs and is right on 4 of 4 inputs) and G11 (random_uniform).

    python examples/xor.py [--quick] [--seed N]
"""

from __future__ import annotations

import argparse

import numpy as np

import flowgraph as tf

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = np.array([[0], [1], [1], [0]], np.float32)

#: A cost above this after training is a local minimum: at least one answer is wrong.
STUCK = 0.1
ATTEMPTS = 8


def train(seed: int, steps: int, *, verbose: bool = False) -> np.ndarray:
    """The network's answers to the four inputs after training."""
    say = print if verbose else lambda text: None
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(seed)
        X = tf.placeholder(tf.float32, [None, 2], name="X")
        Y = tf.placeholder(tf.float32, [None, 1], name="Y")

        W1 = tf.Variable(tf.random_uniform([2, 2], -1.0, 1.0))
        W2 = tf.Variable(tf.random_uniform([2, 1], -1.0, 1.0))

        b1 = tf.Variable(tf.zeros([2]), name="Bias1")
        b2 = tf.Variable(tf.zeros([1]), name="Bias2")

        # Our hypothesis
        L2 = tf.sigmoid(tf.matmul(X, W1) + b1)
        logits = tf.matmul(L2, W2) + b2
        hypothesis = tf.sigmoid(logits)

        cost = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=Y, logits=logits), name="cost"
        )
        # The mean over four points of products of sigmoid slopes is small: hence the large rate.
        train_op = tf.train.GradientDescentOptimizer(2.0).minimize(cost)
        init = tf.global_variables_initializer()

        feed = {X: INPUTS, Y: TARGETS}
        for _ in range(ATTEMPTS):
            sess.run(init)  # draws other weights every time
            for step in range(steps + 1):
                if step % (steps // 5) == 0:
                    say(f"step {step:5d}  cost {sess.run(cost, feed):.5f}")
                sess.run(train_op, feed)
            if sess.run(cost, feed) < STUCK:
                break
            say("stuck in a local minimum: once more, from other weights")
        return sess.run(hypothesis, {X: INPUTS})


def count_right(answers: np.ndarray) -> int:
    """How many of the four answers are on the right side of one half."""
    return int(np.sum((answers > 0.5) == (TARGETS > 0.5)))


def main(arguments: list[str] | None = None) -> int:
    """Train and return how many of the four answers are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--seed", type=int, default=1, help="of the initial weights")
    options = parser.parse_args(arguments)
    answers = train(options.seed, 1000 if options.quick else 4000, verbose=True)
    for (a, b), answer in zip(INPUTS, answers[:, 0], strict=True):
        print(f"{a:.0f} xor {b:.0f} = {answer:.4f}")
    right = count_right(answers)
    print(f"{right} of 4 right")
    return right


if __name__ == "__main__":
    main()
