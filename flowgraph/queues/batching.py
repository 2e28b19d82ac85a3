"""tf.train.batch, shuffle_batch and their kin: single examples in, batches out.

    examples -> enqueue (threads of a QueueRunner) -> queue -> dequeue_many -> batch

All eight are one function, ``_batched``: they differ in the queue, in how many sets of tensors
are enqueued, and in whether some are left out.  Sparse tensors travel as strings.

Read next: queue_classes.py, runners.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowgraph.dtypes import DType, bool_, float32, int32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.conditionals import cond
from flowgraph.ops.control import no_op
from flowgraph.ops.partitioning import dynamic_partition
from flowgraph.ops.sparse_serializing import (
    deserialize_many_sparse,
    serialize_many_sparse,
    serialize_sparse,
)
from flowgraph.queues.queue_classes import (
    FIFOQueue,
    PaddingFIFOQueue,
    QueueBase,
    RandomShuffleQueue,
    refuse_eager,
)
from flowgraph.queues.runners import QueueRunner, add_queue_runner
from flowgraph.summary.functions import scalar
from flowgraph.tensor_shape import TensorShape, as_shape


@dataclass(frozen=True, slots=True)
class _Sparse:
    """What a sparse tensor was before it became strings."""

    dtype: DType
    rank: int | None


class Examples:
    """Sets of tensors, each a list or a dict, to be enqueued by operations of their own."""

    def __init__(self, sets: Sequence[Any], function: str, many: bool) -> None:
        self.first = sets[0]
        if isinstance(self.first, Mapping):
            self.keys: list[Any] | None = sorted(self.first, key=str)
            if any(not isinstance(s, Mapping) or set(s) != set(self.keys) for s in sets):
                raise ValueError("All dictionaries in tensors_list must have the same keys")
            lists = [[s[key] for key in self.keys] for s in sets]
        else:
            self.keys, lists = None, [list(s) for s in sets]
        if not lists[0]:
            raise ValueError(f"Expected at least one tensor in {function}().")
        self.sparse: list[_Sparse | None] = []
        self.sets = [self._dense(one, many) for one in lists]

    def _dense(self, tensors: list[Any], many: bool) -> list[Tensor]:
        found: list[Tensor] = []
        sparse: list[_Sparse | None] = []
        for tensor in tensors:
            if isinstance(tensor, SparseTensor):
                dims = tensor.dense_shape.dims
                rank = None if dims is None else dims[0]
                sparse.append(_Sparse(tensor.dtype, rank if rank is None or many else rank + 1))
                found.append((serialize_many_sparse if many else serialize_sparse)(tensor))
            else:
                sparse.append(None)
                found.append(convert_to_tensor(tensor))
        if self.sparse and len(sparse) == len(self.sparse) and sparse != self.sparse:
            raise TypeError("sets of tensors must be sparse at the same places, of one dtype")
        self.sparse = sparse
        return found

    def dtypes(self) -> list[DType]:
        """Of the components, equal in all sets."""
        listed = [[t.dtype.base_dtype for t in tensors] for tensors in self.sets]
        for other in listed[1:]:
            if other != listed[0]:
                raise TypeError(
                    f"Expected types to be consistent: {', '.join(d.name for d in listed[0])} vs. "
                    f"{', '.join(d.name for d in other)}."
                )
        return listed[0]

    def shapes(self, many: bool) -> list[TensorShape]:
        """Of the components of one example: what all sets say."""
        merged = []
        for position in range(len(self.sets[0])):
            shape = TensorShape(None)
            for tensors in self.sets:
                given = tensors[position].get_shape()
                if given.ndims is None:
                    raise ValueError(f"Cannot infer Tensor's rank: {tensors[position]}")
                shape = shape.merge_with(given[1:] if many else given)
            merged.append(shape)
        return merged

    def as_given(self, tensors: Any) -> Any:
        """A batch in the structure of an example."""
        listed = tensors if isinstance(tensors, list) else [tensors]
        listed = [
            t if s is None else deserialize_many_sparse(t, s.dtype, s.rank)
            for t, s in zip(listed, self.sparse, strict=True)
        ]
        if self.keys is not None:
            return dict(zip(self.keys, listed, strict=True))
        return listed if len(listed) > 1 else listed[0]


def kept(keep_input: Any, many: bool) -> Tensor:
    """Whether an example (each of several) is to be enqueued."""
    keep = convert_to_tensor(keep_input, bool_)
    if keep.dims is None:
        raise ValueError("`keep_input` dimensions must be known at graph construction.")
    if len(keep.dims) > 1:
        raise ValueError(f"`keep_input` must be a scalar or a vector, not of shape {keep.shape}")
    if len(keep.dims) == 1 and not many:
        raise ValueError("`keep_input` cannot be a vector when `enqueue_many=False`.")
    return keep


def _enqueued(queue: QueueBase, tensors: list[Tensor], keep: Tensor, many: bool) -> Any:
    """The operation that enqueues a set of tensors, if they are to be kept."""
    enqueue: Callable[..., Operation] = queue.enqueue_many if many else queue.enqueue
    if keep.dims == (None,) or keep.dims:
        chosen = call.Cast(keep, DstT=int32)
        return enqueue([dynamic_partition(tensor, chosen, 2)[1] for tensor in tensors])
    return conditionally(keep, lambda: enqueue(tensors))


def conditionally(keep: Tensor, make: Callable[[], Operation]) -> Any:
    """The operation that ``make`` makes, where ``keep`` says so."""
    known = constant_value(keep)
    if known is not None:
        return make() if known else no_op()
    return cond(keep, make, no_op)


def _batched(
    function: str,
    sets: Sequence[Any],
    batch_size: Any,
    keep_input: Any,
    *,
    capacity: int,
    threads: int = 1,
    many: bool,
    shapes: Any,
    pad: bool = False,
    shuffle: tuple[int, int | None] | None = None,
    smaller: bool,
    shared_name: str | None,
    name: str | None,
) -> Any:
    """What all functions of this module do.

    sets: one set of tensors, enqueued by ``threads`` threads, or several, by one thread each.
    shuffle: (min_after_dequeue, seed), or None: first in, first out.
    """
    refuse_eager(f"tf.train.{function}")
    if not sets:
        raise ValueError("Expected at least one set of tensors")
    values = [v for s in sets for v in (s.values() if isinstance(s, Mapping) else s)]
    kind = "shuffle_batch" if shuffle is not None else "batch"
    kind += "_join" if function.endswith("_join") else ""
    with name_scope(name, kind, [*values, keep_input]) as scope:
        keep = kept(keep_input, many)
        examples = Examples(sets, kind, many)
        dtypes = examples.dtypes()
        found = examples.shapes(many) if shapes is None else [as_shape(s) for s in shapes]
        if shuffle is not None:
            least, seed = shuffle
            if capacity <= least:
                raise ValueError(
                    f"capacity {capacity} must be bigger than min_after_dequeue {least}."
                )
            queue: QueueBase = RandomShuffleQueue(
                capacity, least, dtypes, found, seed=seed, shared_name=shared_name
            )
        elif pad:
            queue = PaddingFIFOQueue(capacity, dtypes, found, shared_name=shared_name)
        else:
            queue = FIFOQueue(capacity, dtypes, found, shared_name=shared_name)
        enqueues = [_enqueued(queue, tensors, keep, many) for tensors in examples.sets]
        add_queue_runner(QueueRunner(queue, enqueues * threads))
        if shuffle is not None:
            room = capacity - least
            full = call.Cast(call.Maximum(0, queue.size() - least), DstT=float32) * (1.0 / room)
            scalar(f"fraction_over_{least}_of_{room}_full", full)
        else:
            full = call.Cast(queue.size(), DstT=float32) * (1.0 / capacity)
            scalar(f"fraction_of_{capacity}_full", full)
        dequeue = queue.dequeue_up_to if smaller else queue.dequeue_many
        return examples.as_given(dequeue(batch_size, name=scope))


_TENSORS = """a list of tensors, or a dict of them: one example. SparseTensors may be among
            them."""
_LISTS = """a list of examples, each a list or a dict of tensors; each is enqueued by a thread
            of its own."""
_MORE = {
    "tensors": _TENSORS,
    "tensors_list": _LISTS,
    "batch_size": "how many examples a batch has.",
    "keep_input": """a bool scalar: whether this example is enqueued. With ``enqueue_many`` it may
            be a vector, with an element for each of them.""",
    "num_threads": """how many threads enqueue; more than one make the order vary from run to
            run.""",
    "capacity": "how many examples the queue holds.",
    "min_after_dequeue": """how many examples stay in the queue: the more, the better the
            mixing.""",
    "seed": "of the order.",
    "enqueue_many": """the tensors hold several examples each, along their first axis.""",
    "shapes": "of the components of one example, where the graph does not know them.",
    "dynamic_pad": """components may differ in size (None in their shapes); those of a batch are
            padded with zeros or empty strings to the largest.""",
    "allow_smaller_final_batch": """at the end of the data, give what is left as a smaller
            batch; the first size is then unknown. Otherwise it is dropped.""",
    "shared_name": "of the queue.",
    "name": "of the operations; ``{kind}`` by default.",
}
_RETURNS = """

    Returns:
        The structure of an example (without the list, where that has one tensor), with one more
        axis in front. A QueueRunner is in the collection QUEUE_RUNNERS, and a summary of how full
        the queue is.

    Raises:
        ValueError: ranks or shapes are unknown, or do not fit together.
        TypeError: dtypes do not fit together.
        OutOfRangeError: the data are at their end (when run).
