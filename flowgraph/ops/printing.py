"""Printing while a graph runs: tf.Print, which passes a tensor on, and tf.print, an operation.

Both run in program order among host operations.

Read next: texts.py (how values look).
"""

from __future__ import annotations

import itertools
import os
import pprint
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from flowgraph.dtypes import ALL, string
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import (
    HOST,
    REQUIRED,
    Attr,
    Call,
    define,
    dtypes_of,
    error_sample,
    not_differentiable,
    sample,
)
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.ops.rules import f32, i32, invalid, require_rank, same_shape
from flowgraph.ops.texts import listed_text, texts
from flowgraph.platform import tf_logging
from flowgraph.shapes import Dims

# -------------------------------------------------------------------------------------------- Print


def _write(stream: Any, text: str) -> None:
    """Write at once; bytes that are no UTF-8 are shown as replacement characters."""
    stream.write(text.encode(errors="surrogateescape").decode(errors="replace"))
    stream.flush()


def _print_reference(call_: Call, x: Any, *data: Any) -> Any:
    attrs = call_.attrs
    times = attrs.get("_times")
    if attrs["first_n"] < 0 or times is None or next(times) < attrs["first_n"]:
        text = attrs["message"] + listed_text(data, attrs["summarize"], "")
        _write(sys.stderr, text + "\n")
    return x


define(
    "Print",
    "input: T, data: [U] -> output: T",
    T=dtypes_of(ALL),
    U=Attr("list(type)", REQUIRED),
    message="",
    first_n=-1,
    summarize=3,
    infer=same_shape,
    grad=lambda op, dy: (dy, *(None,) * (len(op.inputs) - 1)),
    reference=_print_reference,
    samples=(
        sample(f32(2, 3), [f32(2), i32([1, 2])], message="now: "),
        sample(f32(), [f32()]),
    ),
    effect=HOST,
    doc="``input``; prints ``data`` on the way.",
)


