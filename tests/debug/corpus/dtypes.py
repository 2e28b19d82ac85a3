"""Dtypes that do not fit, and values that are no tensors."""

import numpy as np
from wrong import wrong

import flowgraph as tf


@wrong(TypeError, "int32", "float32", "fix: convert it, e.g. tf.cast(")
def adding_integers_to_floats():
    a = tf.ones([3], name="a")  # MADE
    n = tf.constant([1, 2, 3], name="n")  # MADE
    return a + n  # WRONG


@wrong(TypeError, "float64", "float32", "fix: convert it, e.g. tf.cast(")
def matmul_with_an_array_of_doubles():
    w = tf.ones([3, 2])  # MADE
    x = tf.constant(np.ones([4, 3]))  # MADE
    return tf.matmul(x, w)  # WRONG


@wrong(TypeError, "int32", "float", "fix: ")
def sqrt_of_integers():
    n = tf.constant([1, 4])  # MADE
    return tf.sqrt(n)  # WRONG


@wrong(TypeError, "float32", "bool", "fix: ")
def logical_and_of_floats():
    x = tf.ones([3])  # MADE
    return tf.logical_and(x, x)  # WRONG


@wrong(TypeError, "float32", "int32", "fix: ")
def gather_by_floats():
    where = tf.ones([2])  # MADE
    return tf.gather(tf.ones([3]), where)  # WRONG


@wrong((TypeError, ValueError), "float32", "bool", "fix: ")
def cond_of_a_number():
    x = tf.ones([])  # MADE
    return tf.cond(x, lambda: 1.0, lambda: 2.0)  # WRONG


@wrong(TypeError, "truth value", "tf.cond", "fix: ")
def python_if_of_a_tensor():
    x = tf.ones([])
    return 1.0 if x > 0.0 else 2.0  # WRONG


@wrong(TypeError, "iterated over", "tf.unstack", "fix: ")
def python_loop_over_a_tensor():
    rows = tf.placeholder(tf.float32, [None, 3])  # MADE
    return list(rows)  # WRONG


@wrong(NotImplementedError, "NumPy", "fix: ")
def numpy_function_of_a_tensor():
    x = tf.ones([3])  # MADE
    return np.exp(np.asarray(x))  # WRONG


@wrong(TypeError, "len()", "tf.shape", "fix: ")
def len_of_a_tensor():
    x = tf.ones([3])  # MADE
    return len(x)  # WRONG


@wrong(ValueError, "None", "Add", "fix: ")
def adding_none():
    x = tf.ones([3])  # MADE
    return x + None  # WRONG


@wrong(TypeError, "'a'", "float32", "fix: ")
def adding_text():
    x = tf.ones([3])  # MADE
    return x + "a"  # WRONG


@wrong(ValueError, "inhomogeneous", "fix: ")
def constant_of_a_ragged_list():
    return tf.constant([[1, 2], [3]])  # WRONG


@wrong(TypeError, "1.5", "int32", "fix: ")
def constant_of_the_wrong_dtype():
    return tf.constant(1.5, dtype=tf.int32)  # WRONG


@wrong(TypeError, "float99", "did you mean 'float64'", names_line=False)
def a_dtype_that_is_not_there():
    return tf.placeholder("float99", [3])  # WRONG


@wrong(TypeError, "complex64", "fix: ")
def comparing_complex_numbers():
    z = tf.complex([1.0], [2.0])  # MADE
    return z < z  # WRONG


@wrong(TypeError, "string", "float32", "fix: ")
def casting_text_to_numbers():
    s = tf.constant(["1.5"])  # MADE
    return tf.cast(s, tf.float32)  # WRONG


@wrong(ValueError, "int32", "float32", "fix: ")
def minimizing_an_integer():
    tf.Variable(1.0)
    loss = tf.constant(3)  # MADE
    return tf.train.GradientDescentOptimizer(0.1).minimize(loss)  # WRONG


@wrong(TypeError, "while", "i", "float32", "int32", "fix: ")
def loop_variable_that_changes_its_dtype():
    start = tf.constant(0)  # MADE
    return tf.while_loop(lambda i: True, lambda i: [tf.cast(i, tf.float32) + 1.0], [start])  # WRONG


@wrong((TypeError, ValueError), "true_fn", "float32", "int32", "fix: ")
def branches_of_other_dtypes():
    p = tf.placeholder(tf.bool, [])
    return tf.cond(p, lambda: tf.constant(1.0), lambda: tf.constant(2))  # WRONG
