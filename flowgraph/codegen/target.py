"""The numba target of kernel text: numba reads and types the Python, this module spells it in LLVM.

    def kernel(block, start, stop)  --numba front end-->  numba IR
                                    --numba type inference (our typing context)-->  types
                                    --lower-->  LLVM IR text

numba's own CPU target spends most of its time on what kernels do not have (arrays, reference
counts, exceptions, overload resolution, wrappers).  Here every name has one strict rule
(intrinsics.py), so a typing context is a dictionary and a lowering is one function per kind of
statement.  ``lowered`` is the entry point; it imports numba, nothing else in the package does.

Read next: compiler.py (LLVM text -> object code), cpu.py (who writes kernel text).
"""

from __future__ import annotations

import itertools
import operator
import types as python_types
from collections import OrderedDict
from functools import cache
from typing import Any

from numba.core import bytecode, interpreter, ir, typeinfer, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.typing.context import CallStack
from numba.core.typing.templates import signature

from flowgraph.codegen import special_math, vector_math
from flowgraph.codegen.arithmetic import emit_cast
from flowgraph.codegen.intrinsics import (
    INDEPENDENT,
    NAMES,
    OPERATOR_PRIMITIVES,
    REDUCING,
    KernelTextError,
    Primitive,
)
from flowgraph.codegen.llvm_text import (
    WIDTHS,
    FunctionText,
    Literal,
    ModuleText,
    Tuning,
    llvm_type,
)


def _numba_type(dtype: str) -> types.Type:
    return types.boolean if dtype == "bool" else getattr(types, dtype)


_NUMBA_TYPES: dict[str, types.Type] = {
    **{name: _numba_type(name) for name in WIDTHS},
    "void": types.void,
    **{name + "*": types.CPointer(_numba_type(name)) for name in WIDTHS},
}
_NAMES = {numba_type: name for name, numba_type in _NUMBA_TYPES.items()}

_RANGE, _ITERATOR = types.range_state64_type, types.range_iter64_type
_NEXT = types.Pair(types.int64, types.boolean)


class _Callee(types.Callable, types.Opaque):
    """The numba type of a name of kernel text."""

    def __init__(self, primitive: Primitive) -> None:
        self.primitive = primitive
        self.signatures: dict[tuple, Any] = {}
        super().__init__(f"{primitive.name}@{id(primitive):x}")

    def get_call_type(self, context: Any, args: tuple, kws: Any) -> Any:
        found = self.signatures.get(args)
        if found is None:
            result = self.primitive.result(*(_NAMES[a] for a in args))
            found = self.signatures[args] = signature(_NUMBA_TYPES[result], *args)
        return found

    def get_call_signatures(self) -> tuple[list, bool]:
        return [], False

    def get_impl_key(self, sig: Any) -> None:
        return None


class _RangeCallee(_Callee):
    """``range``, ``independent`` and ``reducing``."""

    def __init__(self, name: str) -> None:
        def unused(*_: Any) -> str:
            raise AssertionError

        super().__init__(Primitive(name, unused, unused))

    def get_call_type(self, context: Any, args: tuple, kws: Any) -> Any:
        if not 1 <= len(args) <= 3 or any(a != types.int64 for a in args):
            raise KernelTextError(f"{self.primitive.name}() of {args}: needs one to three int64")
        return signature(_RANGE, *args)


def _condition_result(*dtypes: str) -> str:
    if dtypes != ("bool",):
        raise KernelTextError(f"a condition must be bool, not {', '.join(dtypes)}")
    return "bool"


#: Python operators, and ``bool``: numba spells a condition as bool(condition).
_OPERATORS: dict[Any, Primitive] = {
    **OPERATOR_PRIMITIVES,
    bool: Primitive("bool", _condition_result, lambda f, dtypes, values: values[0]),
}
_RANGES = {id(range): "range", id(INDEPENDENT): "independent", id(REDUCING): "reducing"}


@cache
def _callee(value: Any) -> _Callee:
    """The type of a global of kernel text: made when first met, as each costs 0.3 ms."""
    if id(value) in _RANGES:
        return _RangeCallee(_RANGES[id(value)])
    primitive = value if isinstance(value, Primitive) else _OPERATORS.get(value)
    if primitive is None:
        raise KernelTextError(f"kernel text does not know {value!r}")
    return _Callee(primitive)


INLINED = " alwaysinline"

