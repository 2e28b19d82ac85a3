r"""tf.contrib.training.bucket: batches of examples that belong together, of like length, say.

    examples -> queue of bucket 0 -> batch \
             -> queue of bucket 1 -> batch  -> queue of batches -> (bucket, batch)

Read next: batching.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from flowgraph.dtypes import float32, int32
from flowgraph.errors import CancelledError, OutOfRangeError
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.control import group
from flowgraph.queues.batching import Examples, conditionally, kept
from flowgraph.queues.queue_classes import (
    FIFOQueue,
    PaddingFIFOQueue,
    QueueBase,
    refuse_eager,
)
from flowgraph.queues.runners import QueueRunner, add_queue_runner
from flowgraph.summary.functions import scalar
from flowgraph.tensor_shape import TensorShape, as_shape

_ENDS = (OutOfRangeError, CancelledError)


def _per_bucket(given: Any, count: int, what: str) -> list[Any]:
    """One number for each bucket."""
    if not isinstance(given, (list, tuple)):
        return [given] * count
    if len(given) != count:
        raise ValueError(
            f"If {what} is a list it must have one element for each of the {count} buckets, got "
            f"{len(given)}"
        )
    return list(given)


@export("contrib.training.bucket")
def bucket(
    tensors: Any,
    which_bucket: Any,
    batch_size: Any,
    num_buckets: int,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Any]:
    """Batches of examples that a number, their bucket, has in common.

    Args:
        tensors: a list of tensors, or a dict of them: one example.
        which_bucket: an int32 scalar in ``[0, num_buckets)``.
        batch_size: how many examples a batch has; a list of that for each bucket.
        num_buckets: how many buckets there are.
        num_threads: how many threads put examples into buckets.
        capacity: how many batches wait at the end; and how many examples in each bucket.
        bucket_capacities: how many examples each bucket holds: a list.
        shapes: of the components of one example, where the graph does not know them.
        dynamic_pad: components may differ in size; those of a batch are padded with zeros or empty
            strings to the largest.
        allow_smaller_final_batch: at the end of the data, give what is left in the buckets.
        keep_input: a bool scalar: whether this example is used.
        shared_name: of the queue of batches.
        name: of the operations; ``bucket`` by default.

    Returns:
        The number of the bucket, an int32 scalar, and a batch in the structure of an example.

    Raises:
        ValueError: sizes that do not fit together, or shapes that are not known.
        OutOfRangeError: the data are at their end (when run).
    """
    refuse_eager("tf.contrib.training.bucket")
    if num_buckets < 1:
        raise ValueError(f"num_buckets must be positive, got {num_buckets}")
    sizes = _per_bucket(batch_size, num_buckets, "batch_size")
    rooms = _per_bucket(bucket_capacities or capacity, num_buckets, "bucket_capacities")
    with name_scope(name, "bucket", [which_bucket, keep_input]) as scope:
        keep = kept(keep_input, many=False)
        examples = Examples([tensors], "bucket", many=False)
        (components,) = examples.sets
        dtypes = examples.dtypes()
        found = examples.shapes(many=False) if shapes is None else [as_shape(s) for s in shapes]
        kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue
        queues: list[QueueBase] = [
            kind(room, dtypes, found, name=f"bucket_queue_{k}") for k, room in enumerate(rooms)
        ]
        numbers = {size if isinstance(size, int) else None for size in sizes}
        known = None if allow_smaller_final_batch or len(numbers) > 1 else numbers.pop()
        batch = TensorShape([known])
        # NB: sizes of padded batches differ, so this queue must take unknown ones.
        top = PaddingFIFOQueue(
            capacity,
            [int32, *dtypes],
            [TensorShape([]), *(batch.concatenate(shape) for shape in found)],
            shared_name=shared_name,
            name="top_queue",
        )
        chosen = QueueBase.from_list(which_bucket, queues)
        enqueue: Any = conditionally(keep, lambda: chosen.enqueue(components))
        add_queue_runner(
            QueueRunner(
                queues[0],
                [enqueue] * num_threads,
                close_op=group(*(queue.close() for queue in queues)),
                cancel_op=group(*(queue.close(cancel_pending_enqueues=True) for queue in queues)),
                queue_closed_exception_types=_ENDS,
            )
        )
        batches = []
        for number, (queue, size) in enumerate(zip(queues, sizes, strict=True)):
            taken = (
                queue.dequeue_up_to(size)
                if allow_smaller_final_batch
                else (queue.dequeue_many(size))
            )
            batches.append(top.enqueue([number, *(taken if isinstance(taken, list) else [taken])]))
            scalar(f"bucket/{number}/size", call.Cast(queue.size(), DstT=float32))
        add_queue_runner(QueueRunner(top, batches, queue_closed_exception_types=_ENDS))
        full = call.Cast(top.size(), DstT=float32) * (1.0 / capacity)
        scalar(f"bucket/fraction_of_{capacity}_full", full)
        number, *dequeued = top.dequeue(name=scope)
        return number, examples.as_given(dequeued)


@export("contrib.training.bucket_by_sequence_length")
def bucket_by_sequence_length(
    input_length: Any,
    tensors: Any,
    batch_size: Any,
    bucket_boundaries: Sequence[int],
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Any]:
    """Batches of sequences of like length, so that little is padded.

    Args:
        input_length: an int32 scalar: the length of this example.
        tensors: a list of tensors, or a dict of them: one example.
        batch_size: how many examples a batch has; a list of that for each bucket.
        bucket_boundaries: increasing integers: the lengths at which the next bucket begins; there
            is one bucket more than boundaries.
        num_threads: how many threads put examples into buckets.
        capacity: how many batches wait at the end; and how many examples in each bucket.
        bucket_capacities: how many examples each bucket holds: a list.
        shapes: of the components of one example, where the graph does not know them.
        dynamic_pad: components may differ in size; those of a batch are padded with zeros or empty
            strings to the largest.
        allow_smaller_final_batch: at the end of the data, give what is left in the buckets.
        keep_input: a bool scalar: whether this example is used.
        shared_name: of the queue of batches.
        name: of the operations; ``bucket_by_sequence_length`` by default.

    Returns:
        The lengths of the examples, an int32 vector, and a batch in the structure of an example.

    Raises:
        TypeError: ``bucket_boundaries`` are no list of integers.
        ValueError: they do not increase; sizes that do not fit together.
        OutOfRangeError: the data are at their end (when run).

    >>> (n,) = tf.train.slice_input_producer([[1, 5, 2, 6]], num_epochs=1, shuffle=False)
    >>> lengths, batch = tf.contrib.training.bucket_by_sequence_length(
    ...     n, [tf.range(n)], 2, bucket_boundaries=[4], dynamic_pad=True)
    >>> with tf.train.MonitoredSession() as sess:
    ...     found = [sess.run([lengths, batch]) for _ in range(2)]
    >>> sorted(x.tolist() for x, _ in found)
    [[1, 2], [5, 6]]
    """
    if not isinstance(bucket_boundaries, (list, tuple)) or not bucket_boundaries:
        raise TypeError(
            f"bucket_boundaries must be a list or tuple, but received: {bucket_boundaries}"
        )
    if not all(isinstance(boundary, int) for boundary in bucket_boundaries):
        raise TypeError(f"bucket boundaries must be integers, got {bucket_boundaries}")
    if any(a >= b for a, b in itertools.pairwise(bucket_boundaries)):
        raise ValueError(
            "Buckets must contain sequential increasing lengths, but saw: "
            f"{list(bucket_boundaries)}"
        )
    with name_scope(name, "bucket_by_sequence_length", [input_length]) as scope:
        length = convert_to_tensor(input_length, int32)
        edges = convert_to_tensor(list(bucket_boundaries), int32)
        which = call.Sum(call.Cast(call.GreaterEqual(length, edges), DstT=int32), [0])
        keys = sorted(tensors, key=str) if isinstance(tensors, dict) else None
        listed = [tensors[key] for key in keys] if keys is not None else list(tensors)
        _, (lengths, *batch) = bucket(
            [length, *listed],
            which,
            batch_size,
            len(bucket_boundaries) + 1,
            num_threads=num_threads,
            capacity=capacity,
            bucket_capacities=bucket_capacities,
            shapes=None if shapes is None else [[], *shapes],
            dynamic_pad=dynamic_pad,
            allow_smaller_final_batch=allow_smaller_final_batch,
            keep_input=keep_input,
            shared_name=shared_name,
            name=scope,
        )
        if keys is not None:
            return lengths, dict(zip(keys, batch, strict=True))
        return lengths, batch if len(batch) > 1 else batch[0]
