"""Object code -> addresses: one JIT for the process, a library in it per batch of kernels.

Needs llvmlite only.  Loading a batch costs about 0.1 ms per kernel; libraries stay until the
process ends, as tables of addresses may refer to them from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import llvmlite.binding as llvm

from flowgraph.codegen.compiler import target_machine

_libraries: list[llvm.ResourceTracker] = []


@cache
def _jit() -> llvm.LLJIT:
    # JITLink places a library's code and constants side by side, within reach of one another
    return llvm.create_lljit_compiler(target_machine(), use_jit_link=True)


def load(objects: Mapping[str, bytes]) -> dict[str, int]:
    """Symbol -> address, for symbol -> object file.  Not to be called from two threads at once.

    Object code may call what the process has loaded (libm, memcpy).
    """
    builder = llvm.JITLibraryBuilder()
    for symbol, code in objects.items():
        builder.add_object_img(code)
        builder.export_symbol(symbol)
    builder.add_current_process()
    library = builder.link(_jit(), f"kernels{len(_libraries)}")
    _libraries.append(library)
    return {symbol: library[symbol] for symbol in objects}
