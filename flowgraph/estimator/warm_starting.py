"""Where the variables of a new model begin: another model's checkpoint.

Read next: saving/warm_start.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from flowgraph.graph.export import export
from flowgraph.platform.file_io import path_of
from flowgraph.saved_model import names
from flowgraph.saved_model.loading import maybe_saved_model_directory
from flowgraph.saving.warm_start import warm_start


@export("estimator.WarmStartSettings")
class WarmStartSettings(NamedTuple):
    """What to take from a checkpoint.

    Args:
        ckpt_to_initialize_from: its path, or a directory with checkpoints or a SavedModel.
        vars_to_warm_start: a regular expression of names of trained variables, a list of such for
            all variables, or a list of variables; None for none.
        var_name_to_vocab_info: name of a variable -> VocabInfo.
        var_name_to_prev_var_name: name of a variable -> its name there, where it differs.
    """

    ckpt_to_initialize_from: str
    vars_to_warm_start: Any = ".*"
    var_name_to_vocab_info: Mapping[str, Any] | None = None
    var_name_to_prev_var_name: Mapping[str, str] | None = None

    def apply(self) -> None:
        """Change the initialisers of the variables of the default graph."""
        warm_start(*self)


def warm_start_settings(given: Any) -> WarmStartSettings | None:
    """The settings that a path, or settings, mean.

    Raises:
        ValueError: it is neither.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if not isinstance(given, (str, bytes, os.PathLike)):
        raise ValueError(f"warm_start_from must be a path or WarmStartSettings, got {given!r}")
    path = path_of(given)
    if maybe_saved_model_directory(path):
        path = os.path.join(path, names.VARIABLES_DIRECTORY, names.VARIABLES_FILENAME)
    return WarmStartSettings(path)