#: Helpers with more bytes of Python code are called: copies of them would take long to compile.
LARGEST_INLINED = 1300


class _TypingContext:
    """What numba's type inference asks; one per module, as helpers belong to it."""

    def __init__(self, module: ModuleText, prefix: str = "", attributes: str = INLINED) -> None:
        self.module = module
        self.prefix = prefix  # of the names of helpers
        self.attributes = attributes  # of helpers
        self.callstack = CallStack()
        self.helpers: dict[Any, _Callee] = {}

    def resolve_value_type(self, value: Any) -> types.Type:
        if isinstance(value, bool):
            return types.boolean
        if isinstance(value, int):
            return types.int64
        if isinstance(value, float):
            return types.float64
        if isinstance(value, python_types.FunctionType):
            return self._helper(value)
        try:
            if isinstance(value, Primitive) and value.name in special_math.FUNCTIONS:
                return _callee(_special(value))
            return _callee(value)
        except TypeError:  # not hashable
            raise KernelTextError(f"kernel text does not know {value!r}") from None

    def _helper(self, function: python_types.FunctionType) -> _Callee:
        found = self.helpers.get(function)
        if found is None:
            compiled: dict[tuple, tuple[str, str]] = {}

            def compile_for(dtypes: tuple[str, ...]) -> tuple[str, str]:
                if dtypes not in compiled:
                    symbol = f"{self.prefix}{function.__name__}_{len(compiled)}"
                    attributes = self.attributes
                    if attributes == INLINED and len(function.__code__.co_code) > LARGEST_INLINED:
                        attributes = f" noinline{self.module.tuning.attributes}"
                    result, text = _function(
                        self, function, dtypes, symbol, "internal ", attributes
                    )
                    self.module.need(symbol, text)
                    compiled[dtypes] = result, symbol
                return compiled[dtypes]

            def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
                result, symbol = compile_for(dtypes)
                operands = ", ".join(
                    f"{llvm_type(d)} {v}" for d, v in zip(dtypes, values, strict=True)
                )
                return f.let(f"call {llvm_type(result)} @{symbol}({operands})")

            primitive = Primitive(function.__name__, lambda *d: compile_for(d)[0], emit)
            found = self.helpers[function] = _Callee(primitive)
        return found

    def resolve_function_type(self, function: Any, args: tuple, kws: Any) -> Any:
        if function == "getiter":
            return signature(_ITERATOR, *args)
        if function == "iternext":
            return signature(_NEXT, *args)
        if function in (operator.getitem, operator.is_) or not isinstance(function, _Callee):
            raise KernelTextError(f"kernel text cannot do {function}")
        return function.get_call_type(self, args, kws)

    def unify_pairs(self, first: types.Type, second: types.Type) -> types.Type | None:
        return first if first == second else None

    def unify_types(self, *all_types: types.Type) -> types.Type | None:
        return all_types[0] if all(t == all_types[0] for t in all_types) else None

    def can_convert(self, source: types.Type, target: types.Type) -> int | None:
        return 0 if source == target else None

    def explain_function_type(self, function: Any) -> str:
        return ""


@cache
def _special(primitive: Primitive) -> Primitive:
    """``primitive``, a name of special_math.py, with the function there as its spelling."""
    function = special_math.FUNCTIONS[primitive.name]

    @cache
    def compiled() -> tuple[str, dict[str, str]]:
        """The symbol, and the module text that has it."""
        inline = INLINED if primitive.name in special_math.INLINE else ""
        context = _TypingContext(ModuleText(Tuning()), "special_", inline)
        symbol = f"special_{primitive.name}"
        dtypes = ("float64",) * function.__code__.co_argcount
        _, text = _function(context, function, dtypes, symbol, "internal ", inline)
        context.module.need(symbol, text)
        return symbol, context.module.parts

    def emit(f: FunctionText, dtypes: tuple[str, ...], values: list[str]) -> str:
        symbol, parts = compiled()
        for name, text in parts.items():
            f.module.need(name, text)
        wide = [emit_cast(f, v, d, "float64") for d, v in zip(dtypes, values, strict=True)]
        result = f.let(f"call double @{symbol}({', '.join(f'double {v}' for v in wide)})")
        return emit_cast(f, result, "float64", dtypes[0])

    return Primitive(primitive.name, primitive.result, emit)


