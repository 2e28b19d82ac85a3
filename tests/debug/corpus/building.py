"""Names, scopes, variables, control flow, gradients, layers and files, while the graph is built."""

import os

from wrong import wrong

import flowgraph as tf


@wrong(ValueError, "'w' exists", "float32[2]", "reuse", "fix: ")
def get_variable_twice():
    tf.get_variable("w", [2])  # MADE
    return tf.get_variable("w", [2])  # WRONG


@wrong(ValueError, "there is no variable 'layer/w'", "fix: ")
def reuse_of_nothing():
    with tf.variable_scope("layer", reuse=True):
        return tf.get_variable("w", [2])  # WRONG


@wrong(ValueError, "w", "[2]", "(3,)", "fix: ")
def reuse_with_another_shape():
    tf.get_variable("w", [2])  # MADE
    with tf.variable_scope("", reuse=True):
        return tf.get_variable("w", [3])  # WRONG


@wrong(ValueError, "w", "float32", "int32", "fix: ")
def reuse_with_another_dtype():
    tf.get_variable("w", [2])  # MADE
    with tf.variable_scope("", reuse=True):
        return tf.get_variable("w", [2], tf.int32)  # WRONG


@wrong(ValueError, "w", "shape", "fix: ")
def get_variable_without_a_shape():
    return tf.get_variable("w")  # WRONG


@wrong(ValueError, "a b", "not a valid", "fix: ")
def a_scope_with_a_blank():
    with tf.name_scope("a b"):  # WRONG
        return tf.ones([])


@wrong(ValueError, "'w'", "initial_value", "fix: ")
def initial_value_none():
    return tf.Variable(None, name="w")  # WRONG


@wrong(KeyError, "Relu_1:0", "did you mean 'Relu'", "fix: ")
def tensor_by_a_wrong_name():
    tf.nn.relu(tf.ones([2]))
    return tf.get_default_graph().get_tensor_by_name("Relu_1:0")  # WRONG


@wrong(KeyError, "reul", "did you mean 'relu'", "fix: ")
def operation_by_a_wrong_name():
    tf.nn.relu(tf.ones([2]), name="relu")
    return tf.get_default_graph().get_operation_by_name("reul")  # WRONG


@wrong(AttributeError, "reduce_maen", "did you mean 'reduce_mean'", names_line=False)
def a_function_that_is_misspelt():
    return tf.reduce_maen(tf.ones([2]))  # WRONG


@wrong(ValueError, "graph", "'a:0'", "'b:0'", "fix: ")
def tensors_of_two_graphs():
    with tf.Graph().as_default():
        a = tf.ones([], name="a")  # MADE
    b = tf.ones([], name="b")  # MADE
    return a + b  # WRONG


@wrong(RuntimeError, "finalized", "fix: ")
def adding_to_a_finalized_graph():
    x = tf.ones([2])
    tf.get_default_graph().finalize()
    return x + 1.0  # WRONG


@wrong(ValueError, "No gradients provided", "'w:0'", "ArgMax", "fix: ")
def nothing_to_train():
    w = tf.get_variable("w", [3])  # MADE
    loss = tf.cast(tf.argmax(w), tf.float32)  # WRONG
    return tf.train.AdamOptimizer().minimize(loss)


@wrong(ValueError, "No variables to optimize", "fix: ")
def no_variables():
    loss = tf.reduce_sum(tf.placeholder(tf.float32, [3], name="x"))  # MADE
    return tf.train.AdamOptimizer().minimize(loss)  # WRONG


@wrong(ValueError, "grad_ys", "float32[2]", "float32[3]", "fix: ")
def grad_ys_of_another_shape():
    x = tf.ones([3])
    y = x * 2.0  # MADE
    dy = tf.ones([2])  # MADE
    return tf.gradients(y, x, grad_ys=dy)  # WRONG


@wrong(TypeError, "'s:0'", "string", "fix: ")
def gradient_of_text():
    s = tf.constant("text", name="s")  # MADE
    return tf.gradients(s, s)  # WRONG


@wrong(LookupError, "MyGrad", "not registered", "fix: ")
def a_gradient_that_is_not_registered():
    x = tf.ones([2])
    with tf.get_default_graph().gradient_override_map({"Tanh": "MyGrad"}):
        y = tf.tanh(x)  # WRONG
    return tf.gradients(y, x)


@wrong(ValueError, "while", "[1]", "[2]", "shape_invariants", "fix: ")
def loop_variable_that_grows():
    x = tf.ones([1])  # MADE
    return tf.while_loop(lambda x: True, lambda x: [tf.concat([x, x], 0)], [x])  # WRONG


@wrong((TypeError, ValueError), "bool", "fix: ")
def loop_condition_that_is_a_number():
    i = tf.constant(0)
    return tf.while_loop(lambda i: 10 - i, lambda i: [i + 1], [i])  # WRONG


@wrong(ValueError, "2", "1", "fix: ")
def loop_body_that_returns_too_little():
    i, x = tf.constant(0), tf.ones([2])
    return tf.while_loop(lambda i, x: i < 3, lambda i, x: [i + 1], [i, x])  # WRONG


@wrong((TypeError, ValueError), "different structures", "fix: ")
def branches_of_other_structures():
    p = tf.placeholder(tf.bool, [])
    return tf.cond(p, lambda: (1.0, 2.0), lambda: 3.0)  # WRONG


