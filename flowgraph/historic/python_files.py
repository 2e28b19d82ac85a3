"""Functions of TensorFlow's own files that programs import although they are no public names.

``from tensorflow.python.client import device_lib`` and the like.  Other paths below
``tensorflow.python`` lead to public names: compat/modules.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.client_config import Message, Recorded
from flowgraph.graph.export import EXPORTS, export
from flowgraph.graph.node import Tensor
from flowgraph.saving.reader import NewCheckpointReader
from flowgraph.tensor_shape import TensorShape


@export("python.framework.tensor_shape.scalar")
def scalar() -> TensorShape:
    """The shape of a scalar.

    >>> scalar()
    TensorShape([])
    """
    return TensorShape([])


@export("python.framework.tensor_shape.vector")
def vector(length: Any) -> TensorShape:
    """The shape of a vector.

    Args:
        length: its size, or None.
    """
    return TensorShape([length])


@export("python.framework.tensor_shape.matrix")
def matrix(rows: Any, cols: Any) -> TensorShape:
    """The shape of a matrix.

    Args:
        rows, cols: its sizes, or None.
    """
    return TensorShape([rows, cols])


@export("python.framework.tensor_shape.as_shape")
def as_shape(shape: Any) -> TensorShape:
    """``shape`` as a TensorShape.

    Args:
        shape: a TensorShape, a list of sizes, or None.
    """
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


@export("python.layers.utils.smart_constant_value", "contrib.framework.smart_constant_value")
def smart_constant_value(pred: Any) -> bool | None:
    """The value of a condition that is known while the graph is built; None when it is not.

    Args:
        pred: a bool, 0, 1, or a bool tensor.

    Raises:
        TypeError: something else.

    >>> smart_constant_value(1), smart_constant_value(EXPORTS["constant"](False))
    (True, False)
    """
    if isinstance(pred, (bool, np.bool_)) or (isinstance(pred, int) and pred in (0, 1)):
        return bool(pred)
    if isinstance(pred, Tensor) or hasattr(pred, "_as_graph_element"):
        value = EXPORTS["get_static_value"](pred)
        return None if value is None else bool(value)
    raise TypeError(f"a condition is a bool, 0, 1 or a bool tensor, not {pred!r}")


@export("python.layers.utils.smart_cond", "contrib.framework.smart_cond")
def smart_cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """``tf.cond``, which calls only one function where the condition is known already.

    Args:
        pred: a bool, 0, 1, or a bool tensor.
        true_fn, false_fn: make the result.
        name: of the ``cond``.

    Raises:
        TypeError: a function is not callable.
    """
    if not callable(true_fn) or not callable(false_fn):
        raise TypeError("true_fn and false_fn must be callable")
    known = smart_constant_value(pred)
    if known is None:
        return EXPORTS["cond"](pred, true_fn=true_fn, false_fn=false_fn, name=name)
    return true_fn() if known else false_fn()


@export("python.ops.control_flow_ops.with_dependencies")
def with_dependencies(dependencies: Any, output_tensor: Any, name: str | None = None) -> Any:
    """``output_tensor``, computed after ``dependencies``.

    Args:
        dependencies: operations or tensors.
        output_tensor: a tensor.
        name: of the ``Identity``.
    """
    with EXPORTS["control_dependencies"](dependencies):
        return EXPORTS["identity"](output_tensor, name=name)


class DeviceAttributes(Message):
    """What one device is: ``name``, ``device_type``, ``memory_limit`` in bytes."""

    FIELDS = {
        "name": "",
        "device_type": "",
        "memory_limit": 0,
        "locality": Recorded,
        "incarnation": 0,
        "physical_device_desc": "",
    }


@export("python.client.device_lib.list_local_devices")
def list_local_devices(session_config: Any = None) -> list[DeviceAttributes]:
    """The devices that sessions run on: the CPU.

    Args:
        session_config: accepted, without effect.

    Returns:
        Records with ``name``, ``device_type`` and ``memory_limit``.

    >>> [device.name for device in list_local_devices()]
    ['/device:CPU:0']
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        memory = 1 << 28
    return [DeviceAttributes(name="/device:CPU:0", device_type="CPU", memory_limit=memory)]


@export("python.tools.inspect_checkpoint.print_tensors_in_checkpoint_file")
def print_tensors_in_checkpoint_file(
    file_name: str,
    tensor_name: str | None,
    all_tensors: bool,
    all_tensor_names: bool = False,
    count_exclude_pattern: str = "",
) -> None:
    """Write names, or names and values, of the tensors in a checkpoint to standard output.

    Args:
        file_name: prefix of the checkpoint.
        tensor_name: show only this one.
        all_tensors: show every value.
        all_tensor_names: show every name.
        count_exclude_pattern: accepted, without effect.

    Raises:
        NotFoundError: there is no such checkpoint or tensor.
    """
    reader = NewCheckpointReader(file_name)
    shapes = reader.get_variable_to_shape_map()
    lines = []
    for name in sorted(shapes) if all_tensors or all_tensor_names else ():
        lines.append(f"tensor: {name} {shapes[name]}")
        if all_tensors:
            lines.append(str(reader.get_tensor(name)))
    if not lines and tensor_name:
        lines = [f"tensor: {tensor_name}", str(reader.get_tensor(tensor_name))]
    elif not lines:
        lines = [f"{name} {shapes[name]}" for name in sorted(shapes)]
    sys.stdout.write("\n".join(lines) + "\n")
