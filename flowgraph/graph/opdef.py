"""OpDef: everything flowgraph knows about an operation type, in one record.

A file in ``ops/`` writes ``define("Tanh", "x: T -> y: T", ...)`` next to the public function, and
that is
all: shape and dtype inference, kernel, gradient, NumPy reference, samples for the tests, error
samples and documentation are slots of the record.  Types, argument and attr names are TensorFlow
1.15's registry names, so a GraphDef written by either is read by the other.

Read next: apply.py (how a call becomes an Operation), ops/elementwise.py (what records look like),
kernel/ir.py (what kernel rules build).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowgraph.dtypes import DType
from flowgraph.graph.families import Table
from flowgraph.shapes import Dims

# ------------------------------------------------------------------------------------ signature


@dataclass(frozen=True, slots=True)
class Arg:
    """One input or output of a signature.

    ``x: T`` (one tensor), ``ref: Ref(T)`` (a variable, written in place), ``values: N*T`` (a list
    of N tensors of one dtype; N is an int attr), ``inputs: [Tin]`` (a list whose dtypes are the
    list attr Tin).  ``dtype_attr`` is the attr that holds the dtype(s), or "" when ``dtype`` fixes
    it.
    """

    name: str
    dtype_attr: str
    dtype: str = ""
    count_attr: str = ""
    is_ref: bool = False
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Attr:
    """An attr: its GraphDef kind, default, and for dtypes the allowed NumPy-style names.

    ``kind``: type, bool, int, float, string, shape, tensor, func, or list(<kind>).
    ``default`` is REQUIRED when the caller, or the inputs' dtypes, must give it.
    """

    kind: str
    default: Any
    allowed: frozenset[str] | None = None


REQUIRED = object()


def dtypes_of(allowed: frozenset[str], default: Any = REQUIRED) -> Attr:
    """A dtype attr restricted to the ``allowed`` dtype names."""
    return Attr("type", default, allowed)


_KIND_OF_DEFAULT = {bool: "bool", int: "int", float: "float", str: "string", DType: "type"}
_ARG = re.compile(r"(\w+):\s*(Ref\()?(?:(\w+)\*)?(\[?)(\w+)(\]?)\)?$")


@dataclass(frozen=True, slots=True)
class Signature:
    """Parsed ``"x: T, y: T -> z: T"`` and the attrs."""

    inputs: tuple[Arg, ...]
    outputs: tuple[Arg, ...]
    attrs: Mapping[str, Attr]


def parse_signature(text: str, attrs: Mapping[str, Any]) -> Signature:
    """Signature from ``"a: T, b: T -> product: T"``.

    A dtype that is no attr name is a fixed dtype (``"shape: int32"``).  An attr given as a plain
    value is its default and fixes its kind; give an Attr for the rest.
    """
    specs: dict[str, Attr] = {}
    for name, given in attrs.items():
        specs[name] = (
            given if isinstance(given, Attr) else Attr(_KIND_OF_DEFAULT[type(given)], given)
        )
    left, _, right = text.partition("->")

    def parse(part: str) -> tuple[Arg, ...]:
        args = []
        for item in filter(None, (p.strip() for p in part.split(","))):
            match = _ARG.match(item)
            if match is None:
                raise ValueError(f"cannot parse argument {item!r} of {text!r}")
            name, ref, count, bracket, dtype, _ = match.groups()
            known = dtype in specs
            args.append(
                Arg(
                    name,
                    dtype if known else "",
                    "" if known else dtype,
                    count or "",
                    bool(ref),
                    bool(count or bracket),
                )
            )
            if count:
                specs.setdefault(count, Attr("int", REQUIRED))
        return tuple(args)

    return Signature(parse(left), parse(right), specs)


# ----------------------------------------------------------------------------------------- call


class Call:
    """One use of an op as its rules see it: attrs, dtypes, shapes, and values known beforehand.

    The same rules serve graph construction (shapes may hold None) and planning (all known).

    Attributes:
        type, attrs: the op type and its attrs (dtypes as DType, tensors as ndarray).
        dtypes, shapes: of the inputs; DType and Dims (tuple of int | None, or None: unknown rank).
        out_dtypes: of the outputs.   out_shapes: of the outputs; only after inference.
        name: of the operation that runs: what it keeps in the session is kept under it.
    """

    __slots__ = (
        "_partial",
        "_value",
        "attrs",
        "dtypes",
        "name",
        "out_dtypes",
        "out_shapes",
        "shapes",
        "type",
    )

    def __init__(
        self,
        type: str,
        attrs: Mapping[str, Any],
        dtypes: Sequence[DType],
        shapes: Sequence[Dims],
        out_dtypes: Sequence[DType] = (),
        out_shapes: Sequence[Dims] = (),
        value: Callable[[int], np.ndarray | None] = lambda i: None,
        partial: Callable[[int], Dims] | None = None,
        name: str = "",
    ) -> None:
        self.type, self.attrs = type, attrs
        self.dtypes, self.shapes = dtypes, shapes
        self.out_dtypes, self.out_shapes = out_dtypes, out_shapes
        self._value, self._partial = value, partial
        self.name = name

    def value(self, i: int) -> np.ndarray | None:
        """The value of input ``i`` when it is known before running, else None."""
        return self._value(i)

    def partial(self, i: int) -> Dims:
        """Input ``i`` (a 1-D integer tensor) read as a shape; unknown elements are None.

        Sees through ``stack([shape(x)[0], 12])`` and its like.  None when even the length is
        unknown.
        """
        value = self._value(i)
        if value is not None:
            return tuple(None if d < 0 else int(d) for d in value.reshape(-1))
        if self._partial is not None:
            return self._partial(i)
        shape = self.shapes[i]
        if shape is None or len(shape) != 1 or shape[0] is None:
            return None
        return (None,) * shape[0]


# ------------------------------------------------------------------------------------ kernel rules


@dataclass(frozen=True, slots=True)
class Loops:
    """A loop nest: elementwise, reduction, or several passes over rows (softmax).  Fusible.

    ``body(s, call, *inputs)`` returns one Scalar per output (a tuple for several).  Loops run over
    the
    *domain*; ``domain(call)`` is its shape (default: the broadcast shape of the inputs).
    ``reduced(call)`` gives the reduce axes of the domain (default none); outputs computed from
    ``s.reduce_*`` are row values, the others full.  ``operands(call)`` says, per input, which
    domain axis each of its axes runs along (default, also when it returns None: aligned from the
    right, as NumPy broadcasts; a size of 1 against a larger extent broadcasts).  An output whose
    shape is the domain without (or with size-1) reduce axes holds row values.

    ``parts``: complex values are taken too: the body gets ComplexScalars, and uses only what
    kernel/complex_scalar.py has.

    ``reads``: positions of the inputs that the body gets (default: all).  The others shape the
    loops and are not loaded: the axes of a reduction, the sizes of a fill.  ``operands`` has
    entries for the inputs read only, and the default domain looks at no others.
    """

    body: Callable[..., Any]
    reduced: Callable[[Call], tuple[int, ...]] | None = None
    domain: Callable[[Call], tuple[int, ...]] | None = None
    operands: Callable[[Call], tuple[tuple[int, ...], ...] | None] | None = None
    reads: tuple[int, ...] | None = None
    parts: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """An index map, no code: every output is one input read with other offset and strides.

    ``layout(call, shape, strides)`` gets the concrete shape and element strides of input ``source``
    and returns (offset in elements, shape, strides), or a list of those, one per output, when
    ``split`` is set.  None: these strides cannot express it; the input is then copied to contiguous
    order and the rule asked again; None once more: the map depends on values that only the run
    knows, and the reference runs as a host instruction.
    """

    layout: Callable[[Call, tuple[int, ...], tuple[int, ...]], Any]
    source: int = 0
    split: bool = False


@dataclass(frozen=True, slots=True)
class Custom:
    """Anything else: the lowering rule registered under ``name`` (lower/custom.py) emits
    instructions.

    The rule gets the inputs as Operands in any strides; complex ones only with ``parts`` set.
    ``reads``: positions of the inputs that its kernels look at, when the others (of any dtype) are
    only shown when something is wrong.  ``moves``: it only moves elements, of any kernel dtype.
    """

    name: str
    parts: bool = False
    reads: tuple[int, ...] | None = None
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Procedure:
    """One kernel written as text: for what is no loop nest over its operands (sort, scan, pooling).

    ``text`` is the body of ``def kernel(block, start, stop)`` (codegen/intrinsics.py has the
    vocabulary), not indented.  It ends with a status: ``return 0``, or 1 division by zero, 2 index
    out of range, 3 invalid argument (errors.py).  It finds these names bound:

        every size that ``sizes(call)`` gives, and every word of ``symbols``     int64
        every input and output of the signature, by its name there              typed pointer
        every scratch buffer that ``scratch(call)`` gives                        typed pointer

    Pointers address row-major elements.  Of a list argument (``values: N*T``) the name is the
    position in the block of the first address: ``{T}_pointer(slot(block, values + i))``.
    An op of effect ``random`` also finds ``counter``: a pointer to its one int64, how much of its
    stream is used up, which the kernel advances.
    ``{T}`` stands for the dtype of attr ``T``, ``{x}`` for that of the argument ``x``, and every
    key of ``choices(call)`` for its text; other braces are doubled.

    Args:
        text: see above.
        sizes: named numbers: extents, flags.
        steps: the kernel is called for ``range(start, stop)`` of this many independent steps, and
            must only write what belongs to them; 1: one call does all.
        known: positions of the inputs whose values ``sizes`` and the like look at (an axis, a
            size).  The kernel does not get them.  Where only the run knows one, the reference does
            it all, as a host instruction.
        scratch: name -> (dtype name, number of elements) of memory that lives for one call.
        fill: output position -> number that every element has at the start.
        updates: output position -> input position whose value it has at the start (in the same
            memory where the output is a new version of a variable).
        choices: parts of the text that attrs decide.
        symbols: routines of the BLAS library, by name (``dpotrf_``: LAPACK, all by address).
            ``?potrf_`` is that of the dtype of attr ``T`` and bound as ``potrf``;
            ``?orglq_|?unglq_``: the real and the complex one, bound as ``orglq``.
        helpers: functions that ``text`` calls, as text; ``{T}`` and the like as there.
        flops: floating-point operations of a call, for the profile.
        parts: complex arguments are taken too: as pointers to floats, every element's real part
            before its imaginary one; ``{T}`` is then the dtype of a part.
        whole: complex arguments are taken too, as numbers (with ``parts`` as pairs of floats).
        moves: names of the type attrs whose elements are only moved: they may be complex, and of
            float16, which kernels cannot reckon with, ``{T}`` is an unsigned integer.
        natively: False where the reference must do it as a host instruction.
    """

    text: str
    sizes: Callable[[Call], Mapping[str, int]]
    steps: Callable[[Call], int] | None = None
    known: tuple[int, ...] = ()
    scratch: Callable[[Call], Mapping[str, tuple[str, int]]] | None = None
    fill: Mapping[int, float] = field(default_factory=dict)
    updates: Mapping[int, int] = field(default_factory=dict)
    choices: Callable[[Call], Mapping[str, str]] | None = None
    symbols: tuple[str, ...] = ()
    helpers: str = ""
    flops: Callable[[Call], int] | None = None
    parts: bool = False
    whole: bool = False
    moves: tuple[str, ...] = ()
    natively: Callable[[Call], bool] | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A host instruction whose loops are compiled: for results whose size is data.

    The reference stays what tests and the reference target compare with.

    Args:
        text: the body of a kernel, as in Procedure; it finds bound what ``given`` returns: pointers
            to the elements of arrays, and int64.  Not ``return 0``: the reference says what is
            wrong.
        given: ``given(call, *arrays) -> {name: array | int}``, results included, with room for the
            most there can be; arrays are row-major, of kernel dtypes.  Refuses what the reference
            refuses.  None: the reference does it.
        made: ``made(call, values) -> array or tuple``: the results, of what ``given`` returned.
        helpers: functions that ``text`` calls.
    """

    text: str
    given: Callable[..., Mapping[str, Any] | None]
    made: Callable[[Call, Mapping[str, Any]], Any]
    helpers: str = ""


