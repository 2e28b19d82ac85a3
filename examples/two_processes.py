"""Two processes train one model: each on half of every batch, in step with each other.

The chief starts a worker and talks to it through a socket of this machine.  Both hold the same
weights; each takes the gradient of its half, the chief averages the two and sends the mean back,
and both apply it.  As the halves are equal, this is the step on the whole batch, and the losses are
those of a single process, which is run for comparison.

Covers REQUIREMENTS G24 (several processes; equal losses).  Losses differ by at most 1e-6.

    python examples/two_processes.py [--quick]
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np

import flowgraph as tf

BATCH_SIZE, RATE, PATIENCE = 32, 0.2, 60  # seconds without a word from the other process


def batches(steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Synthetic: a curved function of four numbers; the same batches in every process."""
    rng = np.random.default_rng(0)
    for _ in range(steps):
        x = rng.uniform(-1, 1, (BATCH_SIZE, 4)).astype(np.float32)
        yield x, np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]


def train(
    steps: int, part: slice, average: Callable[[np.ndarray], np.ndarray] = lambda found: found
) -> list[float]:
    """Train on ``part`` of every batch; returns the losses.

    Args:
        steps: how many.
        part: the rows of every batch that this process sees.
        average: takes this process's loss and gradients as one vector, gives the mean over all.
    """
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)  # the same first weights everywhere
        x, y = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.float32, [None, 1])
        hidden = tf.layers.dense(x, 16, tf.tanh)
        loss = tf.reduce_mean(tf.square(tf.layers.dense(hidden, 1) - y))
        variables = tf.trainable_variables()
        gradients = [tf.reshape(g, [-1]) for g in tf.gradients(loss, variables)]
        found = tf.concat([tf.reshape(loss, [1]), *gradients], axis=0)
        # The other way: a vector as gradients of each variable's shape.
        mean = tf.placeholder(tf.float32, found.shape)
        parts = tf.split(mean, [1, *(int(g.shape[0]) for g in gradients)])[1:]
        pairs = [(tf.reshape(p, v.shape), v) for p, v in zip(parts, variables, strict=True)]
        apply = tf.train.GradientDescentOptimizer(RATE).apply_gradients(pairs)
        sess.run(tf.global_variables_initializer())
        losses = []
        for inputs, targets in batches(steps):
            averaged = average(sess.run(found, {x: inputs[part], y: targets[part]}))
            sess.run(apply, {mean: averaged})
            losses.append(float(averaged[0]))
    return losses


def receive(other: socket.socket, count: int) -> np.ndarray:
    """``count`` float32 numbers."""
    data = other.recv(4 * count, socket.MSG_WAITALL)
    if len(data) < 4 * count:
        raise ConnectionError("the other process has ended")
    return np.frombuffer(data, np.float32)


def work(port: int, steps: int) -> None:
    """The worker: the second half of every batch."""

    def average(found: np.ndarray) -> np.ndarray:
        chief.sendall(found.tobytes())
        return receive(chief, len(found))

    with socket.create_connection(("127.0.0.1", port), PATIENCE) as chief:
        train(steps, slice(BATCH_SIZE // 2, None), average)


def lead(steps: int) -> list[float]:
    """The chief: starts the worker and takes the first half of every batch."""

    def average(found: np.ndarray) -> np.ndarray:
        mean = (found + receive(worker, len(found))) / 2
        worker.sendall(mean.tobytes())
        return mean

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        port = str(server.getsockname()[1])
        arguments = [sys.executable, __file__, "--worker", port, "--steps", str(steps)]
        with subprocess.Popen(arguments):  # noqa: S603  this very program
            worker, _ = server.accept()
            with worker:
                worker.settimeout(PATIENCE)
                return train(steps, slice(0, BATCH_SIZE // 2), average)


def main(arguments: list[str] | None = None) -> float:
    """Train both ways; returns the largest difference between their losses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    steps = options.steps or (100 if options.quick else 1000)
    if options.worker:
        work(options.worker, steps)
        return 0.0
    alone, together = train(steps, slice(None)), lead(steps)
    difference = max(abs(a - b) for a, b in zip(alone, together, strict=True))
    print(f"one process:   loss {alone[0]:.5f} -> {alone[-1]:.5f}")
    print(f"two processes: loss {together[0]:.5f} -> {together[-1]:.5f}")
    print(f"largest difference {difference:.1e}")
    return difference


if __name__ == "__main__":
    main()
