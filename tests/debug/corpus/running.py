"""What only a run can tell: feeds, fetches, values, state."""

import numpy as np
from wrong import wrong

import flowgraph as tf

errors = tf.errors


def run(fetches, feed_dict=None, *, initialize=True):
    with tf.Session() as sess:
        if initialize:
            sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feed_dict)


@wrong(errors.InvalidArgumentError, "'x'", "float32[?, 3]", "fix: add it to feed_dict")
def placeholder_not_fed():
    x = tf.placeholder(tf.float32, [None, 3], name="x")  # WRONG
    run(tf.reduce_sum(x))


@wrong(ValueError, "(2, 4)", "'x:0'", "(?, 3)", "float32[?, 3]", "fix: ")
def feed_of_another_shape():
    x = tf.placeholder(tf.float32, [None, 3], name="x")  # MADE
    run(x * 2.0, {x: np.ones([2, 4])})


@wrong(ValueError, "'x:0'", "float32", "could not convert", "fix: ")
def feed_of_text():
    x = tf.placeholder(tf.float32, [], name="x")  # MADE
    run(x * 2.0, {x: "one"})


@wrong(TypeError, "feed", "tf.Tensor", "fix: ")
def feed_of_a_tensor():
    x = tf.placeholder(tf.float32, [2], name="x")  # MADE
    y = tf.ones([2], name="y")  # MADE
    run(x * 2.0, {x: y})


@wrong(TypeError, "feed_dict", "'X'", "did you mean 'x:0'", "fix: ")
def feed_by_a_wrong_name():
    x = tf.placeholder(tf.float32, [2], name="x")
    run(x * 2.0, {"X": [1.0, 2.0]})


@wrong(TypeError, "not an element of this graph", "'x:0'", "fix: ")
def feed_of_another_graph():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2], name="x")  # MADE
    run(tf.ones([2]), {x: [1.0, 2.0]}, initialize=False)


@wrong((TypeError, ValueError), "graph", "'y:0'", "fix: ")
def fetch_of_another_graph():
    with tf.Graph().as_default():
        y = tf.ones([2], name="y")  # MADE
    run(y, initialize=False)


@wrong(TypeError, "None", "fix: ")
def fetch_of_none():
    loss, train = tf.ones([]), None
    run([loss, train], initialize=False)


@wrong((TypeError, ValueError), "'los'", "did you mean 'loss", "fix: ")
def fetch_by_a_wrong_name():
    tf.ones([], name="loss")
    run("los", initialize=False)


@wrong(TypeError, "3.0", "fix: ")
def fetch_of_a_number():
    run(3.0, initialize=False)


@wrong(RuntimeError, "closed", "fix: ")
def a_closed_session():
    y = tf.ones([])
    sess = tf.Session()
    sess.close()
    sess.run(y)


@wrong(ValueError, "session", "fix: ")
def eval_without_a_session():
    tf.ones([]).eval()


@wrong(errors.FailedPreconditionError, "'w", "uninitialized", "fix: run tf.global_variables")
def a_variable_without_a_value():
    w = tf.get_variable("w", [2])  # WRONG
    run(w * 2.0, initialize=False)


@wrong(errors.FailedPreconditionError, "Adam", "fix: run tf.global_variables_initializer()")
def initialized_before_the_optimizer_was_made():
    w = tf.get_variable("w", [2])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        train = tf.train.AdamOptimizer().minimize(tf.reduce_sum(w))  # WRONG
        sess.run(train)


@wrong(errors.InvalidArgumentError, "FloorDiv", "division by zero", "int32[3]", "fix: ")
def integer_division_by_zero():
    a = tf.placeholder(tf.int32, [3], name="a")  # MADE
    b = tf.placeholder(tf.int32, [3], name="b")  # MADE
    c = a // b  # WRONG
    run(c, {a: [1, 2, 3], b: [1, 0, 1]})


@wrong(errors.InvalidArgumentError, "FloorMod", "division by zero", "fix: ")
def integer_remainder_by_zero():
    a = tf.placeholder(tf.int32, [3], name="a")  # MADE
    c = tf.floormod(a, a - 1)  # WRONG
    run(c, {a: [1, 2, 3]})


@wrong(errors.InvalidArgumentError, "Gather", "7", "[0, 3)", "int32[2]", "fix: ")
def gather_beyond_the_end():
    table = tf.placeholder(tf.float32, [3, 2], name="table")  # MADE
    ids = tf.placeholder(tf.int32, [2], name="ids")  # MADE
    rows = tf.gather(table, ids)  # WRONG
    run(rows, {table: np.ones([3, 2]), ids: [0, 7]})


