"""What a real GPU says about the cuda target: JSON lines, one per step, in a few minutes.

    python tools/gpu_check.py > gpu.jsonl               compile and measure on device 0
    python tools/gpu_check.py --compile cubins --cc 9.0  compile only, no GPU needed
    python tools/gpu_check.py --cubins cubins           measure with machine code made before

A step that fails reports its error and the next one runs.  ``ok`` is False where a result is wrong.
Run it once under ``compute-sanitizer --tool memcheck`` and ``--tool racecheck`` with ``--small``.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.metadata
import json
import math
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowgraph.codegen.cuda import Stage, emit
from flowgraph.codegen.cuda_compile import compile_stage
from flowgraph.kernel.builder import BodyBuilder
from flowgraph.kernel.ir import Buffer, Kernel
from flowgraph.runtime.cuda import CudaDevice
from flowgraph.runtime.device import Device

FUNCTIONS = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "rint",
)

# --------------------------------------------------------------------------------------- kernels


def kernel(axes: Sequence[str], body: Callable[[BodyBuilder], None], *buffers: str) -> Kernel:
    """``body`` over float32 buffers given as ``"in s1"``: direction and stride classes."""
    s = BodyBuilder()
    body(s)
    parsed = (text.split() for text in buffers)
    return s.build(
        tuple(axes), tuple(Buffer("float32", mode, tuple(classes)) for mode, classes in parsed)
    )


def _affine(s: BodyBuilder) -> None:
    s.store(1, s.load(0, "float32") * 0.5 + 1.0)


def _chain(s: BodyBuilder) -> None:
    x = s.load(0, "float32")
    s.store(1, s.tanh(x) * s.sigmoid(x) + s.exp(-(x * x)))


def _sum(s: BodyBuilder) -> None:
    s.store(1, s.reduce_sum(s.load(0, "float32")))


def _softmax(s: BodyBuilder) -> None:
    x = s.load(0, "float32")
    e = s.exp(x - s.reduce_max(x))
    s.store(1, e / s.reduce_sum(e))


def _layer_norm(s: BodyBuilder) -> None:
    x = s.load(0, "float32")
    count = s.cast(s.count(), "float32")
    centred = x - s.reduce_sum(x) / count
    s.store(1, centred * s.rsqrt(s.reduce_sum(centred * centred) / count + 1e-5))


AFFINE = kernel(["map"], _affine, "in 1", "out 1")
CHAIN = kernel(["map"], _chain, "in 1", "out 1")
TOTAL = kernel(["reduce"], _sum, "in 1", "out 0")
ROW_SUM = kernel(["map", "reduce"], _sum, "in s1", "out 10")
COLUMN_SUM = kernel(["reduce", "map"], _sum, "in s1", "out 01")
SOFTMAX = kernel(["map", "reduce"], _softmax, "in s1", "out s1")
LAYER_NORM = kernel(["map", "reduce"], _layer_norm, "in s1", "out s1")
UNARY = {
    name: kernel(
        ["map"], lambda s, name=name: s.store(1, s.op(name, s.load(0, "float32"))), "in 1", "out 1"
    )
    for name in FUNCTIONS
}
KERNELS = [AFFINE, CHAIN, TOTAL, ROW_SUM, COLUMN_SUM, SOFTMAX, LAYER_NORM, *UNARY.values()]


class Work:
    """A kernel with one input and one output in device memory, ready to launch."""

    def __init__(self, device: Device, what: Kernel, extents: Sequence[int], x: np.ndarray) -> None:
        self.device = device
        words: list[int] = list(extents)
        sizes = []
        for buffer in what.buffers:
            varying = [axis for axis, kind in enumerate(buffer.strides) if kind != "0"]
            sizes.append(math.prod(extents[axis] for axis in varying))
            words.append(device.alloc(4 * sizes[-1]))
            words.extend(
                math.prod(extents[a] for a in varying if a > axis)
                for axis in varying
                if buffer.strides[axis] == "s"
            )
        self.addresses = [
            word
            for word, (kind, _, _) in zip(words, what.block_layout(), strict=True)
            if kind == "pointer"
        ]
        source = emit(what)
        scratch = source.scratch(extents)[1]
        self.scratch = device.alloc(scratch) if scratch else 0
        self.launches = [
            (device.load(launch.stage), launch.grid, launch.words)
            for launch in source.launches(words, self.scratch)
        ]
        self.result = np.zeros(sizes[1], np.float32)
        self.nbytes = 4 * sum(sizes)
        device.h2d(self.addresses[0], x)

    def run(self) -> None:
        """Ask for the launches."""
        for function, grid, words in self.launches:
            self.device.launch(function, grid, words)

    def fetch(self) -> np.ndarray:
        """The output, after all work is done."""
        self.device.d2h(self.result, self.addresses[1])
        self.device.sync()
        return self.result.copy()

    def free(self) -> None:
        """Give the memory back."""
        for address in [*self.addresses, *([self.scratch] if self.scratch else [])]:
            self.device.free(address)


def seconds(device: Device, work: Callable[[], None], small: bool) -> float:
    """Device seconds of one ``work``: the best of five batches of twenty."""
    batches, times = (1, 1) if small else (5, 20)
    best = math.inf
    work()
    for _ in range(batches):
        start = device.record()
        for _ in range(times):
            work()
        best = min(best, device.elapsed(start, device.record()) / times)
    return best


# ----------------------------------------------------------------------------------------- steps

Result = dict[str, Any]


def versions(device: Device, small: bool) -> Result:
    """What is installed, and the device."""
    found = {"python": platform.python_version(), "device": device.name}
    for name in ("numpy", "numba", "numba-cuda", "cuda-core", "cuda-bindings", "nvidia-nvvm"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def elementwise(device: Device, small: bool) -> Result:
    """Bandwidth of a multiply-add and of a chain with three functions, beside a device copy."""
    count = 1 << (10 if small else 26)
    x = np.random.default_rng(0).normal(0, 1, count).astype(np.float32)
    found: Result = {"count": count}
    for name, what in (("affine", AFFINE), ("chain", CHAIN)):
        work = Work(device, what, [count], x)
        found[f"{name}_gb_s"] = work.nbytes / seconds(device, work.run, small) / 1e9
        if name == "affine":
            # one rounding or two: the multiply-add may be contracted
            found["ok"] = bool(np.allclose(work.fetch(), x * 0.5 + 1, rtol=2e-7, atol=1e-7))
            left, right = work.addresses
            copy = seconds(device, lambda a=right, b=left: device.d2d(a, b, 4 * count), small)
            found["copy_gb_s"] = 8 * count / copy / 1e9
        work.free()
    return found


def functions(device: Device, small: bool) -> Result:
    """Largest error of each function in units of the last place, against float64."""
    count = 1 << (10 if small else 22)
    rng = np.random.default_rng(1)
    spread = rng.normal(0, 1, count) * 10.0 ** rng.uniform(-6, 1.5, count)
    found: Result = {}
    for name, what in UNARY.items():
        x = spread.astype(np.float32)
        if name in ("log", "sqrt", "rsqrt"):
            x = np.abs(x) + np.float32(1e-30)
        if name == "log1p":
            x = np.maximum(x, np.float32(-0.999))
        work = Work(device, what, [count], x)
        work.run()
        got, wide = work.fetch(), x.astype(np.float64)
        work.free()
        with np.errstate(all="ignore"):
            want = {
                "rsqrt": lambda v: 1 / np.sqrt(v),
                "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
            }.get(name, getattr(np, name, None))(wide)
            tiny = np.finfo(np.float32).smallest_normal
            unit = np.spacing(np.maximum(np.abs(want), tiny).astype(np.float32))
            error = np.abs(got - want) / unit
        found[name] = float(np.nanmax(np.where(np.isfinite(want.astype(np.float32)), error, 0)))
    found["ok"] = max(found.values()) < 8
    return found


def reductions(device: Device, small: bool) -> Result:
    """Sums in each shape: bit-equal twice, error against float64, bandwidth."""
    big = 1 << (12 if small else 26)
    shapes = {
        "total": (TOTAL, (3 * big,), 0),
        "long rows": (ROW_SUM, (2, big + 4), 1),
        "rows": (ROW_SUM, (max(big >> 12, 2), 1 << 10), 1),
        "short rows": (ROW_SUM, (big >> 5, 20), 1),
        "columns": (COLUMN_SUM, (big >> 7, 64), 0),
        "many columns": (COLUMN_SUM, (40, big >> 6), 0),
    }
    found: Result = {"ok": True}
    for name, (what, extents, axis) in shapes.items():
        x = np.random.default_rng(2).normal(0, 1, extents).astype(np.float32)
        work = Work(device, what, extents, x)
        work.run()
        first = work.fetch()
        work.run()
        again = work.fetch()
        want = x.sum(axis, dtype=np.float64).reshape(-1)
        scale = np.abs(x).sum(axis, dtype=np.float64).reshape(-1)
        error = float(np.max(np.abs(first - want) / scale))
        found[name] = {
            "schedule": emit(what).schedule(extents),
            "bit_equal": bool(np.array_equal(first, again)),
            "error": error,
            "gb_s": work.nbytes / seconds(device, work.run, small) / 1e9,
        }
        found["ok"] &= found[name]["bit_equal"] and error < 1e-6
        work.free()
    return found


def rows(device: Device, small: bool) -> Result:
    """Softmax and layer norm against NumPy, by row length."""
    found: Result = {"ok": True}
    shapes = [(3, 20), (2, 300), (1, 4200)] if small else [(100000, 10), (1024, 1000), (8, 1 << 20)]
    for name, what in (("softmax", SOFTMAX), ("layer_norm", LAYER_NORM)):
        for shape in shapes:
            x = np.random.default_rng(3).normal(0, 2, shape).astype(np.float32)
            work = Work(device, what, shape, x)
            work.run()
            got, wide = work.fetch().reshape(shape), x.astype(np.float64)
            if what is SOFTMAX:
                e = np.exp(wide - wide.max(1, keepdims=True))
                want, limit = e / e.sum(1, keepdims=True), 1e-5
            else:
                centred = wide - wide.mean(1, keepdims=True)
                want, limit = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5), 1e-4
            error = float(np.max(np.abs(got - want) / np.abs(want).max()))
            time_s = seconds(device, work.run, small)
            found[f"{name} {shape}"] = {
                "schedule": emit(what).schedule(shape)[0],
                "error": error,
                "us": 1e6 * time_s,
                "gb_s": work.nbytes / time_s / 1e9,
            }
            found["ok"] &= error < limit
            work.free()
    return found


def launch_cost(device: Device, small: bool) -> Result:
    """Microseconds per launch of a tiny kernel: one by one, and in graphs."""
    work = Work(device, AFFINE, [64], np.zeros(64, np.float32))
    found: Result = {}
    times = 2 if small else 1000

    def host_us(run: Callable[[], None], repeats: int, kernels: int) -> float:
        run()
        device.sync()
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        device.sync()
        return 1e6 * (time.perf_counter() - start) / repeats / kernels

    found["plain_us"] = host_us(work.run, times, 1)
    for kernels in (1, 10) if small else (1, 10, 100, 1000):
        device.begin_capture()
        for _ in range(kernels):
            work.run()
        graph = device.end_capture()
        repeats = max(times // kernels, min(times, 10))
        replay = functools.partial(device.replay, graph)
        found[f"graph_of_{kernels}_us"] = host_us(replay, repeats, kernels)
    work.free()
    return found


def replays(device: Device, small: bool) -> Result:
    """Feeds and fetches through pinned memory inside a graph equal the plain path, every time."""
    shape = (4, 100) if small else (64, 100)
    work = Work(device, SOFTMAX, shape, np.zeros(shape, np.float32))
    nbytes = 4 * math.prod(shape)
    feed, fetch = (device.pinned(nbytes).view(np.float32) for _ in range(2))
    device.begin_capture()
    device.h2d(work.addresses[0], feed)
    work.run()
    device.d2h(fetch, work.addresses[1])
    graph = device.end_capture()
    rng = np.random.default_rng(4)
    wrong = 0
    times = 3 if small else 1000
    for _ in range(times):
        x = rng.normal(0, 1, shape).astype(np.float32)
        feed[:] = x.reshape(-1)
        device.replay(graph)
        device.sync()
        captured = fetch.copy()
        device.h2d(work.addresses[0], x)
        work.run()
        wrong += not np.array_equal(captured, work.fetch())
    work.free()
    return {"replays": times, "wrong": wrong, "ok": wrong == 0}


STEPS = (versions, elementwise, functions, reductions, rows, launch_cost, replays)


def check(device: Device, small: bool = False) -> Iterator[Result]:
    """Every step's result, or its error."""
    for step in STEPS:
        start = time.perf_counter()
        try:
            result = step(device, small)
        except Exception as error:  # noqa: BLE001 - the report is the point
            result = {"ok": False, "error": repr(error), "trace": traceback.format_exc()}
        yield {"step": step.__name__, "seconds": time.perf_counter() - start, **result}