"""


def _documented(summary: str, example: str = "") -> Callable[[Any], Any]:
    """Write a function's docstring: its summary, its arguments, what it returns."""

    def write(function: Any) -> Any:
        kind = function.__name__.removeprefix("maybe_")
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        listed = "\n".join(f"        {n}: {_MORE[n].format(kind=kind)}" for n in names)
        function.__doc__ = f"{summary}\n\n    Args:\n{listed}{_RETURNS}{example}    "
        return function

    return write


@export("train.batch")
@_documented(
    "Batches of examples, in the order in which they come.",
    """
    >>> (x,) = tf.train.slice_input_producer([[1, 2, 3, 4]], num_epochs=1, shuffle=False)
    >>> batch = tf.train.batch([x], batch_size=3, allow_smaller_final_batch=True)
    >>> with tf.train.MonitoredSession() as sess:
    ...     while not sess.should_stop():
    ...         print(sess.run(batch))
    [1 2 3]
    [4]
""",
)
def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "batch", [tensors], batch_size, True, capacity=capacity, threads=num_threads,
        many=enqueue_many, shapes=shapes, pad=dynamic_pad, smaller=allow_smaller_final_batch,
        shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.maybe_batch")
@_documented("Batches of the examples that are to be kept, in the order in which they come.")
def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "maybe_batch", [tensors], batch_size, keep_input, capacity=capacity, threads=num_threads,
        many=enqueue_many, shapes=shapes, pad=dynamic_pad, smaller=allow_smaller_final_batch,
        shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.batch_join")
