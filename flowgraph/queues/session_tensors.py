"""Tensors that stay in a session from one run to the next: get_session_handle and its kin.

Read next: runtime/held.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype, string
from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import HOST, REQUIRED, Attr, Call, define, error_sample
from flowgraph.ops.rules import f32, require_rank
from flowgraph.ops.texts import filled
from flowgraph.queues.queue_classes import refuse_eager
from flowgraph.queues.queue_ops import NO_GRADIENT, NOWHERE
from flowgraph.runtime.held import HeldTensor, TensorHandle
from flowgraph.runtime.state import current_state, find_resource
from flowgraph.shapes import Dims

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"
_numbers = itertools.count()


def _keep(call_: Call, value: Any) -> Any:
    text = f"{call_.name};{next(_numbers)};{_DEVICE}"
    return filled([TensorHandle(text, current_state(), np.array(value))], ())


def _held(given: Any) -> tuple[str, HeldTensor]:
    value = given[()]
    text = value.decode() if isinstance(value, bytes) else str(value)
    found = find_resource(text)
    if not isinstance(found, HeldTensor):
        raise InvalidArgumentError(
            None, None, f"The tensor with handle '{text}' is not in the session store."
        )
    return text, found


def _give(call_: Call, given: Any) -> Any:
    _, found = _held(given)
    if found.array.dtype != call_.attrs["dtype"].np:
        raise InvalidArgumentError(
            None, None,
            f"the tensor is {found.array.dtype}, asked for was {call_.attrs['dtype'].name}",
        )  # fmt: skip
    return found.array


def _forget(call_: Call, given: Any) -> tuple[()]:
    text, _ = _held(given)
    del current_state().resources[text]
    return ()


def _handle_shape(call_: Call) -> list[Dims]:
    if call_.type != "GetSessionHandle":
        require_rank(call_.shapes[0], 0, "handle")
    if call_.type == "GetSessionHandle":
        return [()]
    return [None] if call_.type == "GetSessionTensor" else []


_COMMON: dict[str, Any] = {
    "infer": _handle_shape, "grad": NO_GRADIENT, "samples": (), "effect": HOST,
}  # fmt: skip

define(
    "GetSessionHandle",
    "value: T -> handle: string",
    T=Attr("type", REQUIRED),
    reference=_keep,
    errors=(error_sample(TypeError, "no_such_attr", f32(1), no_such_attr=1),),
    doc="Keeps a tensor in the session.",
    **_COMMON,
)
define(
    "GetSessionTensor",
    "handle: string -> value: dtype",
    dtype=Attr("type", REQUIRED),
    reference=_give,
    errors=(
        error_sample(Exception, "is not in the session", NOWHERE, dtype="float32", stage="run"),
    ),
    doc="A tensor that the session keeps.",
    **_COMMON,
)
define(
    "DeleteSessionTensor",
    "handle: string ->",
    reference=_forget,
    errors=(error_sample(Exception, "is not in the session store", NOWHERE, stage="run"),),
    doc="Lets the session forget a tensor.",
    **_COMMON,
)


@export("get_session_handle")
def get_session_handle(data: Any, name: str | None = None) -> Tensor:
    """When run, keeps the value of a tensor in the session and gives a handle of it.

    Args:
        data: the tensor.
        name: of the operation; ``GetSessionHandle`` by default.

    Returns:
        A string scalar. ``sess.run`` of it gives a TensorHandle: ``eval()`` is the value,
        ``delete()`` forgets it, ``handle`` is to be fed to ``get_session_tensor``; it can also be
        fed in place of the value.

    >>> x = tf.placeholder(tf.float32)
    >>> sess = tf.Session()
    >>> kept = sess.run(tf.get_session_handle(tf.constant([1.0, 2.0]) * 2.0))
    >>> kept.eval()
    array([2., 4.], dtype=float32)
    >>> sess.run(x + 1.0, {x: kept})
    array([3., 5.], dtype=float32)
    >>> holder, value = tf.get_session_tensor(kept.handle, tf.float32)
    >>> sess.run(value * 3.0, {holder: kept.handle})
    array([ 6., 12.], dtype=float32)
    """
    refuse_eager("tf.get_session_handle")
    if not isinstance(data, Tensor):
        data = convert_to_tensor(data)
    return apply_op("GetSessionHandle", data, name=name)


@export("get_session_tensor")
def get_session_tensor(handle: Any, dtype: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """A tensor that the session keeps.

    Args:
        handle: any handle of the session: it says nothing but that there is one.
        dtype: of the tensor.
        name: of the operation; ``GetSessionTensor`` by default.

    Returns:
        A placeholder, to be fed with a handle, and the tensor that it stands for.

    Raises:
        InvalidArgumentError: there is no such tensor, or it has another dtype (when run).
    """
    refuse_eager("tf.get_session_tensor")
    holder = call.Placeholder(dtype=string)
    return holder, apply_op("GetSessionTensor", holder, dtype=as_dtype(dtype), name=name)


@export("delete_session_tensor")
def delete_session_tensor(handle: Any, name: str | None = None) -> tuple[Tensor, Operation]:
    """Lets the session forget a tensor.

    Args:
        handle: any handle of the session: it says nothing but that there is one.
        name: of the operation; ``DeleteSessionTensor`` by default.

    Returns:
        A placeholder, to be fed with a handle, and the operation that forgets its tensor.

    Raises:
        InvalidArgumentError: there is no such tensor (when run).
    """
    refuse_eager("tf.delete_session_tensor")
    holder = call.Placeholder(dtype=string)
    return holder, apply_op("DeleteSessionTensor", holder, name=name)
