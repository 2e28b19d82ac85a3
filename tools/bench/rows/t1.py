"""T1: a training step of the classic multi-layer perceptron for handwritten digits.

784-256-256-10, ReLU, softmax cross-entropy of one-hot labels, mean over a batch of 128, Adam with
its usual constants; another batch of made-up data is fed at every step, the loss is fetched.
"""

from itertools import count, pairwise

import numpy as np

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "T1",
    "MLP 784-256-256-10, ReLU, softmax cross-entropy, Adam, batch 128 fed, loss fetched",
    cases=(Case("step", figure=Figure(ratio=0.85)),),
    check_calls=8,
    rtol=1e-3,
)

_SIZES = (784, 256, 256, 10)
_BATCHES = 8
_RATE, _BETA1, _BETA2, _EPSILON = 1e-3, 0.9, 0.999, 1e-8


def data():
    """Batches of (images, one-hot labels), and the six initial parameters: w1, b1, w2, ..."""
    random = generator()
    batches = []
    for _ in range(_BATCHES):
        images = random.rand(128, 784).astype(np.float32)
        labels = np.eye(10, dtype=np.float32)[random.randint(0, 10, 128)]
        batches.append((images, labels))
    parameters = []
    for inputs, outputs in pairwise(_SIZES):
        scale = np.sqrt(2 / inputs)
        parameters.append((scale * random.randn(inputs, outputs)).astype(np.float32))
        parameters.append(np.zeros(outputs, np.float32))
    return batches, parameters


def reference(case):
    return losses(ROW.check_calls)


def losses(steps):
    """The losses of the first steps, in float64."""
    batches, parameters = data()
    parameters = [p.astype(np.float64) for p in parameters]
    first = [np.zeros_like(p) for p in parameters]
    second = [np.zeros_like(p) for p in parameters]
    result = []
    for step in range(steps):
        x, labels = batches[step % _BATCHES]
        w1, b1, w2, b2, w3, b3 = parameters
        h1 = np.maximum(x @ w1 + b1, 0)
        h2 = np.maximum(h1 @ w2 + b2, 0)
        logits = h2 @ w3 + b3
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        result.append(-np.mean((labels * log_p).sum(1)))
        d3 = (np.exp(log_p) - labels) / len(x)
        d2 = d3 @ w3.T * (h2 > 0)
        d1 = d2 @ w2.T * (h1 > 0)
        gradients = [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]
        rate = _RATE * np.sqrt(1 - _BETA2 ** (step + 1)) / (1 - _BETA1 ** (step + 1))
        for p, m, v, g in zip(parameters, first, second, gradients, strict=True):
            m += (1 - _BETA1) * (g - m)
            v += (1 - _BETA2) * (g * g - v)
            p -= rate * m / (np.sqrt(v) + _EPSILON)
    return result


def in_tf1(lib, case):
    tf = lib.module
    batches, parameters = data()
    x = tf.placeholder(tf.float32, [None, 784])
    labels = tf.placeholder(tf.float32, [None, 10])
    w1, b1, w2, b2, w3, b3 = (tf.Variable(p) for p in parameters)
    h1 = tf.nn.relu(tf.matmul(x, w1) + b1)
    h2 = tf.nn.relu(tf.matmul(h1, w2) + b2)
    logits = tf.matmul(h2, w3) + b3
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
    jax, jnp = lib.module, lib.module.numpy
    batches, parameters = data()

    def loss_of(parameters, x, labels):
        w1, b1, w2, b2, w3, b3 = parameters
        h = jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2)
        return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(h @ w3 + b3), 1))

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
    torch = lib.module
    batches, parameters = data()
    parameters = [torch.tensor(p, requires_grad=True) for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=_RATE, betas=(_BETA1, _BETA2), fused=True)

    @lib.jit
    def loss_of(x, labels):
        w1, b1, w2, b2, w3, b3 = parameters
        h = torch.relu(torch.addmm(b2, torch.relu(torch.addmm(b1, x, w1)), w2))
        return torch.nn.functional.cross_entropy(torch.addmm(b3, h, w3), labels)

    steps = count()

    def call():
        step = next(steps)
        images, answers = batches[step % _BATCHES]
        # torch adds epsilon after the bias correction, everyone else here before it
        optimizer.param_groups[0]["eps"] = _EPSILON / (1 - _BETA2 ** (step + 1)) ** 0.5
        optimizer.zero_grad()
        loss = loss_of(torch.from_numpy(images), torch.from_numpy(answers))
        loss.backward()
        optimizer.step()
        return [loss.item()]

    return call


def in_pytensor(lib, case):
    pytensor, pt = lib.module, lib.module.tensor
    batches, initial = data()
    x, labels = pt.fmatrices("x", "labels")
    parameters = [pytensor.shared(p) for p in initial]
    w1, b1, w2, b2, w3, b3 = parameters
    zero, one = np.float32(0), np.float32(1)
    h1 = pt.maximum(pt.dot(x, w1) + b1, zero)
    h2 = pt.maximum(pt.dot(h1, w2) + b2, zero)
    log_p = pt.special.log_softmax(pt.dot(h2, w3) + b3, axis=1)
    loss = -pt.mean(pt.sum(labels * log_p, axis=1))
    gradients = pytensor.grad(loss, parameters)
    beta1, beta2 = np.float32(_BETA1), np.float32(_BETA2)
    t = pytensor.shared(np.float32(0))
    rate = np.float32(_RATE) * pt.sqrt(one - beta2 ** (t + one)) / (one - beta1 ** (t + one))
    updates = [(t, t + one)]
    for p, start, g in zip(parameters, initial, gradients, strict=True):
        first = pytensor.shared(np.zeros_like(start))
        second = pytensor.shared(np.zeros_like(start))
        m = first + (one - beta1) * (g - first)
        v = second + (one - beta2) * (g * g - second)
        updates += [(first, m), (second, v)]
        updates.append((p, p - rate * m / (pt.sqrt(v) + np.float32(_EPSILON))))
    function = pytensor.function([x, labels], loss, updates=updates)
    function.trust_input = True
    steps = count()
    return lambda: [function(*batches[next(steps) % _BATCHES])]
