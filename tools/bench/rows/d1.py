"""D1: Keras's fit: what a batch costs beside its arithmetic, and an epoch of a small CNN.

"fit": one epoch of 1,000 batches of 32 samples, Dense(1) on 4 inputs, mean squared error, SGD.
"CNN": one epoch of 1,440 images of 8x8 in batches of 32: 32 filters of 3x3 with ReLU, 2x2 max
pooling, 64 hidden units with ReLU, 10 classes, categorical cross-entropy, SGD with momentum.
Neither is shuffled and neither prints; the result is the mean loss of the epoch.  TensorFlow takes
part as tf_keras, its Keras 2; PyTorch as the loop that its programs have.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tools.bench.row import Case, Figure, Row, generator

ROW = Row(
    "D1",
    "Keras's fit, one epoch: 1,000 batches of Dense(1) on 4 inputs; a CNN for digits",
    cases=(
        Case("fit", 1000, figure=Figure(at_most=10e-3)),
        Case("CNN", 45, figure=Figure(ratio=0.6)),
    ),
    check_calls=2,
    rtol=1e-3,
    left_out={"tensorflow": "its Keras is in the column tf_keras"},
)

_BATCH, _RATE, _MOMENTUM = 32, 0.01, 0.9


def data(case):
    """Inputs, targets, and the first weights."""
    random = generator()
    count = case.size * _BATCH
    if case.name == "fit":
        x = random.rand(count, 4).astype(np.float32)
        return x, x.sum(1, keepdims=True), [np.ones((4, 1), np.float32), np.zeros(1, np.float32)]
    x = random.rand(count, 8, 8, 1).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[random.randint(0, 10, count)]
    weights = []
    for shape in ((3, 3, 1, 32), (288, 64), (64, 10)):
        scale = np.sqrt(1 / np.prod(shape[:-1]))
        weights += [(scale * random.randn(*shape)).astype(np.float32), np.zeros(shape[-1:], "f")]
    return x, y, weights


def reference(case):
    x, y, weights = data(case)
    step = _dense_step if case.name == "fit" else _cnn_step
    weights = [w.astype(np.float64) for w in weights]
    speeds = [np.zeros_like(w) for w in weights]
    momentum = 0.0 if case.name == "fit" else _MOMENTUM
    means = []
    for _ in range(ROW.check_calls):
        losses = []
        for i in range(0, len(x), _BATCH):
            loss, gradients = step(x[i : i + _BATCH], y[i : i + _BATCH], weights)
            losses.append(loss)
            for w, v, g in zip(weights, speeds, gradients, strict=True):
                v *= momentum
                v -= _RATE * g
                w += v
        means.append(np.mean(losses))
    return means


def _dense_step(x, y, weights):
    w, b = weights
    error = x @ w + b - y
    d = 2 * error / len(x)
    return np.mean(error**2), [x.T @ d, d.sum(0)]


def _cnn_step(x, y, weights):
    w1, b1, w2, b2, w3, b3 = weights
    windows = sliding_window_view(x[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    c = np.maximum(windows @ w1.reshape(9, -1) + b1, 0).reshape(len(x), 6, 6, -1)
    cells = c.reshape(len(x), 3, 2, 3, 2, -1)
    p = cells.max((2, 4))
    flat = p.reshape(len(x), -1)
    h = np.maximum(flat @ w2 + b2, 0)
    logits = h @ w3 + b3
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    d3 = (np.exp(log_p) - y) / len(x)
    d2 = d3 @ w3.T * (h > 0)
    spread = lambda a: a.repeat(2, 1).repeat(2, 2)
    dp = (d2 @ w2.T).reshape(p.shape)
    d1 = ((c == spread(p)) * spread(dp) * (c > 0)).reshape(len(windows), -1)
    gradients = [
        (windows.T @ d1).reshape(w1.shape), d1.sum(0), flat.T @ d2, d2.sum(0), h.T @ d3, d3.sum(0),
    ]  # fmt: skip
    return -np.mean((y * log_p).sum(1)), gradients


def _in_keras(keras, case):
    x, y, weights = data(case)
    layers = keras.layers
    if case.name == "fit":
        model = keras.models.Sequential([layers.Dense(1, input_shape=(4,))])
        optimizer, loss = keras.optimizers.SGD(_RATE), "mse"
    else:
        model = keras.models.Sequential(
            [
                layers.Conv2D(32, 3, activation="relu", input_shape=(8, 8, 1)),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(64, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
        optimizer, loss = (
            keras.optimizers.SGD(_RATE, momentum=_MOMENTUM),
            "categorical_crossentropy",
        )
    model.compile(optimizer, loss)
    model.set_weights(weights)

    def call():
        history = model.fit(x, y, batch_size=_BATCH, epochs=1, verbose=0, shuffle=False)
        return [np.float64(history.history["loss"][0])]

    return call


def in_tf1(lib, case):
    return _in_keras(lib.module.keras, case)


def in_keras(lib, case):
    return _in_keras(lib.module, case)


def in_torch(lib, case):
    torch = lib.module
    x, y, weights = data(case)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    parameters = [torch.tensor(w) for w in weights]
    nn = torch.nn.functional
    if case.name == "fit":
        layer = torch.nn.Linear(4, 1)
        with torch.no_grad():
            layer.weight.copy_(parameters[0].T)
            layer.bias.copy_(parameters[1])
        trained, momentum = list(layer.parameters()), 0.0
        loss_of = lambda a, b: nn.mse_loss(layer(a), b)
    else:
        x = x.permute(0, 3, 1, 2).contiguous()
        w1, b1, w2, b2, w3, b3 = parameters
        w1 = w1.permute(3, 2, 0, 1).contiguous()
        trained, momentum = [w1, b1, w2, b2, w3, b3], _MOMENTUM
        for w in trained:
            w.requires_grad_()
        labels = y.argmax(1)

        def loss_of(a, b):
            p = nn.max_pool2d(torch.relu(nn.conv2d(a, w1, b1)), 2)
            h = torch.relu(p.permute(0, 2, 3, 1).flatten(1) @ w2 + b2)
            return nn.cross_entropy(h @ w3 + b3, b)

        y = labels
    optimizer = torch.optim.SGD(trained, lr=_RATE, momentum=momentum)

    def call():
        total = 0.0
        for i in range(0, len(x), _BATCH):
            loss = loss_of(x[i : i + _BATCH], y[i : i + _BATCH])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return [np.float64(total / case.size)]

    return call
