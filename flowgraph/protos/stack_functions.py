"""Stacks (ops/stacks.py) in a GraphDef: ops that TensorFlow has not, as functions that it can run.

    StackStore(stack, i, x)   =>   StackStore_1(stack, i, x)   _op: StackStore
                                   library: StackStore_1 = TensorScatterUpdate(..., i, x)

The importer takes the node for the op that it was; TensorFlow calls the function.  An empty stack
has no rows' size where none is known; the first element that is stored gives it.

Read next: functions.py (who asks for them).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, bool_, int32
from flowgraph.graph.opdef import OPDEFS
from flowgraph.protos.graphs import FunctionDef, NodeDef, OpDef
from flowgraph.protos.tensors import dims_of, make_tensor_proto

#: Attr of a node: the op type that it is here.
OP = "_op"
#: How the attrs of that op type are called on such a node.
_LEAD = "_op_"
_INT = int32.as_datatype_enum

#: Op type -> nodes (name, op type, inputs, attrs; T is the dtype of the stack), and the results.
_NODES: dict[str, tuple[list[tuple[str, str, str, dict[str, Any]]], list[str]]] = {
    "StackCapacity": ([("same", "Identity", "count", {"T": _INT})], ["same:output:0"]),
    "EmptyStack": (
        [
            ("lead", "Reshape", "capacity one:output:0", {"T": _INT, "Tshape": _INT}),
            ("shape", "ConcatV2", "lead:output:0 row:output:0 zero:output:0",
             {"N": 2, "T": _INT, "Tidx": _INT}),
            ("fill", "Fill", "shape:output:0 nothing:output:0", {"T": "T", "index_type": _INT}),
        ],
        ["fill:output:0"],
    ),
    "StackStore": (
        [
            ("have", "Shape", "stack", {"T": "T", "out_type": _INT}),
            ("element", "Shape", "value", {"T": "T", "out_type": _INT}),
            ("first", "Slice", "have:output:0 zeros:output:0 one:output:0",
             {"T": _INT, "Index": _INT}),
            ("shape", "ConcatV2", "first:output:0 element:output:0 zero:output:0",
             {"N": 2, "T": _INT, "Tidx": _INT}),
            ("flat", "Reshape", "stack all:output:0", {"T": "T", "Tshape": _INT}),
            ("there", "Shape", "flat:output:0", {"T": "T", "out_type": _INT}),
            ("room", "Prod", "shape:output:0 zeros:output:0",
             {"T": _INT, "Tidx": _INT, "keep_dims": True}),
            ("after", "Sub", "room:output:0 there:output:0", {"T": _INT}),
            ("before", "ZerosLike", "after:z:0", {"T": _INT}),
            ("pads", "Pack", "before:y:0 after:z:0", {"N": 2, "T": _INT, "axis": 1}),
            ("wide", "Pad", "flat:output:0 pads:output:0", {"T": "T", "Tpaddings": _INT}),
            ("rows", "Reshape", "wide:output:0 shape:output:0", {"T": "T", "Tshape": _INT}),
            ("place", "Reshape", "index ones:output:0", {"T": _INT, "Tshape": _INT}),
            ("row", "ExpandDims", "value zero:output:0", {"T": "T", "Tdim": _INT}),
            ("store", "TensorScatterUpdate", "rows:output:0 place:output:0 row:output:0",
             {"T": "T", "Tindices": _INT}),
        ],
        ["store:output:0"],
    ),
    "StackResize": (
        [
            ("have", "Shape", "stack", {"T": "T", "out_type": _INT}),
            ("rest", "Slice", "have:output:0 one:output:0 all:output:0",
             {"T": _INT, "Index": _INT}),
            ("lead", "Reshape", "capacity one:output:0", {"T": _INT, "Tshape": _INT}),
            ("shape", "ConcatV2", "lead:output:0 rest:output:0 zero:output:0",
             {"N": 2, "T": _INT, "Tidx": _INT}),
            ("after", "Sub", "shape:output:0 have:output:0", {"T": _INT}),
            ("before", "ZerosLike", "after:z:0", {"T": _INT}),
            ("pads", "Pack", "before:y:0 after:z:0", {"N": 2, "T": _INT, "axis": 1}),
            ("wide", "Pad", "stack pads:output:0", {"T": "T", "Tpaddings": _INT}),
        ],
        ["wide:output:0"],
    ),
    "StackMark": (
        [
            ("place", "Reshape", "index ones:output:0", {"T": _INT, "Tshape": _INT}),
            ("store", "TensorScatterUpdate", "written place:output:0 true:output:0",
             {"T": bool_.as_datatype_enum, "Tindices": _INT}),
        ],
        ["store:output:0", "index"],
    ),
    "StackCheck": ([("same", "Identity", "index", {"T": _INT})], ["same:output:0"]),
}  # fmt: skip
_CONSTANTS: dict[str, Any] = {
    "zero": np.int32(0), "one": np.array([1], np.int32), "ones": np.array([1, 1], np.int32),
    "all": np.array([-1], np.int32), "true": np.array([True]), "zeros": np.array([0], np.int32),
}  # fmt: skip


def is_stack(node: NodeDef) -> bool:
    """Whether TensorFlow needs a function to run ``node``."""
    return node.op in _NODES


def as_call(node: NodeDef, name: str) -> NodeDef:
    """``node`` as a call of the function ``name``."""
    made = NodeDef(name=node.name, op=name, device=node.device, input=node.input)
    made.attr[OP].s = node.op.encode()
    for key, value in node.attr.items():
        made.attr[key if key.startswith("_") else _LEAD + key].CopyFrom(value)
    return made


def as_op(node: NodeDef) -> NodeDef:
    """The node of which ``as_call`` made ``node``; others are returned as they are."""
    if OP not in node.attr or node.attr[OP].s.decode() not in _NODES:
        return node
    type_ = node.attr[OP].s.decode()
    made = NodeDef(name=node.name, op=type_, device=node.device, input=node.input)
    for key, value in node.attr.items():
        if key != OP:
            made.attr[key.removeprefix(_LEAD)].CopyFrom(value)
    return made


def function_name(node: NodeDef) -> str:
    """Nodes of one dtype and size call one function."""
    parts = [node.op, *(as_dtype(node.attr[k].type).name for k in ("T", "dtype") if k in node.attr)]
    if "row_shape" in node.attr:
        dims = dims_of(node.attr["row_shape"].shape)
        parts += ["unknown"] if dims is None else ["x" if n is None else str(n) for n in dims]
    return "_".join(parts)


def function_of(node: NodeDef, name: str) -> FunctionDef:
    """The function that does what ``node`` does."""
    signature = OPDEFS[node.op].signature
    dtype = next((node.attr[key].type for key in ("T", "dtype") if key in node.attr), 0)
    made = FunctionDef(signature=OpDef(name=name))
    for args, target in (
        (signature.inputs, made.signature.input_arg),
        (signature.outputs, made.signature.output_arg),
    ):
        for arg in args:
            enum = dtype if arg.dtype_attr else DType(arg.dtype).as_datatype_enum
            target.append(OpDef.ArgDef(name=arg.name, type=enum))
    nodes, results = _NODES[node.op]
    constants = dict(_CONSTANTS)
    if node.op == "EmptyStack":
        row = dims_of(node.attr["row_shape"].shape)
        row = (None,) if row is None else row
        constants["row"] = np.array([0 if size is None else size for size in row], np.int32)
        constants["nothing"] = _nothing(dtype)
    used = {text.partition(":")[0] for _, _, inputs, _ in nodes for text in inputs.split()}
    for key, value in constants.items():
        if key in used:
            constant = NodeDef(name=key, op="Const")
            constant.attr["value"].tensor.CopyFrom(make_tensor_proto(value))
            constant.attr["dtype"].type = constant.attr["value"].tensor.dtype
            made.node_def.append(constant)
    for key, type_, inputs, attrs in nodes:
        inner = NodeDef(name=key, op=type_, input=inputs.split())
        for attr, number in attrs.items():
            if attr == "keep_dims":
                inner.attr[attr].b = number
            elif attr in ("N", "axis"):
                inner.attr[attr].i = number
            else:
                inner.attr[attr].type = dtype if number == "T" else number
        made.node_def.append(inner)
    for arg, result in zip(signature.outputs, results, strict=True):
        made.ret[arg.name] = result
    return made


def _nothing(enum: int) -> Any:
    kind = as_dtype(enum).np
    return np.array("" if kind.hasobject else 0, kind)
