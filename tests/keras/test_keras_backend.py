"""keras.backend: against NumPy, and what sessions, phases and functions do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.keras import backend as K

RNG = np.random.RandomState(0)
X = RNG.randn(3, 4).astype(np.float32)
Y = RNG.randn(4, 5).astype(np.float32)
CUBE = RNG.randn(2, 3, 4).astype(np.float32)


@pytest.fixture(autouse=True)
def no_session():
    K.set_session(None)
    yield
    K.set_session(None)


def close(got, wanted):
    np.testing.assert_allclose(K.eval(got), wanted, rtol=2e-5, atol=1e-5)


def test_settings():
    assert (K.epsilon(), K.floatx(), K.image_data_format()) == (1e-7, "float32", "channels_last")
    try:
        K.set_epsilon(1e-3), K.set_floatx("float64"), K.set_image_data_format("channels_first")
        assert (K.epsilon(), K.floatx()) == (1e-3, "float64")
        assert K.normalize_data_format(None) == "channels_first"
        assert K.dtype(K.zeros((2,))) == "float64"
        assert K.cast_to_floatx([1]).dtype == np.float64
    finally:
        K.set_epsilon(1e-7), K.set_floatx("float32"), K.set_image_data_format("channels_last")
    for wrong in (lambda: K.set_floatx("int"), lambda: K.set_image_data_format("last")):
        with pytest.raises(ValueError, match=r"float16|channels_last"):
            wrong()


def test_values():
    v = K.variable(X.astype(np.float64), name="v")
    assert K.dtype(v) == "float32" and v.name == "v:0"
    assert K.is_variable(v) and K.is_tensor(v) and not K.is_placeholder(v)
    x = K.placeholder(ndim=2)
    assert K.is_placeholder(x) and K.int_shape(x) == (None, None) and K.ndim(x) == 2
    assert K.int_shape(v) == K.get_variable_shape(v) == (3, 4) and K.count_params(v) == 12
    assert K.int_shape(tf.placeholder(tf.float32)) is None
    close(K.shape(v), [3, 4])
    close(K.constant(2, shape=(2,)), [2, 2])
    close(K.zeros((2,)), [0, 0]), close(K.ones((2,)), [1, 1]), close(K.eye(2), np.eye(2))
    close(K.zeros_like(v), 0 * X), close(K.ones_like(v), 0 * X + 1), close(K.identity(v), X)
    assert K.is_tensor(K.zeros(K.shape(x)))  # of sizes that are not known: no variable
    assert K.dtype(K.cast(v, "int32")) == "int32"
    sparse = tf.SparseTensor([[0, 1]], [2.0], [1, 2])
    assert K.is_sparse(sparse) and K.eval(sparse).tolist() == [[0, 2]]
    close(K.dot(sparse, K.constant([[1.0], [3.0]])), [[6]])
    assert K.is_sparse(K.placeholder((2, 2), sparse=True))


def test_reading_and_setting():
    v, w = K.variable([1.0, 2.0]), K.variable(3.0)
    assert K.get_value(v).tolist() == [1, 2]
    K.set_value(v, [5, 6])
    K.batch_set_value([(v, [7, 8]), (w, 9)])
    assert [x.tolist() for x in K.batch_get_value([v, w])] == [[7, 8], 9]
    assert K.batch_get_value([]) == []
    with pytest.raises(ValueError, match="shape"):
        K.batch_set_value([(w, 0), (v, [1, 2, 3])])
    assert K.get_value(w) == 9
    for operation, wanted in (
        (K.update(w, 1.0), 1), (K.update_add(w, 2.0), 3), (K.update_sub(w, 1.0), 2),
        (K.moving_average_update(w, 12.0, 0.9), 3),
    ):  # fmt: skip
        K.get_session().run(operation)
        assert K.get_value(w) == pytest.approx(wanted)


def test_random_numbers():
    np.random.seed(0)
    first = K.eval(K.random_normal((200,), 1.0, 2.0))
    np.random.seed(0)
    assert np.array_equal(K.eval(K.random_normal((200,), 1.0, 2.0)), first)
    assert abs(K.eval(K.random_uniform((200,), 3, 4)) - 3.5).max() <= 0.5
    assert abs(K.eval(K.truncated_normal((200,), seed=1))).max() <= 2
    assert set(K.eval(K.random_binomial((200,), 0.5))) == {0, 1}
    assert K.get_value(K.random_uniform_variable((2,), 0, 1)).shape == (2,)
    assert K.get_value(K.random_normal_variable((2,), 0, 1, seed=2)).shape == (2,)


def test_dot():
    close(K.dot(K.constant(X), K.constant(Y)), X @ Y)
    close(K.dot(K.constant(CUBE), K.constant(Y)), CUBE @ Y)
    other = RNG.randn(6, 4, 5).astype(np.float32)
    out = K.dot(K.placeholder((None, 3, 4)), K.constant(other))
    assert K.int_shape(out) == (None, 3, 6, 5)
    close(K.dot(K.constant(CUBE), K.constant(other)), np.tensordot(CUBE, other, [[-1], [-2]]))


def test_batch_dot():
    a, b = RNG.randn(2, 3, 4), RNG.randn(2, 4, 5)
    close(K.batch_dot(a, b), a @ b)
    close(K.batch_dot(a, b, axes=(2, 1)), a @ b)
    close(K.batch_dot(a, a, axes=2), a @ a.transpose(0, 2, 1))
    rows = RNG.randn(2, 4)
    close(K.batch_dot(rows, rows, axes=1), (rows * rows).sum(1, keepdims=True))
    close(K.batch_dot(rows, a, axes=(1, 2)), np.einsum("bi,bji->bj", rows, a))
    assert K.int_shape(K.batch_dot(K.placeholder((None, 3, 4)), K.placeholder((None, 4, 5)))) == (
        None, 3, 5,
    )  # fmt: skip
    for x, y, axes in ((rows[0], rows, None), (rows, rows, 0)):
        with pytest.raises(ValueError, match="batch_dot"):
            K.batch_dot(x, y, axes)


REDUCTIONS = ["max", "min", "sum", "prod", "mean", "var", "std"]


@pytest.mark.parametrize(
    ("name", "axis", "keep"), list(itertools.product(REDUCTIONS, [None, -1, (0, 2)], [False, True]))
)
def test_reductions(name, axis, keep):
    got = getattr(K, name)(K.constant(CUBE), axis=axis, keepdims=keep)
    close(got, getattr(np, name)(CUBE.astype(np.float64), axis=axis, keepdims=keep))


def test_other_reductions():
    flags = CUBE > 0
    close(K.mean(tf.constant(flags), axis=1), flags.mean(1))
    assert np.array_equal(K.eval(K.any(tf.constant(flags), axis=1)), flags.any(1))
    assert np.array_equal(K.eval(K.all(tf.constant(flags), axis=1)), flags.all(1))
    close(K.logsumexp(K.constant(CUBE), 1), np.log(np.exp(CUBE).sum(1)))
    close(K.argmax(CUBE), CUBE.argmax(-1)), close(K.argmin(CUBE, 0), CUBE.argmin(0))
    close(K.cumsum(CUBE, 1), CUBE.cumsum(1)), close(K.cumprod(CUBE, 1), CUBE.cumprod(1))


def test_elementwise():
    for name in ("square", "abs", "exp", "sign", "sin", "cos", "round", "tanh"):
        close(getattr(K, name)(K.constant(X)), getattr(np, name)(X))
    close(K.log(K.abs(X)), np.log(np.abs(X))), close(K.sqrt(X), np.sqrt(np.maximum(X, 0)))
    close(K.pow(K.abs(X), 3.0), np.abs(X) ** 3), close(K.clip(X, -0.5, 0.5), np.clip(X, -0.5, 0.5))
    close(K.clip(X, 0, None), np.maximum(X, 0)), close(K.clip(X, 1.0, 0.0), np.ones_like(X))
    for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
        got = K.eval(getattr(K, name)(K.round(X), K.constant(np.zeros_like(X))))
        assert np.array_equal(got, getattr(np, name)(np.round(X), 0))
    close(K.maximum(X, K.constant(0.0)), np.maximum(X, 0))
    close(K.minimum(X, K.constant(0.0)), np.minimum(X, 0))
    (
        close(K.relu(X, max_value=1.0), np.clip(X, 0, 1)),
        close(K.elu(X), np.where(X > 0, X, np.expm1(X))),
    )
    close(K.softplus(X), np.log1p(np.exp(X))), close(K.softsign(X), X / (1 + abs(X)))
    (
        close(K.sigmoid(X), 1 / (1 + np.exp(-X))),
        close(K.hard_sigmoid(X), np.clip(0.2 * X + 0.5, 0, 1)),
    )
    close(K.softmax(X[0]), np.exp(X[0]) / np.exp(X[0]).sum())
    close(K.l2_normalize(K.constant(X), 1), X / np.linalg.norm(X, axis=1, keepdims=True))


def test_arrays():
    (
        close(K.transpose(X), X.T),
        close(K.permute_dimensions(CUBE, (0, 2, 1)), CUBE.transpose(0, 2, 1)),
    )
    (
        close(K.gather(X, [[2, 0]]), X[[[2, 0]]]),
        close(K.concatenate([X, X]), np.concatenate([X, X], 1)),
    )
    close(K.reshape(X, (4, -1)), X.reshape(4, 3)), close(K.flatten(X), X.ravel())
    close(K.batch_flatten(CUBE), CUBE.reshape(2, 12)), close(K.expand_dims(X, 1), X[:, None])
    assert K.int_shape(K.batch_flatten(K.placeholder((None, 3, 4)))) == (None, 12)
    close(K.squeeze(X[:, None], 1), X), close(K.stack([X, X], 1), np.stack([X, X], 1))
    close(K.repeat(X, 2), np.repeat(X[:, None], 2, 1)), close(K.tile(X, [2, 1]), np.tile(X, (2, 1)))
    close(K.repeat_elements(CUBE, 3, -1), np.repeat(CUBE, 3, -1))
    assert K.int_shape(K.repeat_elements(K.placeholder((None, 3)), 2, 1)) == (None, 6)
    close(K.arange(3), [0, 1, 2]), close(K.arange(1, 7, 3), [1, 4]), close(K.arange(-2), [])
    close(K.one_hot([1, 0], 3), np.eye(3)[[1, 0]]), close(K.reverse(X, 1), X[:, ::-1])
    close(K.slice(X, [1, 0], [2, 3]), X[1:, :3])
    close(K.temporal_padding(CUBE, (1, 2)), np.pad(CUBE, ((0, 0), (1, 2), (0, 0))))
    image, pads = CUBE[..., None], ((1, 0), (2, 3))
    close(K.spatial_2d_padding(image, pads), np.pad(image, ((0, 0), *pads, (0, 0))))
    first = K.spatial_2d_padding(image, pads, "channels_first")
    close(first, np.pad(image, ((0, 0), (0, 0), *pads)))
    assert K.eval(K.spatial_3d_padding(image[..., None])).shape == (2, 5, 6, 3, 1)


def conv(x, kernel):
    """A "valid" convolution of (samples, height, width, channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel)


