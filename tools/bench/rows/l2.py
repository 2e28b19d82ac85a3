"""L2: what an iteration of a loop costs: additions of scalars, and a recurrence with its gradient.

"adds" runs ``v = v + 1`` 100,000 times; the figure is 50 ns an iteration.  "scan" is
``h = tanh(h W + x[i])`` over the rows of x, with the gradient of the sum of all h by x and W: its
time and memory grow in proportion to the number of rows.
"""

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "L2",
    "loops: 100,000 additions of scalars; a recurrence over rows of 64 and its gradient",
    cases=(
        Case("adds", 100_000, figure=Figure(at_most=5e-3)),
        Case("scan 500", 500, figure=Figure(ratio=0.5)),
        Case("scan 1000", 1000, figure=Figure(ratio=0.5)),
    ),
    rtol=2e-3,
    atol=1e-3,  # sums over all rows, which reach 100
)

_WIDTH = 64


def data(rows):
    """x and W."""
    random = generator()
    x = random.randn(rows, _WIDTH).astype(np.float32)
    return x, (random.randn(_WIDTH, _WIDTH) / 16).astype(np.float32)


def reference(case):
    if case.name == "adds":
        return [np.float64(case.size)]
    x, w = (a.astype(np.float64) for a in data(case.size))
    states = np.zeros((case.size + 1, _WIDTH))
    for i, row in enumerate(x):
        states[i + 1] = np.tanh(states[i] @ w + row)
    dx, dw, dh = np.zeros_like(x), np.zeros_like(w), np.zeros(_WIDTH)
    for i in range(case.size - 1, -1, -1):
        dx[i] = (dh + 1) * (1 - states[i + 1] ** 2)
        dw += np.outer(states[i], dx[i])
        dh = w @ dx[i]
    return [dx, dw]


def in_tf1(lib, case):
    tf = lib.module
    if case.name == "adds":
        y = tf.while_loop(
            lambda i, v: i < case.size, lambda i, v: (i + 1, v + 1.0), [0, tf.constant(0.0)]
        )[1]
        function = lib.session().make_callable(y)
        return lambda: [function()]
    x_value, w_value = data(case.size)
    x, w = tf.placeholder(tf.float32, x_value.shape), tf.placeholder(tf.float32, w_value.shape)

    def step(h, row):
        return tf.tanh(tf.matmul(h[tf.newaxis], w)[0] + row)

    y = tf.scan(step, x, tf.zeros([_WIDTH]))
    function = lib.session().make_callable(tf.gradients(tf.reduce_sum(y), [x, w]), [x, w])
    return lambda: function(x_value, w_value)


def in_jax(lib, case):
    jax = lib.module
    if case.name == "adds":
        function = jax.jit(lambda: jax.lax.fori_loop(0, case.size, lambda i, v: v + 1.0, 0.0))
        return lambda: [np.asarray(function())]

    def total(x, w):
        def step(h, row):
            h = jax.numpy.tanh(h @ w + row)
            return h, h

        return jax.lax.scan(step, jax.numpy.zeros(_WIDTH, x.dtype), x)[1].sum()

    values = data(case.size)
    gradient = jax.jit(jax.grad(total, (0, 1)))
    return lambda: [np.asarray(g) for g in gradient(*values)]


def in_torch(lib, case):
    torch = lib.module
    if case.name == "adds":

        def adds():
            v = torch.tensor(0.0)
            for _ in range(case.size):
                v = v + 1.0
            return [v.item()]

        return adds
    x, w = (torch.tensor(a, requires_grad=True) for a in data(case.size))

    def call():
        x.grad = w.grad = None
        h, total = torch.zeros(_WIDTH), torch.tensor(0.0)
        for row in x:
            h = torch.tanh(h @ w + row)
            total = total + h.sum()
        total.backward()
        return [x.grad.numpy(), w.grad.numpy()]

    return call