class _Inference(typeinfer.TypeInferer):
    """numba's inference without literal types: strict rules need none."""

    def typeof_const(self, inst: Any, target: Any, const: Any) -> None:
        self.add_type(target.name, self.context.resolve_value_type(const), loc=inst.loc)

    def typeof_global(self, inst: Any, target: Any, gvar: Any) -> None:
        try:
            found = self.context.resolve_value_type(gvar.value)
        except KernelTextError:
            raise KernelTextError(
                f"line {inst.loc.line}: kernel text does not know {gvar.name}"
            ) from None
        self.lock_type(target.name, found, loc=inst.loc)

    def propagate(self, raise_errors: bool = True) -> None:
        # A constraint whose operands are not typed yet does nothing or raises; numba IR lists
        # definitions before uses, so a second round only confirms the first.
        pending = self.constraints.constraints
        for last in (False, True):
            for constraint in pending:
                try:
                    constraint(self)
                except Exception as error:
                    if last or isinstance(error, KernelTextError):
                        raise KernelTextError(f"line {constraint.loc.line}: {error}") from error
            if all(variable.type is not None for variable in self.typevars.values()):
                return


def _infer(context: _TypingContext, func_ir: Any, dtypes: tuple[str, ...]) -> tuple:
    inference = _Inference(context, func_ir, None)
    for index, (name, dtype) in enumerate(zip(func_ir.arg_names, dtypes, strict=True)):
        inference.seed_argument(name, index, _NUMBA_TYPES[dtype])
    inference.build_constraint()
    inference.propagate()
    typemap, result, _ = inference.unify()
    if result not in _NAMES:
        raise KernelTextError(f"{func_ir.func_id.func_name} returns {result}")
    return typemap, _NAMES[result]


class _ByteCode(bytecode.ByteCode):
    """Python's bytecode without the cache entries of 3.11, which are two thirds of it."""

    def __init__(self, identity: Any) -> None:
        super().__init__(identity)
        kept = [inst for inst in self.table.values() if inst.opname != "CACHE"]
        if len(kept) < len(self.table):
            self.table = OrderedDict((inst.offset, inst) for inst in kept)
            for inst, following in itertools.pairwise(kept):
                if not inst.is_jump:  # a jump counts from its own end, and has no cache entries
                    inst.next = following.offset


class _Interpreter(interpreter.Interpreter):
    """numba's reading of bytecode, less its searches for ``with`` blocks, dicts and star calls."""

    def post_process(self, peepholes: Any, func_ir: Any) -> Any:
        return func_ir