def test_convolutions():
    x, k = RNG.randn(2, 6, 5, 3).astype(np.float32), RNG.randn(3, 2, 3, 4).astype(np.float32)
    close(K.conv2d(x, k), conv(x, k))
    close(K.conv2d(x, k, strides=(2, 1)), conv(x, k)[:, ::2])
    first = K.conv2d(x.transpose(0, 3, 1, 2), k, data_format="channels_first")
    close(first, conv(x, k).transpose(0, 3, 1, 2))
    assert K.eval(K.conv2d(x, k, padding="same", dilation_rate=(2, 2))).shape == (2, 6, 5, 4)
    lines, taps = x[:, :, 0], k[:, 0]
    wide = np.pad(lines, ((0, 0), (4, 0), (0, 0)))[:, :, None]
    spread = np.zeros((5, 1, 3, 4), np.float32)
    spread[::2, 0] = taps
    causal = conv(wide, spread)[:, :, 0]
    close(K.conv1d(lines, taps, padding="causal", dilation_rate=2), causal)
    channels_first = K.conv1d(
        lines.transpose(0, 2, 1),
        taps,
        padding="causal",
        data_format="channels_first",
        dilation_rate=2,
    )
    close(channels_first, causal.transpose(0, 2, 1))
    close(K.conv3d(x[:, None], k[None]), conv(x, k)[:, None])
    # The transposed one is the gradient: <conv(x), y> = <x, transposed(y)>.
    y = RNG.randn(2, 4, 4, 4).astype(np.float32)
    back = K.eval(K.conv2d_transpose(y, k, x.shape))
    assert np.vdot(back, x) == pytest.approx(np.vdot(conv(x, k), y), rel=1e-4)
    fed = K.placeholder((None, 4, 4, 4))
    assert K.ndim(K.conv2d_transpose(fed, k, (K.shape(fed)[0], 6, 5, 3))) == 4
    back = K.eval(K.conv3d_transpose(y[:, None], k[None], (2, 1, 6, 5, 3)))
    assert np.vdot(back, x) == pytest.approx(np.vdot(conv(x, k), y), rel=1e-4)
    depth = RNG.randn(3, 2, 3, 2).astype(np.float32)
    by_channel = np.concatenate([conv(x[..., [c]], depth[:, :, [c]]) for c in range(3)], -1)
    close(K.depthwise_conv2d(x, depth), by_channel)
    point = RNG.randn(1, 1, 6, 2).astype(np.float32)
    close(K.separable_conv2d(x, depth, point), by_channel @ point[0, 0])
    with pytest.raises(ValueError, match="padding"):
        K.conv2d(x, k, padding="full")


