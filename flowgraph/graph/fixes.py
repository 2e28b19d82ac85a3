"""What to write instead: the ``fix`` line of errors, where the place that raises gives none.

Rules say what is wrong ("axis 2 is out of range for rank 2"); what people do about it depends on
the kind of mistake, not on the operation.  So it stands here once, as a table of patterns of
headlines; the first that fits is taken.

Read next: report.py and apply.py (who ask), errors.py (the layout).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flowgraph.shapes import Dims, format_dims


@dataclass(frozen=True, slots=True)
class Given:
    """An operand as a fix sees it: its label, and its shape where it is known."""

    label: str
    dims: Dims


def as_given(rows: Iterable[tuple[str, str, str, str]]) -> list[Given]:
    """Rows of format_message as operands: ``float32[?, 3]`` gives the dims (None, 3)."""
    found = []
    for row in rows:
        _, bracket, sizes = row[2].partition("[")
        parts = [part.strip() for part in sizes.rstrip("]").split(",") if part.strip()]
        dims = tuple(None if part == "?" else int(part) for part in parts)
        found.append(Given(row[0], dims if bracket else None))
    return found


_Fix = str | Callable[["re.Match[str]", Sequence[Given]], str]


def find_fix(headline: str, operands: Sequence[Given] = ()) -> str:
    """The fix for an error with this headline, or ``""``.

    >>> find_fix("Sum: axis 2 is out of range for rank 2: must lie in [-2, 2)")
    'axes are counted from 0: the last one of rank 2 is axis 1, or -1'
    """
    for pattern, fix in _TABLE:
        found = re.search(pattern, headline)
        if found is not None:
            text = fix if isinstance(fix, str) else fix(found, operands)
            if text:
                return text
    return ""


# ------------------------------------------------------------------------- fixes that look closer


def _broadcast(found: re.Match[str], operands: Sequence[Given]) -> str:
    known = [g for g in operands if g.dims is not None and None not in g.dims]
    if len(known) >= 2:
        for small, large in ((known[1], known[0]), (known[0], known[1])):
            assert small.dims is not None and large.dims is not None
            padded = _aligned_left(small.dims, large.dims)
            if padded is not None:
                return (
                    f"if the axes of {small.label} are meant to be the first ones: "
                    f"tf.reshape({small.label}, {list(padded)})"
                )
            if small.dims and len(large.dims) == 2 and small.dims == large.dims[::-1]:
                return f"transpose one of them: tf.transpose({small.label})"
    return (
        "make the sizes equal, or give one of them size 1 there with tf.reshape or tf.expand_dims"
    )


def _aligned_left(small: Dims, large: Dims) -> tuple[int | None, ...] | None:
    """``small`` with ones behind, where that broadcasts against ``large``."""
    assert small is not None and large is not None
    if not small or len(small) >= len(large):
        return None
    if any(a not in (b, 1) for a, b in zip(small, large, strict=False)):
        return None
    return (*small, *[1] * (len(large) - len(small)))


def _axis(found: re.Match[str], operands: Sequence[Given]) -> str:
    rank = int(found[1])
    if rank == 0:
        return "a scalar has no axes: leave the axis out"
    return f"axes are counted from 0: the last one of rank {rank} is axis {rank - 1}, or -1"


def _matmul(found: re.Match[str], operands: Sequence[Given]) -> str:
    shapes = [g.dims for g in operands[:2]]
    if len(shapes) == 2 and all(s is not None and len(s) >= 2 for s in shapes):
        a, b = shapes
        assert a is not None and b is not None
        if a[-1] is not None and a[-1] == b[-1]:
            return "the last sizes agree: write transpose_b=True"
        if a[-2] is not None and a[-2] == b[-2]:
            return "the first sizes agree: write transpose_a=True"
        if b[-1] is not None and b[-1] == a[-2]:
            return "exchange the operands"
    return "the columns of the first must be as many as the rows of the second"


def _vector(found: re.Match[str], operands: Sequence[Given]) -> str:
    return (
        f"make it a matrix: tf.expand_dims({found[1]}, 1) for a column, "
        f"tf.expand_dims({found[1]}, 0) for a row"
    )


def _fill(found: re.Match[str], operands: Sequence[Given]) -> str:
    sizes = [int(s) for s in re.findall(r"-?\d+", found[2])]
    known = 1
    for size in sizes:
        known *= max(size, 1) if size == -1 else size
    count = int(found[1])
    if -1 in sizes:
        return (
            f"{count} is no multiple of {known}: check the sizes other than -1, and those of what "
            "is reshaped"
        )
    for i in range(len(sizes)):
        rest = known // sizes[i] if sizes[i] else 0
        if rest and count % rest == 0:
            shape = [*sizes[:i], -1, *sizes[i + 1 :]]
            return f"the new shape has {known} elements; tf.reshape(x, {shape}) would fit"
    return f"the new shape has {known} elements: it must have {count}; one size may be -1"


def _image(found: re.Match[str], operands: Sequence[Given]) -> str:
    dims = operands[0].dims if operands else None
    if dims is not None and len(dims) == 3:
        return "add the axis of channels: tf.expand_dims(images, -1)"
    if dims is not None and len(dims) == 2:
        return "images are [batch, height, width, channels]: tf.reshape(x, [-1, height, width, 1])"
    return "images are [batch, height, width, channels]"


def _concat(found: re.Match[str], operands: Sequence[Given]) -> str:
    shapes = [g.dims for g in operands if g.label.startswith("values")]
    if len(shapes) >= 2 and all(s is not None and len(s) == len(shapes[0] or ()) for s in shapes):
        rank = len(shapes[0] or ())
        for axis in range(rank):
            rest = [s[:axis] + s[axis + 1 :] for s in shapes if s is not None]
            if all(r == rest[0] for r in rest):
                return f"axis {axis} is the one along which they fit: tf.concat(values, {axis})"
    return "only the sizes along the axis of concat may differ"


def _indices(found: re.Match[str], operands: Sequence[Given]) -> str:
    label, low, high = found[1], found[2], found[3]
    name = label.split("[")[0]
    return (
        f"there are {high} rows: keep {name} below with "
        f"tf.clip_by_value({name}, {low}, {int(high) - 1}), or make the table larger"
    )


def _size_one(found: re.Match[str], operands: Sequence[Given]) -> str:
    dims = operands[0].dims if operands else None
    if dims is not None and 1 in dims:
        return f"squeeze axis {dims.index(1)}, which has size 1"
    return "only axes of size 1 can be squeezed"


def _same(found: re.Match[str], operands: Sequence[Given]) -> str:
    if len(operands) >= 2:
        a, b = operands[0], operands[1]
        if a.dims is not None and b.dims is not None and abs(len(a.dims) - len(b.dims)) == 1:
            more = a if len(a.dims) > len(b.dims) else b
            assert more.dims is not None
            if more.dims[-1] == 1:
                return f"drop the last axis: tf.squeeze({more.label}, -1)"
    return "bring them to one shape with tf.reshape, or slice the longer one"


def _takes(found: re.Match[str], operands: Sequence[Given]) -> str:
    label, got, allowed = found[1].split("[")[0], found[2], found[3].split(", ")
    if got == "string":
        return f"numbers in text are read by tf.string_to_number({label})"
    if got.startswith("complex"):
        return f"take its absolute value, tf.abs({label}), or a part: tf.real({label})"
    for wanted in ("float32", "int32", "bool"):
        if wanted in allowed:
            return f"convert it, e.g. tf.cast({label}, tf.{wanted})"
    return f"convert it, e.g. tf.cast({label}, tf.{allowed[0]})"


def _assign(found: re.Match[str], operands: Sequence[Given]) -> str:
    if operands and operands[0].dims is not None:
        shape = format_dims(operands[0].dims)
        return f"give it a value of shape {shape}, or make it with validate_shape=False"
    return "give it a value of its shape"


#: (pattern of the headline, fix): the first that fits.
_TABLE: tuple[tuple[str, _Fix], ...] = (
    (r"do not broadcast", _broadcast),
    (r"is out of range for rank (\d+)", _axis),
    (r"MatMul\w*: (?:inner sizes|.*\bcolumns\b|.*\bsizes\b)", _matmul),
    (r"MatMul: (\w+) must be a matrix", _vector),
    (r"(\d+) elements \([^)]*\) do not fill shape (\[[^\]]*\])", _fill),
    (r"tags and values are not the same shape",
     "reduce it first, e.g. tf.reduce_mean, or use tf.summary.histogram"),
    (r"must (?:be of|have) rank 4", _image),
    (r"sizes other than along axis", _concat),
    (r"(?:must|should) have one shape", _same),
    (r"(?:same|one) shape", _same),
    (r"the input has (\d+) channels, the filter takes (\d+)",
     "filters are [height, width, channels of the input, channels of the output]"),
    (r"a window of \d+ elements does not fit into",
     "use padding='SAME', a smaller window, or fewer pooling layers before it"),
    (r"equal parts cannot be made", "give the sizes of the parts: tf.split(value, [3, 2], axis)"),
    (r"do not add up to the size (\d+)", lambda m, g: f"they must add up to {m[1]}; one may be -1"),
    (r"perm has (\d+) axes", "perm names every axis once, e.g. [1, 0] for a matrix"),
    (r"has size \d+, not 1", _size_one),
    (r"multiples has \d+ elements", "give one multiple per axis; 1 leaves an axis as it is"),
    (r"paddings has \d+ rows", "give [before, after] per axis; [0, 0] leaves an axis as it is"),
    (r"index (-?\d+) is out of range for axis \d+, which has size (\d+)",
     lambda m, g: f"indices go from 0 to {int(m[2]) - 1}; -1 is the last one" if int(m[2])
     else "this axis is empty"),
    (r"begin (\d+) and size (\d+) leave axis \d+, which has size (\d+)",
     "size -1 takes the rest of an axis"),
    (r"(\d+) indices for a tensor", "leave indices out, or use ... for the axes between"),
    (r"bias of (\d+) elements for (\d+) channels",
     lambda m, g: f"make the bias with {m[2]} elements"),
    (r"Assign\w*: .*shape", _assign),
    (r"square matri", "take a square part, or multiply it with its transpose first"),
    (r"segment_ids of shape", "give one segment number per row of data"),
    (r"depth must be a scalar", "give one number: the count of classes"),
    (r"'?(\w+(?:\[\d+\])?)'? cannot be (\w+); it takes ([\w, ]+)", _takes),
    (r"must be (\w+): expected", lambda m, g: f"give a number, an array or a tensor of {m[1]}"),
    (r"is None, which is no tensor",
     "a function without return gives None, and a gradient may be (tf.why_no_gradient says why)"),
    (r"padding must be", "write padding='SAME' or padding='VALID'"),
    # ---- while running
    (r"integer division by zero",
     "keep zeros out of the divisor, e.g. tf.maximum(divisor, 1), or divide floats"),
    (r"((?:\w+)(?:\[[^=]*\])?) = -?\d+ is not in \[(\d+), (\d+)\)", _indices),
    (r"is not in \[\d+, (\d+)\), its size",
     "make the TensorArray larger, or with dynamic_size=True"),
    (r"does not index shape", "an index must be below the size of its axis, and not negative"),
    (r"Assert: |assertion failed",
     "print the values before it with tf.Print, or feed what the assertion asks for"),
    (r"CheckNumerics: ",
     "tf.ConfigProto(check_numerics=True) names the operation that made the first one"),
    (r"Cholesky", "add a small multiple of the identity: a + 1e-6 * tf.eye(n)"),
    (r"not invertible|singular",
     "add a small multiple of the identity, or use tf.matrix_solve_ls"),
    (r"(return np\.asarray\(value, np\.\w+\))", lambda m, g: m[1]),
    (r"^(?:Eager)?PyFunc: ", "the traceback above shows the line of the Python function"),
    (r"End of sequence",
     "catch tf.errors.OutOfRangeError where an epoch ends, or use dataset.repeat()"),
    (r"iterator has not been initialized", "run iterator.initializer in this session first"),
    (r"could not correctly convert string", "clean the text first, e.g. with tf.strings.strip"),
    (r"No such file", "check the path, and the directory the program runs in"),
)  # fmt: skip
