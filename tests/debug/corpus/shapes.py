"""Shapes that do not fit, seen while the graph is built."""

import numpy as np
from wrong import wrong

import flowgraph as tf


@wrong(ValueError, "[3, 4] and [5] do not broadcast", "float32[3, 4]", "float32[5]", "fix: ")
def broadcast():
    x = tf.ones([3, 4], name="x")  # MADE
    b = tf.ones([5], name="b")  # MADE
    return x * b  # WRONG


@wrong(ValueError, "MatMul", "float32[?, 4]", "float32[3, 2]", "fix: ")
def matmul_inner_sizes():
    x = tf.placeholder(tf.float32, [None, 4], name="x")  # MADE
    w = tf.ones([3, 2])  # MADE
    return tf.matmul(x, w)  # WRONG


@wrong(ValueError, "MatMul", "float32[4]", "a matrix", "fix: ")
def matmul_of_a_vector():
    v = tf.ones([4])  # MADE
    return tf.matmul(tf.ones([3, 4]), v)  # WRONG


@wrong(ValueError, "BatchMatMul", "float32[2, 3, 4]", "float32[3, 4, 5]", "fix: ")
def batches_of_matrices():
    a = tf.ones([2, 3, 4])  # MADE
    b = tf.ones([3, 4, 5])  # MADE
    return tf.matmul(a, b)  # WRONG


@wrong(ValueError, "Reshape", "float32[2, 3]", "[4, 2]", "6 elements", "8", "fix: ")
def reshape_to_another_size():
    x = tf.ones([2, 3])  # MADE
    return tf.reshape(x, [4, 2])  # WRONG


@wrong(ValueError, "Reshape", "float32[2, 3]", "[-1, 4]", "fix: ")
def reshape_that_leaves_a_rest():
    x = tf.ones([2, 3])  # MADE
    return tf.reshape(x, [-1, 4])  # WRONG


@wrong(ValueError, "Concat", "float32[2, 3]", "float32[2, 4]", "fix: ")
def concat_on_the_wrong_axis():
    a = tf.ones([2, 3])  # MADE
    b = tf.ones([2, 4])  # MADE
    return tf.concat([a, b], 0)  # WRONG


@wrong(ValueError, "Concat", "axis", "float32[2, 3]", "fix: ")
def concat_on_an_axis_that_is_not_there():
    a = tf.ones([2, 3])  # MADE
    return tf.concat([a, a], 2)  # WRONG


@wrong(ValueError, "Pack", "float32[2]", "float32[3]", "fix: ")
def stack_of_different_shapes():
    a, b = tf.ones([2]), tf.ones([3])  # MADE
    return tf.stack([a, b])  # WRONG


@wrong(ValueError, "Split", "float32[5, 2]", "fix: ")
def split_that_leaves_a_rest():
    x = tf.ones([5, 2])  # MADE
    return tf.split(x, 2)  # WRONG


@wrong(ValueError, "Sum", "axis 2", "float32[2, 3]", "fix: ")
def sum_over_an_axis_that_is_not_there():
    x = tf.ones([2, 3])  # MADE
    return tf.reduce_sum(x, axis=2)  # WRONG


@wrong(ValueError, "Transpose", "float32[2, 3]", "fix: ")
def transpose_with_too_many_axes():
    x = tf.ones([2, 3])  # MADE
    return tf.transpose(x, [0, 2, 1])  # WRONG


@wrong(ValueError, "Squeeze", "float32[2, 1]", "fix: ")
def squeeze_of_an_axis_with_two_elements():
    x = tf.ones([2, 1])  # MADE
    return tf.squeeze(x, [0])  # WRONG


@wrong(ValueError, "ExpandDims", "float32[2]", "fix: ")
def expand_dims_too_far():
    x = tf.ones([2])  # MADE
    return tf.expand_dims(x, 3)  # WRONG


@wrong(ValueError, "Tile", "float32[2, 3]", "fix: ")
def tile_with_too_few_multiples():
    x = tf.ones([2, 3])  # MADE
    return tf.tile(x, [2])  # WRONG


@wrong(ValueError, "Pad", "float32[2, 3]", "fix: ")
def pad_with_too_few_rows():
    x = tf.ones([2, 3])  # MADE
    return tf.pad(x, [[1, 1]])  # WRONG


@wrong(ValueError, "StridedSlice", "index 5", "float32[2, 3]", "fix: ")
def index_beyond_the_end():
    x = tf.ones([2, 3])  # MADE
    return x[:, 5]  # WRONG


@wrong(ValueError, "StridedSlice", "float32[2, 3]", "fix: ")
def too_many_indices():
    x = tf.ones([2, 3])  # MADE
    return x[0, 0, 0]  # WRONG