class _Lowering:
    """numba IR of one function -> LLVM text of its body."""

    def __init__(self, context: _TypingContext, func_ir: Any, typemap: Any) -> None:
        self.context, self.func_ir, self.typemap = context, func_ir, typemap
        self.f = FunctionText(context.module)
        self.values: dict[str, str] = {}  # of variables that live in one block
        self.memory: dict[str, str] = {}  # alloca of the others
        self.objects: dict[str, Any] = {}  # callees, ranges and iterators: known while compiling
        self.single = self._single_block_variables()
        self.vector_loops: dict[int, bool] = {}  # header -> whether it sums
        self.loop_ids: dict[int, str] = {}
        self.heavy: list[int] = []  # blocks that call functions of vector_math
        self.block = 0

    def _single_block_variables(self) -> set[str]:
        """Variables assigned once, and used only in that block after it: they need no memory."""
        assigned: dict[str, list[int]] = {}
        used: dict[str, set[int]] = {}
        early: set[str] = set()
        for offset, block in self.func_ir.blocks.items():
            for inst in block.body:
                value = inst.value if isinstance(inst, ir.Assign) else inst
                for variable in value.list_vars() if hasattr(value, "list_vars") else ():
                    if not isinstance(value, ir.Arg):
                        used.setdefault(variable.name, set()).add(offset)
                        if offset not in assigned.get(variable.name, ()):
                            early.add(variable.name)
                if isinstance(inst, ir.Assign):
                    assigned.setdefault(inst.target.name, []).append(offset)
        return {
            name
            for name, places in assigned.items()
            if len(places) == 1 and used.get(name, set()) <= set(places) and name not in early
        }

    def dtype(self, name: str) -> str:
        return _NAMES[self.typemap[name]]

    def get(self, name: str) -> str:
        """The LLVM value of a variable."""
        if name in self.values:
            return self.values[name]
        kind = llvm_type(self.dtype(name))
        if name not in self.memory:
            self.memory[name] = self.f.alloca(kind)
        return self.f.let(f"load {kind}, ptr {self.memory[name]}")

    def put(self, name: str, value: str) -> None:
        if name in self.single:
            self.values[name] = value
            return
        kind = llvm_type(self.dtype(name))
        if name not in self.memory:
            self.memory[name] = self.f.alloca(kind)
        self.f.do(f"store {kind} {value}, ptr {self.memory[name]}")

    # --------------------------------------------------------------------------------- statements

    def run(self) -> list[str]:
        """The lines of the function body."""
        for offset, block in sorted(self.func_ir.blocks.items()):
            self.f.lines.append(f"B{offset}:")
            self.block = offset
            for inst in block.body:
                self.statement(inst)
        first = min(self.func_ir.blocks)
        return ["entry:", *self.f.entry, f"  br label %B{first}", *self.f.lines]

    def statement(self, inst: Any) -> None:
        if isinstance(inst, ir.Assign):
            self.assign(inst.target.name, inst.value)
        elif isinstance(inst, ir.Branch):
            condition = self.get(inst.cond.name)
            if self.dtype(inst.cond.name) != "bool":
                raise KernelTextError(f"line {inst.loc.line}: a condition must be bool")
            self.f.do(f"br i1 {condition}, label %B{inst.truebr}, label %B{inst.falsebr}")
        elif isinstance(inst, ir.Jump):
            target = self._behind_jumps(inst.target)
            self.f.do(f"br label %B{target}{self._loop_note(target)}")
        elif isinstance(inst, ir.Return):
            dtype = self.dtype(inst.value.name)
            self.f.do(f"ret {llvm_type(dtype)} {self.get(inst.value.name)}")
        elif not isinstance(inst, (ir.Del, ir.PopBlock)):
            raise KernelTextError(f"line {inst.loc.line}: kernel text cannot do {inst}")

    def assign(self, target: str, value: Any) -> None:
        if isinstance(value, ir.Const):
            self.put(target, Literal(value.value, self.dtype(target)))
        elif isinstance(value, (ir.Global, ir.FreeVar)):
            if isinstance(value.value, (bool, int, float)):
                self.put(target, Literal(value.value, self.dtype(target)))
            else:
                self.objects[target] = value.value
        elif isinstance(value, ir.Arg):
            self.put(target, f"%a{value.index}")
        elif isinstance(value, ir.Var):
            self._copy(target, value.name)
        else:
            self.expression(target, value)

    def _copy(self, target: str, source: str) -> None:
        if source in self.objects:
            self.objects[target] = self.objects[source]
        else:
            self.put(target, self.get(source))

    def expression(self, target: str, expr: Any) -> None:
        op = expr.op
        if op == "call":
            self.call(target, expr)
        elif op in ("binop", "inplace_binop"):
            self.apply(target, _OPERATORS[expr.fn], [expr.lhs.name, expr.rhs.name])
        elif op == "unary":
            self.apply(target, _OPERATORS[expr.fn], [expr.value.name])
        elif op == "cast":
            self._copy(target, expr.value.name)
        elif op == "getiter":
            self.objects[target] = self._iterator(self.objects[expr.value.name])
        elif op == "iternext":
            self._next(target, self.objects[expr.value.name])
        elif op == "pair_first":
            self.put(target, self.objects[expr.value.name][0])
        elif op == "pair_second":
            self.put(target, self.objects[expr.value.name][1])
        else:
            raise KernelTextError(f"line {expr.loc.line}: kernel text cannot do {expr}")

    def call(self, target: str, expr: Any) -> None:
        function = self.objects[expr.func.name]
        arguments = [variable.name for variable in expr.args]
        if expr.kws or expr.vararg:
            raise KernelTextError(f"line {expr.loc.line}: keyword and star arguments are not known")
        if id(function) in _RANGES:
            values = [self.get(name) for name in arguments]
            if len(values) == 1:
                values.insert(0, Literal(0, "int64"))
            step = values[2] if len(values) == 3 else Literal(1, "int64")
            if all(isinstance(value, Literal) for value in values):
                self.context.module.fixed_loops = True
            if not isinstance(step, Literal) or step.number == 0:
                raise KernelTextError(f"line {expr.loc.line}: a range's step is a nonzero literal")
            self.objects[target] = (*values[:2], step, function)
            return
        callee = self.context.resolve_value_type(function)
        assert isinstance(callee, _Callee)
        self.apply(target, callee.primitive, arguments)

    def apply(self, target: str, primitive: Primitive, arguments: list[str]) -> None:
        dtypes = tuple(self.dtype(name) for name in arguments)
        math = dtypes and vector_math.writes(primitive.name, dtypes[0])
        if math or primitive.name in special_math.INLINE:
            self.heavy.append(self.block)
        value = primitive.emit(self.f, dtypes, [self.get(name) for name in arguments])
        if self.typemap[target] != types.void:
            self.put(target, value)

    # -------------------------------------------------------------------------------------- loops

    def _behind_jumps(self, target: int) -> int:
        """Where a jump to block ``target`` arrives.

        NB: a long loop is closed by a jump to the EXTENDED_ARG before its head, a block of its own.
        """
        body = [inst for inst in self.func_ir.blocks[target].body if not isinstance(inst, ir.Del)]
        if len(body) == 1 and isinstance(body[0], ir.Jump) and body[0].target > target:
            return self._behind_jumps(body[0].target)
        return target

    def _loop_note(self, target: int) -> str:
        """What a jump to block ``target`` says when it closes a vector loop."""
        if target > self.block or target not in self.vector_loops:
            return ""
        if target not in self.loop_ids:
            heavy = any(block >= target for block in self.heavy)
            sums = self.vector_loops[target]
            self.loop_ids[target] = self.context.module.loop(sums=sums, heavy=heavy)
        return f", !llvm.loop {self.loop_ids[target]}"

    def _iterator(self, bounds: tuple[str, str, Literal, Any]) -> tuple:
        """An iterator: (memory of the next index, stop, step, kind of range)."""
        start, stop, step, kind = bounds
        place = self.f.alloca("i64")
        self.f.do(f"store i64 {start}, ptr {place}")
        return place, stop, step, kind

    def _next(self, target: str, iterator: tuple) -> None:
        place, stop, step, kind = iterator
        if kind is not range:
            self.vector_loops[self.block] = kind is REDUCING
        index = self.f.let(f"load i64, ptr {place}")
        more = self.f.let(f"icmp {'slt' if step.number > 0 else 'sgt'} i64 {index}, {stop}")
        following = self.f.let(f"add nsw i64 {index}, {step}")
        self.f.do(f"store i64 {following}, ptr {place}")
        self.objects[target] = index, more


