"""Exceptions and messages: the ``tf.errors`` tree and the one formatter of error texts.

Every error that a user's program can cause is text of this form, whatever raised it::

    Mul: shapes [3, 4] and [5] do not broadcast: aligned from the right, sizes must be equal or 1
      x   = 'hidden:0'  float32[3, 4]   made at train.py:8
      y   = 'bias:0'    float32[5]      made at train.py:9
      op  = 'scale/mul_2'               made at train.py:36
      fix: reshape one input, e.g. fg.reshape(y, [5, 1])

Build-time errors are ValueError, TypeError and KeyError, as in TensorFlow; run-time errors are an
OpError.  Read next: graph/apply.py, which raises most of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

# ------------------------------------------------------------------------- kernel status codes

#: What native kernels return (docs/design.md); 0 is success.
STATUS_DIVISION_BY_ZERO, STATUS_OUT_OF_RANGE, STATUS_INVALID_ARGUMENT = 1, 2, 3
STATUS_NOT_FINITE, STATUS_ASSERTION_FAILED = 4, 5

#: What each status code says to the user.
STATUS_MESSAGES = {
    STATUS_DIVISION_BY_ZERO: "integer division by zero",
    STATUS_OUT_OF_RANGE: "index out of range",
    STATUS_INVALID_ARGUMENT: "invalid argument",
    STATUS_NOT_FINITE: "Tensor had NaN or Inf values",
    STATUS_ASSERTION_FAILED: "assertion failed",
}

# ------------------------------------------------------------------------------------- the tree


class OpError(Exception):
    """An operation failed while running.

    Attributes:
        node_def: description of the node (``.name``, ``.op``, ``.input``, ``.attr``), or None.
        op: the Operation, or None when the failure has none (a missing feed names its placeholder).
        message: the formatted text.
        error_code: the canonical code, ``tf.errors.INVALID_ARGUMENT`` and so on.
    """

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int) -> None:
        super().__init__(message)
        self.node_def, self.op, self.message, self.error_code = node_def, op, message, error_code

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # An Operation cannot leave its process; the text already says what there is to say.
        if type(self) is OpError:
            return OpError, (None, None, self.message, self.error_code)
        return type(self), (None, None, self.message)


class MissingNameError(AttributeError):
    """A public name that flowgraph does not have; says what to use instead (graph/advice.py)."""


class _CodedError(OpError):
    code = 2

    def __init__(self, node_def: Any, op: Any, message: str) -> None:
        super().__init__(node_def, op, message, self.code)


class CancelledError(_CodedError):
    """The operation was stopped on purpose, for instance by closing its session or queue."""

    code = 1


class UnknownError(_CodedError):
    """The cause belongs to no other class, for instance an exception inside a ``py_func``."""

    code = 2


class InvalidArgumentError(_CodedError):
    """A value does not suit the operation: wrong size, missing feed, failed assertion."""

    code = 3


class DeadlineExceededError(_CodedError):
    """The run took longer than the given time limit."""

    code = 4


class NotFoundError(_CodedError):
    """A file or a stored tensor that was asked for does not exist."""

    code = 5


class AlreadyExistsError(_CodedError):
    """What should be made exists already."""

    code = 6


class PermissionDeniedError(_CodedError):
    """The process may not do this, for instance write to a file."""

    code = 7


class ResourceExhaustedError(_CodedError):
    """Out of memory or another limited resource."""

    code = 8


class FailedPreconditionError(_CodedError):
    """The system is not in the state the operation needs; most often an uninitialised variable."""

    code = 9


class AbortedError(_CodedError):
    """The operation was given up, for instance an enqueue on a queue that was closed meanwhile."""

    code = 10


class OutOfRangeError(_CodedError):
    """The end was passed: an exhausted iterator or queue."""

    code = 11


class UnimplementedError(_CodedError):
    """The operation does not support these inputs or attrs."""

    code = 12


class InternalError(_CodedError):
    """A broken invariant of flowgraph itself: our bug, never the user's mistake."""

    code = 13


class UnavailableError(_CodedError):
    """A needed service or device cannot be reached now."""

    code = 14


class DataLossError(_CodedError):
    """A file is corrupt or cut short."""

    code = 15


class UnauthenticatedError(_CodedError):
    """The request carries no valid credentials."""

    code = 16


_CLASSES: dict[int, type[_CodedError]] = {
    cls.code: cls
    for cls in (
        CancelledError,
        UnknownError,
        InvalidArgumentError,
        DeadlineExceededError,
        NotFoundError,
        AlreadyExistsError,
        PermissionDeniedError,
        ResourceExhaustedError,
        FailedPreconditionError,
        AbortedError,
        OutOfRangeError,
        UnimplementedError,
        InternalError,
        UnavailableError,
        DataLossError,
        UnauthenticatedError,
    )
}

