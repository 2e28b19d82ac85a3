"""FIFOQueue, PaddingFIFOQueue, RandomShuffleQueue, PriorityQueue.

Read next: queue_ops.py; queue_runner.py (the threads that fill them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowgraph.dtypes import DType, as_dtype, int32, int64
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.random_seeds import seeds_of
from flowgraph.tensor_shape import TensorShape, as_shape


def listed_dtypes(dtypes: Any) -> list[DType]:
    """One dtype or several, as a list."""
    if not isinstance(dtypes, (list, tuple)):
        dtypes = [dtypes]
    return [as_dtype(dtype).base_dtype for dtype in dtypes]


def listed_shapes(
    shapes: Any, *, unknown_sizes: bool = False, unknown_ranks: bool = False
) -> list[TensorShape] | None:
    """One shape or several, as a list; None stays None.

    Raises:
        ValueError: sizes or ranks are unknown where they must not be.
        TypeError: it is no shape.
    """

    def is_size(shape: Any) -> bool:
        return shape is None or isinstance(shape, int)

    if unknown_sizes and (
        not isinstance(shapes, (list, tuple)) or not shapes or any(map(is_size, shapes))
    ):
        raise ValueError("When providing partial shapes, a list of shapes must be provided.")
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        shapes = [shapes]
    if not isinstance(shapes, (list, tuple)):
        raise TypeError(
            "Shapes must be a TensorShape or a list or tuple of TensorShapes, got "
            f"{type(shapes)} instead."
        )
    if all(map(is_size, shapes)):  # one shape, as a list of sizes
        shapes = [shapes]
    listed = [as_shape(shape) for shape in shapes]
    if not unknown_sizes and not all(shape.is_fully_defined() for shape in listed):
        raise ValueError(f"All shapes must be fully defined: {listed}")
    if not unknown_ranks and any(shape.ndims is None for shape in listed):
        raise ValueError(f"Shapes must have a defined rank: {listed}")
    return listed


def refuse_eager(what: str) -> None:
    """RuntimeError where operations execute at once: the other end needs a thread's session."""
    if get_default_graph().executes:
        raise RuntimeError(
            f"{what}: queues are not supported when eager execution is enabled; use tf.data"
        )


