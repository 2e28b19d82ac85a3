"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Load average of the last minute from which on a machine counts as busy.
_BUSY = 0.5

#: CPU flags, the widest vectors first.
_VECTORS = ("avx512f", "avx2", "avx", "sse4_2")


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer, and how the workers used it.

    Attributes:
        cpu: model name.   vectors: widest vector instructions.
        cores: CPUs that there are.   pinned: those that workers may use.
        load: average of the last minute, at the start.   python: the driver's version.
    """

    cpu: str
    vectors: str
    cores: int
    pinned: tuple[int, ...]
    load: float
    memory_gb: float
    system: str
    python: str

    @property
    def busy(self) -> bool:
        """Whether something else was running."""
        return self.load > _BUSY

    def __str__(self) -> str:
        return (
            f"{self.cpu} ({self.vectors}), {self.cores} cores, {self.memory_gb:.0f} GB, "
            f"{self.system}, Python {self.python}; "
            f"workers on CPU {', '.join(map(str, self.pinned))}"
        )


def describe(pinned: Sequence[int]) -> Machine:
    """This machine."""
    info: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    flags = info.get("flags", "").split()
    return Machine(
        cpu=info.get("model name", platform.machine()),
        vectors=next((x for x in _VECTORS if x in flags), "no vectors known"),
        cores=os.cpu_count() or 1,
        pinned=tuple(pinned),
        load=os.getloadavg()[0],
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )
