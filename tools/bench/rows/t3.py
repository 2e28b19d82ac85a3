"""T3: a training step of LeNet for handwritten digits.

28x28 images; 5x5x32 and 5x5x64 convolutions with SAME padding, bias and ReLU, each followed by 2x2
max pooling; 1024 hidden units; 10 classes, softmax cross-entropy of one-hot labels, mean over a
batch of 64; Adam with its usual constants.  Another batch of made-up data is fed at every step, the
loss is fetched.
"""

from itertools import count

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "T3",
    "LeNet 5x5x32, 5x5x64, 1024, Adam, batch 64 fed, loss fetched",
    cases=(Case("step", figure=Figure(at_most=0.060, of=("torch", 0.080))),),
    check_calls=3,
    rtol=1e-3,
)

_BATCH, _BATCHES = 64, 4
_RATE, _BETA1, _BETA2, _EPSILON = 1e-3, 0.9, 0.999, 1e-8
_SHAPES = ((5, 5, 1, 32), (5, 5, 32, 64), (3136, 1024), (1024, 10))


def data():
    """Batches of (images, one-hot labels), and the parameters: w1, b1, ..., w4, b4."""
    random = generator()
    batches = []
    for _ in range(_BATCHES):
        images = random.rand(_BATCH, 28, 28, 1).astype(np.float32)
        labels = np.eye(10, dtype=np.float32)[random.randint(0, 10, _BATCH)]
        batches.append((images, labels))
    parameters = []
    for shape in _SHAPES:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        parameters.append((scale * random.randn(*shape)).astype(np.float32))
        parameters.append(np.zeros(shape[-1], np.float32))
    return batches, parameters


def reference(case):
    return losses(ROW.check_calls)


def _windows(x):
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    return sliding_window_view(padded, (5, 5), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)


def _convolved(x, w):
    n, rows, columns, _ = x.shape
    matrix = _windows(x).reshape(n * rows * columns, -1)
    return (matrix @ w.reshape(matrix.shape[1], -1)).reshape(n, rows, columns, -1)


def _by_filter(x, w, dy):
    matrix = _windows(x).reshape(-1, w[..., 0].size)
    return (matrix.T @ dy.reshape(len(matrix), -1)).reshape(w.shape)


def _pooled(x):
    n, rows, columns, channels = x.shape
    cells = x.reshape(n, rows // 2, 2, columns // 2, 2, channels)
    return cells.max((2, 4))


def _by_pool(x, y, dy):
    spread = lambda a: a.repeat(2, 1).repeat(2, 2)
    return (x == spread(y)) * spread(dy)  # no two numbers of a cell are equal, or all are 0


def losses(steps):
    """The losses of the first steps, in float64."""
    batches, parameters = data()
    parameters = [p.astype(np.float64) for p in parameters]
    first = [np.zeros_like(p) for p in parameters]
    second = [np.zeros_like(p) for p in parameters]
    result = []
    for step in range(steps):
        x, labels = batches[step % _BATCHES]
        w1, b1, w2, b2, w3, b3, w4, b4 = parameters
        c1 = np.maximum(_convolved(x, w1) + b1, 0)
        p1 = _pooled(c1)
        c2 = np.maximum(_convolved(p1, w2) + b2, 0)
        p2 = _pooled(c2)
        flat = p2.reshape(len(x), -1)
        h = np.maximum(flat @ w3 + b3, 0)
        logits = h @ w4 + b4
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        result.append(-np.mean((labels * log_p).sum(1)))
        d4 = (np.exp(log_p) - labels) / len(x)
        d3 = d4 @ w4.T * (h > 0)
        d2 = _by_pool(c2, p2, (d3 @ w3.T).reshape(p2.shape)) * (c2 > 0)
        turned = w2[::-1, ::-1].transpose(0, 1, 3, 2)
        d1 = _by_pool(c1, p1, _convolved(d2, turned)) * (c1 > 0)
        gradients = [
            _by_filter(x, w1, d1), d1.sum((0, 1, 2)),
            _by_filter(p1, w2, d2), d2.sum((0, 1, 2)),
            flat.T @ d3, d3.sum(0), h.T @ d4, d4.sum(0),
        ]  # fmt: skip
        rate = _RATE * np.sqrt(1 - _BETA2 ** (step + 1)) / (1 - _BETA1 ** (step + 1))
        for p, m, v, g in zip(parameters, first, second, gradients, strict=True):
            m += (1 - _BETA1) * (g - m)
            v += (1 - _BETA2) * (g * g - v)
            p -= rate * m / (np.sqrt(v) + _EPSILON)
    return result


def in_tf1(lib, case):
    tf = lib.module
    batches, parameters = data()
    x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    labels = tf.placeholder(tf.float32, [None, 10])
    w1, b1, w2, b2, w3, b3, w4, b4 = (tf.Variable(p) for p in parameters)

    def layer(images, w, b):
        convolved = tf.nn.conv2d(images, w, [1, 1, 1, 1], "SAME")
        y = tf.nn.relu(tf.nn.bias_add(convolved, b))
        return tf.nn.max_pool(y, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")

    flat = tf.reshape(layer(layer(x, w1, b1), w2, b2), [-1, 3136])
    hidden = tf.nn.relu(tf.matmul(flat, w3) + b3)
    logits = tf.matmul(hidden, w4) + b4
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))
    step = tf.train.AdamOptimizer(_RATE).minimize(loss)
    session = lib.session()
    session.run(tf.global_variables_initializer())
    steps = count()

    def call():
        images, answers = batches[next(steps) % _BATCHES]
        return [session.run([step, loss], feed_dict={x: images, labels: answers})[1]]

    return call