@_documented("Batches of examples from several sources, each with a thread of its own.")
def batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "batch_join", tensors_list, batch_size, True, capacity=capacity,
        many=enqueue_many, shapes=shapes, pad=dynamic_pad, smaller=allow_smaller_final_batch,
        shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.maybe_batch_join")
@_documented("Batches of the examples of several sources that are to be kept.")
def maybe_batch_join(
    tensors_list: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "maybe_batch_join", tensors_list, batch_size, keep_input, capacity=capacity,
        many=enqueue_many, shapes=shapes, pad=dynamic_pad, smaller=allow_smaller_final_batch,
        shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.shuffle_batch")
@_documented("Batches of examples in random order.")
def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "shuffle_batch", [tensors], batch_size, True, capacity=capacity, threads=num_threads,
        many=enqueue_many, shapes=shapes, shuffle=(min_after_dequeue, seed),
        smaller=allow_smaller_final_batch, shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.maybe_shuffle_batch")
@_documented("Batches of the examples that are to be kept, in random order.")
def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "maybe_shuffle_batch", [tensors], batch_size, keep_input, capacity=capacity,
        threads=num_threads, many=enqueue_many, shapes=shapes, shuffle=(min_after_dequeue, seed),
        smaller=allow_smaller_final_batch, shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.shuffle_batch_join")
@_documented("Batches of examples from several sources, in random order.")
def shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "shuffle_batch_join", tensors_list, batch_size, True, capacity=capacity,
        many=enqueue_many, shapes=shapes, shuffle=(min_after_dequeue, seed),
        smaller=allow_smaller_final_batch, shared_name=shared_name, name=name,
    )  # fmt: skip


@export("train.maybe_shuffle_batch_join")
@_documented("Batches of the examples of several sources that are to be kept, in random order.")
def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    return _batched(
        "maybe_shuffle_batch_join", tensors_list, batch_size, keep_input, capacity=capacity,
        many=enqueue_many, shapes=shapes, shuffle=(min_after_dequeue, seed),
        smaller=allow_smaller_final_batch, shared_name=shared_name, name=name,
    )  # fmt: skip
