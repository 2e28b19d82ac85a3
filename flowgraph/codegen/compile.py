"""Kernels -> addresses of native code."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import llvmlite.binding as llvm

from flowgraph.codegen import compiler, cpu
from flowgraph.kernel.ir import Kernel, TextKernel

_lock = threading.Lock()
_addresses: dict[Kernel | TextKernel, int] = {}
_state: list = []
_n = 0


def source(kernel: Kernel | TextKernel) -> str:
    """The numba text of ``kernel``."""
    return kernel.source if isinstance(kernel, TextKernel) else cpu.render(kernel)


def addresses(kernels: Sequence[Kernel | TextKernel]) -> list[int]:
    """Addresses of ``int64 kernel(int64 *block, int64 start, int64 stop)``, one per kernel."""
    global _n
    with _lock:
        missing = [k for k in dict.fromkeys(kernels) if k not in _addresses]
        if missing:
            if not _state:
                _state.append(llvm.create_lljit_compiler(compiler.target_machine(), use_jit_link=True))
            library = llvm.JITLibraryBuilder().add_current_process()
            symbols = {}
            for kernel in missing:
                text = source(kernel)
                symbol = "k" + hashlib.sha256(text.encode()).hexdigest()[:32]
                if symbol not in symbols.values():
                    library.add_object_img(compiler.object_code(text, symbol)).export_symbol(symbol)
                symbols[kernel] = symbol
            _n += 1
            tracker = library.link(_state[0], f"l{_n}")
            _state.append(tracker)
            for kernel, symbol in symbols.items():
                _addresses[kernel] = tracker[symbol]
        return [_addresses[k] for k in kernels]
