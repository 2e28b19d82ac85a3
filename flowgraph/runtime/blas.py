"""OpenBLAS from the wheel scipy-openblas32: addresses of its routines, loaded when first needed.

The library runs on one thread: the instruction table is the place for parallel work, and
results must not depend on how many threads there are.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import threading
from functools import cache
from pathlib import Path

_PACKAGE = "scipy_openblas32"

#: Read by OpenBLAS while it is loaded: with 1 it starts no threads.
_THREADS = "OPENBLAS_NUM_THREADS"

_lock = threading.Lock()


@cache
def _library() -> ctypes.CDLL:
    # Not imported: the package's own __init__ reads its metadata, which costs more than loading.
    spec = importlib.util.find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    files = [f for place in places for f in sorted(Path(place, "lib").glob("libscipy_openblas*"))]
    files = [f for f in files if f.suffix in (".so", ".dylib", ".dll")]
    if not files:
        raise ImportError(f"the wheel {_PACKAGE.replace('_', '-')} is not installed")
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        return ctypes.CDLL(str(files[0]))
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


@cache
def address(routine: str) -> int:
    """The address of a cblas routine (``sgemm``) or of a Fortran one (``spotrf_``).

    Raises:
        ImportError: the wheel is not installed.
        AttributeError: no such routine.
    """
    with _lock:
        fortran = routine.endswith("_")
        function = getattr(_library(), f"scipy_{'' if fortran else 'cblas_'}{routine}")
    value = ctypes.cast(function, ctypes.c_void_p).value
    assert value is not None
    return value