@wrong(errors.InvalidArgumentError, "Gather", "50", "[0, 10)", "fix: ")
def embedding_of_an_unknown_word():
    table = tf.get_variable("table", [10, 4])  # MADE
    ids = tf.placeholder(tf.int32, [None], name="ids")  # MADE
    rows = tf.nn.embedding_lookup(table, ids)  # WRONG
    run(rows, {ids: [3, 50]})


@wrong(errors.InvalidArgumentError, "GatherNd", "fix: ")
def gather_nd_beyond_the_end():
    x = tf.placeholder(tf.float32, [2, 2], name="x")  # MADE
    at = tf.placeholder(tf.int32, [1, 2], name="at")  # MADE
    y = tf.gather_nd(x, at)  # WRONG
    run(y, {x: np.ones([2, 2]), at: [[2, 0]]})


@wrong(errors.InvalidArgumentError, "Scatter", "5", "fix: ")
def scatter_beyond_the_end():
    v = tf.get_variable("v", [3])  # MADE
    at = tf.placeholder(tf.int32, [1], name="at")  # MADE
    update = tf.scatter_update(v, at, [1.0])  # WRONG
    run(update, {at: [5]})


@wrong(errors.InvalidArgumentError, "Sparse", "12", "[0, 10)", "fix: ")
def labels_beyond_the_classes():
    logits = tf.placeholder(tf.float32, [None, 10], name="logits")  # MADE
    labels = tf.placeholder(tf.int32, [None], name="labels")  # MADE
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)  # WRONG
    run(loss, {logits: np.ones([2, 10]), labels: [1, 12]})


@wrong(errors.InvalidArgumentError, "Reshape", "fix: ")
def reshape_at_run_time():
    x = tf.placeholder(tf.float32, [None], name="x")  # MADE
    y = tf.reshape(x, [-1, 3])  # WRONG
    run(y, {x: np.ones([4])})


@wrong(errors.InvalidArgumentError, "do not broadcast", "float32[2]", "float32[3]", "fix: ")
def broadcast_at_run_time():
    a = tf.placeholder(tf.float32, [None], name="a")  # MADE
    b = tf.placeholder(tf.float32, [None], name="b")  # MADE
    c = a + b  # WRONG
    run(c, {a: [1.0, 2.0], b: [1.0, 2.0, 3.0]})


@wrong(errors.InvalidArgumentError, "MatMul", "float32[2, 3]", "float32[4, 5]", "fix: ")
def matmul_at_run_time():
    a = tf.placeholder(tf.float32, [None, None], name="a")  # MADE
    b = tf.placeholder(tf.float32, [None, None], name="b")  # MADE
    c = tf.matmul(a, b)  # WRONG
    run(c, {a: np.ones([2, 3]), b: np.ones([4, 5])})


@wrong(errors.InvalidArgumentError, "Concat", "float32[2, 3]", "float32[2, 4]", "fix: ")
def concat_at_run_time():
    a = tf.placeholder(tf.float32, [None, None], name="a")  # MADE
    b = tf.placeholder(tf.float32, [None, None], name="b")  # MADE
    c = tf.concat([a, b], 0)  # WRONG
    run(c, {a: np.ones([2, 3]), b: np.ones([2, 4])})


@wrong((ValueError, errors.InvalidArgumentError), "Slice", "float32[2, 3]", "fix: ")
def slice_beyond_the_end():
    x = tf.placeholder(tf.float32, [2, 3], name="x")  # MADE
    y = tf.slice(x, [0, 2], [2, 2])  # WRONG
    run(y, {x: np.ones([2, 3])})


@wrong(errors.InvalidArgumentError, "StridedSlice", "index 4", "fix: ")
def index_at_run_time():
    a = tf.placeholder(tf.float32, [None], name="a")  # MADE
    b = a[4]  # WRONG
    run(b, {a: np.ones([3])})


@wrong(errors.InvalidArgumentError, "loss is too large", "7", "fix: ")
def a_failed_assertion():
    loss = tf.placeholder(tf.float32, [], name="loss")  # MADE
    check = tf.Assert(loss < 5.0, ["loss is too large", loss])  # WRONG
    run(check, {loss: 7.0})


@wrong(errors.InvalidArgumentError, "must be positive", "x", "fix: ")
def a_failed_assert_positive():
    x = tf.placeholder(tf.float32, [2], name="x")  # MADE
    check = tf.assert_positive(x, message="must be positive")  # WRONG
    run(check, {x: [1.0, -1.0]})