@wrong(ValueError, "Conv2D", "float32[8, 28, 28, 1]", "float32[3, 3, 2, 8]", "channels", "fix: ")
def convolution_channels():
    images = tf.ones([8, 28, 28, 1])  # MADE
    filters = tf.ones([3, 3, 2, 8])  # MADE
    return tf.nn.conv2d(images, filters, [1, 1, 1, 1], "SAME")  # WRONG


@wrong(ValueError, "Conv2D", "float32[8, 28, 28]", "fix: ")
def convolution_without_channels():
    images = tf.ones([8, 28, 28])  # MADE
    filters = tf.ones([3, 3, 1, 8])  # MADE
    return tf.nn.conv2d(images, filters, [1, 1, 1, 1], "SAME")  # WRONG


@wrong(ValueError, "Conv2D", "float32[1, 2, 2, 1]", "float32[3, 3, 1, 1]", "fix: ")
def convolution_with_a_filter_larger_than_the_image():
    image = tf.ones([1, 2, 2, 1])  # MADE
    filters = tf.ones([3, 3, 1, 1])  # MADE
    return tf.nn.conv2d(image, filters, [1, 1, 1, 1], "VALID")  # WRONG


@wrong(ValueError, "MaxPool", "float32[8, 28, 28]", "fix: ")
def pooling_without_channels():
    images = tf.ones([8, 28, 28])  # MADE
    return tf.nn.max_pool(images, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")  # WRONG


@wrong(ValueError, "BiasAdd", "float32[2, 3]", "float32[4]", "fix: ")
def bias_of_another_size():
    x = tf.ones([2, 3])  # MADE
    b = tf.ones([4])  # MADE
    return tf.nn.bias_add(x, b)  # WRONG


@wrong(ValueError, "float32[8, 10]", "float32[8, 9]", "fix: ")
def cross_entropy_of_other_classes():
    labels = tf.ones([8, 9])  # MADE
    logits = tf.ones([8, 10])  # MADE
    return tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)  # WRONG


@wrong(ValueError, "int32[8, 1]", "float32[8, 10]", "fix: ")
def sparse_cross_entropy_with_a_column_of_labels():
    labels = tf.ones([8, 1], tf.int32)  # MADE
    logits = tf.ones([8, 10])  # MADE
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)  # WRONG


@wrong(ValueError, "float32[8, 1]", "float32[8]", "fix: ")
def sigmoid_cross_entropy_of_a_column():
    labels = tf.ones([8])  # MADE
    logits = tf.ones([8, 1])  # MADE
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)  # WRONG


@wrong(ValueError, "float32[4]", "float32[5]", "fix: ")
def loss_of_other_sizes():
    labels = tf.ones([4])  # MADE
    guesses = tf.ones([5])  # MADE
    return tf.losses.mean_squared_error(labels, guesses)  # WRONG


@wrong(ValueError, "Assign", "float32[3]", "float32[4]", "fix: ")
def assign_of_another_shape():
    v = tf.Variable(tf.zeros([3]), name="v")  # MADE
    value = tf.ones([4])  # MADE
    return tf.assign(v, value)  # WRONG


@wrong(ValueError, "float32[?, 4]", "[8, 3]", "fix: ")
def set_shape_that_contradicts():
    x = tf.placeholder(tf.float32, [None, 4], name="x")  # MADE
    x.set_shape([8, 3])  # WRONG


@wrong(ValueError, "float32[2, 3]", "float32[3, 3]", "fix: ")
def where_of_other_shapes():
    a = tf.ones([2, 3])  # MADE
    b = tf.ones([3, 3])  # MADE
    return tf.where(a > 0.0, a, b)  # WRONG


@wrong(ValueError, "einsum", "float32[2, 3]", "float32[4, 5]", "fix: ")
def einsum_sizes():
    a = tf.ones([2, 3])  # MADE
    b = tf.ones([4, 5])  # MADE
    return tf.einsum("ij,jk->ik", a, b)  # WRONG


@wrong(ValueError, "Dense", "(?, ?)", "fix: ")
def dense_without_a_known_width():
    x = tf.placeholder(tf.float32, [None, None], name="x")
    return tf.layers.dense(x, 3)  # WRONG


@wrong(ValueError, "float32[2, 3]", "fix: ")
def cholesky_of_a_matrix_that_is_not_square():
    a = tf.ones([2, 3])  # MADE
    return tf.cholesky(a)  # WRONG


@wrong(ValueError, "int32[2]", "int32[3]", "fix: ")
def gather_batch_sizes():
    ids = tf.constant([0, 1, 2])  # MADE
    mask = tf.constant([1, 2])  # MADE
    return tf.segment_sum(ids, mask)  # WRONG


@wrong(ValueError, "mask", "bool[3]", "float32[2, 3]", "fix: ")
def boolean_mask_of_another_size():
    x = tf.ones([2, 3])  # MADE
    mask = np.array([True, False, True])
    return tf.boolean_mask(x, tf.constant(mask))  # WRONG
