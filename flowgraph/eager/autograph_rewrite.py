"""AutoGraph, first half: Python source in which ``if``, ``while`` and ``for`` can be graphs.

    if x > 0:                def then(y):                      # what the branch assigns goes in
        y = x                    y = x
    else:                        return (y,)                   # and comes out
        y = -x               ...
                             (y,) = ag.if_stmt(x > 0, then, other, (ag.now(lambda: y),), ("y",))

Statements become calls of autograph_runtime.py, which asks whether the condition is a tensor: then
the branch or loop is one of the graph, else Python's own.  ``break`` and ``continue`` become flags
that guard what follows; a ``return`` is kept where all ways through an ``if`` end with one, and an
``if`` or loop with other returns is left to Python.

Lines of the new code are those of the old one, so that messages show the user's.

Read next: autograph_runtime.py.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import textwrap
import types
import weakref
from collections.abc import Iterable
from typing import Any

#: The name under which rewritten code finds the runtime.
AG = "ag__"


class CannotConvertError(Exception):
    """A function whose source is not there, or that does what is not rewritten."""


def rewritten(function: types.FunctionType, runtime: Any) -> types.FunctionType:
    """``function`` with its statements rewritten; it shares globals, defaults and closure.

    Raises:
        CannotConvertError: there is no source, or it is a generator, a lambda or a coroutine, or
            declares names global or nonlocal.
    """
    old = function.__code__
    code = _codes.get(old)
    if code is None:
        space: dict[str, Any] = {}
        factory = _factory(_tree(old), old.co_freevars)
        exec(compile(factory, old.co_filename, "exec"), space)  # noqa: S102  the user's own code
        made = space["factory__"](runtime, *old.co_freevars)
        code = _codes[old] = made.__code__.replace(co_name=old.co_name)
    cells = dict(zip(old.co_freevars, function.__closure__ or (), strict=True))
    cells[AG] = types.CellType(runtime)
    closure = tuple(cells[name] for name in code.co_freevars)
    result = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    result.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(result, function)
    del result.__wrapped__  # type: ignore[attr-defined]  # else both would live for ever
    return result


#: Code -> rewritten code.
_codes: weakref.WeakKeyDictionary[types.CodeType, types.CodeType] = weakref.WeakKeyDictionary()


def source_of(function: types.FunctionType) -> str:
    """The rewritten function, as text."""
    return ast.unparse(ast.fix_missing_locations(_tree(function.__code__)))


def _tree(code: types.CodeType) -> ast.FunctionDef:
    """The rewritten definition."""
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise CannotConvertError("it is a generator or coroutine")
    try:
        lines, first = inspect.getsourcelines(code)
        module = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, IndentationError) as error:
        raise CannotConvertError(f"its source is not there: {error}") from error
    definition = module.body[0]
    if not isinstance(definition, ast.FunctionDef) or definition.name != code.co_name:
        raise CannotConvertError("it is no `def`")
    for node in ast.walk(definition):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            raise CannotConvertError("it declares names global or nonlocal")
    ast.increment_lineno(definition, first - 1)
    definition.decorator_list = []
    definition.returns = None
    for argument in ast.walk(definition.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    definition.args.defaults = [ast.Constant(None) for _ in definition.args.defaults]
    definition.args.kw_defaults = [
        None if d is None else ast.Constant(None) for d in definition.args.kw_defaults
    ]
    definition.body = _Rewriter().block(_canonical(definition.body))
    return definition


def _factory(definition: ast.FunctionDef, free: Iterable[str]) -> ast.Module:
    """``def factory__(ag__, a, b): def f(...): ...; return f``: makes free names cells."""
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg(name) for name in (AG, *free)], kwonlyargs=[],
        kw_defaults=[], defaults=[],
    )  # fmt: skip
    # NB: `ag__` is used, so that it becomes a free name even when nothing is rewritten.
    definition.body.insert(0, ast.Expr(ast.Name(AG, ast.Load())))
    # Another name, so that the function's own stays what it is in the user's module.
    definition.name = "rewritten__"
    body: list[ast.stmt] = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
    made = ast.FunctionDef("factory__", arguments, body, [], None, None)
    if hasattr(made, "type_params"):
        made.type_params = []
    module = ast.Module([made], [])
    _locate(module, definition)
    return module


def _locate(new: ast.AST, place: Any) -> None:
    """Give what stands in ``new`` without a line that of ``place``."""
    for node in ast.walk(new):
        if isinstance(node, (ast.stmt, ast.expr, ast.arg, ast.keyword)):
            if not hasattr(node, "lineno"):
                node.lineno, node.col_offset = place.lineno, place.col_offset
            if getattr(node, "end_lineno", None) is None:
                node.end_lineno, node.end_col_offset = node.lineno, node.col_offset


# --------------------------------------------------------------------------------- what is assigned


class _Assigned(ast.NodeVisitor):
    """Names that statements assign, not those of functions inside."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, (ast.Store, ast.Del)):
            self.names[node.id] = None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names[node.name] = None

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names[node.name] = None

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def _comprehension(self, node: Any) -> None:
        self.visit(node.generators[0].iter)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def visit_Import(self, node: Any) -> None:
        for alias in node.names:
            self.names[(alias.asname or alias.name).split(".")[0]] = None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.visit_Import(node)