def in_jax(lib, case):
    jax, jnp, lax = lib.module, lib.module.numpy, lib.module.lax
    batches, parameters = data()

    def layer(images, w, b):
        y = lax.conv_general_dilated(
            images, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return lax.reduce_window(
            jax.nn.relu(y + b), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        )

    def loss_of(parameters, x, labels):
        w1, b1, w2, b2, w3, b3, w4, b4 = parameters
        flat = layer(layer(x, w1, b1), w2, b2).reshape(len(x), -1)
        logits = jax.nn.relu(flat @ w3 + b3) @ w4 + b4
        return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), 1))

    def adam(parameters, first, second, t, x, labels):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels)
        t = t + 1
        rate = _RATE * jnp.sqrt(1 - _BETA2**t) / (1 - _BETA1**t)
        first = [m + (1 - _BETA1) * (g - m) for m, g in zip(first, gradients, strict=True)]
        second = [v + (1 - _BETA2) * (g * g - v) for v, g in zip(second, gradients, strict=True)]
        parameters = [
            p - rate * m / (jnp.sqrt(v) + _EPSILON)
            for p, m, v in zip(parameters, first, second, strict=True)
        ]
        return parameters, first, second, t, loss

    step = jax.jit(adam, donate_argnums=(0, 1, 2, 3))
    state = (
        [jnp.array(p) for p in parameters],
        [jnp.zeros_like(p) for p in parameters],
        [jnp.zeros_like(p) for p in parameters],
        jnp.zeros(()),
    )
    steps = count()

    def call():
        nonlocal state
        *state, loss = step(*state, *batches[next(steps) % _BATCHES])
        return [np.asarray(loss)]

    return call


def in_torch(lib, case):
    torch, functional = lib.module, lib.module.nn.functional
    batches, (w1, b1, w2, b2, w3, b3, w4, b4) = data()
    # torch keeps channels first, and flattens them so
    w3 = w3.reshape(7, 7, 64, 1024).transpose(2, 0, 1, 3).reshape(3136, 1024)
    values = [w1.transpose(3, 2, 0, 1), b1, w2.transpose(3, 2, 0, 1), b2, w3.T, b3, w4.T, b4]
    parameters = [torch.tensor(np.ascontiguousarray(p), requires_grad=True) for p in values]
    optimizer = torch.optim.Adam(parameters, lr=_RATE, betas=(_BETA1, _BETA2), fused=True)

    @lib.jit
    def loss_of(x, labels):
        w1, b1, w2, b2, w3, b3, w4, b4 = parameters

        def layer(images, w, b):
            y = torch.relu(functional.conv2d(images, w, b, padding=2))
            return functional.max_pool2d(y, 2)

        flat = layer(layer(x, w1, b1), w2, b2).flatten(1)
        hidden = torch.relu(functional.linear(flat, w3, b3))
        return functional.cross_entropy(functional.linear(hidden, w4, b4), labels)

    steps = count()

    def call():
        step = next(steps)
        images, answers = batches[step % _BATCHES]
        # torch adds epsilon after the bias correction, everyone else here before it
        optimizer.param_groups[0]["eps"] = _EPSILON / (1 - _BETA2 ** (step + 1)) ** 0.5
        optimizer.zero_grad()
        x = torch.from_numpy(images).reshape(_BATCH, 1, 28, 28)
        loss = loss_of(x, torch.from_numpy(answers))
        loss.backward()
        optimizer.step()
        return [loss.item()]

    return call
