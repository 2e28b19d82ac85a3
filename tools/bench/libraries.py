"""The libraries that can be measured, and how a worker loads each.

``LIBRARIES`` is read by the driver (names, environment, caches) and by the worker (``load``).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Library:
    """One column of the table.

    Attributes:
        name: the column.   family: which ``in_<family>`` function of a row it runs.
        module: imported; found in an interpreter means the library is there.
        distributions: names under which its version may be installed.
        env: set in its workers.
        caches: variable -> value, "{}" standing for a directory: where it keeps compiled code.
        peer: False for a baseline, which no ratio is taken of.
        variant: True for a second way to run another library; left out of --quick.
    """

    name: str
    family: str
    module: str
    distributions: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    caches: Mapping[str, str] = field(default_factory=dict)
    peer: bool = True
    variant: bool = False


_TABLE = (
    Library(
        "flowgraph", "tf1", "flowgraph", ("flowgraph",),
        caches={"FLOWGRAPH_CACHE_DIR": "{}"}, peer=False,
    ),
    Library(
        "tensorflow", "tf1", "tensorflow", ("tensorflow", "tensorflow-cpu"),
        env={"TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    Library(
        "tf_keras", "keras", "tf_keras", ("tf_keras", "tf-keras"),
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"},
    ),
    Library(
        "jax", "jax", "jax", ("jax",),
        env={"JAX_PLATFORMS": "cpu"},
        caches={
            "JAX_COMPILATION_CACHE_DIR": "{}",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        },
    ),
    Library("torch", "torch", "torch", ("torch",)),
    Library(
        "torch-compile", "torch", "torch", ("torch",),
        caches={"TORCHINDUCTOR_CACHE_DIR": "{}"}, variant=True,
    ),
    Library(
        "pytensor", "pytensor", "pytensor", ("pytensor",),
        env={"PYTENSOR_FLAGS": "mode=NUMBA"},
        caches={"PYTENSOR_FLAGS": "mode=NUMBA,base_compiledir={}", "NUMBA_CACHE_DIR": "{}"},
    ),
    Library(
        "pytensor-c", "pytensor", "pytensor", ("pytensor",),
        env={"PYTENSOR_FLAGS": "mode=CVM"},
        caches={"PYTENSOR_FLAGS": "mode=CVM,base_compiledir={}"}, variant=True,
    ),
    Library("numpy", "numpy", "numpy", ("numpy",), peer=False),
    Library(
        "flowgraph-unchecked", "unchecked", "flowgraph", ("flowgraph",),
        caches={"FLOWGRAPH_CACHE_DIR": "{}"}, peer=False,
    ),
    Library(
        "openblas", "openblas", "scipy_openblas32", ("scipy-openblas32",), peer=False,
    ),
)  # fmt: skip

#: Name -> Library, in the order of the columns.
LIBRARIES: dict[str, Library] = {library.name: library for library in _TABLE}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A library inside a worker: what a row's function gets as ``lib``.

    Attributes:
        name: of the Library.   module: as its users import it.
        jit: torch.compile for "torch-compile", otherwise returns its argument.
        session: makes a Session (family tf1).
    """

    name: str
    module: Any
    jit: Callable[[Callable], Callable]
    session: Callable[[], Any]

    def with_session(self, session: Callable[[], Any]) -> Loaded:
        """The same with another way to make a Session."""
        return replace(self, session=session)


def load(name: str) -> Loaded:
    """Import the library ``name`` and set it to as many threads as the process has cores."""
    library = LIBRARIES[name]
    threads = len(os.sched_getaffinity(0))
    jit: Callable = lambda function: function
    session: Callable = lambda: None
    if library.module == "tensorflow":
        module = importlib.import_module("tensorflow.compat.v1")
        module.disable_v2_behavior()
        config = module.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        session = lambda: module.Session(config=config)
    else:
        module = importlib.import_module(library.module)
    if library.module == "tf_keras":
        threading = importlib.import_module("tensorflow").config.threading
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
    if library.module == "flowgraph":
        session = module.Session
    if library.module == "torch":
        module.set_num_threads(threads)
    if library.name == "torch-compile":
        jit = module.compile
    return Loaded(name, module, jit, session)
