"""The cuda Device: memory through cuda.bindings, code, stream and graphs through cuda.core.

CUDA is loaded when the first CudaDevice is made, never by an import.  One device is one stream:
work runs in the order it was asked for.  While a capture is open, the stream's operations go into
a CUDA graph.

Read next: device.py (the protocol), codegen/cuda_compile.py (where cubins come from).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph import errors
from flowgraph.codegen.cuda import Stage
from flowgraph.codegen.cuda_compile import compile_stage, require

#: Gives the cubin of a stage for a compute capability.
CubinSource = Callable[[Stage, tuple[int, int]], bytes]


@dataclass(frozen=True, slots=True)
class Function:
    """A stage in the device's memory."""

    kernel: Any
    threads: int
    parameters: int


def compiled(stage: Stage, capability: tuple[int, int]) -> bytes:
    """The cubin of ``stage``, compiled now."""
    return compile_stage(stage, capability).code


class CudaDevice:
    """Device ``ordinal`` of this machine, behind runtime/device.py's protocol.

    Args:
        cubins: where machine code comes from; a program that carries its cubins gives a look-up.

    Raises:
        UnimplementedError: cuda-core is not installed.
        UnavailableError: the machine has no such device, or no driver.
    """

    def __init__(self, ordinal: int = 0, cubins: CubinSource = compiled) -> None:
        self._core = require("cuda.core")
        self._driver = require("cuda.bindings.driver")
        self._cubins = cubins
        try:
            self._device = self._core.Device(ordinal)
            self._device.set_current()
        except Exception as error:
            raise errors.UnavailableError(
                None,
                None,
                f"CUDA device {ordinal} cannot be used: {error}\n"
                "  fix: see whether nvidia-smi lists it; the driver must be of CUDA 13 or newer",
            ) from error
        major, minor = self._device.compute_capability
        self.capability = (int(major), int(minor))
        self.name = f"{self._device.name} (sm_{major}{minor})"
        self._stream = self._device.create_stream()
        self._builder: Any = None
        self._functions: dict[Stage, Function] = {}

    # -------------------------------------------------------------------------------------- memory

    def alloc(self, nbytes: int) -> int:
        self._outside_capture("alloc")
        return int(self._call("cuMemAlloc", nbytes))

    def free(self, address: int) -> None:
        self._outside_capture("free")
        self._call("cuMemFree", address)

    def pinned(self, nbytes: int) -> np.ndarray:
        self._outside_capture("pinned")
        address = int(self._call("cuMemAllocHost", nbytes))
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))

    def h2d(self, address: int, source: np.ndarray) -> None:
        assert source.flags.c_contiguous, "copies are of contiguous arrays"
        self._call("cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, self._queue())

    def d2h(self, target: np.ndarray, address: int) -> None:
        assert target.flags.c_contiguous, "copies are of contiguous arrays"
        self._call("cuMemcpyDtoHAsync", target.ctypes.data, address, target.nbytes, self._queue())

    def d2d(self, address: int, source: int, nbytes: int) -> None:
        self._call("cuMemcpyDtoDAsync", address, source, nbytes, self._queue())

    def memset(self, address: int, byte: int, nbytes: int) -> None:
        self._call("cuMemsetD8Async", address, byte, nbytes, self._queue())

    # ---------------------------------------------------------------------------------------- work

    def load(self, stage: Stage) -> Function:
        function = self._functions.get(stage)
        if function is None:
            self._outside_capture("load")
            code = self._core.ObjectCode.from_cubin(self._cubins(stage, self.capability))
            kernel = code.get_kernel(stage.name)
            function = Function(kernel, stage.threads, len(stage.parameters))
            self._functions[stage] = function
        return function

    def launch(self, function: Function, grid: int, words: Sequence[int]) -> None:
        assert len(words) == function.parameters, "one word per parameter"
        config = self._core.LaunchConfig(grid=grid, block=function.threads)
        where = self._stream if self._builder is None else self._builder
        # cuda.core passes a Python int as 8 bytes, which is what every parameter is.
        self._core.launch(where, config, function.kernel, *map(int, words))

    def gemm(
        self,
        dtype: str,
        sizes: tuple[int, int, int],
        left: int,
        right: int,
        product: int,
        transposed: tuple[bool, bool] = (False, False),
    ) -> None:
        raise errors.UnimplementedError(
            None, None, "the cuda target has elementwise and reduction kernels, no products yet"
        )

    # -------------------------------------------------------------------------------------- graphs

    def begin_capture(self) -> None:
        self._outside_capture("begin_capture")
        self._builder = self._stream.create_graph_builder()
        self._builder.begin_building("thread_local")

    def end_capture(self) -> Any:
        graph = self._builder.end_building().complete()
        self._builder = None
        graph.upload(self._stream)
        return graph

    def replay(self, graph: Any) -> None:
        self._outside_capture("replay")
        graph.launch(self._stream)

    def record(self) -> Any:
        self._outside_capture("record")
        return self._stream.record(options=self._core.EventOptions(timing_enabled=True))

    def wait(self, event: Any) -> None:
        self._outside_capture("wait")
        self._stream.wait(event)

    def elapsed(self, start: Any, end: Any) -> float:
        end.sync()
        return float(end - start) / 1000.0

    def sync(self) -> None:
        self._outside_capture("sync")
        try:
            self._stream.sync()
        except Exception as error:
            what = f"work on {self.name} failed: {error}"
            raise errors.InternalError(None, None, what) from error

    # ------------------------------------------------------------------------------------- private

    def _queue(self) -> Any:
        return (self._stream if self._builder is None else self._builder.stream).handle

    def _outside_capture(self, what: str) -> None:
        if self._builder is not None:
            raise errors.InternalError(None, None, f"{what} inside a capture")

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a driver function: its status becomes an error, its result is returned."""
        status, *results = getattr(self._driver, name)(*arguments)
        if int(status) == 2:
            raise errors.ResourceExhaustedError(
                None, None, f"{self.name} has no {arguments[0]:,} bytes left ({name})"
            )
        if int(status):
            raise errors.InternalError(None, None, f"{name} on {self.name} failed: {status}")
        return results[0] if results else None
