"""Writing kernel bodies: op rules are plain Python over ``Scalar`` values.

``lambda s, x: s.exp(x) * 0.5`` records ``exp``, ``const`` and ``mul`` statements; a number
next to a Scalar takes its dtype.  Equal statements are recorded once.

Read next: ir.py (what a body means), lower/ (who calls the rules).
"""

from __future__ import annotations

from typing import Any

from flowgraph.kernel.ir import Buffer, Kernel, KernelError, Stmt, verify
from flowgraph.kernel.scalar import REDUCTIONS, SCALAR_OPS

Number = int | float | bool


class Scalar:
    """A value of the body under construction."""

    __slots__ = ("body", "dtype", "number")

    def __init__(self, body: BodyBuilder, number: int, dtype: str) -> None:
        self.body, self.number, self.dtype = body, number, dtype

    def _binary(self, op: str, other: Scalar | Number, swap: bool = False) -> Scalar:
        if not isinstance(other, Scalar):
            other = self.body.const(other, self.dtype)
        return self.body.op(op, other, self) if swap else self.body.op(op, self, other)

    def __add__(self, other):
        return self._binary("add", other)

    def __radd__(self, other):
        return self._binary("add", other, swap=True)

    def __sub__(self, other):
        return self._binary("sub", other)

    def __rsub__(self, other):
        return self._binary("sub", other, swap=True)

    def __mul__(self, other):
        return self._binary("mul", other)

    def __rmul__(self, other):
        return self._binary("mul", other, swap=True)

    def __truediv__(self, other):
        return self._binary("div", other)

    def __rtruediv__(self, other):
        return self._binary("div", other, swap=True)

    def __neg__(self):
        return self.body.op("neg", self)

    def __lt__(self, other):
        return self._binary("lt", other)

    def __le__(self, other):
        return self._binary("le", other)

    def __gt__(self, other):
        return self._binary("gt", other)

    def __ge__(self, other):
        return self._binary("ge", other)

    def __and__(self, other):
        return self._binary("and", other)

    def __or__(self, other):
        return self._binary("or", other)

    def __invert__(self):
        return self.body.op("not", self)


class BodyBuilder:
    """Records statements; the ``s`` that op rules receive.

    Every scalar op is a method (``s.exp(x)``, ``s.max(x, y)``, ``s.select(c, a, b)``), as is
    every reduction (``s.reduce_sum(x)``).  Further: ``s.const(number, dtype)``,
    ``s.cast(x, dtype)``, ``s.index(axis)``, ``s.count()``, ``s.require(ok, code)``.
    """

    def __init__(self) -> None:
        self.body: list[Stmt] = []
        self._seen: dict[tuple, int] = {}

    def _record(self, stmt: Stmt) -> int:
        # NB: repr keeps 0.0 and -0.0, and NaN, apart; floats compare them wrongly.
        key = (stmt.op, stmt.args, stmt.dtype, repr(stmt.imm))
        number = self._seen.get(key)
        if number is None:
            number = self._seen[key] = len(self.body)
            self.body.append(stmt)
        return number

    def op(self, name: str, *args: Scalar | Number) -> Scalar:
        """Record scalar op or reduction ``name``; numbers take the dtype of the first Scalar."""
        typed = next(a for a in args if isinstance(a, Scalar))
        if name == "select":
            typed = next((a for a in args[1:] if isinstance(a, Scalar)), typed)
        values = [a if isinstance(a, Scalar) else self.const(a, typed.dtype) for a in args]
        dtypes = [v.dtype for v in values]
        if name in REDUCTIONS:
            dtype = dtypes[0] if dtypes[0] in REDUCTIONS[name].dtypes else None
        else:
            dtype = SCALAR_OPS[name].result_dtype(dtypes)
        if dtype is None:
            raise KernelError(f"{name} does not take {dtypes}")
        return Scalar(self, self._record(Stmt(name, tuple(v.number for v in values), dtype)), dtype)

    def const(self, value: Number, dtype: str) -> Scalar:
        """A literal of ``dtype``."""
        value = (
            bool(value)
            if dtype == "bool"
            else float(value)
            if dtype.startswith("f")
            else int(value)
        )
        return Scalar(self, self._record(Stmt("const", (), dtype, value)), dtype)

    def cast(self, x: Scalar, dtype: str) -> Scalar:
        """``x`` as ``dtype``: floats truncate toward zero, integers wrap, bool is ``x != 0``."""
        if x.dtype == dtype:
            return x
        return Scalar(self, self._record(Stmt("cast", (x.number,), dtype)), dtype)

    def index(self, axis: int) -> Scalar:
        """The loop index along ``axis`` of the domain, int64."""
        return Scalar(self, self._record(Stmt("index", (), "int64", axis)), "int64")

    def count(self) -> Scalar:
        """How many points the reduce axes have, int64."""
        return Scalar(self, self._record(Stmt("count", (), "int64")), "int64")

    def load(self, buffer: int, dtype: str) -> Scalar:
        return Scalar(self, self._record(Stmt("load", (), dtype, buffer)), dtype)

    def store(self, buffer: int, value: Scalar) -> None:
        self.body.append(Stmt("store", (value.number,), value.dtype, buffer))

    def require(self, ok: Scalar, code: int) -> None:
        """The kernel returns status ``code`` when ``ok`` is False anywhere."""
        self._record(Stmt("require", (ok.number,), "bool", code))

    def build(self, axes: tuple[str, ...], buffers: tuple[Buffer, ...]) -> Kernel:
        """The finished, verified Kernel."""
        kernel = Kernel(axes, buffers, tuple(self.body))
        verify(kernel)
        return kernel


def _method(name: str) -> Any:
    def method(self: BodyBuilder, *args: Scalar | Number) -> Scalar:
        return self.op(name, *args)

    method.__name__ = name
    method.__doc__ = f"Record ``{name}`` (see kernel/scalar.py)."
    return method


for _name in (*SCALAR_OPS, *REDUCTIONS):
    setattr(BodyBuilder, _name + "_" if _name in ("and", "or", "not") else _name, _method(_name))