def _function(
    context: _TypingContext,
    function: python_types.FunctionType,
    dtypes: tuple[str, ...],
    symbol: str,
    linkage: str,
    attributes: str,
) -> tuple[str, str]:
    """Result dtype and LLVM definition of a Python function for argument ``dtypes``."""
    identity = bytecode.FunctionIdentity.from_function(function)
    try:
        func_ir = _Interpreter(identity).interpret(_ByteCode(identity))
        typemap, result = _infer(context, func_ir, dtypes)
    except NumbaError as error:
        raise KernelTextError(f"{function.__name__}: {error}") from error
    body = _Lowering(context, func_ir, typemap).run()
    arguments = ", ".join(f"{llvm_type(dtype)} %a{n}" for n, dtype in enumerate(dtypes))
    head = f"define {linkage}{llvm_type(result)} @{symbol}({arguments}) nounwind{attributes} {{"
    return result, "\n".join([head, *body, "}"])


def lowered(source: str, symbol: str, tuning: Tuning) -> tuple[str, bool]:
    """LLVM IR text of kernel text ``source``; its ``kernel`` becomes the external ``symbol``.

    Also: whether it has loops of a fixed count, which are worth unrolling.

    Raises:
        KernelTextError: the text is not Python, defines no ``kernel(block, start, stop)``, or
            breaks a typing rule; the message names the line.
    """
    names = dict(NAMES)
    try:
        exec(compile(source, f"<{symbol}>", "exec"), names)  # noqa: S102  our own text
        kernel = names["kernel"]
    except (SyntaxError, KeyError) as error:
        raise KernelTextError(f"no kernel in the text: {error!r}") from error
    assert isinstance(kernel, python_types.FunctionType)
    module = ModuleText(tuning)
    arguments = ("int64", "int64", "int64")
    context = _TypingContext(module)
    with global_compiler_lock:  # a user's own numba functions may be compiling in another thread
        result, text = _function(context, kernel, arguments, symbol, "", tuning.attributes)
    if result != "int64":
        raise KernelTextError(f"a kernel returns an int64 status, not {result}")
    return text + "\n" + module.render(), module.fixed_loops
