"""A Device without a GPU: memory is NumPy arrays behind made-up addresses, stages are simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowgraph.codegen.cuda import Stage
from flowgraph.codegen.cuda_sim import simulate

GUARD = 4096


class FakeDevice:
    """Records every call in ``calls`` (name, then what identifies it) and does it at once."""

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.memory: dict[int, np.ndarray] = {}
        self.next = 1 << 40
        self.captured: list | None = None

    def find(self, address: int) -> tuple[np.ndarray, int]:
        """The allocation around ``address``, and its offset in bytes there."""
        for start, cells in self.memory.items():
            if start <= address <= start + cells.size:
                return cells, address - start
        raise AssertionError(f"address {address:#x} is not allocated")

    def _outside(self, name: str) -> None:
        assert self.captured is None, f"{name} inside a capture"

    def _do(self, action, *call) -> None:
        if self.captured is not None:
            self.captured.append((action, call))
        else:
            self.calls.append(call)
            action()

    def alloc(self, nbytes: int) -> int:
        self._outside("alloc")
        assert nbytes > 0
        address = self.next
        self.memory[address] = np.full(nbytes, 0xFF, np.uint8)  # NaN for floats
        self.next += -(-nbytes // 256) * 256 + GUARD
        self.calls.append(("alloc", nbytes))
        return address

    def free(self, address: int) -> None:
        self._outside("free")
        del self.memory[address]
        self.calls.append(("free", address))

    def pinned(self, nbytes: int) -> np.ndarray:
        self._outside("pinned")
        return np.zeros(nbytes, np.uint8)

    def _window(self, address: int, nbytes: int) -> np.ndarray:
        cells, offset = self.find(address)
        assert offset + nbytes <= cells.size, "out of bounds"
        return cells[offset : offset + nbytes]

    def h2d(self, address: int, source: np.ndarray) -> None:
        assert source.flags.c_contiguous

        def copy() -> None:
            self._window(address, source.nbytes)[:] = source.reshape(-1).view(np.uint8)

        self._do(copy, "h2d", address, source.nbytes)

    def d2h(self, target: np.ndarray, address: int) -> None:
        assert target.flags.c_contiguous

        def copy() -> None:
            target.reshape(-1).view(np.uint8)[:] = self._window(address, target.nbytes)

        self._do(copy, "d2h", address, target.nbytes)

    def d2d(self, address: int, source: int, nbytes: int) -> None:
        def copy() -> None:
            self._window(address, nbytes)[:] = self._window(source, nbytes)

        self._do(copy, "d2d", address, nbytes)

    def memset(self, address: int, byte: int, nbytes: int) -> None:
        self._do(lambda: self._window(address, nbytes).fill(byte), "memset", address, nbytes)

    def load(self, stage: Stage) -> Stage:
        self._outside("load")
        self.calls.append(("load", stage.name))
        return stage

    def launch(self, function: Stage, grid: int, words: Sequence[int]) -> None:
        assert 0 < grid < 2**31

        def run() -> None:
            arguments = []
            for parameter, word in zip(function.parameters, words, strict=True):
                if not parameter.pointer:
                    arguments.append(word)
                    continue
                cells, offset = self.find(word)
                itemsize = np.dtype(parameter.dtype).itemsize
                assert offset % itemsize == 0, "misaligned"
                whole = cells[: cells.size // itemsize * itemsize].view(parameter.dtype)
                arguments.append((whole, offset // itemsize))
            simulate(function, grid, arguments)

        self._do(run, "launch", function.name, grid)

    def gemm(self, dtype, sizes, left, right, product, transposed=(False, False)) -> None:
        m, n, k = sizes
        size = np.dtype(dtype).itemsize

        def run() -> None:
            a, b = (
                self._window(address, size * rows * columns).view(dtype)
                for address, rows, columns in ((left, m, k), (right, k, n))
            )
            a = a.reshape(k, m).T if transposed[0] else a.reshape(m, k)
            b = b.reshape(n, k).T if transposed[1] else b.reshape(k, n)
            self._window(product, size * m * n).view(dtype)[:] = (a @ b).ravel()

        self._do(run, "gemm", sizes)

    def begin_capture(self) -> None:
        self._outside("begin_capture")
        self.captured = []

    def end_capture(self) -> list:
        graph, self.captured = self.captured, None
        assert graph is not None
        return graph

    def replay(self, graph: list) -> None:
        self._outside("replay")
        self.calls.append(("replay", len(graph)))
        for action, call in graph:
            self.calls.append(call)
            action()

    def record(self) -> int:
        return len(self.calls)

    def wait(self, event: int) -> None:
        assert event <= len(self.calls)

    def elapsed(self, start: int, end: int) -> float:
        return float(end - start)

    def sync(self) -> None:
        self._outside("sync")
        self.calls.append(("sync",))