def test_pooling_and_bias():
    x = RNG.randn(2, 4, 6, 3).astype(np.float32)
    blocks = x.reshape(2, 2, 2, 3, 2, 3)
    close(K.pool2d(x, (2, 2), (2, 2)), blocks.max((2, 4)))
    close(K.pool2d(x, (2, 2), (2, 2), pool_mode="avg"), blocks.mean((2, 4)))
    first = K.pool2d(x.transpose(0, 3, 1, 2), (2, 2), (2, 2), data_format="channels_first")
    close(first, blocks.max((2, 4)).transpose(0, 3, 1, 2))
    close(K.pool3d(x[:, None], (1, 2, 2), (1, 2, 2)), blocks.max((2, 4))[:, None])
    with pytest.raises(ValueError, match="pool_mode"):
        K.pool2d(x, (2, 2), pool_mode="sum")
    bias, places = RNG.randn(3).astype(np.float32), RNG.randn(4, 6, 3).astype(np.float32)
    close(K.bias_add(x, bias), x + bias), close(K.bias_add(x, places), x + places)
    x = x.transpose(0, 3, 1, 2)
    close(K.bias_add(x, bias, "channels_first"), x + bias[:, None, None])
    close(K.bias_add(x, places, "channels_first"), x + places.transpose(2, 0, 1))
    with pytest.raises(ValueError, match="bias_add"):
        K.bias_add(x, np.zeros((2, 3), np.float32))