KernelRule = Loops | View | Custom | Procedure | Compiled


def elementwise(function: Callable[..., Any], parts: bool = False) -> Loops:
    """Loops over the broadcast shape: ``elementwise(lambda s, x, y: x + y)``."""
    return Loops(lambda s, call, *inputs: function(s, *inputs), parts=parts)


# --------------------------------------------------------------------------------------- the record


@dataclass(frozen=True, slots=True)
class NotDifferentiable:
    """Why an op passes no gradient back (shown by ``tf.gradients`` errors and the docs)."""

    reason: str


def not_differentiable(reason: str) -> NotDifferentiable:
    """The ``grad`` slot of an op without gradient."""
    return NotDifferentiable(reason)


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs on which the every-op test runs this op.

    ``inputs``: arrays (or lists of arrays for list inputs); float arrays are also tried in the
    other float dtypes that the op allows.  ``const``: positions fed as constants rather than
    placeholders (shape and axis arguments).  ``differentiable``: positions checked against finite
    differences (default: every float input); () where the sample sits on a kink.
    """

    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    const: tuple[int, ...] = ()
    differentiable: tuple[int, ...] | None = None


def sample(
    *inputs: Any,
    const: Sequence[int] = (),
    differentiable: Sequence[int] | None = None,
    **attrs: Any,
) -> Sample:
    """``sample(x, y, transpose_a=True)``: see Sample.  Lists become float32 or int32 arrays."""
    return Sample(
        inputs, attrs, tuple(const), None if differentiable is None else tuple(differentiable)
    )


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """A wrong call: applying the op to ``inputs`` raises ``error`` whose text matches ``match``.

    ``stage``: ``build`` (graph construction) or ``run``.
    """

    inputs: tuple[Any, ...]
    error: type[Exception]
    match: str
    attrs: Mapping[str, Any] = field(default_factory=dict)
    stage: str = "build"
    const: tuple[int, ...] = ()


def error_sample(
    error: type[Exception],
    match: str,
    *inputs: Any,
    stage: str = "build",
    const: Sequence[int] = (),
    **attrs: Any,
) -> ErrorSample:
    """``error_sample(ValueError, "do not broadcast", x, y)``: see ErrorSample."""
    return ErrorSample(inputs, error, match, attrs, stage, tuple(const))


#: Values of OpDef.effect.
PURE, RANDOM, WRITE, CHECK, HOST = "", "random", "write", "check", "host"


@dataclass(frozen=True, slots=True)
class OpDef:
    """An operation type.  See the module docstring; slots in the order ``define`` takes them.

    infer: ``infer(call) -> [Dims, ...]``, one per output; raises ShapeError.
    kernel: a KernelRule, or None: the reference runs as a host instruction (strings, py_func).
    grad: ``grad(op, *dys) -> one Tensor | IndexedSlices | None per input`` where ``dys`` has one
        entry per output (None when nothing flows there) and ``op.x`` is the input or output
        named x in the signature; or NotDifferentiable.
    reference: ``reference(call, *arrays) -> array or tuple of arrays``, NumPy only: oracle,
        constant folding, reference target.  For effect ``write`` it gets the variables' current
        values for the Ref inputs and returns their new values, in order; kernels of such ops do
        the same.  For effect ``random`` its first array is the op's counter: int64[1], how much of
        its stream is used up, which it advances.  Values that do not suit:
        InvalidArgumentError(None, None, what is wrong); who runs it adds op and line.
    effect: PURE; RANDOM (keeps a counter per session; never merged or folded); WRITE (updates its
        Ref inputs); CHECK (may refuse its inputs: runs though nobody uses its outputs, before the
        writes that wait for it); HOST (acts on the outside world, in program order).
    """

    type: str
    signature: Signature
    infer: Callable[[Call], Sequence[Dims]]
    kernel: KernelRule | None
    grad: Callable[..., Sequence[Any]] | NotDifferentiable
    reference: Callable[..., Any]
    samples: tuple[Sample, ...]
    errors: tuple[ErrorSample, ...]
    effect: str
    doc: str


#: The op table: type -> OpDef.  Looking up a type loads the file that defines it (families.py).
OPDEFS: Table[OpDef] = Table("ops")


def define(
    type: str,
    signature: str,
    /,  # an attr may be called "type"
    *,
    infer: Callable[[Call], Sequence[Dims]],
    grad: Callable[..., Sequence[Any]] | NotDifferentiable,
    reference: Callable[..., Any],
    samples: Sequence[Sample],
    kernel: KernelRule | None = None,
    errors: Sequence[ErrorSample] = (),
    effect: str = PURE,
    doc: str = "",
    more_attrs: Any = None,
    **attrs: Any,
) -> OpDef:
    """Register an op type; attrs are keywords (``T=dtypes_of(FLOAT), transpose_a=False``).

    ``more_attrs`` is a dict of those whose name is an argument here (``errors``).
    """
    if dict.__contains__(OPDEFS, type):
        raise ValueError(f"op type {type} is defined twice")
    in_session = effect == HOST and errors  # it needs what only a session has
    runs_function = any(isinstance(a, Attr) and a.kind == "func" for a in attrs.values())
    if not samples and not runs_function and not in_session:
        raise ValueError(f"op type {type} has no samples")
    opdef = OpDef(
        type,
        parse_signature(signature, {**attrs, **(more_attrs or {})}),
        infer,
        kernel,
        grad,
        reference,
        tuple(samples),
        tuple(errors),
        effect,
        doc,
    )
    OPDEFS[type] = opdef
    return opdef
