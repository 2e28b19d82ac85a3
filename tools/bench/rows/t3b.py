"""T3b: a training step of a residual block: forward, backward, gradient descent.

u = x * s,  y = relu(u + conv(relu(conv(u, w1) + b1), w2) + b2),  mean of (y - target)^2; two 3x3x64
convolutions with SAME padding on 32 images of 32x32x64.  The scale s of every channel is learned,
so that the gradient by the input of the block is needed, as inside a network: six convolutions.
The same data is fed at every step, the loss is fetched.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "T3b",
    "residual block of two 3x3x64 at 32x32, batch 32: forward, backward, SGD; loss fetched",
    cases=(Case("step", figure=Figure(at_most=0.182, of=("torch", 0.214))),),
    check_calls=2,
    rtol=1e-4,
)

_SHAPE = (32, 32, 32, 64)
_RATE = 0.1


def data():
    """Input, target, and the parameters s, w1, b1, w2, b2."""
    random = generator()
    x, target = (random.randn(*_SHAPE).astype(np.float32) for _ in range(2))
    w1, w2 = (np.float32(0.04) * random.randn(3, 3, 64, 64).astype(np.float32) for _ in range(2))
    zeros = np.zeros(64, np.float32)
    return x, target, [np.ones(64, np.float32), w1, zeros, w2, zeros.copy()]


def _windows(x):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    found = sliding_window_view(padded, (3, 3), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    return found.reshape(-1, 9 * x.shape[-1])


def _convolved(x, w):
    return (_windows(x) @ w.reshape(-1, w.shape[-1])).reshape(*x.shape[:3], -1)


def _turned(w):
    return w[::-1, ::-1].transpose(0, 1, 3, 2)


def reference(case):
    x, target, parameters = data()
    s, w1, b1, w2, b2 = (p.astype(np.float64) for p in parameters)
    losses = []
    for _ in range(ROW.check_calls):
        u = x * s
        h = np.maximum(_convolved(u, w1) + b1, 0)
        y = np.maximum(u + _convolved(h, w2) + b2, 0)
        losses.append(np.mean((y - target) ** 2))
        dy = 2 * (y - target) / y.size * (y > 0)
        dh = _convolved(dy, _turned(w2)) * (h > 0)
        du = dy + _convolved(dh, _turned(w1))
        flat = (-1, 64)
        w2 = w2 - _RATE * (_windows(h).T @ dy.reshape(flat)).reshape(w2.shape)
        w1 = w1 - _RATE * (_windows(u).T @ dh.reshape(flat)).reshape(w1.shape)
        b2, b1 = b2 - _RATE * dy.sum((0, 1, 2)), b1 - _RATE * dh.sum((0, 1, 2))
        s = s - _RATE * (du * x).sum((0, 1, 2))
    return losses


def in_tf1(lib, case):
    tf = lib.module
    images, answers, parameters = data()
    x, target = tf.placeholder(tf.float32, _SHAPE), tf.placeholder(tf.float32, _SHAPE)
    s, w1, b1, w2, b2 = (tf.Variable(p) for p in parameters)
    u = x * s
    h = tf.nn.relu(tf.nn.conv2d(u, w1, [1, 1, 1, 1], "SAME") + b1)
    y = tf.nn.relu(u + tf.nn.conv2d(h, w2, [1, 1, 1, 1], "SAME") + b2)
    loss = tf.reduce_mean(tf.square(y - target))
    step = tf.train.GradientDescentOptimizer(_RATE).minimize(loss)
    session = lib.session()
    session.run(tf.global_variables_initializer())
    return lambda: [session.run([step, loss], feed_dict={x: images, target: answers})[1]]


def in_jax(lib, case):
    jax, jnp = lib.module, lib.module.numpy
    x, target, parameters = data()

    def convolved(x, w):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers)

    def loss_of(parameters, x, target):
        s, w1, b1, w2, b2 = parameters
        u = x * s
        h = jax.nn.relu(convolved(u, w1) + b1)
        return jnp.mean(jnp.square(jax.nn.relu(u + convolved(h, w2) + b2) - target))

    def descend(parameters, x, target):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, target)
        return [p - _RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    step = jax.jit(descend, donate_argnums=0)
    state = [jnp.array(p) for p in parameters]

    def call():
        nonlocal state
        state, loss = step(state, x, target)
        return [np.asarray(loss)]

    return call


def in_torch(lib, case):
    torch = lib.module
    images, answers, (s, w1, b1, w2, b2) = data()
    # channels last in memory, which is the faster layout here
    last = {"memory_format": torch.channels_last}
    x, target = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (images, answers))
    w1, w2 = (torch.tensor(w).permute(3, 2, 0, 1).contiguous(**last) for w in (w1, w2))
    parameters = [torch.tensor(s).reshape(64, 1, 1), w1, torch.tensor(b1), w2, torch.tensor(b2)]
    for p in parameters:
        p.requires_grad_()
    optimizer = torch.optim.SGD(parameters, lr=_RATE, fused=True)

    @lib.jit
    def loss_of(x, target):
        s, w1, b1, w2, b2 = parameters
        u = x * s
        h = torch.relu(torch.nn.functional.conv2d(u, w1, b1, padding=1))
        y = torch.relu(u + torch.nn.functional.conv2d(h, w2, b2, padding=1))
        return torch.nn.functional.mse_loss(y, target)

    def call():
        optimizer.zero_grad()
        loss = loss_of(x, target)
        loss.backward()
        optimizer.step()
        return [loss.item()]

    return call