def test_normalization():
    x = RNG.randn(5, 4, 3).astype(np.float32)
    gamma, beta = RNG.randn(3).astype(np.float32), RNG.randn(3).astype(np.float32)
    mean, var = x.mean((0, 1)), x.var((0, 1))
    wanted = gamma * (x - mean) / np.sqrt(var + 1e-3) + beta
    close(K.batch_normalization(x, mean, var, beta, gamma), wanted)
    turned = K.batch_normalization(x.transpose(0, 2, 1), mean, var, beta, gamma, axis=1)
    close(turned, wanted.transpose(0, 2, 1))
    got = K.normalize_batch_in_training(x, gamma, beta, [0, 1])
    close(got[0], wanted), close(got[1], mean), close(got[2], var)
    close(
        K.normalize_batch_in_training(x, None, None, [0])[0],
        (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3),
    )


def test_cross_entropies():
    logits = RNG.randn(2, 3, 4).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = RNG.randint(0, 4, (2, 3))
    hot = np.eye(4)[labels]
    wanted = -np.log((p * hot).sum(-1))
    for output, are_logits in ((p, False), (logits, True)):
        close(K.categorical_crossentropy(hot, output, are_logits), wanted)
        close(K.sparse_categorical_crossentropy(labels, output, are_logits), wanted)
        turned = output.transpose(0, 2, 1)
        close(
            K.categorical_crossentropy(hot.transpose(0, 2, 1), turned, are_logits, axis=1), wanted
        )
        close(K.sparse_categorical_crossentropy(labels, turned, are_logits, axis=1), wanted)
    q = 1 / (1 + np.exp(-logits))
    wanted = -hot * np.log(q) - (1 - hot) * np.log(1 - q)
    (
        close(K.binary_crossentropy(hot, q), wanted),
        close(K.binary_crossentropy(hot, logits, True), wanted),
    )
    with pytest.raises(ValueError, match="axis"):
        K.categorical_crossentropy(hot, p, axis=3)