@wrong(errors.InvalidArgumentError, "Tensor had NaN", "bad loss", "fix: ")
def a_failed_check_numerics():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.check_numerics(tf.log(x), "bad loss")  # WRONG
    run(y, {x: [1.0, -1.0]})


@wrong(errors.InvalidArgumentError, "Cholesky", "fix: ")
def cholesky_of_a_matrix_that_is_not_positive():
    a = tf.placeholder(tf.float32, [2, 2], name="a")  # MADE
    c = tf.cholesky(a)  # WRONG
    run(c, {a: [[1.0, 2.0], [2.0, 1.0]]})


@wrong(errors.InvalidArgumentError, "not invertible", "float32[2, 2]", "fix: ")
def inverse_of_a_singular_matrix():
    a = tf.placeholder(tf.float32, [2, 2], name="a")  # MADE
    b = tf.matrix_inverse(a)  # WRONG
    run(b, {a: [[1.0, 1.0], [1.0, 1.0]]})


@wrong(errors.UnknownError, "KeyError", "fix: ")
def an_error_in_a_py_func():
    x = tf.placeholder(tf.float32, [], name="x")  # MADE
    y = tf.py_func(lambda v: {}["missing"], [x], tf.float32)  # WRONG
    run(y, {x: 1.0})


@wrong(errors.InvalidArgumentError, "float64", "float32", "fix: ")
def a_py_func_that_returns_another_dtype():
    x = tf.placeholder(tf.float32, [], name="x")  # MADE
    y = tf.py_func(lambda v: np.float64(1.0), [x], tf.float32)  # WRONG
    run(y, {x: 1.0})


@wrong(errors.OutOfRangeError, "End of sequence", "fix: ")
def a_data_set_at_its_end():
    rows = tf.data.Dataset.from_tensor_slices([1.0, 2.0])
    following = rows.make_one_shot_iterator().get_next()  # WRONG
    with tf.Session() as sess:
        for _ in range(3):
            sess.run(following)


@wrong(errors.FailedPreconditionError, "iterator", "fix: ")
def an_iterator_without_a_start():
    rows = tf.data.Dataset.from_tensor_slices([1.0, 2.0])
    following = rows.make_initializable_iterator().get_next()  # WRONG
    run(following)


@wrong(errors.InvalidArgumentError, "cycle", "fix: ")
def a_cycle_of_control_inputs():
    a = tf.no_op(name="a")  # MADE
    with tf.control_dependencies([a]):
        b = tf.no_op(name="b")
    a._add_control_input(b)
    run(b)


@wrong(errors.InvalidArgumentError, "TensorArray", "fix: ")
def a_tensor_array_beyond_its_end():
    array = tf.TensorArray(tf.float32, 2)  # MADE
    n = tf.placeholder(tf.int32, [], name="n")
    array = array.write(n, 1.0)  # WRONG
    run(array.stack(), {n: 5})


@wrong(errors.InvalidArgumentError, "StringToNumber", "abc", "fix: ")
def text_that_is_no_number():
    s = tf.placeholder(tf.string, [1], name="s")  # MADE
    y = tf.string_to_number(s)  # WRONG
    run(y, {s: ["abc"]})


@wrong(errors.NotFoundError, "no_such_file", "fix: ")
def a_file_that_is_not_there():
    y = tf.read_file("no_such_file")  # WRONG
    run(y)


@wrong(errors.NotFoundError, "'w'", "checkpoint", "fix: ")
def a_checkpoint_of_another_model():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.get_variable("v", [2])
            sess.run(tf.global_variables_initializer())
            path = tf.train.Saver().save(sess, folder + "/model")
        tf.get_variable("w", [2])  # WRONG
        with tf.Session() as sess:
            tf.train.Saver().restore(sess, path)


@wrong(errors.InvalidArgumentError, "w", "[3]", "[2]", "fix: ")
def a_checkpoint_of_another_shape():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.get_variable("w", [2])
            sess.run(tf.global_variables_initializer())
            path = tf.train.Saver().save(sess, folder + "/model")
        tf.get_variable("w", [3])  # WRONG
        with tf.Session() as sess:
            tf.train.Saver().restore(sess, path)


@wrong(ValueError, "float32[3]", "(4,)", "fix: ")
def load_of_another_shape():
    v = tf.get_variable("v", [3])  # MADE
    with tf.Session() as sess:
        v.load(np.ones([4]), sess)


@wrong(ValueError, "inside the loop", "fix: ")
def fetch_of_the_inside_of_a_loop():
    kept = []
    tf.while_loop(lambda i: i < 3, lambda i: [kept.append(i * 2) or i + 1], [0])  # MADE
    run(kept[0])
