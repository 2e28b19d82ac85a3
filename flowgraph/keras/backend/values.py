"""Variables, constants, placeholders: how they are made, described, read and set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras.backend.sessions import find_session, get_session
from flowgraph.keras.backend.settings import floatx

__all__ = [
    "batch_get_value",
    "batch_set_value",
    "cast",
    "constant",
    "count_params",
    "dtype",
    "eval",
    "eye",
    "get_value",
    "get_variable_shape",
    "identity",
    "int_shape",
    "is_keras_tensor",
    "is_placeholder",
    "is_sparse",
    "is_tensor",
    "is_variable",
    "moving_average_update",
    "ndim",
    "ones",
    "ones_like",
    "placeholder",
    "print_tensor",
    "random_binomial",
    "random_normal",
    "random_normal_variable",
    "random_uniform",
    "random_uniform_variable",
    "set_value",
    "shape",
    "to_dense",
    "truncated_normal",
    "update",
    "update_add",
    "update_sub",
    "variable",
    "zeros",
    "zeros_like",
]


def made_outside(make: Any) -> Any:
    """What ``make`` makes, a variable, outside of control dependencies and functions.

    With eager execution it is an eager variable, also where a graph is built meanwhile.
    """
    if tf.get_default_graph().building_function:
        with tf.init_scope():
            return make()
    with tf.control_dependencies(None):
        return make()


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Any:
    """A variable with the first value ``value``, of ``floatx()`` by default."""
    return tf.Variable(value, dtype=dtype or floatx(), name=name, constraint=constraint)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A tensor of ``value``, of ``floatx()`` by default."""
    return tf.constant(value, dtype=dtype or floatx(), shape=shape, name=name or "Const")


def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
) -> Any:
    """A tensor to be fed, with ``shape`` or ``ndim`` axes of unknown sizes."""
    if shape is None and ndim is not None:
        shape = [None] * ndim
    make = tf.sparse_placeholder if sparse else tf.placeholder
    return make(dtype or floatx(), shape=shape, name=name)