def test_learning_phase():
    phase = K.learning_phase()
    assert phase is K.learning_phase() and phase.name == "keras_learning_phase:0"
    x = K.in_train_phase(K.constant(1.0), lambda: K.constant(2.0))
    y = K.in_test_phase(K.constant(1.0), K.constant(2.0))
    session = K.get_session()
    assert session.run([x, y]) == [2, 1]
    assert session.run([x, y], {phase: 1}) == session.run([x, y], {phase: True}) == [1, 2]
    one = K.constant(1.0)
    assert K.in_train_phase(one, 2, training=True) is one and K.in_train_phase(1, one, 0) is one
    f = K.function([K.learning_phase()], [x])
    assert f([1]) == [1] and f([0]) == [2]
    K.set_learning_phase(1)
    assert K.learning_phase() == 1 and K.in_train_phase(lambda: one, 2) is one
    with pytest.raises(ValueError, match="0 or 1"):
        K.set_learning_phase(2)
    with tf.Graph().as_default():
        assert K.is_tensor(K.learning_phase())


def test_dropout():  # K6
    np.random.seed(0)
    x = K.eval(K.dropout(K.ones((1000,)), 0.5))
    assert set(x) == {0, 2} and abs(x.mean() - 1) < 0.1
    rows = K.eval(K.dropout(K.ones((50, 4)), 0.5, noise_shape=(50, 1), seed=1))
    assert (rows == rows[:, :1]).all() and 0 < rows.mean() < 2


def test_switch():
    flag = K.placeholder((), dtype="bool")
    out = K.switch(flag, lambda: K.constant(1.0), K.constant(2.0))
    assert [K.get_session().run(out, {flag: b}) for b in (True, False)] == [1, 2]
    rows = K.switch(K.constant([1, 0]), K.constant([[1, 2], [3, 4]]), K.constant([[5, 6], [7, 8]]))
    assert K.eval(rows).tolist() == [[1, 2], [7, 8]]
    with pytest.raises(ValueError, match="switch"):
        K.switch(K.constant([[1]]), K.constant([1]), K.constant([2]))


def test_functions_and_gradients():
    x, w = K.placeholder((2,)), K.variable(3.0)
    loss = K.sum(w * K.square(x))
    (slope,) = K.gradients(loss, [w])
    step = K.function([x], [loss, slope], updates=[(w, w - 0.1 * slope)])
    assert [float(v) for v in step([[1, 2]])] == [15, 5]
    assert K.get_value(w) == 2.5
    assert K.function([x], [loss], updates=[K.update_add(w, 1.0)])([[0, 1]]) == [2.5]
    assert K.get_value(w) == 3.5
    with pytest.raises(ValueError, match="inputs"):
        step([])
    with pytest.raises(TypeError, match="list"):
        step(np.ones(2))
    assert K.gradients(K.stop_gradient(w) * 2, [w]) == [None]
    assert len(K.stop_gradient([w, x])) == 2
    with K.name_scope("block"):
        assert K.constant(1.0, name="c").name == "block/c:0"