@wrong(TypeError, "must be a function", "fix: ")
def branches_that_are_no_functions():
    p = tf.placeholder(tf.bool, [])
    return tf.cond(p, tf.ones([]), tf.zeros([]))  # WRONG


@wrong(ValueError, "inside the loop", "fix: ")
def a_tensor_of_a_loop_outside():
    kept = []
    tf.while_loop(lambda i: i < 3, lambda i: [kept.append(i * 2) or i + 1], [0])  # MADE
    return kept[0] + 1  # WRONG


@wrong(ValueError, "LSTMCell", "inputs.shape[-1]", "[batch, time, features]", "fix: ")
def rnn_of_inputs_without_time():
    x = tf.placeholder(tf.float32, [None, 8], name="x")
    cell = tf.nn.rnn_cell.LSTMCell(4, name="lstm")
    return tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)  # WRONG


@wrong(ValueError, "dtype", "initial_state", "fix: add dtype=tf.float32")
def rnn_without_a_state():
    x = tf.placeholder(tf.float32, [None, 5, 8])
    return tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(4), x)  # WRONG


@wrong(
    ValueError,
    "conv2d",
    "rank 4",
    "tf.reshape(x, [-1, height, width, 1])",
    "float32[?, 784]",
    "fix: ",
)
def conv_layer_of_flat_images():
    x = tf.placeholder(tf.float32, [None, 784], name="x")  # MADE
    return tf.layers.conv2d(x, 32, 5)  # WRONG


@wrong(ValueError, "keep_prob 1.5", "float32[2]", "fix: ")
def dropout_that_keeps_more_than_all():
    return tf.nn.dropout(tf.ones([2]), keep_prob=1.5)  # WRONG


@wrong(ValueError, "no variables to save", "fix: ")
def a_saver_without_variables():
    return tf.train.Saver()  # WRONG


@wrong(ValueError, "padding", "'SAMEE'", "fix: ")
def a_padding_that_is_not_there():
    x, w = tf.ones([1, 4, 4, 1]), tf.ones([2, 2, 1, 1])  # MADE
    return tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAMEE")  # WRONG


@wrong(ValueError, "boundaries", "[100, 200]", "[0.1, 0.01]", "fix: ")
def learning_rate_boundaries():
    step = tf.train.get_or_create_global_step()
    return tf.train.piecewise_constant(step, [100, 200], [0.1, 0.01])  # WRONG


@wrong(ValueError, "by name", "fix: softmax_cross_entropy_with_logits(labels=")
def cross_entropy_by_position():
    a = tf.ones([2, 3])
    return tf.nn.softmax_cross_entropy_with_logits(a, a)  # WRONG


@wrong(ValueError, "3 and 4", "Dataset.zip", "fix: ")
def dataset_of_columns_of_other_lengths():
    return tf.data.Dataset.from_tensor_slices((tf.ones([3, 2]), tf.ones([4])))  # WRONG


@wrong(TypeError, "map", "fix: ")
def dataset_map_with_too_few_arguments():
    pairs = tf.data.Dataset.from_tensor_slices((tf.ones([3, 2]), tf.ones([3])))
    return pairs.map(lambda x: x)  # WRONG


@wrong(ValueError, "x_missing", "fix: ")
def import_graph_def_with_a_wrong_input_map():
    with tf.Graph().as_default() as graph:
        tf.identity(tf.placeholder(tf.float32, name="x"), name="y")
    text = graph.as_graph_def()
    return tf.import_graph_def(text, input_map={"x_missing:0": tf.ones([])})  # WRONG


@wrong(ValueError, "zz", "fix: ")
def import_graph_def_with_a_wrong_result():
    with tf.Graph().as_default() as graph:
        tf.identity(tf.placeholder(tf.float32, name="x"), name="y")
    return tf.import_graph_def(graph.as_graph_def(), return_elements=["zz:0"])  # WRONG


@wrong(ValueError, "float32[3]", "reduce it first", "tf.summary.histogram")
def summary_of_a_vector():
    loss = tf.ones([3], name="loss")  # MADE
    return tf.summary.scalar("loss", loss)  # WRONG


@wrong(TypeError, "1.0", "a float", "fix: ")
def control_dependency_on_a_number():
    with tf.control_dependencies([1.0]):  # WRONG
        return tf.ones([])


@wrong(ValueError, "device", "fix: ")
def a_device_that_is_none():
    with tf.device("gpu zero"):  # WRONG
        return tf.ones([])


@wrong(ValueError, "size_splits", "fix: ")
def split_sizes_that_do_not_add_up():
    x = tf.ones([5, 2])  # MADE
    return tf.split(x, [2, 2])  # WRONG


@wrong(ValueError, "OneHot", "int32[1]", "give one number")
def depth_of_one_hot_as_a_list():
    return tf.one_hot([0, 1], [3])  # WRONG


@wrong(ValueError, "VarLenFeature", "fix: ")
def parse_example_without_features():
    text = tf.placeholder(tf.string, [None])
    return tf.parse_example(text, {"x": tf.float32})  # WRONG


@wrong((ValueError, tf.errors.NotFoundError), "nothing.ckpt", "fix: ")
def restoring_from_nothing():
    tf.get_variable("w", [2])
    saver = tf.train.Saver()
    with tf.Session() as sess:
        saver.restore(sess, os.path.join("nowhere", "nothing.ckpt"))  # WRONG
