"""What saves and restores variables where there is no session: they have their values themselves.

Read next: saving/saver.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from flowgraph.eager.variables import EagerVariable
from flowgraph.graph.convert import convert_to_tensor


class InPlaceOfSession:
    """The part of a session that tf.train.Saver uses, on eager variables.

    Args:
        variables: those to save or restore.

    Raises:
        ValueError: two of them have one name.
    """

    def __init__(self, variables: Iterable[EagerVariable]) -> None:
        self._by_name: dict[str, EagerVariable] = {}
        for variable in variables:
            if self._by_name.setdefault(variable.op.name, variable) is not variable:
                raise ValueError(f"two variables have the name {variable.op.name!r}")

    @contextmanager
    def _variable_values(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Arrays by name."""
        yield {name: self._by_name[name]._storage.read()._array for name in names}

    def _set_variables(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            variable = self._by_name[name]
            array = np.array(value, variable.dtype.np, order="C")
            variable._storage.replace(array)

    def run(self, step: Any) -> Any:
        """The value of a tensor."""
        return np.asarray(convert_to_tensor(step))
