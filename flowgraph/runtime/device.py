"""What a plan needs of a machine: the target table and the Device protocol.

A *target* says what a Kernel becomes and how a plan is walked.  The two targets of the host
(``cpu``, ``reference``) work on memory of this process: an address is a pointer, a plan is an
instruction table or a list of instructions, and nothing has to be copied.  Every other target is a
*device* with memory and code of its own behind the protocol below.  It is all that the upper
layers know of CUDA.

Read next: cuda.py (the one implementation), executor.py (the host targets).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from flowgraph import errors
from flowgraph.codegen.cuda import Stage


class Device(Protocol):
    """Memory, code and one queue of work; everything is done in the order it was asked for.

    Addresses are ints and stay valid until freed.  Calls return before the work is done; ``sync``
    waits. Between ``begin_capture`` and ``end_capture`` copies, sets, launches and products are
    recorded and not done; they are then repeated, on the same addresses and the same host arrays,
    by every ``replay``. What changes from one run to the next (feeds, counters, a learning rate)
    therefore lies in memory: in arrays of ``pinned`` that captured copies read, or on the device.
    Allocating, freeing, loading code and waiting are errors inside a capture.

    The rest of flowgraph never depends on how a function was compiled: ``load`` takes a Stage and
    gives something that ``launch`` takes back.
    """

    name: str

    def alloc(self, nbytes: int) -> int:
        """Address of ``nbytes`` (> 0) bytes, aligned to 256, with unspecified contents."""

    def free(self, address: int) -> None:
        """Give back what ``alloc`` gave."""

    def pinned(self, nbytes: int) -> np.ndarray:
        """A uint8 host array that captured copies may read and write at any time of its life."""

    def h2d(self, address: int, source: np.ndarray) -> None:
        """Copy the bytes of a contiguous host array to ``address``."""

    def d2h(self, target: np.ndarray, address: int) -> None:
        """Copy from ``address`` into a contiguous host array."""

    def d2d(self, address: int, source: int, nbytes: int) -> None:
        """Copy ``nbytes`` bytes from ``source`` to ``address``; the two do not overlap."""

    def memset(self, address: int, byte: int, nbytes: int) -> None:
        """Set ``nbytes`` bytes at ``address`` to ``byte``."""

    def load(self, stage: Stage) -> Any:
        """The function of ``stage``, compiled or from a cache."""

    def launch(self, function: Any, grid: int, words: Sequence[int]) -> None:
        """Run ``function`` on ``grid`` blocks; ``words`` are its parameters, 8 bytes each."""

    def gemm(
        self,
        dtype: str,
        sizes: tuple[int, int, int],
        left: int,
        right: int,
        product: int,
        transposed: tuple[bool, bool] = (False, False),
    ) -> None:
        """``product[m, n] = left[m, k] @ right[k, n]``, row-major; ``sizes`` is (m, n, k).

        ``transposed``: left lies as [k, m], right as [n, k].
        """

    def begin_capture(self) -> None:
        """Record from now on."""

    def end_capture(self) -> Any:
        """What was recorded, as a graph for ``replay``."""

    def replay(self, graph: Any) -> None:
        """Do everything in ``graph`` once more."""

    def record(self) -> Any:
        """An event that happens when all work asked for so far is done."""

    def wait(self, event: Any) -> None:
        """Later work of this device starts after ``event`` (of another device of this process)."""

    def elapsed(self, start: Any, end: Any) -> float:
        """Seconds between two events; waits for the second."""

    def sync(self) -> None:
        """Wait for all work; raises InternalError when some of it failed."""


@dataclass(frozen=True, slots=True)
class Target:
    """One row of TARGETS.

    code: what a Kernel becomes.   walk: how a plan runs.
    device: ``module:class`` of its Device, or "" when the target works on memory of this process.
    """

    name: str
    code: str
    walk: str
    device: str = ""


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("cpu", "numba text, object code", "native walk of the instruction table"),
        Target("reference", "the NumPy reference of its ops", "Python walk of the instructions"),
        Target(
            "cuda",
            "numba.cuda text, cubin",
            "replay of a captured graph",
            "flowgraph.runtime.cuda:CudaDevice",
        ),
    )
}


def open_device(target: str, ordinal: int = 0) -> Device:
    """The device number ``ordinal`` of ``target``.

    Raises:
        ValueError: no such target, or one that works on memory of this process.
        UnimplementedError: the packages that the target needs are not installed.
        UnavailableError: there is no such device in this machine.

    >>> open_device("cpu")
    Traceback (most recent call last):
    ...
    ValueError: target 'cpu' works on memory of this process and has no device; devices: cuda
    """
    row = TARGETS.get(target)
    devices = ", ".join(name for name, other in TARGETS.items() if other.device)
    if row is None:
        hint = errors.did_you_mean(target, TARGETS)
        raise ValueError(f"no target {target!r}; targets: {', '.join(TARGETS)}{hint}")
    if not row.device:
        raise ValueError(
            f"target {target!r} works on memory of this process and has no device; "
            f"devices: {devices}"
        )
    module, _, name = row.device.partition(":")
    device: Device = getattr(importlib.import_module(module), name)(ordinal)
    return device
