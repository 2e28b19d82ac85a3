"""Rows that a loop reads or writes one after another, without copies: operands that move.

    row = GatherV2(rows, i, 0)      rows: captured, as it is in every round of the loop
    y = row * w                     ==>   point: block words of ``row`` = address of rows[i]
                                          Mul(row, w)

    y = x * w                              point: block words of ``y`` = address of stack[i]
    stack' = StackStore(stack, i, y)  ==>  Mul(x, w)
                                           StackStore: nothing is left to do

One small instruction writes the row's address into the blocks of all kernels that use it.

Read next: flow.py (loops), runtime/executor.py (where the words lie).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.dtypes import float16
from flowgraph.graph.opdef import Custom, Loops
from flowgraph.kernel.ir import TextKernel
from flowgraph.lower.operands import by_value, pointer
from flowgraph.optimize.frozen import FEED, VARIABLE, FrozenGraph, Node, Value
from flowgraph.optimize.fuse import runs_on_host
from flowgraph.optimize.strides import contiguous_strides
from flowgraph.plan.plan import ARENA, CONST, FETCH, MOVING, Instr, Operand
from flowgraph.plan.plan import FEED as FEED_SLOT

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering

#: Elements of a row for which a copy would cost more.  (A condition, one number, may not move.)
LEAST_SIZE = 32

#: Block: index, rows, bytes of a row, address of row 0, the address found, a list, its length.
#: The list: address of a word, and how many bytes behind the row's start it points.
_POINT = """\
def kernel(block, start, stop):
    index = int64(load({dtype}_pointer(slot(block, 0)), 0))
    if (index < 0) | (index >= slot(block, 1)):
        return 2
    place = slot(block, 3) + index * slot(block, 2)
    put_slot(block, 4, place)
    words = slot(block, 5)
    for i in range(slot(block, 6)):
        put_slot(slot(words, 2 * i), 0, place + slot(words, 2 * i + 1))
    return 0
"""


def lower_moving_row(lowering: Lowering, node: Node) -> bool:
    """Lower ``node`` as a row that moves, if it takes one row of what the loop never changes."""
    if lowering.outer is None or not _takes_row(node):
        return False
    value, (rows, index, _) = node.outputs[0], node.inputs
    source = lowering.operand(rows)
    lies_still = source.slot.kind in (ARENA, CONST, FEED_SLOT, FETCH)
    if not lies_still or not source.is_contiguous() or value.size < LEAST_SIZE:
        return False
    _point(lowering, node, value, (rows, source), index)
    return True


def _takes_row(node: Node) -> bool:
    """True for one row, by its number, of what comes from outside the loop."""
    if node.type != "GatherV2" or node.attrs.get("batch_dims"):
        return False
    rows, index, axis = node.inputs
    first = axis.node.const is not None and int(axis.node.const) == 0
    return first and rows.node.type == FEED and index.shape == ()


def rows_first(graph: FrozenGraph) -> FrozenGraph:
    """The nodes of a body in an order in which rows whose number is known come first.

    So they stand between no two operations that could be one kernel.
    """
    early = [n for n in graph.nodes if _takes_row(n) and n.inputs[1].node.type in (FEED, VARIABLE)]
    if not early:
        return graph
    sources = [n for n in graph.nodes if n.opdef is None or n.type == "Const"]
    moved = {*early, *sources}
    rest = [n for n in graph.nodes if n not in moved]
    return FrozenGraph([*sources, *early, *rest], graph.feeds, graph.fetches)


def _point(
    lowering: Lowering, node: Node, value: Value, rows: tuple[Value, Operand], index: Value
) -> Operand:
    """Append the instruction after which ``value`` lies at row ``index`` of ``rows``."""
    source, at = rows[1], lowering.operand(index)
    nbytes = value.size * value.dtype.np.itemsize
    slot = lowering.new_slot(MOVING, nbytes, node.name)
    slot.base = source.slot
    out = Operand(slot, value.dtype, value.sizes, contiguous_strides(value.sizes))
    lowering.operands[value] = out
    reads = node.type == "GatherV2"
    lowering.emit(
        Instr(
            TextKernel(f"point_{index.dtype.name}", _POINT.format(dtype=index.dtype.name)),
            (pointer(at), source.shape[0], nbytes, pointer(source), 0, 0, 0),
            1,
            (node,),
            by_value((rows[0], index), (source, at)),
            {value: out} if reads else {},
            points=slot,
            packs=not reads,
        )
    )
    return out


# ------------------------------------------------------------------------------------------ stores


def stored_values(graph: FrozenGraph) -> dict[Value, Node]:
    """Values of a loop's body that can be made where a StackStore would copy them -> that node.

    Nothing else may look at the stack, whose row would be there too early, and the index must be
    there when the value is made.
    """
    found: dict[Value, Node] = {}
    users = graph.consumers()
    for store in graph.nodes:
        if store.type != "StackStore" or not store.writes:
            continue
        stack, index, value = store.inputs
        made, opdef = value.node, value.node.opdef
        if (
            opdef is not None
            and stack.node.type == VARIABLE
            and index.node.type in (VARIABLE, FEED)
            and value not in found
            and isinstance(opdef.kernel, (Loops, Custom))
            and not made.writes
            and not runs_on_host(opdef, made)
            and value.dtype is not float16
            and value.size >= LEAST_SIZE
            and users[stack] == [store]
            and store.outputs[0] not in users
        ):
            found[value] = store
    return found


def row_of_stack(lowering: Lowering, value: Value, store: Node) -> Operand:
    """Memory for ``value``, about to be made: its row of the stack."""
    stack, index, _ = store.inputs
    return _point(lowering, store, value, (stack, lowering.operand(stack)), index)


#: A store whose row is in its place already.
_NOTHING = TextKernel("stored", "def kernel(block, start, stop):\n    return 0\n")


def lower_stored(lowering: Lowering, node: Node) -> None:
    """Lower a StackStore of a value that was made in its row."""
    stack, index, value = node.inputs
    operands = [lowering.operand(v) for v in (stack, index, value)]
    out = lowering.output(node.outputs[0])
    assert out.slot is operands[0].slot, f"{node!r}: the stack has moved"
    given = by_value(node.inputs, operands)
    lowering.emit_text(_NOTHING, (), node, given, {node.outputs[0]: out}, bytes_moved=0)
