"""Writes docs/operations.md: where each op type runs, and how often it can be differentiated.

    python -m tools.operations            # writes the page
    python -m tools.operations --check    # exit status 1 when the page is not up to date

Every cell is found by looking: at the record's kernel rule, at the gradient graph that its samples
give, and at the gradient graph of that.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import flowgraph as tf
from flowgraph.graph.opdef import (
    HOST,
    OPDEFS,
    Compiled,
    Custom,
    Loops,
    NotDifferentiable,
    OpDef,
    Procedure,
    View,
)

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "operations.md"

_HEAD = """\
# Operations

Made by `python -m tools.operations` from the op table; do not edit.

- **CPU**: `loops`, a typed loop nest, fused with its neighbours; `view`, no code, another way to
  look at the same memory; `kernel`, a compiled kernel of its own; `plan`, settled before the run,
  when sizes are known; `jumps`, a branch or loop around the instructions of its bodies;
  `compiled`, compiled loops that are called between native instructions, as the size of the result
  is data; `host`, NumPy, called once for the whole tensor between native instructions: strings, the
  outside world, and results whose size is data (such a result ends a stage of the plan, see
  [design.md](design.md)).
- **GPU**: `yes`, the kernel exists as CUDA code, tested in the simulator ([cuda.md](cuda.md)).
- **gradient**: `yes`, or why there is none. **second**: the gradient of the gradient; `zero` where
  the gradient does not depend on the inputs (linear operations).

A dtype that kernels do not hold (strings, and see [differences.md](differences.md)) runs on the
host.

"""


#: Ops that leave no work for the run: sources, sizes, and what the compiler sees through.
_PLANNED = frozenset(
    (
        "BroadcastArgs",
        "BroadcastGradientArgs",
        "Const",
        "IdentityN",
        "IsVariableInitialized",
        "NoOp",
        "Placeholder",
        "Rank",
        "Shape",
        "ShapeN",
        "Size",
        "VariableV2",
    )
)


def _holds_functions(op: OpDef) -> bool:
    return any(attr.kind == "func" for attr in op.signature.attrs.values())


def _cpu(op: OpDef) -> str:
    rule = op.kernel
    if _holds_functions(op):
        return "jumps"
    if op.type in _PLANNED:
        return "plan"
    if rule is None or op.effect == HOST or (isinstance(rule, Custom) and rule.name == "host"):
        return "host"
    return {
        Loops: "loops", View: "view", Custom: "kernel", Procedure: "kernel",
        Compiled: "compiled",
    }[type(rule)]  # fmt: skip


def _cases() -> Any:
    sys.path.insert(0, str(ROOT / "tests" / "ops"))
    import cases  # the tests' way from a sample to a graph

    return cases


def _order(op: OpDef, cases: Any) -> str:
    """``yes``, ``zero`` or ``no``: whether gradients of the gradient exist on some sample."""
    found = "no"
    for sample in op.samples:
        case = cases.build(op, sample)
        by = [
            case.inputs[k]
            for k, (i, array, is_ref) in enumerate(cases.positions(op, sample))
            if array.dtype.kind == "f" and i not in sample.const and not is_ref
        ]
        floats = [y for y in case.outputs if y.dtype.is_floating]
        if not by or not floats:
            continue
        with case.graph.as_default():
            weights = [tf.placeholder(y.dtype, y.shape) for y in floats]
            try:
                first = [g for g in tf.gradients(floats, by, weights) if g is not None]
                if not first:
                    continue
                second = tf.gradients([tf.convert_to_tensor(g) for g in first], by)
            except (LookupError, NotImplementedError):
                continue
        found = "zero" if found == "no" else found
        if any(g is not None for g in second):
            return "yes"
    return found


def page() -> str:
    """The text of docs/operations.md."""
    cases = _cases()
    rows = []
    for type in sorted(OPDEFS):
        op = OPDEFS[type]
        cpu = _cpu(op)
        gpu = "yes" if cpu in ("loops", "view", "plan") else "no"
        if isinstance(op.grad, NotDifferentiable):
            gradient, second = op.grad.reason, ""
        elif _holds_functions(op):
            gradient, second = "yes", "yes"  # of any order: tests/control
        else:
            gradient, second = "yes", _order(op, cases)
        rows.append(f"| `{type}` | {cpu} | {gpu} | {gradient} | {second} |")
    counts = [f"{len(rows)} op types; on the CPU"]
    for kind in ("loops", "view", "plan", "kernel", "jumps", "compiled", "host"):
        counts.append(f"{sum(f'` | {kind} |' in row for row in rows)} {kind}")
    table = ["| op type | CPU | GPU | gradient | second |", "|---|---|---|---|---|", *rows]
    return _HEAD + counts[0] + " " + ", ".join(counts[1:]) + ".\n\n" + "\n".join(table) + "\n"


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = page()
    if parser.parse_args().check:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
