"""GraphDefs with TensorFlow 1's TensorArrays, rewritten to stacks: tensors with an element per row.

    TensorArrayV3(n) -> handle, flow        EmptyStack(n) -> stack
    TensorArrayWriteV3(handle, i, x, flow)  StackStore(stack, i, x)
    TensorArrayReadV3(handle, i, flow)      GatherV2(stack, i)

The flow, a number that only orders the operations there, carries the elements here; handles have no
use.  So elements are of the flow's dtype, float32; arrays of others stay as they are.

Read next: frames.py; ops/stacks.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowgraph.dtypes import float32, int32
from flowgraph.protos.graphs import NodeDef
from flowgraph.protos.tensors import make_tensor_proto

_FLOAT, _INT = float32.as_datatype_enum, int32.as_datatype_enum
_ARRAYS = {
    "TensorArrayV3", "TensorArrayWriteV3", "TensorArrayReadV3", "TensorArrayScatterV3",
    "TensorArrayGatherV3", "TensorArraySizeV3",
}  # fmt: skip


def has_arrays(nodes: Iterable[NodeDef]) -> bool:
    """Whether there are TensorArrays, all of numbers that may take the place of the flow.

    NB: an array that grows has no size beforehand; a scatter is taken for one of all elements.
    """
    arrays = [node for node in nodes if node.op in _ARRAYS]
    dtypes = {node.attr[key].type for node in arrays for key in ("dtype", "T") if key in node.attr}
    grows = any(node.attr["dynamic_size"].b for node in arrays if "dynamic_size" in node.attr)
    return bool(arrays) and dtypes <= {_FLOAT} and not grows


def without_arrays(nodes: Iterable[NodeDef]) -> list[NodeDef]:
    """``nodes`` with stacks in place of arrays; names stay."""
    nodes = list(nodes)
    arrays = {node.name for node in nodes if node.op == "TensorArrayV3"}
    made: list[NodeDef] = []
    for node in nodes:
        data = [text for text in node.input if not text.startswith("^")]
        controls = [text for text in node.input if text.startswith("^")]
        data = [text[:-2] if text.endswith(":1") and text[:-2] in arrays else text for text in data]
        if node.op not in _ARRAYS:
            new = NodeDef()
            new.CopyFrom(node)
            new.input[:] = [*data, *controls]
        else:
            new = _stack(node, data, controls, made)
        made.append(new)
    return made


def _stack(node: NodeDef, data: list[str], controls: list[str], made: list[NodeDef]) -> NodeDef:
    new = NodeDef(name=node.name, device=node.device)
    if node.op == "TensorArrayV3":
        new.op = "EmptyStack"
        new.attr["dtype"].type = _FLOAT
        new.attr["row_shape"].shape.CopyFrom(node.attr["element_shape"].shape)
        new.input[:] = [data[0], *controls]
    elif node.op == "TensorArrayWriteV3":
        new.op = "StackStore"
        new.attr["T"].type = _FLOAT
        new.input[:] = [data[3], data[1], data[2], *controls]
    elif node.op == "TensorArrayScatterV3":
        new.op = "Identity"
        new.attr["T"].type = _FLOAT
        new.input[:] = [data[2], *controls]
    elif node.op == "TensorArraySizeV3":
        shape = NodeDef(name=f"{node.name}/shape", op="Shape", input=[data[1]])
        shape.attr["T"].type = _FLOAT
        shape.attr["out_type"].type = _INT
        made += [shape, _constant(f"{node.name}/first", 0, data[1])]
        new.op = "GatherV2"
        new.input[:] = [shape.name, f"{node.name}/first", f"{node.name}/first", *controls]
        _gather(new, _INT)
    else:
        new.op = "GatherV2"
        made.append(_constant(f"{node.name}/axis", 0, data[2]))
        new.input[:] = [data[2], data[1], f"{node.name}/axis", *controls]
        _gather(new, _FLOAT)
    return new


def _gather(node: NodeDef, kind: int) -> None:
    node.attr["Tparams"].type = kind
    node.attr["Tindices"].type = node.attr["Taxis"].type = _INT


def _constant(name: str, value: int, beside: str) -> NodeDef:
    """A constant in the loop that the tensor ``beside`` is in."""
    node = NodeDef(name=name, op="Const", input=[f"^{beside.partition(':')[0]}"])
    node.attr["dtype"].type = _INT
    node.attr["value"].tensor.CopyFrom(make_tensor_proto(np.int32(value)))
    return node
