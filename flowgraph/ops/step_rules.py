"""What the records of optimizer steps share: one formula gives the dense and the sparse step.

    def momentum(s, call_, var, accum, lr, grad, momentum):
        accum = accum * momentum + grad
        return var - lr * accum, accum

``s`` is the builder of kernels (dense steps), NumPy (the oracle) or ``Lines``, which writes the
formula as the text of a kernel over some rows (sparse steps).

Rows that several indices name are updated once per index, as TensorFlow's kernels do; with the attr
``_sum_duplicates``, which the optimizers set, once with the sum of their gradients.

Read next: training.py (the formulas).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from flowgraph.dtypes import FLOAT, INDEX
from flowgraph.graph.opdef import (
    WRITE,
    Call,
    Loops,
    Procedure,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.ops.indices import check_indices
from flowgraph.ops.rules import f32, i32, merge_all
from flowgraph.shapes import Dims, ShapeError, format_dims, is_compatible

#: ``new(s, call_, *inputs)`` gives the new values of the variables.
Formula = Callable[..., tuple[Any, ...]]

_WRITES = not_differentiable("it updates a variable; differentiate the value assigned instead")

_NUMPY = SimpleNamespace(
    sqrt=np.sqrt,
    rsqrt=lambda x: 1 / np.sqrt(x),
    exp=np.exp,
    abs=np.abs,
    sign=np.sign,
    max=np.maximum,
    pow=np.power,
    eq=np.equal,
    gt=np.greater,
    select=np.where,
    cast=lambda x, dtype: np.asarray(x).astype(dtype),
)


# ------------------------------------------------------------------------------- formulas as text


class _Term:
    """A value of the text: a name."""

    dtype = "{T}"

    def __init__(self, lines: Lines, text: str) -> None:
        self.lines, self.text = lines, text

    def _binary(self, form: str, left: Any, right: Any) -> _Term:
        return self.lines.op(form, left, right)

    def __add__(self, other: Any) -> _Term:
        return self._binary("{} + {}", self, other)

    def __radd__(self, other: Any) -> _Term:
        return self._binary("{} + {}", other, self)

    def __sub__(self, other: Any) -> _Term:
        return self._binary("{} - {}", self, other)

    def __rsub__(self, other: Any) -> _Term:
        return self._binary("{} - {}", other, self)

    def __mul__(self, other: Any) -> _Term:
        return self._binary("{} * {}", self, other)

    def __rmul__(self, other: Any) -> _Term:
        return self._binary("{} * {}", other, self)

    def __truediv__(self, other: Any) -> _Term:
        return self._binary("{} / {}", self, other)

    def __neg__(self) -> _Term:
        return self.lines.op("-{}", self)


class Lines:
    """The ``s`` of a formula that becomes text: one line per operation."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def op(self, form: str, *args: Any) -> _Term:
        """A new name for ``form`` filled with ``args``."""
        texts = [a.text if isinstance(a, _Term) else f"{{T}}({a!r})" for a in args]
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {form.format(*texts)}")
        return _Term(self, name)

    def __getattr__(self, name: str) -> Callable[..., _Term]:
        form = _FORMS[name]
        return lambda *args: self.op(form, *args)

    def cast(self, x: _Term, dtype: str) -> _Term:
        """``x``, a name, as a ``dtype``."""
        return self.op(dtype.replace("{", "{{").replace("}", "}}") + "({})", x)


_FORMS = {
    "sqrt": "sqrt({})", "rsqrt": "rsqrt({})", "exp": "exp({})", "abs": "absolute({})",
    "sign": "sign({})", "max": "maximum({}, {})", "pow": "{} ** {}", "eq": "{} == {}",
    "gt": "{} > {}", "select": "select({}, {}, {})",
}  # fmt: skip