@export("QueueBase", "queue.QueueBase", "io.QueueBase")
class QueueBase:
    """What all queues have in common.

    A queue holds elements: lists of tensors, the *components*, whose dtypes (and, where given,
    shapes) are those of the queue.  ``enqueue`` waits while it is full and ``dequeue`` while it is
    empty, so somebody else must do the other in a thread of their own: see tf.train.QueueRunner.

    Args:
        dtypes: of the components.
        shapes: static shapes of the components, or None.
        names: of the components, or None; with names, elements are dicts.
        queue_ref: the handle: a string tensor.

    Raises:
        ValueError: not as many shapes or names as dtypes.
    """

    def __init__(self, dtypes: Any, shapes: Any, names: Any, queue_ref: Tensor) -> None:
        self._dtypes = list(dtypes)
        if shapes is not None and len(shapes) != len(self._dtypes):
            raise ValueError(
                "Queue shapes must have the same length as dtypes, received "
                f"len(shapes)={len(shapes)}, len(dtypes)={len(self._dtypes)}"
            )
        self._shapes = (
            [TensorShape(None) for _ in self._dtypes]
            if shapes is None
            else [TensorShape(shape) for shape in shapes]
        )
        if names and len(names) != len(self._dtypes):
            raise ValueError(
                "List of names must have the same length as the list of dtypes, received "
                f"len(names)={len(names)},len(dtypes)={len(self._dtypes)}"
            )
        self._names = names or None
        self._queue_ref = queue_ref
        self._name = queue_ref.op.name.split("/")[-1]

    @staticmethod
    def from_list(index: Any, queues: Sequence[QueueBase]) -> QueueBase:
        """The queue at position ``index`` of several of one kind of elements.

        Args:
            index: int32 scalar tensor: which.
            queues: a list of queues.

        Returns:
            A queue; its shapes are what all of them agree on.

        Raises:
            TypeError: it is no list of queues, or their dtypes differ.
            ValueError: their names differ.
        """
        if (
            not queues
            or not isinstance(queues, list)
            or not all(isinstance(queue, QueueBase) for queue in queues)
        ):
            raise TypeError("A list of queues expected")
        first = queues[0]
        if any(queue.dtypes != first.dtypes for queue in queues):
            raise TypeError("Queues do not have matching component dtypes.")
        if any(queue.names != first.names for queue in queues):
            raise ValueError("Queues do not have matching component names.")
        shapes = [_common(shapes) for shapes in zip(*(q.shapes for q in queues), strict=True)]
        handles = call.Pack([queue.queue_ref for queue in queues])
        chosen = call.GatherV2(handles, convert_to_tensor(index, int32), 0)
        return QueueBase(first.dtypes, shapes, first.names, chosen)

    @property
    def queue_ref(self) -> Tensor:
        """The handle of the queue."""
        return self._queue_ref

    @property
    def name(self) -> str:
        """The name of the operation that makes the handle."""
        return self._queue_ref.op.name

    @property
    def dtypes(self) -> list[DType]:
        """Dtypes of the components."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """Static shapes of the components."""
        return self._shapes

    @property
    def names(self) -> Any:
        """Names of the components, or None."""
        return self._names

    def _components(self, vals: Any) -> list[Tensor]:
        """An element as tensors."""
        if isinstance(vals, Mapping):
            if not self._names:
                raise ValueError("Queue must have names to enqueue a dictionary")
            if sorted(self._names, key=str) != sorted(vals, key=str):
                raise ValueError(
                    "Keys in dictionary to enqueue do not match names of Queue.  Dictionary: "
                    f"{sorted(vals, key=str)},Queue: {sorted(self._names, key=str)}"
                )
            vals = [vals[name] for name in self._names]
        else:
            if self._names:
                raise ValueError("You must enqueue a dictionary in a Queue with names")
            if not isinstance(vals, (list, tuple)):
                vals = [vals]
        if len(vals) != len(self._dtypes):
            raise ValueError(
                f"an element of the queue {self.name!r} has {len(self._dtypes)} components, got "
                f"{len(vals)}"
            )
        return [
            convert_to_tensor(value, dtype, name=f"component_{k}")
            for k, (value, dtype) in enumerate(zip(vals, self._dtypes, strict=True))
        ]

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Put one element in.  Running it waits while the queue is full.

        Args:
            vals: a tensor, a list or tuple of them (the components), or a dict for queues with
                names.
            name: of the operation; ``<queue>_enqueue`` by default.

        Returns:
            The operation that does it.

        Raises:
            ValueError: shapes or the number of components do not fit.
            CancelledError: the queue was closed (when run).
        """
        with name_scope(name, f"{self._name}_enqueue", _values(vals)) as scope:
            components = self._components(vals)
            for component, shape in zip(components, self._shapes, strict=True):
                component.get_shape().assert_is_compatible_with(shape)
            return apply_op("QueueEnqueueV2", self._queue_ref, components, name=scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Put several elements in: the rows of the components.

        Args:
            vals: as of ``enqueue``, with one more axis in front, of one size for all.
            name: of the operation; ``<queue>_EnqueueMany`` by default.

        Returns:
            The operation that does it.

        Raises:
            as of ``enqueue``.
        """
        with name_scope(name, f"{self._name}_EnqueueMany", _values(vals)) as scope:
            components = self._components(vals)
            rows = TensorShape([None])
            for component, shape in zip(components, self._shapes, strict=True):
                given = component.get_shape().with_rank_at_least(1)
                rows = rows.merge_with(given[:1])
                given[1:].assert_is_compatible_with(shape)
            return apply_op("QueueEnqueueManyV2", self._queue_ref, components, name=scope)

    def _element(self, tensors: Any) -> Any:
        """What a dequeue gives: a tensor, a list, or a dict."""
        tensors = tensors if isinstance(tensors, list) else [tensors]
        if self._names:
            return dict(zip(self._names, tensors, strict=True))
        return tensors[0] if len(tensors) == 1 else tensors

    def _with_shapes(self, tensors: Any, *rows: int | None) -> Any:
        tensors = tensors if isinstance(tensors, list) else [tensors]
        for tensor, shape in zip(tensors, self._shapes, strict=True):
            tensor.set_shape(TensorShape(list(rows)).concatenate(shape) if rows else shape)
        return self._element(tensors)

    def dequeue(self, name: str | None = None) -> Any:
        """Take the next element out.  Running it waits while the queue is empty.

        Args:
            name: of the operation; ``<queue>_Dequeue`` by default.

        Returns:
            A tensor, a list of several components, or a dict where they have names.

        Raises:
            OutOfRangeError: the queue is closed and empty (when run).
        """
        name = name or f"{self._name}_Dequeue"
        return self._with_shapes(
            apply_op("QueueDequeueV2", self._queue_ref, component_types=self._dtypes, name=name)
        )

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Take the next ``n`` elements out, stacked along a new first axis.

        Args:
            n: int32 scalar.
            name: of the operation; ``<queue>_DequeueMany`` by default.

        Returns:
            As of ``dequeue``; every component has the shape ``[n, *shape]``.

        Raises:
            OutOfRangeError: the queue is closed and has not so many; they stay (when run).
            InvalidArgumentError: the queue was made without shapes (when run).
        """
        name = name or f"{self._name}_DequeueMany"
        made = apply_op(
            "QueueDequeueManyV2", self._queue_ref, n, component_types=self._dtypes, name=name
        )
        op = (made[0] if isinstance(made, list) else made).op
        count = constant_value(op.inputs[1])
        return self._with_shapes(made, None if count is None else int(count))

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Take the next ``n`` elements out, or, when the queue is closed, those left.

        Args:
            n: int32 scalar.
            name: of the operation; ``<queue>_DequeueUpTo`` by default.

        Returns:
            As of ``dequeue_many``; the first size is known only when run.

        Raises:
            OutOfRangeError: the queue is closed and empty (when run).
        """
        name = name or f"{self._name}_DequeueUpTo"
        made = apply_op(
            "QueueDequeueUpToV2", self._queue_ref, n, component_types=self._dtypes, name=name
        )
        return self._with_shapes(made, None)

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """Say that no more elements will come.

        What is in the queue can still be taken out.

        Args:
            cancel_pending_enqueues: cancel the enqueues that wait for room; by default they come
                in first, and closing waits for them.
            name: of the operation; ``<queue>_Close`` by default.

        Returns:
            The operation that does it.
        """
        return apply_op(
            "QueueCloseV2",
            self._queue_ref,
            cancel_pending_enqueues=cancel_pending_enqueues,
            name=name or f"{self._name}_Close",
        )

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue is closed: a bool scalar.

        Args:
            name: of the operation; ``<queue>_Is_Closed`` by default.
        """
        return apply_op("QueueIsClosedV2", self._queue_ref, name=name or f"{self._name}_Is_Closed")

    def size(self, name: str | None = None) -> Tensor:
        """How many elements are in the queue: an int32 scalar.

        Args:
            name: of the operation; ``<queue>_Size`` by default.
        """
        return apply_op("QueueSizeV2", self._queue_ref, name=name or f"{self._name}_Size")


def _values(vals: Any) -> list[Any]:
    if isinstance(vals, Mapping):
        return list(vals.values())
    return list(vals) if isinstance(vals, (list, tuple)) else [vals]


def _common(shapes: Sequence[TensorShape]) -> TensorShape:
    """What all shapes agree on."""
    first = shapes[0]
    if any(shape.ndims is None or shape.ndims != first.ndims for shape in shapes):
        return TensorShape(None)
    columns = zip(*(shape.as_list() for shape in shapes), strict=True)
    return TensorShape([sizes[0] if len(set(sizes)) == 1 else None for sizes in columns])


def _checked(dtypes: list[DType], shapes: list[TensorShape] | None) -> list[TensorShape]:
    if shapes is not None and len(shapes) != len(dtypes):
        raise ValueError(
            "Queue shapes must have the same length as dtypes, received "
            f"len(shapes)={len(shapes)}, len(dtypes)={len(dtypes)}"
        )
    return shapes or []


@export("FIFOQueue", "queue.FIFOQueue")
class FIFOQueue(QueueBase):
    """A queue whose elements come out in the order in which they came in.

    Args:
        capacity: how many elements it holds; negative: any number.
        dtypes: the dtype of the components, or a list of them.
        shapes: their shapes, all sizes known; None: any, but then ``dequeue_many`` is not possible.
        names: names of the components, or None.
        shared_name: queues of one name are one in a session.
        name: of the operation that makes the handle.

    Raises:
        ValueError: not as many shapes or names as dtypes, or unknown sizes.

    >>> q = tf.FIFOQueue(10, tf.float32, shapes=[])
    >>> put, two, size = q.enqueue_many([[1.0, 2.0, 3.0]]), q.dequeue_many(2), q.size()
    >>> with tf.Session() as sess:
    ...     sess.run(put)
    ...     print(sess.run(two), sess.run(size))
    [1. 2.] 1
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        refuse_eager("tf.FIFOQueue")
        dtypes, shapes = listed_dtypes(dtypes), listed_shapes(shapes)
        made = apply_op(
            "FIFOQueueV2",
            component_types=dtypes,
            shapes=_checked(dtypes, shapes),
            capacity=capacity,
            shared_name=shared_name or "",
            name=name,
        )
        super().__init__(dtypes, shapes, names, made)


@export("PaddingFIFOQueue", "queue.PaddingFIFOQueue", "io.PaddingFIFOQueue")
class PaddingFIFOQueue(QueueBase):
    """A FIFOQueue whose elements may differ in size: ``dequeue_many`` pads them.

    Components are padded with 0, False or an empty string, at the end of every axis of unknown
    size, to the largest of the batch.

    Args:
        capacity: how many elements it holds; negative: any number.
        dtypes: the dtype of the components, or a list of them.
        shapes: a list of their shapes; sizes may be None.
        names: names of the components, or None.
        shared_name: queues of one name are one in a session.
        name: of the operation that makes the handle.

    Raises:
        ValueError: not as many shapes or names as dtypes, or an unknown rank.

    >>> q = tf.PaddingFIFOQueue(10, tf.int32, shapes=[[None]])
    >>> one, three, both = q.enqueue([[7]]), q.enqueue([[1, 2, 3]]), q.dequeue_many(2)
    >>> with tf.Session() as sess:
    ...     _ = sess.run([one, three])
    ...     print(sess.run(both))
    [[7 0 0]
     [1 2 3]]
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        refuse_eager("tf.PaddingFIFOQueue")
        dtypes, listed = listed_dtypes(dtypes), listed_shapes(shapes, unknown_sizes=True)
        if listed is None or len(listed) != len(dtypes):
            raise ValueError(
                f"Shapes must be provided for all components, but received {len(dtypes)} dtypes "
                f"and {len(listed or ())} shapes."
            )
        made = apply_op(
            "PaddingFIFOQueueV2",
            component_types=dtypes,
            shapes=listed,
            capacity=capacity,
            shared_name=shared_name or "",
            name=name,
        )
        super().__init__(dtypes, listed, names, made)


@export("PriorityQueue", "queue.PriorityQueue", "io.PriorityQueue")
class PriorityQueue(QueueBase):
    """A queue whose elements come out by priority, the smallest first.

    The priority is one more component before the others, an int64 scalar.  Of equal priorities the
    oldest comes first.

    Args:
        capacity: how many elements it holds; negative: any number.
        types: the dtype of the components after the priority, or a list of them.
        shapes: their shapes, all sizes known; None: any, but then ``dequeue_many`` is not possible.
        names: names of the components, that of the priority first; or None.
        shared_name: queues of one name are one in a session.
        name: of the operation that makes the handle.

    Raises:
        ValueError: not as many shapes or names as dtypes, or unknown sizes.

    >>> q = tf.PriorityQueue(10, tf.string, shapes=[[]])
    >>> put, first = q.enqueue_many([[3, 1], ["later", "soon"]]), q.dequeue()
    >>> with tf.Session() as sess:
    ...     sess.run(put)
    ...     print(*sess.run(first))
    1 b'soon'
    """

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ) -> None:
        refuse_eager("tf.PriorityQueue")
        dtypes, listed = listed_dtypes(types), listed_shapes(shapes)
        made = apply_op(
            "PriorityQueueV2",
            component_types=dtypes,
            shapes=_checked(dtypes, listed),
            capacity=capacity,
            shared_name=shared_name or "",
            name=name,
        )
        with_priority = None if listed is None else [TensorShape([]), *listed]
        super().__init__([int64, *dtypes], with_priority, names, made)


