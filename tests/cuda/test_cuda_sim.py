"""The simulator sees the mistakes that it is there to see."""

import numpy as np
import pytest

from flowgraph.codegen.cuda import Parameter, Stage
from flowgraph.codegen.cuda_sim import SimulationError, simulate

F32 = Parameter("x", "float32", pointer=True)


def run(body: str, size: int = 8, threads: int = 4, grid: int = 1) -> np.ndarray:
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    text = f"def k(x):\n    t = int64(cuda.threadIdx.x)\n{lines}\n"
    x = np.arange(size, dtype=np.float32)
    simulate(Stage("k", text, (F32,), threads, 0, ""), grid, [(x, 0)])
    return x


def test_threads_meet_at_barriers_and_share_memory():
    reverse = """
s = cuda.shared.array(4, float32)
s[t] = x[t]
cuda.syncthreads()
x[t] = s[int64(3) - t]
"""
    assert run(reverse)[:4].tolist() == [3, 2, 1, 0]


def test_blocks_have_their_own_shared_memory_and_index():
    body = """
s = cuda.shared.array(4, float32)
s[t] = float32(cuda.blockIdx.x)
cuda.syncthreads()
x[int64(cuda.blockIdx.x) * int64(4) + t] = s[int64(0)] + float32(cuda.gridDim.x)
"""
    assert run(body, grid=2).tolist() == [2] * 4 + [3] * 4


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("if t < int64(2):\n    cuda.syncthreads()", "different barriers"),
        ("if t < 2:\n    cuda.syncthreads()\nelse:\n    cuda.syncthreads()", "different barriers"),
        ("x[t + int64(5)] = float32(0)", "out of bounds: element 8 of 8"),
        ("x[t - int64(1)] = float32(0)", "out of bounds: element -1"),
        ("x[uint64(t) + int64(0)] = float32(0)", "the index is a float64"),
        ("x[t] = float32(1) * float64(0.5)", "float64 widened or cut"),
        ("x[t] = math.exp(0.5)", "float64 widened or cut"),
        ("x[t] = t", "int64 is not converted"),
        ("x[t] = x[int64(3) - t]", "race"),
        ("x[int64(0)] = float32(t)", "race"),
        ("x[t + int64(cuda.blockIdx.x)] = float32(t)", "race"),
        ("x[t] = x[t + int64(1)]\ncuda.syncthreads()", "race"),
    ],
)
def test_mistakes_are_seen(body, says):
    with pytest.raises(SimulationError, match=says):
        run(body, grid=2 if "blockIdx" in body else 1)


def test_writing_one_value_twice_is_no_race():
    assert run("x[int64(0)] = float32(7)")[0] == 7


def test_unwritten_shared_memory_is_nan():
    assert np.isnan(run("s = cuda.shared.array(4, float32)\nx[t] = s[t]")[:4]).all()


def test_float32_arithmetic_rounds_each_step():
    # (2**24 + 1) - 2**24 is 1 in double precision and 0 in single
    assert run("x[t] = (float32(16777216.0) + float32(1)) - float32(16777216.0)")[0] == 0


def test_integers_wrap_and_c_mathematics_does_not_raise():
    body = """
wrapped = int32(int32(2147483647) + int32(1))
x[int64(0)] = float32(wrapped)
x[int64(1)] = float32(math.log(float32(0)))
x[int64(2)] = float32(math.exp(float32(1000)))
x[int64(3)] = float32(math.pow(float32(-math.inf), float32(0.5)))
"""
    assert run(body, threads=1)[:4].tolist() == [-(2.0**31), -np.inf, np.inf, np.inf]