def _assigned(statements: Iterable[ast.stmt]) -> list[str]:
    visitor = _Assigned()
    for statement in statements:
        visitor.visit(statement)
    return [name for name in visitor.names if not name.startswith(("then__", "other__", "loop__"))]


def _has(statements: Iterable[ast.stmt], *kinds: type, within_loops: bool) -> bool:
    """Whether a statement of a kind is among them, or inside (of loops only where asked)."""
    for statement in statements:
        if isinstance(statement, kinds):
            return True
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(statement, (ast.For, ast.While)) and not within_loops:
            # What belongs to the loop itself; its else belongs outside.
            if _has(statement.orelse, *kinds, within_loops=False):
                return True
            continue
        for field in ("body", "orelse", "finalbody"):
            if _has(getattr(statement, field, []), *kinds, within_loops=within_loops):
                return True
        for handler in getattr(statement, "handlers", []):
            if _has(handler.body, *kinds, within_loops=within_loops):
                return True
    return False


def _ends(statements: list[ast.stmt]) -> bool:
    """Whether all ways through the statements end with a return (or an exception)."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, (ast.Return, ast.Raise)):
        return True
    return isinstance(last, ast.If) and _ends(last.body) and _ends(last.orelse)


def _canonical(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The same, with what follows a branch that returns moved into the other branch."""
    for i, statement in enumerate(statements):
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            continue
        for field in ("body", "orelse", "finalbody"):
            if getattr(statement, field, None):
                setattr(statement, field, _canonical(getattr(statement, field)))
        rest = statements[i + 1 :]
        if isinstance(statement, ast.If) and rest:
            first, second = _ends(statement.body), _ends(statement.orelse)
            if first and not second:
                statement.orelse = _canonical([*statement.orelse, *rest])
            elif second and not first:
                statement.body = _canonical([*statement.body, *rest])
            if first != second:
                return statements[: i + 1]
    return statements


# ---------------------------------------------------------------------------------------- rewriting


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(_load(AG), name, ast.Load()), list(args), [])


def _arguments(names: Iterable[str]) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[], args=[ast.arg(name) for name in names], kwonlyargs=[], kw_defaults=[],
        defaults=[],
    )  # fmt: skip


def _late(expression: ast.expr) -> ast.expr:
    return ast.Lambda(_arguments(()), expression)


def _tuple(names: Iterable[str], context: Any) -> ast.expr:
    return ast.Tuple([ast.Name(name, context()) for name in names], context())


def _names(names: Iterable[str]) -> ast.expr:
    return ast.Tuple([ast.Constant(name) for name in names], ast.Load())


def _state(names: Iterable[str]) -> ast.expr:
    return ast.Tuple([_call("now", _late(_load(name)), ast.Constant(name)) for name in names],
                     ast.Load())  # fmt: skip


def _function(name: str, arguments: Iterable[str], body: list[ast.stmt]) -> ast.stmt:
    made = ast.FunctionDef(name, _arguments(arguments), body or [ast.Pass()], [], None, None)
    if hasattr(made, "type_params"):
        made.type_params = []
    return made


