"""keras.wrappers: models as estimators of scikit-learn, which need the extra ``[sklearn]``."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "scikit_learn":
        return import_module("flowgraph.keras.wrappers.scikit_learn")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