# --------------------------------------------------------------------------------- cubins on disk


def cubin_file(folder: Path, stage: Stage, capability: tuple[int, int]) -> Path:
    """Where the cubin of ``stage`` lies: named by its text, so that an old one is not taken."""
    text = hashlib.sha256(stage.text.encode()).hexdigest()[:12]
    return folder / f"{stage.name}-{text}-sm_{capability[0]}{capability[1]}.cubin"


def compile_all(folder: Path, capability: tuple[int, int]) -> Result:
    """Write the cubin of every stage that the steps can launch."""
    folder.mkdir(parents=True, exist_ok=True)
    stages = [stage for what in KERNELS for stage in emit(what).stages]
    start, size = time.perf_counter(), 0
    for stage in stages:
        code = compile_stage(stage, capability).code
        cubin_file(folder, stage, capability).write_bytes(code)
        size += len(code)
    return {
        "step": "compile",
        "stages": len(stages),
        "bytes": size,
        "seconds": time.perf_counter() - start,
    }


def carried(folder: Path) -> Callable[[Stage, tuple[int, int]], bytes]:
    """A cubin source that takes files of ``folder`` and compiles what is not there."""

    def cubin(stage: Stage, capability: tuple[int, int]) -> bytes:
        path = cubin_file(folder, stage, capability)
        return path.read_bytes() if path.exists() else compile_stage(stage, capability).code

    return cubin


def main(arguments: Sequence[str]) -> int:
    """Print JSON lines; 1 when a step is not ok."""
    parser = argparse.ArgumentParser(description="What a real GPU says about the cuda target.")
    parser.add_argument("--compile", type=Path, metavar="DIR", help="only write cubins")
    parser.add_argument("--cc", default="9.0", help="compute capability for --compile")
    parser.add_argument("--cubins", type=Path, metavar="DIR", help="cubins made by --compile")
    parser.add_argument("--device", type=int, default=0, help="ordinal of the device")
    parser.add_argument("--small", action="store_true", help="tiny sizes, for a sanitizer")
    options = parser.parse_args(arguments)
    if options.compile:
        major, minor = map(int, options.cc.split("."))
        print(json.dumps(compile_all(options.compile, (major, minor))))
        return 0
    source = {"cubins": carried(options.cubins)} if options.cubins else {}
    device = CudaDevice(options.device, **source)
    failed = False
    for result in check(device, options.small):
        print(json.dumps(result), flush=True)
        failed |= not result.get("ok", True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
