"""L3: 10,000 training steps of a tiny network: XOR, 2-2-1, gradient descent.

flowgraph runs them in one native call (``Session.run_steps``); the others in Python's loop, as
their programs do.  The result is the loss of the last step.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row

ROW = Row(
    "L3",
    "10,000 steps of XOR 2-2-1 by gradient descent, the last loss returned",
    cases=(Case("steps", 10_000, figure=Figure(at_most=20e-3)),),
    rtol=5e-2,
    check_calls=1,
)

_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
_Y = np.array([[0], [1], [1], [0]], np.float32)
_W1 = np.array([[1.0, -1.0], [1.0, -1.0]], np.float32)
_W2 = np.array([[1.0], [1.0]], np.float32)
_B1 = np.array([0.0, 1.0], np.float32)
_B2 = np.zeros(1, np.float32)
_RATE = 0.3


def reference(case):
    w1, b1, w2, b2 = (a.astype(np.float64) for a in (_W1, _B1, _W2, _B2))
    loss = 0.0
    for _ in range(case.size):
        h = np.tanh(_X @ w1 + b1)
        error = h @ w2 + b2 - _Y
        loss = np.mean(error**2)
        d = 2 * error / error.size
        dh = (d @ w2.T) * (1 - h**2)
        w2, b2 = w2 - _RATE * h.T @ d, b2 - _RATE * d.sum(0)
        w1, b1 = w1 - _RATE * _X.T @ dh, b1 - _RATE * dh.sum(0)
    return [np.float64(loss)]


def in_tf1(lib, case):
    tf = lib.module
    x, y = tf.placeholder(tf.float32, [4, 2]), tf.placeholder(tf.float32, [4, 1])
    w1, b1, w2, b2 = (tf.Variable(a) for a in (_W1, _B1, _W2, _B2))
    h = tf.tanh(tf.matmul(x, w1) + b1)
    loss = tf.reduce_mean(tf.square(tf.matmul(h, w2) + b2 - y))
    train = tf.train.GradientDescentOptimizer(_RATE).minimize(loss)
    session = lib.session()
    start = tf.global_variables_initializer()

    def call():
        session.run(start)
        feeds = {x: _X, y: _Y}
        if hasattr(session, "run_steps"):
            return [session.run_steps([loss, train], case.size, feeds, every=False)[0]]
        value = None
        for _ in range(case.size):
            value, _ = session.run([loss, train], feeds)
        return [value]

    return call


def in_torch(lib, case):
    torch = lib.module
    x, y = torch.tensor(_X), torch.tensor(_Y)

    def call():
        weights = [torch.tensor(a, requires_grad=True) for a in (_W1, _B1, _W2, _B2)]
        optimizer = torch.optim.SGD(weights, lr=_RATE)
        w1, b1, w2, b2 = weights
        loss = None
        for _ in range(case.size):
            optimizer.zero_grad()
            loss = torch.mean((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)
            loss.backward()
            optimizer.step()
        return [loss.item()]

    return call
