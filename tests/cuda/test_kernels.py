"""Kernels that training needs, in every schedule, against NumPy formulas."""

import numpy as np
import pytest
from kernel_cases import SOFTMAX, kernel_of, layer_norm_body, rows_case
from random_kernels import Case
from simulated import run

from flowgraph.codegen.cuda import emit
from flowgraph.codegen.cuda_math import is_supported
from flowgraph.kernel.ir import KernelError
from flowgraph.kernel.scalar import FLOATS, SCALAR_OPS

RNG = np.random.default_rng(7)


# 3 rows: short (thread), middle (block), long (split)
@pytest.mark.parametrize(("size", "schedule"), [(10, "threads"), (700, "blocks"), (8300, "split")])
def test_softmax(size, schedule):
    x = RNG.normal(0, 3, (3, size)).astype(np.float32)
    y = np.zeros_like(x)
    assert emit(SOFTMAX).schedule((3, size))[0] == schedule
    case = rows_case(SOFTMAX, (3, size), x, y)
    run(case)
    wide = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    want = wide / wide.sum(1, keepdims=True)
    np.testing.assert_allclose(case.arrays[1].reshape(3, size), want, rtol=3e-6)


def test_softmax_of_a_row_with_nan_is_nan_and_of_its_neighbour_is_not():
    x = RNG.normal(0, 1, (2, 300)).astype(np.float32)
    x[1, 288] = np.nan
    case = rows_case(SOFTMAX, x.shape, x, np.zeros_like(x))
    run(case)
    y = case.arrays[1].reshape(2, 300)
    assert np.isnan(y[1]).all()
    np.testing.assert_allclose(y[0].sum(), 1, rtol=1e-6)