@export("Print")
def Print(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """``input_``; whenever it is computed, ``data`` is printed to standard error.

    Args:
        input_: the tensor that is passed on.
        data: a list of tensors to print.
        message: printed in front of them.
        first_n: print only the first so many times; always by default.
        summarize: how many elements of each tensor to show; 3 by default, all when negative.
        name: of the operation; ``Print`` by default.

    Returns:
        A tensor equal to ``input_``.

    Gradient: dy.
    """
    return apply_op(
        "Print", input_, list(data), message=message, first_n=first_n, summarize=summarize,
        name=name, _times=itertools.count(),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- print

#: What may be given as ``output_stream``, and its name in the graph.
_STREAMS = {
    "stdout": lambda: sys.stdout,
    "stderr": lambda: sys.stderr,
}
_LOGS = {
    "log(info)": tf_logging.info,
    "log(warning)": tf_logging.warning,
    "log(error)": tf_logging.error,
}


def _stream_name(stream: Any) -> str:
    for name, find in _STREAMS.items():
        if stream is find() or stream is getattr(sys, f"__{name}__"):
            return name
    for name, function in _LOGS.items():
        if stream is function or (stream is tf_logging.warn and name == "log(warning)"):
            return name
    if isinstance(stream, str) and stream.startswith("file://"):
        return stream
    raise ValueError(
        f"tf.print: output_stream must be sys.stdout, sys.stderr, tf.logging.info, .warning or "
        f".error, or 'file://<path>', got {stream!r}"
    )


def _print_v2_infer(call_: Call) -> list[Dims]:
    require_rank(call_.shapes[0], 0, "the text")
    return []


def _print_v2_reference(call_: Call, text: Any) -> tuple[()]:
    stream, said = call_.attrs["output_stream"], text[()].decode(errors="surrogateescape")
    if stream in _STREAMS:
        _write(_STREAMS[stream](), said + call_.attrs["end"])
    elif stream in _LOGS:
        _LOGS[stream]("%s", said)
    elif stream.startswith("file://"):
        try:
            with open(stream.removeprefix("file://"), "ab") as file:
                file.write(text[()] + call_.attrs["end"].encode())
        except OSError as error:
            raise invalid(f"{stream}: {error}") from None
    else:
        raise invalid(f"unknown output stream {stream!r}")
    return ()


define(
    "PrintV2",
    "input: string ->",
    output_stream="stderr",
    end="\n",
    infer=_print_v2_infer,
    grad=not_differentiable("it has no outputs"),
    reference=_print_v2_reference,
    samples=(sample(texts("now: 1")), sample(texts("é"), end="")),
    errors=(
        error_sample(ValueError, "the text must be a scalar", texts(["a"])),
        error_sample(Exception, "unknown output stream", texts("a"), stage="run",
                     output_stream="paper"),
    ),
    effect=HOST,
    doc="Prints a scalar string.",
)  # fmt: skip


class _Placeholder:
    """Stands in a structure for the text of a tensor."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class _Template:
    """Collects tensors and the text around them, in which ``<NUL>i<NUL>`` stands for tensor i."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []

    def text_of(self, item: Any) -> str:
        """``item`` as text: a str as it is, others as Python writes them."""
        return item if isinstance(item, str) else pprint.pformat(self._marked(item))

    def finished(self, text: str) -> tuple[str, str, list[Any]]:
        """``text`` with one mark for all tensors, the mark, and the tensors in order.

        NB: pprint sorts dicts, so tensors need not stand in the order in which they were met.
        """
        order = [int(i) for i in re.findall("\0(\\d+)\0", text)]
        plain = re.sub("\0\\d+\0", "", text)
        mark = next(m for m in ("{}", *(f"{{{i}}}" for i in range(1000))) if m not in plain)
        return re.sub("\0\\d+\0", mark, text), mark, [self.tensors[i] for i in order]

    def _mark(self, tensor: Any) -> str:
        self.tensors.append(tensor)
        return f"\0{len(self.tensors) - 1}\0"

    def _marked(self, item: Any) -> Any:
        if isinstance(item, SparseTensor):
            parts = (item.indices, item.values, item.dense_shape)
            indices, values, shape = (self._mark(part) for part in parts)
            return _Placeholder(f"SparseTensor(indices={indices}, values={values}, shape={shape})")
        if isinstance(item, Tensor) or hasattr(item, "_as_graph_element"):
            return _Placeholder(self._mark(item))
        if isinstance(item, Mapping):
            copied: Any = {key: self._marked(value) for key, value in item.items()}
            kind: Any = type(item)
            return copied if kind is dict else kind(copied)
        if isinstance(item, (list, tuple)):
            members = [self._marked(member) for member in item]
            if hasattr(item, "_fields"):
                return type(item)(*members)
            return tuple(members) if isinstance(item, tuple) else members
        return item


@export("print")
def print_(
    *inputs: Any,
    output_stream: Any = None,
    summarize: int = 3,
    sep: str = " ",
    end: str = os.linesep,
    name: str | None = None,
) -> Operation:
    """An operation that prints ``inputs``.

    It must be run: fetch it, or make something depend on it with tf.control_dependencies.

    Args:
        inputs: tensors, Python values, and lists, tuples and dicts of them.
        output_stream: sys.stdout, sys.stderr (the default), tf.logging.info, tf.logging.warning,
            tf.logging.error, or ``"file://<path>"`` to append to a file.
        summarize: how many elements to show at each end of each axis; all when negative.
        sep: what stands between the inputs.
        end: what stands at the end.
        name: of the operation; ``PrintV2`` by default.

    Returns:
        An Operation.

    Raises:
        ValueError: an output stream that is none of these.

    >>> import sys
    >>> x = tf.range(10)
    >>> tf.Session().run(tf.print("x is", x, {"half": x // 2}, output_stream=sys.stdout))
    x is [0 1 2 ... 7 8 9] {'half': [0 0 1 ... 3 4 4]}
    """
    stream = _stream_name(sys.stderr if output_stream is None else output_stream)
    if len(inputs) == 1 and _is_text_scalar(inputs[0]):
        text = convert_to_tensor(inputs[0])
    else:
        template = _Template()
        said, mark, tensors = template.finished(sep.join(map(template.text_of, inputs)))
        text = call.StringFormat(tensors, template=said, placeholder=mark, summarize=summarize)
    return apply_op("PrintV2", text, output_stream=stream, end=end, name=name)


def _is_text_scalar(item: Any) -> bool:
    """True for a scalar string tensor, which is printed alone without quotes."""
    return isinstance(item, Tensor) and item.dtype.base_dtype is string and item.dims == ()