_ROWS = """
for i in range(n):
    k = int64(load(indices, i))
    if k < 0 or k >= size:
        return 2
{gather}
{numbers}
for p in range(count):
    at = {place} * row
    for e in independent(row):
        grad_ = load({source}, p * row + e)
{update}
return 0
"""

# Open addressing: the place of an index in ``rows`` stands in ``table``.
_SUM_DUPLICATES = """for i in range(slots):
    store(table, i, int64(-1))
count = int64(0)
for i in range(n):
    k = int64(load(indices, i))
    at = ((k * int64(-7046029254386353131)) >> int64(32)) & (slots - int64(1))
    p = load(table, at)
    while p >= 0:
        if load(rows, p) == k:
            break
        at = (at + int64(1)) & (slots - int64(1))
        p = load(table, at)
    if p < 0:
        store(table, at, count)
        store(rows, count, k)
        for e in independent(row):
            store(sums, count * row + e, load(grad, i * row + e))
        count = count + int64(1)
    else:
        for e in independent(row):
            store(sums, p * row + e, load(sums, p * row + e) + load(grad, i * row + e))"""


# ----------------------------------------------------------------------------------------- records


class _Inputs:
    """The inputs of a step: ``"var& accum& lr grad momentum"``, & for variables."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self.refs = [word[:-1] for word in words if word.endswith("&")]
        self.names = [word.rstrip("&") for word in words]
        self.gradient = next(i for i, n in enumerate(self.names) if n in ("grad", "delta"))
        self.numbers = [n for n in self.names[len(self.refs) :] if n != self.names[self.gradient]]

    def signature(self, *, sparse: bool) -> str:
        parts = []
        for name in self.names:
            kind = "int64" if name == "global_step" else "T"
            parts.append(f"{name}: Ref(T)" if name in self.refs else f"{name}: {kind}")
            if sparse and name == self.names[self.gradient]:
                parts.append("indices: Tindices")
        return ", ".join(parts) + " -> out: Ref(T)"


def define_step(
    name: str,
    inputs: str,
    new: Formula,
    doc: str,
    *,
    numbers: Mapping[str, float],
    sparse: bool = True,
    dense: bool = True,
    positive: Sequence[str] = (),
    **attrs: bool,
) -> None:
    """The records ``Apply<name>`` and ``SparseApply<name>``.

    Args:
        inputs: in order: variables (with &), numbers, and ``grad`` (``delta`` in dense steps that
            TensorFlow names so).
        numbers: values of the numbers in samples.
        positive: variables that are positive in samples.
        attrs: attrs with their defaults, besides use_locking.
    """
    dense_inputs = _Inputs(inputs)
    if dense:
        _define_dense(name, dense_inputs, new, doc, numbers, positive, attrs)
    if sparse:
        rows = _Inputs(inputs.replace("delta", "grad"))
        _define_sparse(name, rows, new, doc, numbers, positive, attrs)


def _values(
    inputs: _Inputs, numbers: Mapping[str, float], positive: Sequence[str], shape: Any, grad: Any
) -> list[Any]:
    """The inputs of a sample."""
    found: list[Any] = []
    for name in inputs.names:
        if name in inputs.refs:
            found.append(f32(*shape, low=0.1, high=2) if name in positive else f32(*shape))
        elif name in inputs.numbers:
            dtype = np.int64 if name == "global_step" else np.float32
            found.append(np.array(numbers[name], dtype))
        else:
            found += grad
    return found


def _combinations(attrs: Mapping[str, bool]) -> list[dict[str, Any]]:
    """No attr, and each attr alone, other than its default."""
    return [{}, *({name: not default} for name, default in attrs.items())]


def _define_dense(
    name: str, inputs: _Inputs, new: Formula, doc: str, numbers: Mapping[str, float],
    positive: Sequence[str], attrs: Mapping[str, bool],
) -> None:  # fmt: skip
    count = len(inputs.refs)

    def infer(call_: Call) -> list[Dims]:
        return [_variables(call_, inputs)]

    def reference(call_: Call, *values: Any) -> Any:
        found = new(_NUMPY, call_, *values)
        return found if count > 1 else found[0]

    def body(s: Any, call_: Call, *values: Any) -> Any:
        found = new(s, call_, *values)
        return found if count > 1 else found[0]

    def given(shape: Any, grad: Any = None) -> list[Any]:
        return _values(inputs, numbers, positive, shape, [f32(*(grad or shape))])

    define(
        f"Apply{name}",
        inputs.signature(sparse=False),
        T=dtypes_of(FLOAT),
        use_locking=False,
        **attrs,
        infer=infer,
        kernel=Loops(body),
        grad=_WRITES,
        reference=reference,
        samples=[
            *(sample(*given((3, 5)), **chosen) for chosen in _combinations(attrs)),
            sample(*given(())),
            sample(*given((0, 2))),
        ],
        errors=(
            error_sample(ValueError, "the gradient has shape", *given((2,), (3,))),
            error_sample(
                ValueError, "must be a scalar", *_with_a_vector(inputs, given((2,)))
            ),
        ),
        effect=WRITE,
        doc=doc,
    )  # fmt: skip


def _with_a_vector(inputs: _Inputs, values: list[Any]) -> list[Any]:
    place = inputs.names.index(inputs.numbers[0])
    values[place] = np.full(2, values[place])
    return values


def _variables(call_: Call, inputs: _Inputs) -> Dims:
    """The shape of the variables; numbers checked."""
    sparse = len(call_.shapes) > len(inputs.names)
    for name in inputs.numbers:
        place = inputs.names.index(name)
        dims = call_.shapes[place + (sparse and place > inputs.gradient)]
        if dims is not None and dims != ():
            raise ShapeError(f"{name} must be a scalar, not {format_dims(dims)}")
    variable = merge_all(call_.shapes[: len(inputs.refs)])
    gradient = call_.shapes[inputs.gradient]
    if not sparse and not is_compatible(variable, gradient):
        raise ShapeError(
            f"the gradient has shape {format_dims(gradient)}, the variable {format_dims(variable)}"
        )
    return variable


class _Rows:
    """The rules of a sparse step."""

    def __init__(self, inputs: _Inputs, new: Formula) -> None:
        self.inputs, self.new, self.place = inputs, new, inputs.gradient

    def infer(self, call_: Call) -> list[Dims]:
        variable = _variables(call_, self.inputs)
        gradient, indices = call_.shapes[self.place : self.place + 2]
        if indices is not None and len(indices) != 1:
            raise ShapeError(f"indices must be a vector, not {format_dims(indices)}")
        if variable == ():
            raise ShapeError("the variable must have at least one axis")
        if variable is not None and gradient is not None:
            needed = (indices[0] if indices else None, *variable[1:])
            if not is_compatible(needed, gradient):
                raise ShapeError(
                    f"the gradient has shape {format_dims(gradient)}; indices of shape "
                    f"{format_dims(indices)} of a variable of shape {format_dims(variable)} need "
                    f"{format_dims(needed)}"
                )
        return [variable]

    def reference(self, call_: Call, *values: Any) -> Any:
        given = list(values)
        indices = given.pop(self.place + 1)
        count = len(self.inputs.refs)
        refs = [np.array(x) for x in given[:count]]
        check_indices(indices, len(refs[0]))
        grad = given[self.place]
        if call_.attrs.get("_sum_duplicates"):
            chosen, which = np.unique(indices, return_inverse=True)
            sums = np.zeros((len(chosen), *grad.shape[1:]), grad.dtype)
            np.add.at(sums, which, grad)
            groups = [(chosen, sums)]
        else:
            groups = [(indices[i : i + 1], grad[i : i + 1]) for i in range(len(indices))]
        for rows, some in groups:
            part = [x[rows] for x in refs] + given[count:]
            part[self.place] = some
            for x, y in zip(refs, self.new(_NUMPY, call_, *part), strict=True):
                x[rows] = y
        return tuple(refs) if count > 1 else refs[0]

    def sizes(self, call_: Call) -> Mapping[str, int]:
        variable: Any = call_.shapes[0]
        (n,) = call_.shapes[self.place + 1]  # type: ignore[misc]
        return {
            "n": n,  # type: ignore[dict-item]
            "size": variable[0],
            "row": math.prod(variable[1:]),
            "slots": 1 << max(1, 2 * n - 1).bit_length(),  # type: ignore[operator]
        }

    def scratch(self, call_: Call) -> Mapping[str, tuple[str, int]]:
        if not call_.attrs.get("_sum_duplicates"):
            return {}
        found = self.sizes(call_)
        return {
            "table": ("int64", found["slots"]),
            "rows": ("int64", found["n"]),
            "sums": (call_.dtypes[0].base_dtype.name, found["n"] * found["row"]),
        }

    def choices(self, call_: Call) -> Mapping[str, str]:
        inputs, lines = self.inputs, Lines()
        results = self.new(lines, call_, *(_Term(lines, f"{n}_") for n in inputs.names))
        buffers = ["out", *inputs.refs[1:]]
        update = [f"{n}_ = load({b}, at + e)" for n, b in zip(inputs.refs, buffers, strict=True)]
        update += lines.lines
        for buffer, y in zip(buffers, results, strict=True):
            update.append(f"store({buffer}, at + e, {y.text})")
        dtype = call_.dtypes[0].base_dtype.name
        summed = bool(call_.attrs.get("_sum_duplicates"))
        return {
            "gather": _SUM_DUPLICATES if summed else "count = n",
            "numbers": "\n".join(f"{n}_ = load({n}, 0)" for n in inputs.numbers),
            "place": "load(rows, p)" if summed else "int64(load(indices, p))",
            "source": "sums" if summed else "grad",
            "update": "\n".join("        " + line.replace("{T}", dtype) for line in update),
        }

    def flops(self, call_: Call) -> int:
        found = self.sizes(call_)
        return 10 * found["n"] * found["row"]


def _define_sparse(
    name: str, inputs: _Inputs, new: Formula, doc: str, numbers: Mapping[str, float],
    positive: Sequence[str], attrs: Mapping[str, bool],
) -> None:  # fmt: skip
    rules = _Rows(inputs, new)

    def given(shape: Any, indices: Any, row: Any = None) -> list[Any]:
        gradient = f32(len(indices), *(shape[1:] if row is None else row))
        return _values(inputs, numbers, positive, shape, [gradient, indices])

    wide = np.array([3, 0, 3], np.int64)
    define(
        f"SparseApply{name}",
        inputs.signature(sparse=True),
        T=dtypes_of(FLOAT),
        Tindices=dtypes_of(INDEX),
        use_locking=False,
        **attrs,
        infer=rules.infer,
        kernel=Procedure(
            _ROWS,
            sizes=rules.sizes,
            updates={i: i for i in range(len(inputs.refs))},
            scratch=rules.scratch,
            choices=rules.choices,
            flops=rules.flops,
        ),
        grad=_WRITES,
        reference=rules.reference,
        samples=[
            *(sample(*given((5, 3), i32([4, 0, 1])), **c) for c in _combinations(attrs)),
            sample(*given((4,), wide)),
            sample(*given((5, 3), i32([4, 1, 4, 0, 4, 1])), _sum_duplicates=True),
            sample(*given((3, 2), i32([])), _sum_duplicates=True),
        ],
        errors=(
            error_sample(ValueError, "the gradient has shape", *given((4, 2), i32([1, 2]), (3,))),
            error_sample(Exception, r"indices\[0\] = 2 is not in \[0, 2\)",
                         *given((2, 1), i32([2])), stage="run"),
        ),
        effect=WRITE,
        doc=f"Of the rows ``indices`` alone: {doc}",
    )  # fmt: skip