OK = 0
CANCELLED = CancelledError.code
UNKNOWN = UnknownError.code
INVALID_ARGUMENT = InvalidArgumentError.code
DEADLINE_EXCEEDED = DeadlineExceededError.code
NOT_FOUND = NotFoundError.code
ALREADY_EXISTS = AlreadyExistsError.code
PERMISSION_DENIED = PermissionDeniedError.code
RESOURCE_EXHAUSTED = ResourceExhaustedError.code
FAILED_PRECONDITION = FailedPreconditionError.code
ABORTED = AbortedError.code
OUT_OF_RANGE = OutOfRangeError.code
UNIMPLEMENTED = UnimplementedError.code
INTERNAL = InternalError.code
UNAVAILABLE = UnavailableError.code
DATA_LOSS = DataLossError.code
UNAUTHENTICATED = UnauthenticatedError.code


def exception_type_from_error_code(error_code: int) -> type[OpError]:
    """The class for a canonical code: ``3`` gives InvalidArgumentError."""
    return _CLASSES[error_code]


def error_code_from_exception_type(cls: type[OpError]) -> int:
    """The canonical code of a class: InvalidArgumentError gives ``3``."""
    if issubclass(cls, _CodedError) and cls is not _CodedError:
        return cls.code
    raise KeyError(cls)


class raise_exception_on_not_ok_status:
    """A block that is given a status and raises its error, if it got one, at the end.

    >>> with raise_exception_on_not_ok_status() as status:
    ...     status.code, status.message = NOT_FOUND, "no such thing"
    Traceback (most recent call last):
    flowgraph.errors.NotFoundError: no such thing
    """

    def __init__(self) -> None:
        self.code, self.message = OK, ""

    def __enter__(self) -> raise_exception_on_not_ok_status:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is None and self.code != OK:
            raise exception_type_from_error_code(self.code)(None, None, self.message)  # type: ignore[call-arg]


#: Names under ``tf.errors``: the classes, the codes in capitals, and the functions above.
PUBLIC: dict[str, Any] = {
    "OpError": OpError,
    **{cls.__name__: cls for cls in _CLASSES.values()},
    "OK": OK,
    **{
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).upper(): code
        for code, cls in _CLASSES.items()
    },
    "exception_type_from_error_code": exception_type_from_error_code,
    "error_code_from_exception_type": error_code_from_exception_type,
    "raise_exception_on_not_ok_status": raise_exception_on_not_ok_status,
}

# --------------------------------------------------------------------------------- the formatter


def format_message(
    headline: str,
    operands: Sequence[tuple[str, str, str, str]] = (),
    op: tuple[str, str] | None = None,
    fix: str = "",
) -> str:
    """The text of an error: headline, one line per wrong tensor, the op, how to repair it.

    Args:
        headline: what is wrong, in one line, starting with the operation.
        operands: (argument, ``'hidden:0'`` or a value, ``float32[3, 4]``, ``train.py:8``) of each
            wrong input; the site may be empty.
        op: (operation name, site); without a name, where the call stands.
        fix: what to write instead; one line.

    >>> row = ("x", "'a:0'", "float32[3]", "t.py:1")
    >>> print(format_message("add: no", [row], ("add", "t.py:2")))
    add: no
      x   = 'a:0'  float32[3]   made at t.py:1
      op  = 'add'               made at t.py:2
    """
    # Labels are at least as wide as "fix"; the op's name may run on under the dtypes.
    width = max([3, *(len(row[0]) for row in operands)])
    value_width = max((len(row[1]) for row in operands), default=0)
    spec_width = max((len(row[2]) for row in operands), default=0)
    lines = [headline]
    for label, value, spec, site in operands:
        line = f"  {label:<{width}} = {value:<{value_width}}  {spec:<{spec_width}}"
        lines.append(_with_site(line, site))
    if op is not None and op[0]:
        line = f"  {'op':<{width}} = {op[0]!r:<{value_width + 2 + spec_width}}"
        lines.append(_with_site(line, op[1]))
    elif op is not None and op[1]:
        lines.append(f"  {'at':<{width}} = {op[1]}")
    if fix:
        lines.append(f"  {'fix:':<{width}} {fix}")
    return "\n".join(lines)


def _with_site(line: str, site: str) -> str:
    return f"{line}   made at {site}" if site else line.rstrip()


class NameNotFoundError(KeyError):
    """A KeyError that shows its text as it is: a plain one shows it quoted, on one line."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def quote(text: str) -> str:
    """``text`` in double quotes, as protocol buffers' text form writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """``"; did you mean 'relu'?"`` when a known name is near ``name``, else ``""``.

    >>> did_you_mean("rleu", ["relu", "tanh"])
    "; did you mean 'relu'?"
    """
    folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=cutoff)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
