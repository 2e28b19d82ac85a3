"""L1c: a training step as small as they get: the network of XOR.

2-2-1 units, sigmoid, loss = mean((y - target)^2) over the four points, which are fed; plain
gradient descent, rate 0.5, from given weights.  A step updates the four variables and returns the
loss before the update.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row

_FIGURE = Figure(at_most=4e-6, of=("pytensor", 8.0e-6))

ROW = Row(
    "L1c",
    "XOR 2-2-1, sigmoid, mean squared error, gradient descent; 4 points fed, loss fetched",
    cases=(Case("run", figure=_FIGURE), Case("callable", figure=_FIGURE)),
    check_calls=50,
)

_POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
_TARGETS = np.array([[0], [1], [1], [0]], np.float32)
_RATE = np.float32(0.5)


def _weights():
    hidden = np.array([[0.9, -0.7], [0.6, -1.1]], np.float32)
    output = np.array([[1.2], [-0.8]], np.float32)
    return hidden, np.zeros(2, np.float32), output, np.zeros(1, np.float32)


def reference(case):
    w1, b1, w2, b2 = (w.astype(np.float64) for w in _weights())
    losses = []
    for _ in range(ROW.check_calls):
        h = 1 / (1 + np.exp(-(_POINTS @ w1 + b1)))
        y = 1 / (1 + np.exp(-(h @ w2 + b2)))
        losses.append(np.mean((y - _TARGETS) ** 2))
        dz = 2 * (y - _TARGETS) / 4 * y * (1 - y)
        dh = dz @ w2.T * h * (1 - h)
        w2 -= _RATE * (h.T @ dz)
        b2 -= _RATE * dz.sum(0)
        w1 -= _RATE * (_POINTS.T @ dh)
        b1 -= _RATE * dh.sum(0)
    return losses


def in_tf1(lib, case):
    tf = lib.module
    x = tf.placeholder(tf.float32, [4, 2])
    target = tf.placeholder(tf.float32, [4, 1])
    w1, b1, w2, b2 = (tf.Variable(w) for w in _weights())
    h = tf.sigmoid(tf.matmul(x, w1) + b1)
    y = tf.sigmoid(tf.matmul(h, w2) + b2)
    loss = tf.reduce_mean(tf.square(y - target))
    step = tf.train.GradientDescentOptimizer(float(_RATE)).minimize(loss)
    fetches = [step, loss]
    session = lib.session()
    session.run(tf.global_variables_initializer())
    if case.name == "run":
        return lambda: [session.run(fetches, feed_dict={x: _POINTS, target: _TARGETS})[1]]
    function = session.make_callable(fetches, [x, target])
    return lambda: [function(_POINTS, _TARGETS)[1]]


def in_jax(lib, case):
    jax, jnp = lib.module, lib.module.numpy

    def loss_of(weights, x, target):
        w1, b1, w2, b2 = weights
        y = jax.nn.sigmoid(jax.nn.sigmoid(x @ w1 + b1) @ w2 + b2)
        return jnp.mean((y - target) ** 2)

    @jax.jit
    def step(weights, x, target):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, target)
        return [w - _RATE * g for w, g in zip(weights, gradients, strict=True)], loss

    weights = [jnp.asarray(w) for w in _weights()]

    def call():
        nonlocal weights
        weights, loss = step(weights, _POINTS, _TARGETS)
        return [np.asarray(loss)]

    return call


def in_torch(lib, case):
    torch = lib.module
    weights = [torch.tensor(w, requires_grad=True) for w in _weights()]
    optimizer = torch.optim.SGD(weights, lr=float(_RATE))

    @lib.jit
    def loss_of(x, target):
        w1, b1, w2, b2 = weights
        y = torch.sigmoid(torch.sigmoid(x @ w1 + b1) @ w2 + b2)
        return torch.mean((y - target) ** 2)

    def call():
        optimizer.zero_grad()
        loss = loss_of(torch.from_numpy(_POINTS), torch.from_numpy(_TARGETS))
        loss.backward()
        optimizer.step()
        return [loss.item()]

    return call


def in_pytensor(lib, case):
    pytensor, pt = lib.module, lib.module.tensor
    x, target = pt.fmatrices("x", "target")
    weights = [pytensor.shared(w) for w in _weights()]
    w1, b1, w2, b2 = weights
    y = pt.sigmoid(pt.dot(pt.sigmoid(pt.dot(x, w1) + b1), w2) + b2)
    loss = pt.mean((y - target) ** 2)
    gradients = pytensor.grad(loss, weights)
    updates = [(w, w - _RATE * g) for w, g in zip(weights, gradients, strict=True)]
    function = pytensor.function([x, target], loss, updates=updates)
    function.trust_input = case.name == "callable"
    return lambda: [function(_POINTS, _TARGETS)]
