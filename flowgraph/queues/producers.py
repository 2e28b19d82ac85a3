"""Queues of file names, numbers and slices, which threads fill again and again.

    string_input_producer -> file names for readers
    range_input_producer  -> 0 ... limit - 1
    slice_input_producer  -> the rows of tensors

Read next: runners.py, batching.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.dtypes import float32, int32, int64, string
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import GraphKeys, control_dependencies, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.counting_up import count_up_to
from flowgraph.ops.files import matching_files
from flowgraph.ops.gathering import gather
from flowgraph.ops.host import Assert
from flowgraph.ops.random import random_shuffle
from flowgraph.ops.variables import Variable
from flowgraph.queues.queue_classes import FIFOQueue, QueueBase, refuse_eager
from flowgraph.queues.runners import QueueRunner, add_queue_runner
from flowgraph.summary.functions import scalar
from flowgraph.tensor_shape import as_shape


@export("train.match_filenames_once", "io.match_filenames_once")
def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """The paths that match a pattern, looked for once: when local variables are initialised.

    Args:
        pattern: a pattern such as ``"data/*.csv"``, or a vector of several.
        name: of the variable.

    Returns:
        A local string variable of shape [number of files], sorted.
    """
    with name_scope(name, "matching_filenames", [pattern]) as scope:
        return Variable(
            matching_files(pattern),
            trainable=False,
            validate_shape=False,
            name=scope,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )


@export("train.limit_epochs")
def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """``tensor``, which can be evaluated ``num_epochs`` times.

    Args:
        tensor: any tensor.
        num_epochs: how often; None: for ever.
        name: of the operation; ``limit_epochs`` by default.

    Returns:
        A tensor of the same values.

    Raises:
        ValueError: ``num_epochs`` is not positive.
        OutOfRangeError: it was evaluated so often (when run).

    NB: the count is a local variable: run ``tf.local_variables_initializer()``.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    with name_scope(name, "limit_epochs", [tensor]) as scope:
        epochs = Variable(
            convert_to_tensor(0, int64, name="Const"),
            name="epochs",
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )
        counter = count_up_to(epochs, num_epochs)
        with control_dependencies([counter]):
            return apply_op("Identity", tensor, name=scope)


@export("train.input_producer")
def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of the rows of a tensor, which a queue runner puts in again and again.

    Args:
        input_tensor: a tensor with at least one axis.
        element_shape: the shape of its rows, where the graph does not know it.
        num_epochs: how often all rows are put in, then the queue is closed; None: for ever.
        shuffle: whether the rows are put in random order, anew in every epoch.
        seed: of that order.
        capacity: of the queue.
        shared_name: of the queue.
        summary_name: the name of a summary of how full the queue is; None: there is none.
        name: of the queue; ``input_producer`` by default.
        cancel_op: of the QueueRunner.

    Returns:
        A FIFOQueue; its QueueRunner is in the collection QUEUE_RUNNERS.

    Raises:
        ValueError: the shape of the rows is not known.
        RuntimeError: eager execution is enabled.

    NB: with ``num_epochs``, run ``tf.local_variables_initializer()``.
    """
    refuse_eager("tf.train.input_producer")
    with name_scope(name, "input_producer", [input_tensor]) as scope:
        rows = convert_to_tensor(input_tensor, name="input_tensor")
        shape = rows.get_shape()[1:].merge_with(as_shape(element_shape))
        if not shape.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be "
                "specified"
            )
        if shuffle:
            rows = random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(
            capacity, [rows.dtype.base_dtype], [shape], shared_name=shared_name, name=scope
        )
        enqueue = queue.enqueue_many([rows])
        add_queue_runner(QueueRunner(queue, [enqueue], cancel_op=cancel_op))
        if summary_name is not None:
            scalar(summary_name, call.Cast(queue.size(), DstT=float32) * (1.0 / capacity))
        return queue


@export("train.string_input_producer")
def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of strings (file names, mostly), which are put in again and again.

    Args:
        string_tensor: a vector of strings.
        num_epochs: how often all are put in, then the queue is closed; None: for ever.
        shuffle: whether they come in random order, another in every epoch.
        seed: of that order.
        capacity: of the queue.
        shared_name: of the queue.
        name: of the queue; ``input_producer`` by default.
        cancel_op: of the QueueRunner.

    Returns:
        A FIFOQueue, to be handed to a reader; its QueueRunner is in the collection QUEUE_RUNNERS.

    Raises:
        ValueError: an empty list.
        InvalidArgumentError: an empty tensor (when run).

    NB: with ``num_epochs``, run ``tf.local_variables_initializer()``.

    >>> queue = tf.train.string_input_producer(["a.csv", "b.csv"], num_epochs=1)
    >>> queue.dtypes, len(tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS))
    ([tf.string], 1)
    """
    empty = "string_input_producer requires a non-null input tensor"
    if not isinstance(string_tensor, (Tensor, Variable)) and not len(string_tensor):
        raise ValueError(empty)
    with name_scope(name, "input_producer", [string_tensor]) as scope:
        strings = convert_to_tensor(string_tensor, string)
        size = call.Size(strings)
        with control_dependencies([Assert(call.Greater(size, 0), [empty])]):
            strings = call.Identity(strings)
        return input_producer(
            strings, [], num_epochs, shuffle, seed, capacity, shared_name,
            f"fraction_of_{capacity}_full", scope, cancel_op,
        )  # fmt: skip


@export("train.range_input_producer")
def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> QueueBase:
    """A queue of the integers below ``limit``, which are put in again and again.

    Args:
        limit: an int32 scalar.
        num_epochs: how often all are put in, then the queue is closed; None: for ever.
        shuffle: whether they come in random order, another in every epoch.
        seed: of that order.
        capacity: of the queue.
        shared_name: of the queue.
        name: of the queue; ``input_producer`` by default.

    Returns:
        A FIFOQueue; its QueueRunner is in the collection QUEUE_RUNNERS.
    """
    with name_scope(name, "input_producer", [limit]) as scope:
        numbers = call.Range(
            convert_to_tensor(0, int32, name="range/start"), limit, 1, name="range"
        )
        return input_producer(
            numbers, [], num_epochs, shuffle, seed, capacity, shared_name,
            f"fraction_of_{capacity}_full", scope,
        )  # fmt: skip


@export("train.slice_input_producer")
def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """One row of each of several tensors, another in every run.

    Args:
        tensor_list: tensors of equally many rows.
        num_epochs: how often every row is given; None: for ever.
        shuffle: whether rows come in random order, another in every epoch.
        seed: of that order.
        capacity: of the queue of row numbers.
        shared_name: of that queue.
        name: of the operations; ``input_producer`` by default.

    Returns:
        A list of tensors: ``x[row]`` for each ``x``.

    Raises:
        ValueError: the list is empty.
        OutOfRangeError: all epochs are over (when run).

    >>> x, y = tf.train.slice_input_producer([[[1, 2], [3, 4]], [5, 6]], shuffle=False)
    >>> with tf.train.MonitoredSession() as sess:
    ...     print(sess.run([x, y]))
    [array([1, 2], dtype=int32), 5]
    """
    with name_scope(name, "input_producer", tensor_list):
        tensors = [convert_to_tensor(tensor) for tensor in tensor_list]
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        count = call.Shape(tensors[0])[0]
        queue = range_input_producer(count, num_epochs, shuffle, seed, capacity, shared_name)
        row = queue.dequeue()
        return [gather(tensor, row) for tensor in tensors]