@pytest.mark.parametrize(("rows", "size"), [(2, 20), (3, 300), (2, 9000)])
def test_layer_norm_with_its_mean_as_second_output(rows, size):
    kernel = kernel_of(
        ("map", "reduce"),
        layer_norm_body,
        ("float32", "in", "s1"), ("float32", "in", "01"), ("float32", "in", "01"),
        ("float32", "out", "s1"), ("float32", "out", "10"),
    )
    x = RNG.normal(2, 3, (rows, size)).astype(np.float32)
    gain, bias = RNG.normal(1, 1, (2, size)).astype(np.float32)
    case = rows_case(
        kernel, (rows, size), x, gain, bias, np.zeros_like(x), np.zeros(rows, np.float32)
    )
    run(case)
    wide = x.astype(np.float64)
    mean, var = wide.mean(1, keepdims=True), wide.var(1, keepdims=True)
    want = (wide - mean) / np.sqrt(var + 1e-5) * gain + bias
    np.testing.assert_allclose(case.arrays[3].reshape(rows, size), want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(case.arrays[4], mean[:, 0], rtol=1e-5)


@pytest.mark.parametrize(("batch", "width"), [(5, 10), (130, 10), (1000, 7)])
def test_bias_gradient_sums_columns(batch, width):
    def body(s):
        s.store(1, s.reduce_sum(s.load(0, "float32")))

    kernel = kernel_of(("reduce", "map"), body, ("float32", "in", "s1"), ("float32", "out", "01"))
    dy = RNG.normal(0, 1, (batch, width)).astype(np.float32)
    source = emit(kernel)
    assert source.columns
    assert source.schedule((batch, width))[0] == ("threads" if batch <= 32 else "split")
    case = rows_case(kernel, (batch, width), dy, np.zeros(width, np.float32))
    run(case)
    np.testing.assert_allclose(case.arrays[1], dy.sum(0, dtype=np.float64), rtol=1e-5, atol=1e-5)


def test_batch_norm_statistics_and_output_over_columns_with_two_reduce_axes():
    def body(s):
        x = s.load(0, "float32")
        count = s.cast(s.count(), "float32")
        mean = s.reduce_sum(x) / count
        centred = x - mean
        s.store(1, centred * s.rsqrt(s.reduce_sum(centred * centred) / count + 1e-3))

    kernel = kernel_of(
        ("reduce", "reduce", "map"), body, ("float32", "in", "ss1"), ("float32", "out", "ss1")
    )
    x = RNG.normal(1, 2, (6, 25, 3)).astype(np.float32)
    case = rows_case(kernel, x.shape, x, np.zeros_like(x))
    source = emit(kernel)
    assert source.schedule(x.shape) == ("split", 5)
    run(case)
    wide = x.astype(np.float64)
    want = (wide - wide.mean((0, 1))) / np.sqrt(wide.var((0, 1)) + 1e-3)
    np.testing.assert_allclose(case.arrays[1].reshape(x.shape), want, rtol=1e-4, atol=1e-5)


def test_full_reductions_of_several_kinds_in_one_pass():
    def body(s):
        x = s.load(0, "float32")
        s.store(1, s.reduce_sum(x))
        s.store(2, s.reduce_max(x))
        s.store(3, s.reduce_any(s.gt(x, 4.5)))
        s.store(4, s.reduce_all(s.lt(x, 4.5)))
        s.store(5, s.reduce_sum(s.cast(s.gt(x, 0.0), "int32")))

    outs = ("float32", "float32", "bool", "bool", "int32")
    kernel = kernel_of(("reduce",), body, ("float32", "in", "1"), *((d, "out", "0") for d in outs))
    for size in (0, 1, 20, 300, 9001):
        x = np.clip(RNG.normal(0, 1, size), -4, 4).astype(np.float32)
        case = rows_case(kernel, (size,), x, *(np.ones(1, d) for d in outs))
        run(case)
        got = [array[0] for array in case.arrays[1:]]
        np.testing.assert_allclose(got[0], x.sum(dtype=np.float64), rtol=1e-5, atol=1e-4)
        assert got[1] == x.max(initial=-np.inf)
        assert (got[2], got[3], got[4]) == (False, True, (x > 0).sum())
        if size:
            case.arrays[0][size // 2] = 5
            run(case)
            assert (case.arrays[3][0], case.arrays[4][0]) == (True, False)


def test_argmax_by_index_takes_the_first_of_equals():
    def body(s):
        x = s.load(0, "float32")
        at_top = s.eq(x, s.reduce_max(x))
        s.store(1, s.reduce_min(s.select(at_top, s.index(1), 2**40)))

    kernel = kernel_of(("map", "reduce"), body, ("float32", "in", "s1"), ("int64", "out", "10"))
    for size in (3, 50, 5000):
        x = RNG.integers(0, 3, (4, size)).astype(np.float32)
        case = rows_case(kernel, x.shape, x, np.zeros(4, np.int64))
        run(case)
        assert np.array_equal(case.arrays[1], x.argmax(1))


def test_masked_select_with_broadcast_and_transposed_operands():
    def body(s):
        mask = s.load(0, "bool")
        s.store(3, s.select(mask, s.load(1, "float32"), s.load(2, "float32")))

    kernel = kernel_of(
        ("map", "map", "map"), body,
        ("bool", "in", "0s1"), ("float32", "in", "s1s"), ("float32", "in", "000"),
        ("float32", "out", "ss1"),
    )
    n, h, w = 3, 20, 15
    mask, x = RNG.random((h, w)) < 0.5, RNG.normal(0, 1, (n, w, h)).astype(np.float32)
    case = Case(
        kernel,
        [mask.ravel(), x.ravel(), np.float32([np.nan]), np.zeros(n * h * w, np.float32)],
        (n, h, w),
        [(0, w, 1), (h * w, 1, h), (0, 0, 0), (h * w, w, 1)],
        [0, 0, 0, 0],
    )
    run(case)
    want = np.where(mask, x.transpose(0, 2, 1), np.float32(np.nan))
    np.testing.assert_array_equal(case.arrays[3].reshape(n, h, w), want)


@pytest.mark.parametrize(("size", "splits"), [(20, 1), (300, 1), (9000, 3)])
def test_a_row_output_may_overwrite_a_row_input_in_place(size, splits):
    """b0 := scale * sum(x): every thread of a block loads b0, one of them stores it."""

    def body(s):
        scale, x = s.load(0, "float32"), s.load(1, "float32")
        s.store(0, scale * s.reduce_sum(x * scale))

    kernel = kernel_of(("map", "reduce"), body, ("float32", "inout", "10"), ("float32", "in", "s1"))
    scale, x = np.float32([2, 3]), RNG.integers(-3, 4, (2, size)).astype(np.float32)
    case = rows_case(kernel, x.shape, scale, x)
    assert emit(kernel).schedule(x.shape)[1] == splits
    run(case)
    assert np.array_equal(case.arrays[0], [2 * 2 * x[0].sum(), 3 * 3 * x[1].sum()])


@pytest.mark.parametrize("size", [5, 300])
def test_require_reports_and_the_division_behind_it_does_not_trap(size):
    def body(s):
        x, y = s.load(0, "int32"), s.load(1, "int32")
        s.require(s.ne(y, 0), 1)
        s.require(s.lt(x, 1000), 2)
        s.store(2, s.floordiv(x, y))

    kernel = kernel_of(("map",), body, *(("int32", m, "1") for m in ("in", "in", "out")))
    x = RNG.integers(-99, 99, size).astype(np.int32)
    y = RNG.integers(1, 9, size).astype(np.int32) * RNG.choice([-1, 1], size).astype(np.int32)
    case = rows_case(kernel, (size,), x, y, np.zeros(size, np.int32))
    assert run(case) == 0
    assert np.array_equal(case.arrays[2], x // y)
    case.arrays[0][0] = 1000
    assert run(case) == 2
    case.arrays[1][size - 1] = 0
    assert run(case) == 1


def test_a_kernel_too_wide_for_one_launch_is_refused():
    def body(s):
        total = s.load(0, "float32")
        for b in range(1, 300):
            total = total + s.load(b, "float32")
        s.store(300, total)

    wide = [("float32", "in", "s") for _ in range(300)]
    kernel = kernel_of(("map",), body, *wide, ("float32", "out", "1"))
    with pytest.raises(KernelError, match="301 buffers needs 602 parameters; CUDA takes 512"):
        emit(kernel)


# ---------------------------------------------------------------------------- every scalar op

SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.25, -7.75, 8388609.0, 1e-3]
SPECIAL += [np.nan, np.inf, -np.inf]


def operands(op, dtype):
    row = SCALAR_OPS[op]
    if dtype == "bool":
        values = np.array([False, True])
    elif dtype in FLOATS:
        values = np.array(SPECIAL, dtype)
    else:
        limits = np.iinfo(dtype)
        values = np.array([0, 1, 2, 3, 7, 33, 100, limits.max, limits.min], dtype)
        if limits.min < 0:
            values = np.concatenate([values, -values[1:-2]])
    first = np.array([False, True]) if op == "select" else values
    grid = np.meshgrid(first, *[values] * (row.arity - 1), indexing="ij")
    arrays = [g.reshape(-1).copy() for g in grid]
    if dtype not in FLOATS and op in ("floordiv", "floormod", "truncdiv", "truncmod"):
        keep = arrays[1] != 0
        if np.iinfo(dtype).min < 0:  # lowest / -1, and |lowest| in the oracle, overflow
            keep &= (arrays[0] != np.iinfo(dtype).min) & (arrays[1] != np.iinfo(dtype).min)
        arrays = [a[keep] for a in arrays]
    return arrays


def test_what_has_no_cuda_form_is_refused():
    kernel = kernel_of(
        ("map",), lambda s: s.store(1, s.digamma(s.load(0, "float32"))),
        ("float32", "in", "1"), ("float32", "out", "1"),
    )
    with pytest.raises(KernelError, match="digamma is not supported by the cuda target"):
        emit(kernel)


@pytest.mark.parametrize("op", sorted(filter(is_supported, SCALAR_OPS)))
def test_scalar_op_in_every_dtype(op):
    row = SCALAR_OPS[op]
    for dtype in sorted(row.dtypes):
        arrays = operands(op, dtype)
        names = [a.dtype.name for a in arrays]
        out = row.result_dtype(names)

        def body(s, op=op, names=names, arity=row.arity):
            s.store(arity, s.op(op, *(s.load(b, name) for b, name in enumerate(names))))

        kernel = kernel_of(
            ("map",), body, *((name, "in", "1") for name in names), (out, "out", "1")
        )
        with np.errstate(all="ignore"):
            want = row.numpy(*arrays)
        case = rows_case(kernel, (want.size,), *arrays, np.zeros(want.size, out))
        run(case)
        np.testing.assert_allclose(
            case.arrays[-1].astype(want.dtype), want, rtol=3e-7 if dtype in FLOATS else 0,
            err_msg=f"{op} {dtype}",
        )


@pytest.mark.parametrize("source", sorted(SCALAR_OPS["eq"].dtypes))
def test_casts(source):
    if source == "bool":
        values = np.array([False, True])
    elif source in FLOATS:
        values = np.array([0, -0.0, 1.9, -1.9, 100.5, 0.3], source)
    else:
        limits = np.iinfo(source)
        values = np.array([0, 1, 100, limits.max, limits.min], source)
    for target in sorted(SCALAR_OPS["eq"].dtypes - {source}):

        def body(s, target=target):
            s.store(1, s.cast(s.load(0, source), target))

        kernel = kernel_of(("map",), body, (source, "in", "1"), (target, "out", "1"))
        given = np.abs(values) if source in FLOATS and target == "uint64" else values
        case = rows_case(kernel, (given.size,), given, np.zeros(given.size, target))
        run(case)
        via = given.astype(np.int64) if source in FLOATS and target[0] in "iu" else given
        assert np.array_equal(case.arrays[1], via.astype(target)), (source, target)
