"""What a first course on networks shows, in small programs: neurons, steps, rules of learning."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import flowgraph as tf

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float), np.array([[0], [1], [1], [0]], float)


def test_names_of_sums_G4():
    """G4: tf.add is named Add, the operator add; the sum of 3 and 4 prints as 7.0."""
    node1, node2 = tf.constant(3.0, tf.float32), tf.constant(4.0)
    node3 = tf.add(node1, node2)
    assert str(node3) == 'Tensor("Add:0", shape=(), dtype=float32)'
    assert (node1 + node2).name == "add_1:0"  # names differ in more than case
    with tf.Graph().as_default():
        assert (tf.constant(3.0) + tf.constant(4.0)).name == "add:0"
    with tf.Session() as sess:
        assert str(sess.run(node3)) == "7.0"


def test_images_and_films_G18():
    """G18: the ranks of images and films; declaring them takes no memory for their pixels."""
    shapes = {3: (3, 5, 5), 4: (3, 5, 5, 3), 5: (2, 3, 600, 800, 3)}
    tf.placeholder(tf.float32, (1,))  # what is loaded on first use is loaded
    tf.zeros((1,))
    tracemalloc.start()
    try:
        for rank, shape in [*shapes.items(), (4, (3, 600, 800, 3)), (4, (200, 244, 244, 3))]:
            for tensor in (tf.placeholder(tf.float32, shape), tf.zeros(shape)):
                assert tensor.shape.ndims == rank and tuple(tensor.shape.as_list()) == shape
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_names_of_both_versions_G27():
    """G27: the names that TensorFlow 2 kept lead to the same functions as the older ones."""
    table = {
        "log": "math.log", "lgamma": "math.lgamma", "is_nan": "math.is_nan",
        "floordiv": "math.floordiv", "matrix_inverse": "linalg.inv", "cholesky": "linalg.cholesky",
        "diag": "linalg.tensor_diag", "trace": "linalg.trace", "random_normal": "random.normal",
        "random_uniform": "random.uniform", "set_random_seed": "random.set_random_seed",
        "decode_raw": "io.decode_raw", "read_file": "io.read_file", "FixedLenFeature":
        "io.FixedLenFeature", "string_split": "strings.split", "unsorted_segment_sum":
        "math.unsorted_segment_sum", "sparse_add": "sparse.add",
    }  # fmt: skip
    different = []
    for old, new in table.items():
        there = tf
        for part in new.split("."):
            there = getattr(there, part)
        if getattr(tf, old) is not there:
            different.append(old)
    # string_split gives a sparse tensor, strings.split a ragged one in version 2.
    assert set(different) <= {"string_split"}, different


def test_step_function_N2():
    """N2: 1 above zero, else 0; also at zero."""
    x = tf.constant([-2.0, -1e-30, 0.0, 1e-30, 3.0])
    with tf.Session() as sess:
        assert sess.run(tf.cast(x > 0, tf.float32)).tolist() == [0, 0, 0, 1, 1]
        assert sess.run(tf.where(x > 0, tf.ones_like(x), tf.zeros_like(x))).tolist() == [
            0, 0, 0, 1, 1
        ]  # fmt: skip


def test_one_unit_cannot_tell_xor_N5():
    """N5: at most 3 of 4 are right, whatever the first weights."""
    x, y = (tf.constant(part, tf.float32) for part in XOR)
    w, b = tf.Variable(tf.random_uniform([2, 1], -1, 1)), tf.Variable(tf.random_uniform([1], -1, 1))
    logits = tf.matmul(x, w) + b
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits))
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(logits > 0, y > 0.5), tf.float32))
    best = []
    with tf.Session() as sess:
        for _ in range(20):
            sess.run(tf.global_variables_initializer())
            seen = [sess.run(accuracy)]
            for _ in range(5):
                sess.run_steps(train, 40)
                seen.append(sess.run(accuracy))
            best.append(max(seen))
    assert max(best) <= 0.75


def delta_rule(weights, x, t, rate):
    """One step of error back-propagation on one sample: forward, deltas backward, new weights."""
    w1, b1, w2, b2 = weights
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    h = sigmoid(x @ w1 + b1)
    o = sigmoid(h @ w2 + b2)
    delta_o = (t - o) * o * (1 - o)  # E = (t - o)^2 / 2
    delta_h = (delta_o @ w2.T) * h * (1 - h)
    error = 0.5 * np.sum((t - o) ** 2)
    new = [w1 + rate * np.outer(x, delta_h), b1 + rate * delta_h,
           w2 + rate * np.outer(h, delta_o), b2 + rate * delta_o]  # fmt: skip
    return new, error


def test_error_back_propagation_N9():
    """N9: the delta rule, sample by sample, is gradient descent; it stops at a small error."""
    rng = np.random.default_rng(2)
    weights = [rng.uniform(-1, 1, shape) for shape in ((2, 4), (4,), (4, 1), (1,))]
    variables = [tf.Variable(w) for w in weights]
    x, t = tf.placeholder(tf.float64, [2]), tf.placeholder(tf.float64, [1])
    w1, b1, w2, b2 = variables
    h = tf.sigmoid(tf.matmul(x[None], w1) + b1)
    o = tf.sigmoid(tf.matmul(h, w2) + b2)
    error = tf.reduce_sum(tf.square(t - o)) / 2
    rate, tolerance = 2.0, 0.01
    train = tf.train.GradientDescentOptimizer(rate).minimize(error)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(5000):
            total = 0.0
            for sample, target in zip(*XOR, strict=True):
                weights, by_hand = delta_rule(weights, sample, target, rate)
                total += by_hand
                if epoch < 10:
                    assert sess.run(error, {x: sample, t: target}) == pytest.approx(by_hand, 1e-12)
                    sess.run(train, {x: sample, t: target})
                    for mine, found in zip(weights, sess.run(variables), strict=True):
                        np.testing.assert_allclose(found, mine, atol=1e-12, rtol=0)
            if total < tolerance:  # the stopping rule
                break
        assert 10 < epoch < 4999
        sess.run([v.assign(w) for v, w in zip(variables, weights, strict=True)])
        says = [sess.run(o, {x: sample}).item() for sample in XOR[0]]
    assert np.round(says).tolist() == [0, 1, 1, 0]


def test_the_backward_graph_is_made_with_the_optimizer_N10():
    """N10: no gradients before, gradients after; the forward value is the same."""
    x, w = tf.constant([[1.0, 2.0]]), tf.Variable([[3.0], [4.0]])
    loss = tf.reduce_sum(tf.matmul(x, w))
    graph = tf.get_default_graph()
    backward = lambda: [op for op in graph.get_operations() if op.name.startswith("gradients")]
    assert backward() == []
    optimizer = tf.train.GradientDescentOptimizer(0.5)
    assert backward() == []
    train = optimizer.minimize(loss)
    assert any(op.type == "MatMul" for op in backward())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(loss) == 11
        sess.run(train)
        assert sess.run(w).tolist() == [[2.5], [3.0]]


def test_three_units_are_one_product_N15():
    """N15: W x with three rows is three units."""
    rng = np.random.default_rng(0)
    w, x = (tf.constant(rng.integers(-9, 10, s).astype(float)) for s in ((3, 3), (3, 1)))
    units = [tf.reduce_sum(w[i] * x[:, 0]) for i in range(3)]
    with tf.Session() as sess:
        assert sess.run(tf.matmul(w, x))[:, 0].tolist() == sess.run(units)


def test_preparing_numbers_and_classes_G19():
    """G19: floats, standardised and normalised columns and back, one-hot classes and back."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 255, (200, 3)).astype(np.uint8)
    x = tf.cast(table, tf.float64)
    mean, variance = tf.nn.moments(x, [0])
    low, high = tf.reduce_min(x, 0), tf.reduce_max(x, 0)
    standard, normal = (x - mean) / tf.sqrt(variance), (x - low) / (high - low)
    classes = rng.integers(0, 5, 200)
    one_hot = tf.one_hot(classes, 5)
    with tf.Session() as sess:
        z, u = sess.run([standard, normal])
        np.testing.assert_allclose(z.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(z.std(0), 1, atol=1e-6)
        assert u.min(0).tolist() == [0, 0, 0] and u.max(0).tolist() == [1, 1, 1]
        back = sess.run([standard * tf.sqrt(variance) + mean, normal * (high - low) + low])
        for values in back:
            np.testing.assert_allclose(values, table, atol=1e-9)
        assert sess.run(tf.argmax(one_hot, 1)).tolist() == classes.tolist()
    assert np.array_equal(tf.keras.utils.to_categorical(classes, 5).argmax(1), classes)


def test_one_neuron_N1():
    """N1: f(w0 x0 + w1 x1 + w2 x2); by default f is the identity."""
    x, w = tf.constant([[1.0, 2.0, -3.0]]), [[0.5], [0.25], [0.125]]
    z = tf.matmul(x, w)
    layer = tf.keras.layers.Dense(1, use_bias=False, weights=[np.array(w)])
    default, squashed = layer(x), tf.sigmoid(z)
    with tf.keras.backend.get_session().as_default():
        assert z.eval().item() == 0.625
        assert default.eval().item() == 0.625
        assert squashed.eval().item() == pytest.approx(1 / (1 + np.exp(-0.625)), 1e-6)


def test_xor_by_given_weights_N6():
    """N6: weights of 20 and -20 make OR, NAND and AND of sigmoids, and so XOR."""
    x = tf.constant(XOR[0])
    first = tf.sigmoid(tf.matmul(x, [[20.0, -20.0], [20.0, -20.0]]) + [-10.0, 30.0])
    second = tf.sigmoid(tf.matmul(first, [[20.0], [20.0]]) - 30.0)
    with tf.Session() as sess:
        units, found = sess.run([first, second])
    np.testing.assert_allclose(found[[0, 3], 0], 4.54e-5, atol=1e-7)
    assert (found[[1, 2], 0] > 0.9999).all()
    assert np.minimum(units, 1 - units).max() < 1e-4


def test_words_as_vectors_G17():
    """G17: a vocabulary of four words; a sentence is a matrix, a batch of sentences rank 3."""
    words = ["하얀", "고양이", "나비", "꽃"]
    places = {word: i for i, word in enumerate(words)}
    batch = [["하얀", "고양이"], ["하얀", "나비"], ["하얀", "꽃"]]
    vectors = tf.one_hot([[places[word] for word in sentence] for sentence in batch], 4)
    assert vectors.shape.as_list() == [3, 2, 4] and vectors[0].shape.as_list() == [2, 4]
    with tf.Session() as sess:
        assert sess.run(tf.one_hot(range(4), 4)).tolist() == np.eye(4).tolist()
        assert sess.run(vectors).tolist() == [
            [[1, 0, 0, 0], [0, 1, 0, 0]],
            [[1, 0, 0, 0], [0, 0, 1, 0]],
            [[1, 0, 0, 0], [0, 0, 0, 1]],
        ]
