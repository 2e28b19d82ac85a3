"""GraphDefs with resource variables, rewritten to the plain ones that are here.

    VarHandleOp -> ReadVariableOp            VariableV2 -> Identity
               |-> AssignVariableOp     =>             |-> Assign
               |-> ResourceApplyAdam                   |-> ApplyAdam

A node keeps its name, so signatures and collections fit.  Plain variables have here what resource
variables were made for: a defined order of effects.

Read next: importing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowgraph.graph.opdef import OPDEFS
from flowgraph.protos.graphs import NodeDef

#: Op type -> (op type here, {attr there: attr here}).
_TYPES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "VarHandleOp": ("VariableV2", {
        "dtype": "dtype", "shape": "shape", "shared_name": "shared_name", "container": "container"
    }),
    "VarIsInitializedOp": ("IsVariableInitialized", {}),
    "ReadVariableOp": ("Identity", {"dtype": "T"}),
    "AssignVariableOp": ("Assign", {"dtype": "T"}),
    "AssignAddVariableOp": ("AssignAdd", {"dtype": "T"}),
    "AssignSubVariableOp": ("AssignSub", {"dtype": "T"}),
    "VariableShape": ("Shape", {"out_type": "out_type"}),
    "ResourceGather": ("Gather", {"dtype": "Tparams", "Tindices": "Tindices"}),
    "ResourceGatherNd": ("GatherNd", {"dtype": "Tparams", "Tindices": "Tindices"}),
}  # fmt: skip
_LEADS = {"ResourceApply": "Apply", "ResourceSparseApply": "SparseApply",
          "ResourceScatter": "Scatter"}  # fmt: skip
#: The dtype of handles.
_RESOURCE = 20
#: Attrs that hold the dtype of the variable, where it must be looked for at the VarHandleOp.
_DTYPE_OF_VARIABLE = {"VarIsInitializedOp": "dtype", "VariableShape": "T"}


def with_plain_variables(nodes: Iterable[NodeDef]) -> list[NodeDef]:
    """``nodes``, those about resource variables replaced; the others are the same objects.

    >>> node = NodeDef(name="read", op="ReadVariableOp", input=["v"])
    >>> with_plain_variables([node])[0].op
    'Identity'
    """
    nodes = list(nodes)
    handles = {
        node.name: node for node in nodes if node.op in ("VarHandleOp", "Identity", "Switch")
    }
    copies = {
        node.name: node.input[0]
        for node in nodes
        if node.op == "Identity" and node.input and _is_handle(node)
    }
    made = [_replaced(node, handles) for node in nodes]
    return [_past_copies(node, copies) for node in made] if copies else made


def _is_handle(node: NodeDef) -> bool:
    # NB: reading an attr that is not there would make it
    return "T" in node.attr and node.attr["T"].type == _RESOURCE


def _past_copies(node: NodeDef, copies: Mapping[str, str]) -> NodeDef:
    """``node`` with handles in place of copies of handles, of which there are none any more."""
    if node.name in copies:
        controls = [text for text in node.input if text.startswith("^")]
        return NodeDef(name=node.name, op="NoOp", input=controls)
    inputs = list(node.input)
    for place, text in enumerate(inputs):
        seen = 0
        while text.removesuffix(":0") in copies and seen < len(copies):
            text, seen = copies[text.removesuffix(":0")], seen + 1
        inputs[place] = text
    if inputs == list(node.input):
        return node
    new = NodeDef()
    new.CopyFrom(node)
    new.input[:] = inputs
    return new


def _replaced(node: NodeDef, handles: Mapping[str, NodeDef]) -> NodeDef:
    if node.op == "DisableCopyOnRead":  # about memory only
        controls = [text for text in node.input if text.startswith("^")]
        return NodeDef(name=node.name, op="NoOp", input=controls)
    if node.op in _TYPES:
        type_, attrs = _TYPES[node.op]
    else:
        lead = next((lead for lead in _LEADS if node.op.startswith(lead)), None)
        type_ = _LEADS[lead] + node.op.removeprefix(lead) if lead else ""
        opdef = OPDEFS.get(type_) if lead else None
        if opdef is None:
            return node
        attrs = {name: name for name in opdef.signature.attrs}
        if node.op.startswith("ResourceScatter"):
            attrs = {"dtype": "T", "Tindices": "Tindices"}
    if node.op == "ResourceGather" and "batch_dims" in node.attr and node.attr["batch_dims"].i:
        return node  # the plain one knows none
    made = NodeDef(name=node.name, op=type_, input=node.input, device=node.device)
    for there, here in attrs.items():
        if there in node.attr:
            made.attr[here].CopyFrom(node.attr[there])
    for name, value in node.attr.items():
        if name.startswith("_"):
            made.attr[name].CopyFrom(value)
    if type_ == "Assign":
        # NB: a resource variable of unknown shape takes any; of a known one, what fits
        given = node.attr.get("validate_shape")
        made.attr["validate_shape"].b = given is not None and given.b
    if node.op in _DTYPE_OF_VARIABLE and node.input:
        handle = handles.get(node.input[0].partition(":")[0])
        for _ in range(len(handles)):  # past copies of the handle
            if handle is not None and handle.op != "VarHandleOp" and handle.input:
                handle = handles.get(handle.input[0].partition(":")[0])
        if handle is not None and "dtype" in handle.attr:
            made.attr[_DTYPE_OF_VARIABLE[node.op]].CopyFrom(handle.attr["dtype"])
    return made
