"""Stage -> cubin, with no GPU in the machine: text -> PTX (numba-cuda) -> machine code (nvJitLink).

Needs the packages of ``pip install flowgraph[gpu]``: numba-cuda, nvvm and nvJitLink.  PTX is never
given to a driver: the nvvm wheel may be newer than the driver, whose compiler would refuse it.

Read next: cuda_text.py (the text), runtime/cuda.py (loads the cubin).
"""

from __future__ import annotations

import importlib
import math
import re
from dataclasses import dataclass
from typing import Any

from flowgraph import errors
from flowgraph.codegen.cuda import Stage
from flowgraph.kernel.ir import KERNEL_DTYPES

#: What to say when the packages are missing.
MISSING = (
    "the cuda target needs numba-cuda, cuda-core and NVIDIA's compiler libraries, and {name} "
    'is not installed\n  fix: pip install "flowgraph[gpu]"'
)


@dataclass(frozen=True, slots=True)
class Cubin:
    """Machine code of one stage; registers and spills as the assembler reports them."""

    name: str
    code: bytes
    ptx: str
    registers: int
    spilled_bytes: int
    shared_bytes: int


def require(module: str) -> Any:
    """Import ``module`` of the GPU packages, or say what to install.

    Raises:
        UnimplementedError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise errors.UnimplementedError(None, None, MISSING.format(name=module)) from error


def compile_stage(stage: Stage, capability: tuple[int, int]) -> Cubin:
    """Compile ``stage`` for devices of compute ``capability``, such as (9, 0).

    Raises:
        UnimplementedError: the GPU packages are not installed.
    """
    ptx = compile_ptx(stage, capability)
    core = require("cuda.core")
    arch = f"sm_{capability[0]}{capability[1]}"
    options = core.LinkerOptions(arch=arch, ptxas_options=["-v"])
    linker = core.Linker(core.ObjectCode.from_ptx(ptx.encode()), options=options)
    code = bytes(linker.link("cubin").code)
    log = linker.get_info_log()
    return Cubin(
        stage.name,
        code,
        ptx,
        registers=_number(r"Used (\d+) registers", log),
        spilled_bytes=_number(r"(\d+) bytes spill stores", log),
        shared_bytes=sum(int(size) for size in re.findall(r"\.shared [^;]*\[(\d+)\];", ptx)),
    )


def compile_ptx(stage: Stage, capability: tuple[int, int]) -> str:
    """PTX of ``stage``: its parameters are int64 words and raw pointers, 8 bytes each."""
    numba_cuda = _numba_cuda()
    types = require("numba.core.types")
    names = {name: getattr(types, name) for name in KERNEL_DTYPES - {"bool"}}
    namespace: dict[str, Any] = {"math": math, "cuda": numba_cuda, **names}
    exec(compile(stage.text, f"<{stage.name}>", "exec"), namespace)  # noqa: S102 - our own text
    signature = types.void(
        *(
            types.CPointer(names[parameter.dtype]) if parameter.pointer else types.int64
            for parameter in stage.parameters
        )
    )
    ptx, _ = numba_cuda.compile(
        namespace[stage.name],
        signature,
        cc=capability,
        device=False,
        abi="numba",
        abi_info={"abi_name": stage.name},
        output="ptx",
        launch_bounds=(stage.threads, 1),
    )
    return str(ptx)


def _numba_cuda() -> Any:
    cuda = require("numba.cuda")
    require("numba_cuda")  # numba's own numba.cuda is no longer maintained
    return cuda


def _number(pattern: str, log: str) -> int:
    """The number in a line of the assembler's report; 0 when there is none."""
    found = re.search(pattern, log)
    return int(found.group(1)) if found else 0
