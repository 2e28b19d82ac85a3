"""The switch: after ``import flowgraph.compat.tensorflow``, ``import tensorflow`` gives flowgraph.

    import flowgraph.compat.tensorflow          # first, in a program or in a notebook's first cell
    import tensorflow as tf
    from keras.layers import Dense

In a notebook also ``%load_ext flowgraph.compat.tensorflow``; ``flowgraph run script.py`` does it
for a script that should stay as it is.  Nothing else switches it on: a TensorFlow or Keras that is
installed is used as ever without it, and that one is installed is said when the switch hides it.
``uninstall()`` takes it back.

The module has flowgraph's public names too: ``import flowgraph.compat.tensorflow as tf``.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any

import flowgraph
from flowgraph.compat.finder import ROOTS, Finder

_finder = Finder()
_said = False


def install() -> None:
    """From here on, ``import tensorflow`` and ``import keras`` give flowgraph.

    Raises:
        ImportError: TensorFlow or Keras itself is imported already.
    """
    for root in ROOTS:
        module = sys.modules.get(root)
        if module is not None and not _is_ours(module):
            raise ImportError(
                f"{root} is imported already, from {getattr(module, '__file__', None)}: "
                "put `import flowgraph.compat.tensorflow` in front of it (in a notebook: restart "
                "the kernel)",
                name=root,
            )
    if _finder not in sys.meta_path:
        _tell_what_is_hidden()
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """``import tensorflow`` and ``import keras`` give what is installed again."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        if _is_ours(sys.modules[name]):
            del sys.modules[name]


def _is_ours(module: types.ModuleType) -> bool:
    """Whether Finder put it there: flowgraph's own modules, and those it makes."""
    return module.__name__.partition(".")[0] == "flowgraph" or getattr(
        module, "__flowgraph__", False
    )


def _tell_what_is_hidden() -> None:
    """Say once that a library which is installed is not the one that programs get now."""
    global _said
    for root in ROOTS:
        spec = importlib.machinery.PathFinder.find_spec(root)
        if spec is not None and spec.origin and not _said:
            _said = True
            sys.stderr.write(
                f"flowgraph: in this process `import {root}` gives flowgraph, not {spec.origin}\n"
            )


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext flowgraph.compat.tensorflow``.

    Args:
        ipython: the shell.
    """
    install()


def unload_ipython_extension(ipython: Any) -> None:
    """``%unload_ext flowgraph.compat.tensorflow``.

    Args:
        ipython: the shell.
    """
    uninstall()


def __getattr__(name: str) -> Any:
    return getattr(flowgraph, name)


install()
