"""T4: a training step of an LSTM that classifies the rows of images.

32 sequences of 28 steps of 28 numbers, LSTM of 128 units (forget bias 1), its last output through
a dense layer to 10 classes, softmax cross-entropy, gradient descent; another batch of made-up data
is fed at every step, the loss is fetched.
"""

from itertools import count

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "T4",
    "LSTM 32x28x28, 128 units, by dynamic_rnn, classifier, gradient descent; loss fetched",
    cases=(Case("step", figure=Figure(ratio=0.6)),),
    check_calls=4,
    rtol=1e-3,
)

_BATCH, _STEPS, _DEPTH, _UNITS, _CLASSES = 32, 28, 28, 128, 10
_BATCHES = 8
_RATE = 0.1


def data():
    """Batches of (sequences, one-hot labels), and the parameters.

    These are kernel (rows of x, then h; gates i, j, f, o) and bias, and those of the dense layer.
    """
    random = generator()
    batches = []
    for _ in range(_BATCHES):
        x = random.rand(_BATCH, _STEPS, _DEPTH).astype(np.float32)
        batches.append((x, np.eye(_CLASSES, dtype=np.float32)[random.randint(0, 10, _BATCH)]))
    kernel = 0.08 * random.randn(_DEPTH + _UNITS, 4 * _UNITS).astype(np.float32)
    dense = 0.1 * random.randn(_UNITS, _CLASSES).astype(np.float32)
    zeros = [np.zeros(n, np.float32) for n in (4 * _UNITS, _CLASSES)]
    return batches, [kernel.astype(np.float32), zeros[0], dense.astype(np.float32), zeros[1]]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _forward(x, kernel, bias):
    """The last output, and (c before, x beside h, i, j, f, o, tanh of c) of every step."""
    h = c = np.zeros((_BATCH, _UNITS))
    kept = []
    for t in range(_STEPS):
        both = np.hstack([x[:, t], h])
        i, j, f, o = np.split(both @ kernel + bias, 4, axis=1)
        i, j, f, o = _sigmoid(i), np.tanh(j), _sigmoid(f + 1), _sigmoid(o)
        before, c = c, f * c + i * j
        h = o * np.tanh(c)
        kept.append((before, both, i, j, f, o, np.tanh(c)))
    return h, kept


def _backward(dh, kept, kernel):
    dc, d_kernel, d_bias = 0.0, 0.0, 0.0
    for before, both, i, j, f, o, tanh_c in reversed(kept):
        dc = dc + dh * o * (1 - tanh_c**2)
        parts = (
            dc * j * i * (1 - i),
            dc * i * (1 - j * j),
            dc * before * f * (1 - f),
            dh * tanh_c * o * (1 - o),
        )
        dz = np.hstack(parts)
        d_kernel, d_bias = d_kernel + both.T @ dz, d_bias + dz.sum(0)
        dh, dc = (dz @ kernel.T)[:, _DEPTH:], dc * f
    return d_kernel, d_bias


def reference(case):
    batches, parameters = data()
    kernel, bias, w, b = (p.astype(np.float64) for p in parameters)
    losses = []
    for step in range(ROW.check_calls):
        x, labels = batches[step % _BATCHES]
        h, kept = _forward(x, kernel, bias)
        logits = h @ w + b
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        losses.append(-np.mean((labels * log_p).sum(1)))
        d = (np.exp(log_p) - labels) / _BATCH
        d_kernel, d_bias = _backward(d @ w.T, kept, kernel)
        w, b = w - _RATE * (h.T @ d), b - _RATE * d.sum(0)
        kernel, bias = kernel - _RATE * d_kernel, bias - _RATE * d_bias
    return losses


def in_tf1(lib, case):
    tf = lib.module
    batches, (kernel, bias, w, b) = data()
    x = tf.placeholder(tf.float32, [_BATCH, _STEPS, _DEPTH])
    labels = tf.placeholder(tf.float32, [_BATCH, _CLASSES])
    cell = tf.nn.rnn_cell.BasicLSTMCell(_UNITS)
    outputs, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    w, b = tf.Variable(w), tf.Variable(b)
    logits = tf.matmul(outputs[:, -1], w) + b
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))
    step = tf.train.GradientDescentOptimizer(_RATE).minimize(loss)
    session = lib.session()
    session.run(tf.global_variables_initializer())
    session.run([v.assign(a) for v, a in zip(cell.variables, (kernel, bias), strict=True)])
    steps = count()

    def call():
        sequences, answers = batches[next(steps) % _BATCHES]
        return [session.run([step, loss], feed_dict={x: sequences, labels: answers})[1]]

    return call


def in_jax(lib, case):
    jax, jnp = lib.module, lib.module.numpy
    batches, parameters = data()

    def loss_of(parameters, x, labels):
        kernel, bias, w, b = parameters
        of_x = x.transpose(1, 0, 2) @ kernel[:_DEPTH] + bias

        def advance(state, z):
            c, h = state
            i, j, f, o = jnp.split(z + h @ kernel[_DEPTH:], 4, axis=1)
            c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(j)
            return (c, jax.nn.sigmoid(o) * jnp.tanh(c)), None

        zeros = jnp.zeros((_BATCH, _UNITS))
        (_, h), _ = jax.lax.scan(advance, (zeros, zeros), of_x)
        return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(h @ w + b), 1))

    def descend(parameters, x, labels):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels)
        return [p - _RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    step = jax.jit(descend, donate_argnums=0)
    state = [jnp.array(p) for p in parameters]
    steps = count()

    def call():
        nonlocal state
        state, loss = step(state, *batches[next(steps) % _BATCHES])
        return [np.asarray(loss)]

    return call


def in_torch(lib, case):
    torch = lib.module
    batches, (kernel, bias, w, b) = data()
    lstm = torch.nn.LSTM(_DEPTH, _UNITS, batch_first=True)
    i, j, f, o = np.split(kernel, 4, axis=1)
    ordered = torch.tensor(np.hstack([i, f, j, o]).T.copy())
    forget = np.split(bias.copy(), 4)
    forget[1] = forget[1] + 1
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(ordered[:, :_DEPTH])
        lstm.weight_hh_l0.copy_(ordered[:, _DEPTH:])
        lstm.bias_ih_l0.copy_(torch.tensor(np.concatenate(forget)))
        lstm.bias_hh_l0.zero_()
    lstm.bias_hh_l0.requires_grad_(False)  # there is one bias only
    w, b = torch.tensor(w, requires_grad=True), torch.tensor(b, requires_grad=True)
    trained = [lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, w, b]
    optimizer = torch.optim.SGD(trained, lr=_RATE, fused=True)
    pairs = [(torch.from_numpy(x), torch.from_numpy(labels)) for x, labels in batches]
    steps = count()

    def call():
        x, labels = pairs[next(steps) % _BATCHES]
        optimizer.zero_grad()
        outputs, _ = lstm(x)
        loss = torch.nn.functional.cross_entropy(outputs[:, -1] @ w + b, labels)
        loss.backward()
        optimizer.step()
        return [loss.item()]

    return call