class _Rewriter(ast.NodeTransformer):
    """Rewrites the body of one function."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Statements that follow one another."""
        return [new for statement in statements for new in self._one(statement)]

    def _one(self, statement: ast.stmt) -> list[ast.stmt]:
        result = self.visit(statement)
        found = result if isinstance(result, list) else [result]
        for new in found:
            _locate(new, statement)
        return found

    # ---- statements

    def _parts(self, node: Any) -> Any:
        for field in ("body", "orelse", "finalbody"):
            if getattr(node, field, None):
                setattr(node, field, self.block(getattr(node, field)))
        for handler in getattr(node, "handlers", []):
            handler.body = self.block(handler.body)
        return node

    def visit_With(self, node: ast.With) -> Any:
        for item in node.items:
            item.context_expr = self.visit(item.context_expr)
        return self._parts(node)

    def visit_Try(self, node: ast.Try) -> Any:
        return self._parts(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return node  # rewritten when it is called

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node

    def visit_If(self, node: ast.If) -> Any:
        kinds = (ast.Return,)
        if _has([node], *kinds, within_loops=True):
            return self._returning_if(node)
        if _has([node], ast.Break, ast.Continue, within_loops=False):
            return self._plain_if(node)  # of a loop that is left to Python
        names = _assigned([*node.body, *node.orelse])
        test = self.visit(node.test)
        number = next(self._numbers)
        then, other = f"then__{number}", f"other__{number}"
        result: list[ast.stmt] = []
        for name, body in ((then, node.body), (other, node.orelse)):
            out = ast.Return(_tuple(names, ast.Load))
            result.append(_function(name, names, [*self.block(body), out]))
        call = _call("if_stmt", test, _load(then), _load(other), _state(names), _names(names))
        return [*result, self._assign(names, call)]

    def _assign(self, names: list[str], value: ast.expr) -> ast.stmt:
        if not names:
            return ast.Expr(value)
        return ast.Assign([_tuple(names, ast.Store)], value)

    def _plain_if(self, node: ast.If) -> ast.stmt:
        node.test = self.visit(node.test)
        return self._parts(node)

    def _returning_if(self, node: ast.If) -> Any:
        """``return ag.if_return(test, then, other)`` where both branches return at their ends."""
        simple = (
            _ends(node.body)
            and _ends(node.orelse)
            and not any(
                _has(body[:-1], ast.Return, within_loops=True) for body in (node.body, node.orelse)
            )
        )
        if not simple:
            return self._plain_if(node)
        names = _assigned([*node.body, *node.orelse])
        number = next(self._numbers)
        then, other = f"then__{number}", f"other__{number}"
        test = self.visit(node.test)
        functions = [
            _function(name, names, self.block(body))
            for name, body in ((then, node.body), (other, node.orelse))
        ]
        call = _call("if_return", test, _load(then), _load(other), _state(names))
        return [*functions, ast.Return(call)]

    def visit_While(self, node: ast.While) -> Any:
        if node.orelse or _has(node.body, ast.Return, within_loops=True):
            return self._plain_loop(node)
        body, flags, before = self._without_jumps(node.body)
        names = _assigned([*before, *body])
        test: ast.expr = self.visit(node.test)
        if "break" in flags:
            test = _call("and_", _call("not_", _load(flags["break"])), _late(test))
        number = next(self._numbers)
        asks, does = f"loop__test{number}", f"loop__body{number}"
        out = ast.Return(_tuple(names, ast.Load))
        return [
            *self._marked(before, node),
            _function(asks, names, [ast.Return(test)]),
            _function(does, names, [*self.block(body), out]),
            self._assign(
                names,
                _call("while_stmt", _load(asks), _load(does), _state(names), _names(names)),
            ),
        ]

    def visit_For(self, node: ast.For) -> Any:
        if node.orelse or _has(node.body, ast.Return, within_loops=True):
            return self._plain_loop(node)
        body, flags, before = self._without_jumps(node.body)
        body = [ast.Assign([node.target], _load("item__")), *body]
        self._marked(body[:1], node)
        names = _assigned([*before, *body])
        number = next(self._numbers)
        asks, does = f"loop__test{number}", f"loop__body{number}"
        out = ast.Return(_tuple(names, ast.Load))
        goes_on: ast.expr = ast.Constant(True)
        if "break" in flags:
            goes_on = _call("not_", _load(flags["break"]))
        rest = self.block(body[1:])
        return [
            *self._marked(before, node),
            _function(asks, names, [ast.Return(goes_on)]),
            _function(does, ["item__", *names], [body[0], *rest, out]),
            self._assign(
                names,
                _call(
                    "for_stmt", self.visit(node.iter), _load(asks), _load(does), _state(names),
                    _names(names),
                ),
            ),
        ]  # fmt: skip

    def _marked(self, statements: list[ast.stmt], node: ast.stmt) -> list[ast.stmt]:
        for statement in statements:
            _locate(statement, node)
        return statements

    def _plain_loop(self, node: Any) -> ast.stmt:
        if isinstance(node, ast.While):
            node.test = self.visit(node.test)
        else:
            node.iter = self.visit(node.iter)
        return self._parts(node)

    def _without_jumps(
        self, body: list[ast.stmt]
    ) -> tuple[list[ast.stmt], dict[str, str], list[ast.stmt]]:
        """The body of a loop with flags for break and continue, and what sets them first."""
        number = next(self._numbers)
        flags: dict[str, str] = {}
        for kind, word in ((ast.Break, "break"), (ast.Continue, "continue")):
            if _has(body, kind, within_loops=False):
                flags[word] = f"{word}__{number}"
        if not flags:
            return body, flags, []
        jumps = _Jumps(flags)
        new = jumps.block(body)
        before = [self._set(name, False) for name in flags.values()]
        if "continue" in flags:
            new = [self._set(flags["continue"], False), *new]
        return self._marked(new, body[0]), flags, self._marked(before, body[0])

    @staticmethod
    def _set(name: str, value: bool) -> ast.stmt:
        return ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value))

    # ---- expressions

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        first, *rest = [self.visit(value) for value in node.values]
        for value in rest:
            first = _call(name, first, _late(value))
        return first

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        self.generic_visit(node)
        return _call("not_", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        self.generic_visit(node)
        return _call("if_expression", node.test, _late(node.body), _late(node.orelse))

    def visit_Compare(self, node: ast.Compare) -> Any:
        self.generic_visit(node)
        if len(node.ops) == 1:
            return node
        # a < b < c: both comparisons; operands in between are looked at twice, as names mostly are
        parts = [node.left, *node.comparators]
        if not all(isinstance(part, (ast.Name, ast.Constant)) for part in parts[1:-1]):
            return node
        first, *rest = [
            ast.Compare(left, [op], [right])
            for left, op, right in zip(parts, node.ops, parts[1:], strict=False)
        ]
        result: ast.expr = first
        for one in rest:
            result = _call("and_", result, _late(one))
        return result

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node
        self.generic_visit(node)
        node.func = _call("converted", node.func)
        return node

    def visit_Assert(self, node: ast.Assert) -> Any:
        self.generic_visit(node)
        message = node.msg or ast.Constant("Assertion error")
        return ast.Expr(_call("assert_stmt", node.test, _late(message)))

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self.generic_visit(node)
        return node


class _Jumps:
    """Replaces break and continue by flags; what follows is guarded by them."""

    def __init__(self, flags: dict[str, str]) -> None:
        self.flags = flags

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for i, statement in enumerate(statements):
            if isinstance(statement, (ast.Break, ast.Continue)):
                word = "break" if isinstance(statement, ast.Break) else "continue"
                made.append(ast.copy_location(_Rewriter._set(self.flags[word], True), statement))
                return made
            jumps = _has([statement], ast.Break, ast.Continue, within_loops=False)
            if jumps and not isinstance(statement, (ast.For, ast.While)):
                for field in ("body", "orelse", "finalbody"):
                    if getattr(statement, field, None):
                        setattr(statement, field, self.block(getattr(statement, field)))
            made.append(statement)
            rest = statements[i + 1 :]
            if jumps and rest:
                flags = [_load(name) for name in self.flags.values()]
                test = flags[0]
                for flag in flags[1:]:
                    test = ast.BoolOp(ast.Or(), [test, flag])
                guard = ast.If(ast.UnaryOp(ast.Not(), test), self.block(rest), [])
                made.append(ast.copy_location(guard, rest[0]))
                return made
        return made
