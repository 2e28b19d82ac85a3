"""Input functions: features and labels of a batch, from what users return or from arrays.

An input function returns ``(features, labels)`` or ``features`` as tensors, or a tf.data.Dataset of
either.

Read next: core.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.data.dataset import Dataset
from flowgraph.graph.export import export
from flowgraph.training_loop.session_run_hook import SessionRunHook


def arguments_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the arguments that a caller can give, without ``self`` and what is bound."""
    return tuple(
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    )


class _StartsIterator(SessionRunHook):
    """Starts the iterator of a dataset in every new session."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator

    def after_create_session(self, session: Any, coord: Any) -> None:
        session.run(self._iterator.initializer)


def features_and_labels(result: Any) -> tuple[Any, Any, list[SessionRunHook]]:
    """(features, labels, hooks) of what an input function returned.

    Raises:
        ValueError: it is a tuple, but no pair.
    """
    hooks: list[SessionRunHook] = []
    if isinstance(result, Dataset):
        iterator = result.make_initializable_iterator()
        hooks.append(_StartsIterator(iterator))
        result = iterator.get_next()
    if isinstance(result, (list, tuple)):
        if len(result) != 2:
            raise ValueError("input_fn should return (features, labels) as a len 2 tuple.")
        return result[0], result[1], hooks
    return result, None, hooks


def _rows(array: np.ndarray[Any, Any]) -> int:
    if not array.ndim:
        raise ValueError("numpy_input_fn: every array must have at least one axis, for the rows")
    return len(array)


def _batches(
    columns: dict[str, np.ndarray[Any, Any]],
    batch_size: int,
    num_epochs: int | None,
    shuffle: bool,
) -> dict[str, Any]:
    """The tensors of a batch; batches go on over the end of an epoch, the last one is shorter."""
    rows = _rows(next(iter(columns.values())))
    dataset = Dataset.from_tensor_slices(columns)
    if shuffle:
        dataset = dataset.shuffle(max(rows, 1))
    dataset = dataset.repeat(num_epochs)
    # NB: without an end every batch is full, and its static size is known
    dataset = dataset.batch(batch_size, drop_remainder=num_epochs is None)
    return dataset.make_one_shot_iterator().get_next()


def _check_shuffle(shuffle: Any) -> None:
    if not isinstance(shuffle, bool):
        raise ValueError(
            "shuffle must be provided and explicitly set as boolean "
            f"(it is recommended to set it as True for training); got {shuffle}"
        )


@export("estimator.inputs.numpy_input_fn", "contrib.learn.io.numpy_input_fn")
def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """An input function over arrays.

    Args:
        x: an array, or a dict from names to arrays; all with equally many rows.
        y: labels: an array, a dict of arrays, or None.
        batch_size: rows of a batch; the last one may have fewer.
        num_epochs: how often the rows are gone through; None: without end.
        shuffle: whether rows come in random order; must be given.
        queue_capacity, num_threads: accepted: batches come from tf.data.

    Returns:
        A function that returns ``(features, labels)``, or features alone without ``y``.

    Raises:
        ValueError: ``shuffle`` is not given; an empty dict; lengths differ; a name is in both.
        TypeError: ``x`` is neither an array nor a dict.

    >>> input_fn = tf.estimator.inputs.numpy_input_fn(
    ...     {"a": np.arange(3)}, np.arange(3) * 2, batch_size=2, shuffle=False)
    >>> features, labels = input_fn()
    >>> with tf.Session() as sess:
    ...     print(sess.run([features["a"], labels]))
    [array([0, 1]), array([0, 2])]
    """
    _check_shuffle(shuffle)

    def input_fn() -> Any:
        """Features, and labels if there are any, of the next batch."""
        if not isinstance(x, (Mapping, np.ndarray)):
            raise TypeError(f"x must be a dict or array; got {type(x).__name__}")
        if isinstance(x, Mapping) and not x:
            raise ValueError("x cannot be an empty dict")
        features = dict(x) if isinstance(x, Mapping) else {"__direct_np_input__": x}
        labels: dict[str, Any] = {}
        if isinstance(y, Mapping):
            if not y:
                raise ValueError("y cannot be empty dict, use None instead.")
            twice = set(y) & set(features)
            if twice:
                raise ValueError(
                    f"{len(twice)} duplicate keys are found in both x and y: {sorted(twice)}"
                )
            labels = dict(y)
        elif y is not None:
            labels = {"__target_key__": y}
        columns = {key: np.asarray(value) for key, value in [*features.items(), *labels.items()]}
        if len({_rows(array) for array in columns.values()}) != 1:
            shapes = {key: array.shape for key, array in columns.items()}
            raise ValueError(
                "Length of tensors in x and y is mismatched. All elements in x and y must have the "
                f"same length. Shapes: {shapes}"
            )
        batch = _batches(columns, batch_size, num_epochs, bool(shuffle))
        made: Any = {key: batch[key] for key in features}
        if isinstance(x, np.ndarray):
            made = made["__direct_np_input__"]
        if y is None:
            return made
        if isinstance(y, Mapping):
            return made, {key: batch[key] for key in labels}
        return made, batch["__target_key__"]

    return input_fn


@export("estimator.inputs.pandas_input_fn", "contrib.learn.io.pandas_input_fn")
def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """An input function over a pandas DataFrame: each column is a feature.

    Args:
        x: a DataFrame.
        y: labels: a Series or DataFrame with the same index, or None.
        batch_size: rows of a batch; the last one may have fewer.
        num_epochs: how often the rows are gone through; None: without end.
        shuffle: whether rows come in random order; must be given.
        queue_capacity, num_threads: accepted: batches come from tf.data.
        target_column: name for the column of a Series ``y``; it must be none of ``x``.

    Returns:
        A function that returns ``(features, labels)``, or features alone without ``y``.

    Raises:
        TypeError: ``x`` is no DataFrame.
        ValueError: ``shuffle`` is not given; the indexes differ; a column is in both.
    """
    if not hasattr(x, "columns") or not hasattr(x, "index"):
        raise TypeError(f"pandas_input_fn: x must be a pandas DataFrame; got {type(x).__name__}")
    _check_shuffle(shuffle)
    columns = {str(name): _as_array(x[name]) for name in x.columns}
    if y is not None and not np.array_equal(x.index, y.index):
        raise ValueError(
            "Index for x and y are mismatched.\n"
            f"Index for x: {x.index}\nIndex for y: {y.index}\n"
        )
    labels: Any = None
    if y is not None and hasattr(y, "columns"):
        labels = {str(name): _as_array(y[name]) for name in y.columns}
    elif y is not None:
        if target_column in columns:
            raise ValueError(
                f"Cannot use name {target_column} for target column: DataFrame already has a "
                f"column with that name: {list(columns)}"
            )
        labels = _as_array(y)
    return numpy_input_fn(columns, labels, batch_size, num_epochs, shuffle)


def _as_array(column: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(column)
    return array.astype(object) if array.dtype.kind in "OUST" else array
