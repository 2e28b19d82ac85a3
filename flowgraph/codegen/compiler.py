"""LLVM IR text -> object code for this machine, through llvmlite alone.

numba's code generator would optimise each module twice, wrap it for Python and link it; a kernel
needs one pass over one module: parse, verify, the O2 pipeline, emit.

Read next: target.py (kernel text -> LLVM text), cache.py (where object code is kept).
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import llvmlite.binding as llvm

from flowgraph.codegen.llvm_text import Tuning


@cache
def host() -> tuple[str, str, str]:
    """Triple, CPU name and feature string of this machine: what object code depends on."""
    features = llvm.get_host_cpu_features().flatten()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features


@cache
def tuning() -> Tuning:
    """The loop tuning of this machine.

    AVX-512 machines run the math of vector_math.py 1.5 times as fast with 512-bit vectors (Cascade
    Lake, whose LLVM default is 256), and their masks make short loops 3 times as fast.
    """
    features = set(host()[2].split(","))
    half = platform.machine().lower() not in ("x86_64", "amd64") or "+f16c" in features
    if {"+avx512f", "+avx512vl", "+avx512bw", "+avx512dq"} <= features:
        return Tuning(vector_bits=512, masked_tails=True, tile_bits=512, half=half)
    avx2 = {"+avx2", "+fma"} <= features
    return Tuning(tile_bits=256 if avx2 else 128, half=half)


@cache
def target_machine() -> llvm.TargetMachine:
    """The one target machine of the process."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple, cpu, features = host()
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small"
    )


def optimised(llvm_text: str, unroll: bool) -> llvm.ModuleRef:
    """The module of ``llvm_text`` after LLVM's O2 pipeline for this machine.

    O3 made no kernel faster and each a tenth dearer to compile, and so did unrolling loops of
    unknown count, which the vectoriser has interleaved already.
    """
    machine = target_machine()
    module = llvm.parse_assembly(llvm_text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = True
    tuning.loop_interleaving = True
    tuning.loop_unrolling = unroll
    tuning.slp_vectorization = False  # kernels are loops; it costs time and finds little
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return module


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: searching numba's objects takes 40 ms and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def object_code(source: str, symbol: str) -> bytes:
    """Compile kernel text; its ``kernel`` is exported as ``symbol``.

    Raises:
        KernelTextError: see target.lowered.
    """
    with _collector_paused():
        from flowgraph.codegen.target import lowered  # imports numba: only where one is missing

        return target_machine().emit_object(optimised(*lowered(source, symbol, tuning())))


def assembly(source: str) -> str:
    """Assembly of kernel text, for people and for tests."""
    from flowgraph.codegen.target import lowered

    return target_machine().emit_assembly(optimised(*lowered(source, "kernel", tuning())))