def is_placeholder(x: Any) -> bool:
    """Whether ``x`` is a placeholder."""
    return is_tensor(x) and not is_variable(x) and x.op.type == "Placeholder"


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor, sparse tensor or variable."""
    return isinstance(x, (tf.Tensor, tf.SparseTensor, tf.Variable))


def is_keras_tensor(x: Any) -> bool:
    """Whether ``x`` came out of a layer.

    Raises:
        ValueError: it is no tensor.
    """
    if not is_tensor(x):
        raise ValueError(f"is_keras_tensor: {x!r} is no tensor but {type(x).__name__}")
    return hasattr(x, "_keras_history")


def is_variable(x: Any) -> bool:
    """Whether ``x`` is a variable."""
    return isinstance(x, tf.Variable)


def is_sparse(tensor: Any) -> bool:
    """Whether ``tensor`` is a sparse tensor."""
    return isinstance(tensor, tf.SparseTensor)


def to_dense(tensor: Any) -> Any:
    """A sparse tensor as a dense one; others as they are."""
    return tf.sparse_tensor_to_dense(tensor) if is_sparse(tensor) else tensor


# ---------------------------------------------------------------------------------- describing


def shape(x: Any) -> Any:
    """The shape, as a tensor."""
    return tf.shape(x)


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """The static shape as a tuple with None for unknown sizes; None if nothing is known."""
    known = x.shape if hasattr(x, "shape") else np.shape(x)
    known = tf.TensorShape(known)
    return None if known.ndims is None else tuple(known.as_list())


def ndim(x: Any) -> int | None:
    """The number of axes; None if it is not known."""
    sizes = int_shape(x)
    return None if sizes is None else len(sizes)


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return tf.as_dtype(x.dtype).base_dtype.name


def count_params(x: Any) -> int:
    """How many numbers a variable holds."""
    return int(tf.TensorShape(int_shape(x)).num_elements())


def get_variable_shape(x: Any) -> tuple[int | None, ...] | None:
    """The same as ``int_shape``."""
    return int_shape(x)


# -------------------------------------------------------------------------------------- making


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of zeros; a tensor where a size is only known when it is run."""
    return _filled(tf.zeros, shape, dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of ones; a tensor where a size is only known when it is run."""
    return _filled(tf.ones, shape, dtype, name)


def _filled(make: Any, shape: Any, dtype: Any, name: str | None) -> Any:
    value = make(shape, dtype or floatx())
    return variable(value, dtype, name) if value.shape.is_fully_defined() else value


def eye(size: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of the identity matrix; ``size`` is an int or a pair of them."""
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    return variable(tf.eye(rows, columns, dtype=tf.as_dtype(dtype or floatx())), dtype, name)


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Zeros of the shape of ``x``."""
    return tf.zeros_like(x, dtype=dtype, name=name)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Ones of the shape of ``x``."""
    return tf.ones_like(x, dtype=dtype, name=name)


def identity(x: Any, name: str | None = None) -> Any:
    """A tensor with the value of ``x``."""
    return tf.identity(x, name=name)


def cast(x: Any, dtype: Any) -> Any:
    """``x`` as numbers of another dtype."""
    return tf.cast(x, dtype)


def _seed(seed: int | None) -> int:
    # NB: as of initializers: numpy.random.seed decides about all of a program's numbers
    return int(np.random.randint(10**7)) if seed is None else seed  # noqa: NPY002


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Normal numbers, new ones with every run; without ``seed`` NumPy's generator gives one."""
    return tf.random_normal(shape, mean, stddev, dtype or floatx(), _seed(seed))


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Uniform numbers, new ones with every run; without ``seed`` NumPy's generator gives one."""
    return tf.random_uniform(shape, minval, maxval, dtype or floatx(), _seed(seed))


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Normal numbers within two standard deviations, new ones with every run."""
    return tf.truncated_normal(shape, mean, stddev, dtype or floatx(), _seed(seed))


def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """1 with probability ``p``, else 0; new numbers with every run."""
    wanted = dtype or floatx()
    return tf.cast(tf.random_uniform(shape, dtype=wanted, seed=_seed(seed)) <= p, wanted)


def random_normal_variable(
    shape: Any,
    mean: float,
    scale: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """A variable of normal numbers with standard deviation ``scale``."""
    return variable(random_normal(shape, mean, scale, dtype, seed), dtype, name)


def random_uniform_variable(
    shape: Any,
    low: float,
    high: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """A variable of uniform numbers between ``low`` and ``high``."""
    return variable(random_uniform(shape, low, high, dtype, seed), dtype, name)


# ---------------------------------------------------------------------------- reading and setting


def update(x: Any, new_x: Any) -> Any:
    """The operation that sets variable ``x``."""
    return tf.assign(x, new_x)


def update_add(x: Any, increment: Any) -> Any:
    """The operation that adds to variable ``x``."""
    return tf.assign_add(x, increment)


def update_sub(x: Any, decrement: Any) -> Any:
    """The operation that subtracts from variable ``x``."""
    return tf.assign_sub(x, decrement)


def moving_average_update(x: Any, value: Any, momentum: Any) -> Any:
    """The operation that sets ``x`` to ``momentum * x + (1 - momentum) * value``."""
    return tf.assign_sub(x, (x - value) * (1.0 - momentum))


def eval(x: Any) -> Any:
    """The value of a tensor or variable, in Keras's session of its graph."""
    if tf.executing_eagerly():
        return to_dense(x).numpy()
    return _session_of(x).run(to_dense(x))


def _session_of(x: Any) -> Any:
    graph = getattr(x, "graph", None)
    if graph is None:
        return get_session()
    with graph.as_default():
        return get_session()


def get_value(x: Any) -> Any:
    """The value of a variable."""
    return eval(x)


def batch_get_value(ops: Iterable[Any]) -> list[Any]:
    """The values of variables, read at once."""
    variables = list(ops)
    if tf.executing_eagerly():
        return [x.numpy() for x in variables]
    return _session_of(variables[0]).run(variables) if variables else []


def set_value(x: Any, value: Any) -> None:
    """Set a variable to an array."""
    batch_set_value([(x, value)])


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Set variables to arrays: (variable, array) pairs.

    Raises:
        ValueError: an array has not the shape of its variable; none is set then.
    """
    pairs = [(x, np.asarray(value, dtype=dtype(x))) for x, value in tuples]
    for x, value in pairs:
        if not x.shape.is_compatible_with(value.shape):
            raise ValueError(f"variable {x.name!r} has shape {x.shape}, the value {value.shape}")
    if not pairs:
        return
    if tf.executing_eagerly():
        for x, value in pairs:
            x.load(value)
        return
    with pairs[0][0].graph.as_default():
        session = find_session()  # first values would be drawn for nothing
    if hasattr(session, "_set_variables"):
        session._set_variables({x.op.name: value for x, value in pairs})
        return
    for x, value in pairs:
        x.load(value, session)


def print_tensor(x: Any, message: str = "") -> Any:
    """``x``, whose value is printed to the standard error whenever it is computed."""
    return tf.Print(x, [x], message)
