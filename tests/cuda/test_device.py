"""A plan of three kernels through the Device protocol: captured once, replayed with new feeds."""

import numpy as np
import pytest
from fake_device import FakeDevice
from kernel_cases import SOFTMAX, kernel_of

from flowgraph import errors
from flowgraph.codegen.cuda import emit
from flowgraph.runtime import device as devices

ROWS, SIZE = 3, 40

SCALE = kernel_of(
    ("map",), lambda s: s.store(1, s.load(0, "float32") * 0.5 + 1.0),
    ("float32", "in", "1"), ("float32", "out", "1"),
)
TOTAL = kernel_of(
    ("reduce",), lambda s: s.store(1, s.reduce_sum(s.load(0, "float32"))),
    ("float32", "in", "1"), ("float32", "out", "0"),
)


def launches(device, arena, scratch):
    """y = softmax(x / 2 + 1), total = sum(y), as (function, grid, words)."""
    x, scaled, y, total = (arena + 512 * slot for slot in range(4))
    count = ROWS * SIZE
    plan = [
        (SCALE, [count, x, scaled]),
        (SOFTMAX, [ROWS, SIZE, scaled, SIZE, y, SIZE]),
        (TOTAL, [count, y, total]),
    ]
    return [
        (device.load(launch.stage), launch.grid, launch.words)
        for kernel, words in plan
        for launch in emit(kernel).launches(words, scratch)
    ]


def expected(x):
    e = np.exp(x * 0.5 + 1)
    return e / e.sum(1, keepdims=True)


def test_capture_then_replay_with_new_feeds():
    device = FakeDevice()
    arena, scratch = device.alloc(2048), device.alloc(256)
    plan = launches(device, arena, scratch)
    count = ROWS * SIZE
    feed = device.pinned(4 * count).view(np.float32)
    fetch, total = device.pinned(4 * count).view(np.float32), device.pinned(4).view(np.float32)

    device.begin_capture()
    device.h2d(arena, feed)
    for function, grid, words in plan:
        device.launch(function, grid, words)
    device.d2h(fetch, arena + 1024)
    device.d2h(total, arena + 1536)
    graph = device.end_capture()
    assert not fetch.any(), "captured work was done"

    rng = np.random.default_rng(3)
    for _ in range(2):
        x = rng.normal(0, 1, (ROWS, SIZE)).astype(np.float32)
        feed[:] = x.ravel()
        before = len(device.calls)
        start = device.record()
        device.replay(graph)
        device.sync()
        assert device.elapsed(start, device.record()) > 0
        np.testing.assert_allclose(fetch.reshape(ROWS, SIZE), expected(x), rtol=1e-5)
        np.testing.assert_allclose(total, ROWS, rtol=1e-5)
        kinds = [call[0] for call in device.calls[before:]]
        assert kinds == ["replay", "h2d", *["launch"] * len(plan), "d2h", "d2h", "sync"]
        for address in (call[1] for call in device.calls[before:] if call[0] in ("h2d", "d2h")):
            assert arena <= address < arena + 2048


def test_the_same_launches_run_without_a_graph():
    device = FakeDevice()
    arena, scratch = device.alloc(2048), device.alloc(256)
    x = np.random.default_rng(4).normal(0, 1, (ROWS, SIZE)).astype(np.float32)
    device.h2d(arena, x)
    for function, grid, words in launches(device, arena, scratch):
        device.launch(function, grid, words)
    y = np.zeros_like(x)
    device.d2h(y, arena + 1024)
    np.testing.assert_allclose(y, expected(x), rtol=1e-5)
    device.free(scratch)
    with pytest.raises(AssertionError, match="not allocated"):
        device.memset(scratch, 0, 1)


def test_the_fake_multiplies_matrices():
    device = FakeDevice()
    a, b, c = (device.alloc(256) for _ in range(3))
    left, right = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(2, 4)
    device.h2d(a, np.ascontiguousarray(left.T))
    device.h2d(b, right)
    device.gemm("float64", (3, 4, 2), a, b, c, transposed=(True, False))
    got = np.zeros((3, 4))
    device.d2h(got, c)
    assert np.array_equal(got, left @ right)


def test_target_table_says_what_has_a_device():
    with pytest.raises(ValueError, match=r"no target 'cdua'.*did you mean 'cuda'"):
        devices.open_device("cdua")
    with pytest.raises(ValueError, match="has no device; devices: cuda"):
        devices.open_device("reference")


def test_cuda_without_its_packages_says_what_to_install():
    try:
        import cuda.core  # noqa: F401
    except ImportError:
        with pytest.raises(errors.UnimplementedError, match=r'pip install "flowgraph\[gpu\]"'):
            devices.open_device("cuda")
    else:
        pytest.skip("cuda-core is installed")


def test_cuda_without_a_gpu_says_so():
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    with pytest.raises(errors.UnavailableError, match="CUDA device 4096 cannot be used"):
        devices.open_device("cuda", 4096)