@export("RandomShuffleQueue", "queue.RandomShuffleQueue", "io.RandomShuffleQueue")
class RandomShuffleQueue(QueueBase):
    """A queue whose elements come out in random order.

    Args:
        capacity: how many elements it holds; negative: any number.
        min_after_dequeue: how many elements must stay behind while the queue is open: the more,
            the better the mixing.
        dtypes: the dtype of the components, or a list of them.
        shapes: their shapes, all sizes known; None: any, but then ``dequeue_many`` is not possible.
        names: names of the components, or None.
        seed: of the order; the same seeds give TensorFlow's order.
        shared_name: queues of one name are one in a session.
        name: of the operation that makes the handle.

    Raises:
        ValueError: not as many shapes or names as dtypes, or unknown sizes.

    >>> q = tf.RandomShuffleQueue(100, 0, tf.int32, shapes=[], seed=5)
    >>> put, some = q.enqueue_many([list(range(20))]), q.dequeue_many(5)
    >>> with tf.Session() as sess:
    ...     sess.run(put)
    ...     print(sess.run(some))
    [11 19  6  5  8]
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        refuse_eager("tf.RandomShuffleQueue")
        dtypes, shapes = listed_dtypes(dtypes), listed_shapes(shapes)
        made = apply_op(
            "RandomShuffleQueueV2",
            component_types=dtypes,
            shapes=_checked(dtypes, shapes),
            capacity=capacity,
            min_after_dequeue=min_after_dequeue,
            shared_name=shared_name or "",
            name=name,
            **seeds_of(seed, name),
        )
        super().__init__(dtypes, shapes, names, made)
