r"""Kernels -> addresses of native code: from memory, from disk, or from the compiler.

    Kernel --cpu.render--> text --cache.key_of--> key --cache--> object code --loader--> address
                                                      \\--compiler (numba, LLVM)--/

Only the last way imports numba; a process whose kernels are all on disk runs on NumPy and llvmlite.

Read next: cpu.py, cache.py, compiler.py, workers.py (many missing kernels at once).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Mapping, Sequence

from flowgraph.codegen import cache, cpu
from flowgraph.kernel.ir import Kernel, TextKernel

_lock = threading.Lock()
_by_kernel: dict[Hashable, int] = {}
_by_key: dict[bytes, int] = {}


def _new_lock() -> None:
    # a fork while another thread compiles would leave the child with a lock that nobody opens
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def source(kernel: Kernel | TextKernel) -> str:
    """The numba text of ``kernel``, as it is compiled and dumped."""
    return kernel.source if isinstance(kernel, TextKernel) else cpu.render(kernel)


def addresses(kernels: Sequence[Kernel | TextKernel]) -> list[int]:
    """Addresses of ``int64 kernel(int64 *block, int64 start, int64 stop)``, one per kernel.

    Equal kernels share one.  May be called from several threads.  Addresses stay valid until the
    process ends.

    Raises:
        KernelTextError: a text that cannot be compiled (a bug in a lowering rule).
    """
    names = [_name(kernel) for kernel in kernels]
    if any(name not in _by_kernel for name in names):
        with _lock:
            pairs = zip(names, kernels, strict=True)
            _find({name: kernel for name, kernel in pairs if name not in _by_kernel})
    return [_by_kernel[name] for name in names]


def _name(kernel: Kernel | TextKernel) -> Hashable:
    """What tells kernels apart.  NB: equal kernels may differ in the sign of a zero."""
    if isinstance(kernel, TextKernel):
        return kernel.source
    return kernel, tuple([repr(stmt.imm) for stmt in kernel.body if stmt.imm == 0])


def _find(kernels: Mapping[Hashable, Kernel | TextKernel]) -> None:
    """Enter ``kernels`` into the tables."""
    texts = {name: source(kernel) for name, kernel in kernels.items()}
    keys = {text: cache.key_of(text) for text in dict.fromkeys(texts.values())}
    store = cache.current()
    code: dict[bytes, bytes] = {}
    missing: dict[bytes, str] = {}
    for text, key in keys.items():
        if key in _by_key:
            continue
        stored = store.get(key)
        if stored is None:
            missing[key] = text
        else:
            code[key] = stored
    for key, made in _compiled(missing).items():
        store.put(key, made)
        code[key] = made
    if code:
        from flowgraph.codegen import loader  # llvmlite, only once a kernel is needed

        loaded = loader.load({cache.symbol_of(key): made for key, made in code.items()})
        for key in code:
            _by_key[key] = loaded[cache.symbol_of(key)]
    for name, text in texts.items():
        _by_kernel[name] = _by_key[keys[text]]


def _compiled(missing: Mapping[bytes, str]) -> dict[bytes, bytes]:
    """Key -> object code for key -> text."""
    if not missing:
        return {}
    from flowgraph.codegen import workers  # processes and the compiler: only when one is missing

    made = workers.compile_all({cache.symbol_of(key): text for key, text in missing.items()})
    return {key: made[cache.symbol_of(key)] for key in missing}
