"""flowgraph: static computation graphs with TensorFlow 1.15's API, compiled by numba.

``import flowgraph as tf``.  Public names stand next to their functions (``@export("nn.relu")``, see
graph/export.py) and become attributes: ``"nn.relu"`` is ``tf.nn.relu``.  Importing loads NumPy and
little else: op files are loaded when a name of theirs is first used (graph/families.py), numba,
llvmlite, networkx and graphviz when something needs them.
"""

from __future__ import annotations

import importlib as _importlib
import sys as _sys
from pathlib import Path as _Path
from typing import Any as _Any

from flowgraph import client_config as _client_config  # noqa: F401  its names are exported
from flowgraph import dtypes as _dtypes
from flowgraph import errors as _errors
from flowgraph import tensor_shape as _tensor_shape
from flowgraph.graph import gradients as _gradients  # noqa: F401  its names are exported
from flowgraph.graph.core import Graph as _Graph
from flowgraph.graph.export import attribute as _attribute
from flowgraph.graph.export import export_all as _export_all
from flowgraph.graph.export import export_value as _export_value
from flowgraph.graph.export import install as _install
from flowgraph.graph.export import names_of as _names_of
from flowgraph.graph.families import find as _find_families
from flowgraph.profile import run_metadata as _run_metadata  # noqa: F401  its names are exported

#: The TensorFlow release whose API this is, so that programs which ask for one find it; behind the
#: ``+`` flowgraph's own version.
__version__ = "1.15.0+flowgraph.0.1.0"

_FOLDER = _Path(__file__).parent

_export_all(_dtypes.PUBLIC, "", "dtypes.")
_export_all(_errors.PUBLIC, "errors.")
_export_all(_tensor_shape.PUBLIC, "")

_export_value(_errors.OpError, "OpError")
_export_value(__version__, "VERSION", "version.VERSION")
_find_families(_FOLDER)
# What other files would miss without: the operators of Tensor, and the Variable class.
for _family in ("operators", "indexing", "variables"):
    _importlib.import_module(f"flowgraph.ops.{_family}")
_importlib.import_module("flowgraph.session")
_install(_FOLDER)
# ``import flowgraph.compat.v1 as tf`` is how programs ask newer releases for this API.
_sys.modules["flowgraph.compat.v1"] = _sys.modules["flowgraph.compat"].v1 = _sys.modules[__name__]  # type: ignore[attr-defined]

#: Packages that few programs need; imported when first used.
_ON_DEMAND = ("datasets", "debug", "keras", "learn", "notebook", "profile", "view")


def _show_in_notebook(graph: _Graph, **wanted: _Any) -> dict[str, str]:
    return __getattr__("view").mime_bundle(graph)


_Graph._repr_mimebundle_ = _show_in_notebook  # type: ignore[attr-defined]


def __getattr__(name: str) -> _Any:
    if name in _ON_DEMAND:
        return _importlib.import_module(f"flowgraph.{name}")
    return _attribute("flowgraph", name)


def __dir__() -> list[str]:
    return _names_of("flowgraph")