def test_sessions():
    v = K.variable(1.0)
    session = K.get_session()
    assert session is K.get_session() and session.run(v) == 1
    session.run(K.update(v, 5.0))
    w = K.variable(2.0)
    assert K.get_session().run([v, w]) == [5, 2]  # only the new one is initialized
    with tf.Session() as other:
        other.run(v.initializer)
        other.run(tf.assign(v, 7.0))
        assert K.get_session() is other and K.get_value(v) == 7 and K.get_value(w) == 2
    assert K.get_value(v) == 5
    mine = tf.Session()
    K.set_session(mine)
    assert K.get_session() is mine and K.get_value(v) == 1
    K.manual_variable_initialization(True)
    try:
        late = K.variable(1.0)
        with pytest.raises(tf.errors.FailedPreconditionError):
            K.get_session().run(late)
    finally:
        K.manual_variable_initialization(False)
    graph = tf.get_default_graph()
    assert (K.get_uid("a"), K.get_uid("a"), K.get_uid("b")) == (1, 2, 1)
    K.reset_uids()
    assert K.get_uid("a") == 1
    K.clear_session()
    assert tf.get_default_graph() is not graph
    assert K.get_session() is not mine and K.get_session().graph is tf.get_default_graph()
    assert K.get_uid("a") == 1


def test_functions_of_slices():
    close(K.map_fn(lambda row: K.sum(row), K.constant(X)), X.sum(1))
    close(K.foldl(lambda a, row: 2 * a + row, K.constant(X)), 4 * X[0] + 2 * X[1] + X[2])
    close(K.foldr(lambda a, row: 2 * a + row, K.constant(X)), X[0] + 2 * X[1] + 4 * X[2])
    close(K.in_top_k(X, [0, 1, 2], 4), [True] * 3)


def test_resizing():
    x = RNG.randn(2, 3, 4, 1).astype(np.float32)
    wanted = x.repeat(2, 1).repeat(3, 2)
    close(K.resize_images(x, 2, 3), wanted)
    first = K.resize_images(x.transpose(0, 3, 1, 2), 2, 3, "channels_first")
    close(first, wanted.transpose(0, 3, 1, 2))
    ramp = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    smooth = K.resize_images(ramp, 1, 2, interpolation="bilinear")
    close(smooth, np.array([0, 0.5, 1, 1.5, 2, 2]).reshape(1, 1, 6, 1))
    turned = K.resize_images(ramp.transpose(0, 3, 1, 2), 1, 2, "channels_first", "bilinear")
    close(turned, np.array([0, 0.5, 1, 1.5, 2, 2]).reshape(1, 1, 1, 6))
    assert K.int_shape(K.resize_images(K.placeholder((None, 3, 4, 1)), 2, 3)) == (None, 6, 12, 1)
    fed = K.placeholder((None, None, 3, 1))
    got = K.get_session().run(K.resize_images(fed, 1, 2, interpolation="bilinear"), {fed: ramp})
    assert got.shape == (1, 1, 6, 1)
    with pytest.raises(ValueError, match="interpolation"):
        K.resize_images(x, 2, 2, interpolation="cubic")
    volume = x[:, None]
    close(K.resize_volumes(volume, 2, 1, 3), volume.repeat(2, 1).repeat(3, 3))


def test_separable_convolution_of_sequences():
    x = RNG.randn(2, 6, 3).astype(np.float32)
    depth = RNG.randn(2, 3, 2).astype(np.float32)
    point = RNG.randn(1, 6, 4).astype(np.float32)
    for rate, stride in ((1, 1), (2, 1), (1, 2)):
        steps = x[:, :-rate, :, None] * depth[0] + x[:, rate:, :, None] * depth[1]
        wanted = steps.reshape(2, -1, 6)[:, ::stride] @ point[0]
        close(K.separable_conv1d(x, depth, point, stride, dilation_rate=rate), wanted)
        got = K.separable_conv1d(
            x.transpose(0, 2, 1), depth, point, stride, "valid", "channels_first", rate
        )
        close(got, wanted.transpose(0, 2, 1))


def test_values_can_be_set_before_there_are_first_ones():
    K.clear_session()
    v, w = K.variable(np.zeros(2)), K.variable(np.ones(2))
    K.set_value(v, [3.0, 4.0])
    np.testing.assert_array_equal(K.batch_get_value([v, w]), [[3, 4], [1, 1]])
    with tf.Session() as session:
        K.set_value(w, [5.0, 6.0])
        assert session.run(w).tolist() == [5, 6] and K.get_value(v).tolist() == [0, 0]
    assert K.get_value(w).tolist() == [1, 1]
    K.clear_session()
