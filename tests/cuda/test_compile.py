"""Every stage becomes a cubin, with no GPU: what it uses, and that no float64 slipped in."""

import importlib.util

import pytest
from hypothesis import HealthCheck, given, settings
from kernel_cases import SOFTMAX, kernel_of, layer_norm_body
from random_kernels import cases

from flowgraph.codegen.cuda import emit
from flowgraph.codegen.cuda_compile import compile_ptx, compile_stage
from flowgraph.codegen.cuda_math import is_supported
from flowgraph.kernel.scalar import SCALAR_OPS

MISSING = [name for name in ("numba_cuda", "cuda") if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.cuda_compile,
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed"),
]

FLOAT, COLUMN = ("float32", "in", "s1"), ("float32", "out", "01")


def column_sum(s):
    s.store(1, s.reduce_sum(s.load(0, "float32")))


def batch_norm(s):
    x = s.load(0, "float32")
    count = s.cast(s.count(), "float32")
    centred = x - s.reduce_sum(x) / count
    s.store(1, centred * s.rsqrt(s.reduce_sum(centred * centred) / count + 1e-3))


def chain(s):
    x = s.load(0, "float32")
    gate = s.sigmoid(s.exp(x * 0.5) - s.log1p(s.abs(x)))
    s.store(1, s.select(gate > 0.5, s.tanh(x) * gate, s.floor(x) / (s.sqrt(s.abs(x)) + 1.0)))


def several(s):
    x = s.load(0, "float32")
    top = s.reduce_max(x)
    s.store(1, s.reduce_min(s.select(s.eq(x, top), s.index(1), 2**40)))
    s.store(2, s.reduce_any(s.isnan(x)))
    s.store(3, top)


KERNELS = {
    "softmax": SOFTMAX,
    "layer norm": kernel_of(
        ("map", "reduce"), layer_norm_body, FLOAT, ("float32", "in", "01"), ("float32", "in", "01"),
        ("float32", "out", "s1"), ("float32", "out", "10"),
    ),
    "column sum": kernel_of(("reduce", "map"), column_sum, FLOAT, COLUMN),
    "full sum": kernel_of(
        ("reduce",), column_sum, ("float32", "in", "1"), ("float32", "out", "0")
    ),
    "batch norm": kernel_of(
        ("reduce", "reduce", "map"), batch_norm, ("float32", "in", "ss1"), ("float32", "out", "ss1")
    ),
    "chain": kernel_of(
        ("map", "map", "map"), chain, ("float32", "in", "s1s"), ("float32", "out", "ss1")
    ),
    "argmax, any and max": kernel_of(
        ("map", "reduce"), several, FLOAT,
        ("int64", "out", "10"), ("bool", "out", "10"), ("float32", "out", "10"),
    ),
}


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("name", KERNELS)
def test_stages_fit_a_multiprocessor(name, capability):
    for stage in emit(KERNELS[name]).stages:
        cubin = compile_stage(stage, capability)
        assert cubin.code[:4] == b"\x7fELF"
        assert ".f64" not in cubin.ptx, stage.text
        assert cubin.ptx.count(".param .u64") == len(stage.parameters)
        assert cubin.registers, "the assembler reported nothing"
        assert cubin.registers <= 128
        assert cubin.spilled_bytes == 0
        assert cubin.shared_bytes == stage.shared_bytes
        assert f".maxntid {stage.threads}, 1, 1" in cubin.ptx


@pytest.mark.parametrize("dtype", sorted(SCALAR_OPS["eq"].dtypes))
def test_every_scalar_op_compiles(dtype):
    """One kernel with all ops of ``dtype``; a result of each goes to memory."""

    def body(s):
        x, y = s.load(0, dtype), s.load(1, dtype)
        total = s.load(2, "bool")
        for op, row in SCALAR_OPS.items():
            if op in ("select", "sin", "cos", "tan") or not is_supported(op):
                continue
            if dtype in row.dtypes:
                value = s.op(op, *[x, y][: row.arity])
                total = s.xor(total, value if value.dtype == "bool" else s.eq(value, x))
        for target in SCALAR_OPS["eq"].dtypes:
            # (through float64 no float32 kernel goes unless it is asked to)
            if target != "float64" or dtype == "float64":
                total = s.xor(total, s.eq(s.cast(s.cast(x, target), dtype), x))
        s.store(3, s.select(total, x, y))

    kernel = kernel_of(
        ("map",), body,
        (dtype, "in", "1"), (dtype, "in", "1"), ("bool", "in", "1"), (dtype, "out", "1"),
    )
    (stage,) = emit(kernel).stages
    ptx = compile_ptx(stage, (9, 0))
    assert (".f64" in ptx) == (dtype == "float64")


def test_sine_uses_double_precision_only_to_reduce_huge_arguments():
    # libdevice's sinf and cosf multiply once in double where |x| > 105615: theirs, not our widening
    kernel = kernel_of(
        ("map",), lambda s: s.store(1, s.sin(s.load(0, "float32")) * s.cos(s.load(0, "float32"))),
        ("float32", "in", "1"), ("float32", "out", "1"),
    )
    (stage,) = emit(kernel).stages
    lines = compile_ptx(stage, (9, 0)).splitlines()
    doubles = {line.split()[0] for line in lines if ".f64" in line}
    assert doubles == {".reg", "cvt.rn.f64.s64", "mul.f64", "cvt.rn.f32.f64"}


def test_random_kernels_compile():
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(reducing=True))
    def check(case):
        for stage in emit(case.kernel).stages:
            compile_ptx(stage, (8, 0))

    check()
