"""The operations of queues.

    FIFOQueueV2, PaddingFIFOQueueV2, RandomShuffleQueueV2, PriorityQueueV2     a handle
    QueueEnqueueV2, QueueDequeueManyV2, QueueCloseV2, QueueSizeV2, ...         take it

A handle is a string: the name under which the session keeps the queue.  Each type is there with and
without ``V2``, as graphs written by older programs have it.

Read next: host_queue.py, queue_classes.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.dtypes import int64
from flowgraph.errors import FailedPreconditionError, NotFoundError
from flowgraph.graph.opdef import (
    HOST,
    REQUIRED,
    Attr,
    Call,
    define,
    error_sample,
    not_differentiable,
)
from flowgraph.ops.rules import i32, invalid, require_rank, scalar_shape
from flowgraph.ops.texts import texts
from flowgraph.queues.host_queue import HostQueue, shape_text
from flowgraph.queues.stores import Fifo, Priority, Shuffled, Store
from flowgraph.runtime.state import current_state, find_resource
from flowgraph.shapes import Dims, ShapeError, is_compatible

NO_GRADIENT = not_differentiable("what passes through a queue depends on nothing in the graph")

#: A handle under which there is nothing, for error samples.
NOWHERE = texts("nowhere")

_VERSIONS = ("", "V2")


@functools.lru_cache(1024)
def handle(name: str) -> Any:
    """The handle of a resource, as an array."""
    return texts(name)


def resource_name(call_: Call) -> str:
    """Where the resource of a handle operation is kept: by shared name, or its own."""
    name = call_.attrs["shared_name"] or call_.name
    container = call_.attrs["container"]
    return f"{container}/{name}" if container else name


def resource(given: Any, kind: type[Any], what: str) -> Any:
    """The resource of a handle.

    Raises:
        NotFoundError: there is none.
        InvalidArgumentError: it is something else.
    """
    value = given[()]
    name = value.decode() if isinstance(value, bytes) else str(value)
    found = find_resource(name)
    if found is None:
        raise NotFoundError(None, None, f"{what} {name!r} does not exist in this session")
    if not isinstance(found, kind):
        raise invalid(f"{name!r} is not a {what.lower()}, but {found}")
    return found


def _queue(given: Any) -> HostQueue:
    return resource(given, HostQueue, "Queue")


# ----------------------------------------------------------------------------------------- handles


def _checked(call_: Call) -> list[Dims]:
    types, shapes = call_.attrs["component_types"], call_.attrs["shapes"]
    if shapes and len(shapes) != len(types):
        raise ShapeError(f"{len(types)} component_types, but {len(shapes)} shapes")
    return [()]


def _made(kind: str, store: Callable[[Call], Store]) -> Callable[[Call], Any]:
    def make(call_: Call) -> Any:
        attrs = call_.attrs
        name = resource_name(call_)
        resources = current_state().resources
        found = resources.get(name)
        dtypes = list(attrs["component_types"])
        shapes = list(attrs["shapes"])
        if kind == "PriorityQueue":
            dtypes, shapes = _with_priority(dtypes, shapes)
        if found is None:
            resources[name] = HostQueue(
                kind, name, attrs["capacity"], dtypes, shapes, store(call_),
                pads=kind == "PaddingFIFOQueue",
            )  # fmt: skip
        elif found.__class__ is not HostQueue or found.kind != kind:
            raise invalid(f"Expected {kind}, found {getattr(found, 'kind', found)}")
        else:
            _check_same(found, attrs["capacity"], dtypes, shapes)
        return handle(name)

    return make


def _with_priority(dtypes: list[Any], shapes: list[Dims]) -> tuple[list[Any], list[Dims]]:
    return [int64, *dtypes], [(), *shapes] if shapes or not dtypes else []


def _check_same(found: HostQueue, capacity: int, dtypes: list[Any], shapes: list[Dims]) -> None:
    if found.given_capacity != capacity:
        raise invalid(
            f"Shared queue '{found.name}' has capacity {found.given_capacity} but requested "
            f"capacity was {capacity}"
        )
    if found.dtypes != dtypes:
        raise invalid(
            f"Shared queue '{found.name}' has component types "
            f"{[d.name for d in found.dtypes]} but requested component types were "
            f"{[d.name for d in dtypes]}"
        )
    if found.shapes != shapes:
        raise invalid(
            f"Shared queue '{found.name}' has component shapes {_texts_of(found.shapes)} but "
            f"requested component shapes were {_texts_of(shapes)}"
        )


def _texts_of(shapes: list[Dims]) -> str:
    return "[" + ",".join(shape_text(dims) for dims in shapes) + "]"


_HANDLE_ATTRS: dict[str, Any] = {"capacity": -1, "container": "", "shared_name": ""}
_TYPES = Attr("list(type)", REQUIRED)
_SHAPES = Attr("list(shape)", [])

_DOCS = {
    "FIFOQueue": "The handle of a queue: first in, first out.",
    "PaddingFIFOQueue": "The handle of a queue that pads what it gives in batches.",
    "RandomShuffleQueue": "The handle of a queue that gives its elements in random order.",
    "PriorityQueue": "The handle of a queue that gives the smallest priority first.",
}


def _define_handle(type: str, store: Callable[[Call], Store], **more: Any) -> None:
    for version in _VERSIONS:
        define(
            type + version,
            "-> handle: string",
            component_types=_TYPES,
            shapes=_SHAPES,
            **_HANDLE_ATTRS,
            **more,
            infer=_checked,
            grad=NO_GRADIENT,
            reference=_made(type, store),
            samples=(),
            errors=(
                error_sample(
                    ValueError, "1 component_types, but 2 shapes",
                    component_types=["float32"], shapes=[[], []],
                ),
            ),
            effect=HOST,
            doc=_DOCS[type],
        )  # fmt: skip


_define_handle("FIFOQueue", lambda call_: Fifo())
_define_handle("PaddingFIFOQueue", lambda call_: Fifo())
_define_handle("PriorityQueue", lambda call_: Priority())
_define_handle(
    "RandomShuffleQueue",
    lambda call_: Shuffled(
        call_.attrs["min_after_dequeue"], call_.attrs["seed"], call_.attrs["seed2"]
    ),
    min_after_dequeue=0,
    seed=0,
    seed2=0,
)

# ------------------------------------------------------------------------------------ what they do


def _enqueue(call_: Call, given: Any, *components: Any) -> tuple[()]:
    queue = _queue(given)
    _check_types(queue, call_.attrs["Tcomponents"])
    queue.enqueue(components)
    return ()


def _enqueue_many(call_: Call, given: Any, *components: Any) -> tuple[()]:
    queue = _queue(given)
    _check_types(queue, call_.attrs["Tcomponents"])
    queue.enqueue_many(components)
    return ()


def _dequeue(call_: Call, given: Any) -> Any:
    queue = _queue(given)
    _check_types(queue, call_.attrs["component_types"])
    return _promised(call_, queue.dequeue())


def _dequeue_many(call_: Call, given: Any, n: Any) -> Any:
    queue = _queue(given)
    _check_types(queue, call_.attrs["component_types"])
    few = call_.type.startswith("QueueDequeueUpTo")
    return _promised(call_, queue.dequeue_many(int(n), few=few))


def _check_types(queue: HostQueue, dtypes: list[Any]) -> None:
    if queue.dtypes != list(dtypes):
        raise invalid(
            f"Expected component types {[d.name for d in dtypes]}, but {queue} has "
            f"{[d.name for d in queue.dtypes]}"
        )


def _promised(call_: Call, components: Any) -> Any:
    """``components``, of the shapes that the graph was planned with (after ``set_shape``)."""
    for k, (component, dims) in enumerate(zip(components, call_.out_shapes, strict=False)):
        if not is_compatible(dims, np.shape(component)):
            raise FailedPreconditionError(
                None, None,
                f"component {k} has the shape {shape_text(np.shape(component))}, where the graph "
                f"promises {shape_text(dims)}",
            )  # fmt: skip
    return components


def _unknown(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "handle")
    return [None] * len(call_.attrs["component_types"])


def _rows(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[1], 0, "n")
    n = call_.value(1)
    if n is not None and n < 0:
        raise ShapeError(f"Input 'n' must be >= 0, but is {int(n)}")
    return _unknown(call_)


def _nothing(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "handle")
    return []


def _with_rows(call_: Call) -> list[Dims]:
    for number, dims in enumerate(call_.shapes[1:]):
        if dims == ():
            raise ShapeError(f"component {number} must have rank at least 1")
    return _nothing(call_)


def _close(call_: Call, given: Any) -> tuple[()]:
    _queue(given).close_after_pending(call_.attrs["cancel_pending_enqueues"])
    return ()


def absent(*more: Any, **attrs: Any) -> Any:
    """The error sample of an operation whose first input is a handle."""
    return error_sample(
        NotFoundError, "'nowhere' does not exist", NOWHERE, *more, stage="run", **attrs
    )


_ONE = np.array(1, np.int32)

for _v in _VERSIONS:
    for _type, _run, _infer in (
        ("QueueEnqueue", _enqueue, _nothing), ("QueueEnqueueMany", _enqueue_many, _with_rows),
    ):  # fmt: skip
        define(
            _type + _v,
            "handle: string, components: [Tcomponents] ->",
            Tcomponents=_TYPES,
            timeout_ms=-1,
            infer=_infer,
            grad=NO_GRADIENT,
            reference=_run,
            samples=(),
            errors=(absent([i32([1, 2])]),),
            effect=HOST,
            doc="Puts an element into a queue." if _infer is _nothing else
            "Puts the rows of the components into a queue, one element each.",
        )  # fmt: skip
    define(
        "QueueDequeue" + _v,
        "handle: string -> components: [component_types]",
        component_types=_TYPES,
        timeout_ms=-1,
        infer=_unknown,
        grad=NO_GRADIENT,
        reference=_dequeue,
        samples=(),
        errors=(absent(component_types=["float32"]),),
        effect=HOST,
        doc="Takes the next element out of a queue.",
    )
    for _type, _doc in (
        ("QueueDequeueMany", "Takes n elements out of a queue, stacked."),
        ("QueueDequeueUpTo", "Takes n elements out of a queue, or those left when it is closed."),
    ):
        define(
            _type + _v,
            "handle: string, n: int32 -> components: [component_types]",
            component_types=_TYPES,
            timeout_ms=-1,
            infer=_rows,
            grad=NO_GRADIENT,
            reference=_dequeue_many,
            samples=(),
            errors=(
                absent(_ONE, component_types=["float32"]),
                error_sample(
                    ValueError, "must be >= 0", NOWHERE, np.array(-1, np.int32), const=(1,),
                    component_types=["float32"],
                ),
            ),
            effect=HOST,
            doc=_doc,
        )  # fmt: skip
    define(
        "QueueClose" + _v,
        "handle: string ->",
        cancel_pending_enqueues=False,
        infer=_nothing,
        grad=NO_GRADIENT,
        reference=_close,
        samples=(),
        errors=(absent(),),
        effect=HOST,
        doc="Says that no more elements will come.",
    )
    define(
        "QueueIsClosed" + _v,
        "handle: string -> is_closed: bool",
        infer=scalar_shape,
        grad=NO_GRADIENT,
        reference=lambda call_, given: np.array(_queue(given).closed),
        samples=(),
        errors=(absent(),),
        effect=HOST,
        doc="Whether a queue is closed.",
    )
    define(
        "QueueSize" + _v,
        "handle: string -> size: int32",
        infer=scalar_shape,
        grad=NO_GRADIENT,
        reference=lambda call_, given: np.array(len(_queue(given)), np.int32),
        samples=(),
        errors=(absent(),),
        effect=HOST,
        doc="How many elements are in a queue.",
    )
