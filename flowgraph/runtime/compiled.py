"""Host instructions whose loops are compiled: runs the ``Compiled`` rule of a record.

    rule.given(call, *arrays) -> {"boxes": array, "count": 3, ...}
      ==>  block = [address of boxes, 3, ...]    kernel(block)    rule.made(call, values)

Read next: graph/opdef.py (the rule), host.py and reference.py (who asks for it).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from flowgraph.codegen.compile import addresses
from flowgraph.graph.opdef import Call, Compiled, OpDef
from flowgraph.kernel.ir import TextKernel
from flowgraph.runtime.native import foreign


def implementation(opdef: OpDef) -> Callable[..., Any]:
    """What computes the op from arrays: ``f(call, *arrays)``."""
    rule = opdef.kernel
    return partial(_run, opdef, rule) if isinstance(rule, Compiled) else opdef.reference


def _run(opdef: OpDef, rule: Compiled, call: Call, *arrays: np.ndarray) -> Any:
    values = rule.given(call, *arrays)
    if values is None:
        return opdef.reference(call, *arrays)
    kinds = tuple((name, _kind(name, value)) for name, value in values.items())
    words = [v.ctypes.data if isinstance(v, np.ndarray) else int(v) for v in values.values()]
    block = np.array(words, np.int64)
    if _function(opdef.type, rule, kinds)(block.ctypes.data, 0, 1):
        opdef.reference(call, *arrays)
        raise AssertionError(f"{opdef.type}: the kernel refuses what the reference takes")
    return rule.made(call, values)


def _kind(name: str, value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return "int64"
    assert value.flags.c_contiguous and value.flags.aligned, f"{name} is not row-major"
    return f"{value.dtype.name}_pointer"


@cache
def _function(type: str, rule: Compiled, kinds: tuple[tuple[str, str], ...]) -> Any:
    lines = [f"{name} = {kind}(slot(block, {i}))" for i, (name, kind) in enumerate(kinds)]
    body = "\n".join((*lines, textwrap.dedent(rule.text).strip("\n")))
    head = textwrap.dedent(rule.helpers).lstrip("\n") + "def kernel(block, start, stop):\n"
    (address,) = addresses([TextKernel(type, head + textwrap.indent(body, "    ") + "\n")])
    return foreign(address)
