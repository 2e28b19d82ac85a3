"""show() and parse() of kernels."""

import math

import pytest

from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.ir import Buffer, Kernel, KernelError, Stmt
from flowgraph.kernel.text import parse, show

SOFTMAX = """\
kernel (map n0, reduce n1)
  b0: float32 in [s, 1]
  b1: float32 out [s, 1]
  %0 = load b0            float32
  %1 = reduce_max %0      float32
  %2 = sub %0, %1         float32
  %3 = exp %2             float32
  %4 = reduce_sum %3      float32
  %5 = div %3, %4         float32
  store b1, %5
"""


def everything():
    """A kernel with a statement of every kind."""
    s = BodyBuilder()
    x, flag = s.load(0, "float32"), s.load(1, "bool")
    small = s.cast(s.index(1), "float32") * 1e-300 + math.inf
    count = s.cast(s.count(), "float64")
    s.require(s.not_(s.and_(flag, s.const(True, "bool"))), 3)
    value = s.select(flag, x, -small)
    s.store(2, s.reduce_sum(s.cast(value, "float64")) / count)
    s.store(3, s.cast(x, "uint8"))
    row, full = ("1", "0"), ("s", "1")
    buffers = (
        Buffer("float32", "in", full),
        Buffer("bool", "in", ("0", "0")),
        Buffer("float64", "out", row),
        Buffer("uint8", "out", full),
    )
    return s.build(("map", "reduce"), buffers)


def test_softmax_reads_and_writes_as_the_documentation_shows():
    assert show(parse(SOFTMAX)) == SOFTMAX


@pytest.mark.parametrize("kernel", [everything(), parse(SOFTMAX)])
def test_round_trip(kernel):
    assert parse(show(kernel)) == kernel


def test_kernel_without_axes():
    body = (Stmt("const", (), "int64", -7), Stmt("store", (0,), "int64", 0))
    kernel = Kernel((), (Buffer("int64", "out", ()),), body)
    assert parse(show(kernel)) == kernel


def test_nan_constant():
    body = (Stmt("const", (), "float32", math.nan), Stmt("store", (0,), "float32", 0))
    kernel = Kernel((), (Buffer("float32", "out", ()),), body)
    assert math.isnan(parse(show(kernel)).body[0].imm)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kernel (", "colonel ("),
        ("%2 = sub", "%7 = sub"),
        ("%2 = sub %0, %1", "%2 = sub %0, 1"),
        ("exp %2", "expo %2"),
        ("load b0", "load b9"),
        ("store b1, %5", "store b1, %5, %4"),
        ("[s, 1]", "[s, q]"),
        ("reduce_max %0      float32", "reduce_max %0      float64"),
    ],
)
def test_text_that_is_no_kernel_is_refused(old, new):
    with pytest.raises(KernelError):
        parse(SOFTMAX.replace(old, new))


def test_empty_text_is_refused():
    with pytest.raises(KernelError):
        parse("")
