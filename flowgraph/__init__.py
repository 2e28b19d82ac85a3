"""flowgraph: static computation graphs with TensorFlow 1.15's API, compiled by numba.

``import flowgraph as tf``.  Public names stand next to their functions (``@export("nn.relu")``, see
graph/export.py); this file imports the modules that export and turns the table into attributes:
``"nn.relu"`` becomes ``tf.nn.relu``.  Importing loads NumPy and little else; numba, llvmlite,
networkx and graphviz are loaded when first needed.
"""

from __future__ import annotations

import importlib as _importlib
import pkgutil as _pkgutil
from pathlib import Path as _Path
from typing import Any as _Any

from flowgraph import client_config as _client_config  # noqa: F401  its names are exported
from flowgraph import dtypes as _dtypes
from flowgraph import errors as _errors
from flowgraph import tensor_shape as _tensor_shape
from flowgraph.graph import gradients as _gradients  # noqa: F401  its names are exported
from flowgraph.graph.core import Graph as _Graph
from flowgraph.graph.export import did_you_mean_public as _did_you_mean_public
from flowgraph.graph.export import export_all as _export_all
from flowgraph.graph.export import install as _install
from flowgraph.profile import run_metadata as _run_metadata  # noqa: F401  its names are exported

__version__ = "0.1.0"

_export_all(_dtypes.PUBLIC, "", "dtypes.")
_export_all(_errors.PUBLIC, "errors.")
_export_all(_tensor_shape.PUBLIC, "")

# Every file in ops/ is an op family, and every file in train/ a part of tf.train: importing them
# registers their ops and exports their functions.
for _package in ("ops", "train"):
    for _module in _pkgutil.iter_modules([str(_Path(__file__).parent / _package)]):
        _importlib.import_module(f"flowgraph.{_package}.{_module.name}")
_importlib.import_module("flowgraph.session")

_install(globals(), _Path(__file__).parent)

#: Packages that few programs need; imported when first used.
_ON_DEMAND = ("datasets", "profile", "view")


def _show_in_notebook(graph: _Graph, **wanted: _Any) -> dict[str, str]:
    return __getattr__("view").mime_bundle(graph)


_Graph._repr_mimebundle_ = _show_in_notebook  # type: ignore[attr-defined]


def __getattr__(name: str) -> _Any:
    if name in _ON_DEMAND:
        return _importlib.import_module(f"flowgraph.{name}")
    raise AttributeError(_did_you_mean_public("flowgraph", "", name))
