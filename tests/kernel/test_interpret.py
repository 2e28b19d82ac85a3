"""The kernel oracle against NumPy formulas written by hand."""

import numpy as np
import pytest

from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.interpret import identity, interpret
from flowgraph.kernel.ir import Buffer, KernelError
from flowgraph.kernel.scalar import REDUCTIONS, SCALAR_OPS


def test_broadcast_add_reads_strides_and_offsets():
    s = BodyBuilder()
    s.store(2, s.load(0, "float32") + s.load(1, "float32"))
    kernel = s.build(
        ("map", "map"),
        (
            Buffer("float32", "in", ("s", "s")),
            Buffer("float32", "in", ("0", "1")),
            Buffer("float32", "out", ("s", "1")),
        ),
    )
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    bias = np.float32([100, 200, 300])
    out = np.zeros(12, np.float32)
    # x read backwards along both axes: base at the last element, negative strides
    status = interpret(
        kernel, [x.ravel(), bias, out], (4, 3), [(-3, -1), (0, 1), (3, 1)], offsets=[11, 0, 0]
    )
    assert status == 0
    assert np.array_equal(out.reshape(4, 3), x[::-1, ::-1] + bias)


def test_two_pass_variance_and_in_place_store():
    s = BodyBuilder()
    x, count = s.load(0, "float64"), s.cast(s.count(), "float64")
    mean = s.reduce_sum(x) / count
    centred = x - mean
    s.store(1, s.reduce_sum(centred * centred) / count)
    s.store(0, centred)
    full, row = Buffer("float64", "inout", ("s", "1")), Buffer("float64", "out", ("1", "0"))
    kernel = s.build(("map", "reduce"), (full, row))
    data = np.random.default_rng(0).normal(3, 2, (5, 7))
    given, var = data.copy().ravel(), np.zeros(5)
    assert interpret(kernel, [given, var], (5, 7), [(7, 1), (1, 0)]) == 0
    np.testing.assert_allclose(var, data.var(1), rtol=1e-12)
    np.testing.assert_allclose(given.reshape(5, 7), data - data.mean(1, keepdims=True), atol=1e-12)


def test_a_value_constant_along_the_reduce_axes_counts_at_every_point():
    s = BodyBuilder()
    s.store(0, s.reduce_sum(s.const(2, "int64")) - s.count())
    kernel = s.build(("reduce", "map", "reduce"), (Buffer("int64", "out", ("0", "1", "0")),))
    out = np.zeros(4, np.int64)
    interpret(kernel, [out], (3, 4, 5), [(0, 1, 0)])
    assert out.tolist() == [15] * 4


@pytest.mark.parametrize("op", sorted(REDUCTIONS))
def test_reduction_over_nothing_is_its_identity(op):
    for dtype in sorted(REDUCTIONS[op].dtypes):
        s = BodyBuilder()
        s.store(1, s.op(op, s.load(0, dtype)))
        x, y = Buffer(dtype, "in", ("0", "1")), Buffer(dtype, "out", ("1", "0"))
        kernel = s.build(("map", "reduce"), (x, y))
        out = np.full(3, 7).astype(dtype)
        interpret(kernel, [np.zeros(1, dtype), out], (3, 0), [(0, 1), (1, 0)])
        assert out.tolist() == [identity(op, dtype)] * 3
        # and a no-op next to one value: combining identity and x gives x
        combine = SCALAR_OPS[REDUCTIONS[op].scalar].numpy
        one = np.ones(1, dtype)
        assert combine(np.asarray([identity(op, dtype)], dtype), one) == one


def test_float_rounding_is_of_the_statements_dtype():
    s = BodyBuilder()
    x = s.load(0, "float32")
    s.store(1, (x + 1.0) - x)
    kernel = s.build(("map",), (Buffer("float32", "in", ("1",)), Buffer("float32", "out", ("1",))))
    out = np.zeros(1, np.float32)
    interpret(kernel, [np.float32([2**25]), out], (1,), [(1,), (1,)])
    assert out[0] == 0  # 1 in double precision


def test_floordiv_of_floats_is_the_floor_of_the_quotient():
    # tf.floordiv(1.0, 0.1) is 10: floor(x / y) in float32, not the exact quotient's floor (9).
    x, y = np.float32([1, -5, 5]), np.float32([0.1, 3, -3])
    assert SCALAR_OPS["floordiv"].numpy(x, y).tolist() == [10, -2, -2]
    assert SCALAR_OPS["floordiv"].numpy(np.int32([-7]), np.int32([2])).tolist() == [-4]


def test_require_reports_the_first_code():
    s = BodyBuilder()
    y = s.load(0, "int32")
    s.require(s.ne(y, 0), 1)
    s.require(s.lt(y, 100), 2)
    s.store(1, y)
    kernel = s.build(("map",), (Buffer("int32", "in", ("1",)), Buffer("int32", "out", ("1",))))

    def run(*values):
        array = np.array(values, np.int32)
        return interpret(kernel, [array, np.zeros_like(array)], (len(values),), [(1,), (1,)])

    assert [run(1, 2), run(1, 0), run(200, 1), run(200, 0), run()] == [0, 1, 2, 1, 0]


def test_out_of_bounds_is_an_error_not_a_wrap():
    s = BodyBuilder()
    s.store(1, s.load(0, "int32"))
    kernel = s.build(("map",), (Buffer("int32", "in", ("s",)), Buffer("int32", "out", ("1",))))
    arrays = [np.zeros(3, np.int32), np.zeros(3, np.int32)]
    with pytest.raises(KernelError, match="out of bounds"):
        interpret(kernel, arrays, (3,), [(-1,), (1,)])
    with pytest.raises(KernelError, match="flat int32 array"):
        interpret(kernel, [arrays[0].astype(np.int64), arrays[1]], (3,), [(1,), (1,)])
