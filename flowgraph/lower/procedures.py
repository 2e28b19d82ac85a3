"""Procedure rules -> one TextKernel each: names bound, buffers made, one instruction.

    Procedure("for i in range(start, stop): ...", sizes={"row": 3})
      ==>  def kernel(block, start, stop):
               row = slot(block, 0)
               x = float32_pointer(slot(block, 1))
               y = float32_pointer(slot(block, 2))
               for i in range(start, stop): ...

Words of the block, in order: sizes, inputs, counter, outputs, scratch, symbols.

Read next: graph/opdef.py (what the text may say), lowering.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from flowgraph.dtypes import DType, as_dtype
from flowgraph.graph.opdef import RANDOM, WRITE, Arg, Procedure
from flowgraph.kernel.ir import TextKernel
from flowgraph.lower.operands import anonymous, by_value, pointer
from flowgraph.optimize.frozen import Node
from flowgraph.plan.plan import ARENA, Operand, Pointer, Symbol, Word

if TYPE_CHECKING:
    from flowgraph.lower.lowering import Lowering


def lower_procedure(lowering: Lowering, node: Node, rule: Procedure) -> None:
    """Append the instruction of a node whose kernel is a Procedure."""
    assert node.opdef is not None
    call, signature = node.call(), node.opdef.signature
    sizes = rule.sizes(call)
    names, words = list(sizes), list(sizes.values())
    lines = [f"{name} = slot(block, {i})" for i, name in enumerate(names)]
    binder = _Binder(rule, lines, list(words))

    read: list[Operand] = []
    values = []
    dtypes: dict[str, str] = {}
    for i, (arg, places) in enumerate(_positions(signature.inputs, node)):
        if places:
            dtypes[arg.name] = _held_as(rule, arg, call.dtypes[places[0]])
        if places and places[0] in rule.known:
            continue
        operands = [lowering.operand(node.inputs[k]) for k in places]
        if i not in rule.updates.values():  # those are copied where the output lies
            operands = [lowering.contiguous(operand, node) for operand in operands]
            binder.bind(arg, operands)
        values += [node.inputs[k] for k in places]
        read += operands
    inputs = by_value(values, read)
    if node.effect == RANDOM:
        counter = lowering.counter(node)
        binder.bind_pointer("counter", "int64", pointer(counter))
        inputs.update(anonymous(counter))
    outputs = {value: lowering.output(value) for value in node.outputs}
    for place, start in rule.fill.items():
        lowering.fill(outputs[node.outputs[place]], start, node)
    for place, begins_as in rule.updates.items():
        (k,) = _positions(signature.inputs, node)[begins_as][1]
        before, out = lowering.operand(node.inputs[k]), outputs[node.outputs[place]]
        if out.slot is not before.slot:
            lowering.copy(before, out, node)
    made = list(outputs.values())
    for arg, count in _counted(signature.outputs, node):
        own = [made.pop(0) for _ in range(count)]
        if own:
            dtypes[arg.name] = _held_as(rule, arg, own[0].dtype)
        binder.bind(arg, own)
    for arg, own_ in zip(_other_variables(signature.inputs, node), made, strict=True):
        binder.bind(arg, [own_])
    scratch = []
    for name, (dtype, count) in (rule.scratch(call) if rule.scratch else {}).items():
        slot = lowering.new_slot(ARENA, max(1, count) * as_dtype(dtype).np.itemsize)
        binder.bind_pointer(name, dtype, Pointer(slot))
        scratch.append(slot)
    for symbol in rule.symbols:
        binder.bind_word(*_routine(symbol, node))
    for attr_name, attr in signature.attrs.items():
        if attr.kind == "type":
            dtypes[attr_name] = _held_as(rule, attr_name, node.attrs[attr_name])
    choices = tuple((rule.choices(call) if rule.choices else {}).items())
    source = _source(rule.helpers, rule.text, tuple(binder.lines), tuple(dtypes.items()), choices)
    label = "_".join([node.type, *dict.fromkeys(dtypes.values())])
    lowering.emit_text(
        TextKernel(label, source),
        binder.words,
        node,
        inputs,
        outputs,
        stop=1 if rule.steps is None else rule.steps(call),
        flops=rule.flops(call) if rule.flops else 0,
        scratch=tuple(scratch),
    )


def _other_variables(args: Sequence[Arg], node: Node) -> list[Arg]:
    """The variables that a node writes besides the first: no output of the signature has them."""
    return [arg for arg in args if arg.is_ref][1:] if node.effect == WRITE else []


#: What a kernel moves in place of a dtype that it cannot reckon with.
_BITS = {"float16": "uint16"}


def _held_as(rule: Procedure, holder: Arg | str, dtype: DType) -> str:
    """The dtype in the kernel of an argument, or of a type attr, of ``dtype``."""
    attr = holder if isinstance(holder, str) else holder.dtype_attr
    if rule.parts:
        return dtype.base_dtype.real_dtype.name
    name = dtype.base_dtype.name
    return _BITS.get(name, name) if attr in rule.moves else name


class _Binder:
    """The first lines of a kernel and the words they read."""

    def __init__(self, rule: Procedure, lines: list[str], words: list[Word]) -> None:
        self.rule, self.lines, self.words = rule, lines, words

    def bind_word(self, name: str, word: Word) -> None:
        self.lines.append(f"{name} = slot(block, {len(self.words)})")
        self.words.append(word)

    def bind_pointer(self, name: str, dtype: str, word: Word) -> None:
        self.lines.append(f"{name} = {dtype}_pointer(slot(block, {len(self.words)}))")
        self.words.append(word)

    def bind(self, arg: Arg, operands: Sequence[Operand]) -> None:
        """A pointer, or for a list the position of its first address."""
        if not arg.is_list:
            (operand,) = operands
            dtype = _held_as(self.rule, arg, operand.dtype)
            self.bind_pointer(arg.name, dtype, pointer(operand))
            return
        self.lines.append(f"{arg.name} = int64({len(self.words)})")
        self.words += [pointer(operand) for operand in operands]


#: dtype -> the first letter of its BLAS and LAPACK routines.
_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


def _routine(symbol: str, node: Node) -> tuple[str, Symbol]:
    """The name that a symbol is bound as, and the routine of the node's dtype."""
    if "?" not in symbol:
        return symbol, Symbol(symbol)
    dtype = node.attrs["T"].base_dtype
    real, _, other = symbol.partition("|")
    chosen = other if other and dtype.is_complex else real
    return real.strip("?_"), Symbol(chosen.replace("?", _LETTERS[dtype.name]))


def _counted(args: Sequence[Arg], node: Node) -> Iterator[tuple[Arg, int]]:
    """Every argument with the number of its tensors."""
    for arg in args:
        if not arg.is_list:
            yield arg, 1
        elif arg.count_attr:
            yield arg, int(node.attrs[arg.count_attr])
        else:
            yield arg, len(node.attrs[arg.dtype_attr])


def _positions(args: Sequence[Arg], node: Node) -> list[tuple[Arg, list[int]]]:
    """Every input argument with the positions of its tensors among the node's inputs."""
    found, start = [], 0
    for arg, count in _counted(args, node):
        found.append((arg, list(range(start, start + count))))
        start += count
    return found


@cache
def _source(
    helpers: str,
    text: str,
    lines: tuple[str, ...],
    dtypes: tuple[tuple[str, str], ...],
    choices: tuple[tuple[str, str], ...],
) -> str:
    words = {**dict(dtypes), **dict(choices)}
    above = textwrap.dedent(helpers).lstrip("\n").format(**words)
    body = textwrap.dedent(text).strip("\n").format(**words)
    head = f"{above}def kernel(block, start, stop):\n"
    return head + textwrap.indent("\n".join((*lines, body)), "    ")
