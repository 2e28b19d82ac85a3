"""tf.contrib.training.HParams: named settings of a program, with the types of their first values.

hparams = tf.contrib.training.HParams(learning_rate=0.1, layers=[64, 32])
hparams.parse("learning_rate=0.01,layers=[128,64]")
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flowgraph.errors import did_you_mean
from flowgraph.graph.export import export

#: ``name=value``, ``name=[value,value]`` or ``name[index]=value``.
_PART = re.compile(r"\s*(\w+)\s*(?:\[\s*(\d+)\s*\])?\s*=\s*(?:\[([^\]]*)\]|([^,\[]*))\s*(?:,|$)")


@export("contrib.training.HParams")
class HParams:
    """Settings as attributes; each keeps the type of its first value.

    Args:
        hparam_def, model_structure: accepted; hparam_def must be None.
        kwargs: the settings: numbers, texts, flags, or lists of these; None has no type yet.

    >>> hparams = HParams(rate=0.1, layers=[64, 32], name="net")
    >>> hparams.parse("rate=1,layers=[8,4],layers[1]=5").values()
    {'layers': [8, 5], 'name': 'net', 'rate': 1.0}
    """

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        if hparam_def is not None:
            raise NotImplementedError("HParams: hparam_def is not supported; give the settings")
        self._kinds: dict[str, tuple[type | None, bool]] = {}
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """A further setting.

        Args:
            name: of the attribute.   value: its first value.

        Raises:
            ValueError: there is one of this name, or the list is empty.
        """
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, (list, tuple)):
            if not value:
                raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
            self._kinds[name] = type(value[0]), True
            value = list(value)
        else:
            self._kinds[name] = None if value is None else type(value), False
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Another value of a setting, made into its type.

        Args:
            name: of the setting.   value: a value, or a list where it is one.

        Raises:
            KeyError: there is none of this name.
            ValueError: it has another type, or is a list where one value is wanted.
        """
        kind, is_list = self._kind(name)
        if isinstance(value, (list, tuple)) != is_list:
            wanted = "a list" if is_list else "one value"
            raise ValueError(f"{name} takes {wanted}, got {value!r}")
        if is_list:
            setattr(self, name, [_as(kind, name, item) for item in value])
        else:
            setattr(self, name, _as(kind, name, value))

    def _kind(self, name: str) -> tuple[type | None, bool]:
        if name not in self._kinds:
            raise KeyError(f"there is no setting {name!r}{did_you_mean(name, self._kinds)}")
        return self._kinds[name]

    def del_hparam(self, name: str) -> None:
        """Take a setting out, if it is there.

        Args:
            name: of it.
        """
        if name in self._kinds:
            delattr(self, name)
            del self._kinds[name]

    def parse(self, values: str) -> HParams:
        """Set values written as text: ``rate=0.1,layers=[8,4],layers[1]=5``.

        Args:
            values: the text.

        Returns:
            This object.

        Raises:
            ValueError: the text or a value cannot be read, a name is unknown or given twice.
        """
        place, given = 0, set()
        while place < len(values):
            found = _PART.match(values, place)
            if found is None:
                raise ValueError(f"cannot read {values[place:]!r} of {values!r}")
            name, index, items, item = found.groups()
            if name not in self._kinds:
                raise ValueError(f"Unknown hyperparameter: {name}{did_you_mean(name, self._kinds)}")
            if (name, index) in given or (index is not None and items is not None):
                raise ValueError(f"{name} is given twice, or a list for one element, in {values!r}")
            given.add((name, index))
            kind, is_list = self._kinds[name]
            if index is not None:
                if not is_list or int(index) >= len(getattr(self, name)):
                    raise ValueError(f"{name} has no element {index}")
                getattr(self, name)[int(index)] = _read(kind, name, item)
            elif items is not None:
                self.set_hparam(name, [_read(kind, name, i) for i in items.split(",")])
            else:
                self.set_hparam(name, _read(kind, name, item))
            place = found.end()
        return self

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> HParams:
        """``set_hparam`` of every pair.

        Args:
            values_dict: name -> value.
        """
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def values(self) -> dict[str, Any]:
        """All settings, by name."""
        return {name: getattr(self, name) for name in sorted(self._kinds)}

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a setting, or ``default`` where there is none.

        Args:
            key: its name.   default: another value.
        """
        return getattr(self, key) if key in self._kinds else default

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """All settings as JSON.

        Args:
            indent, separators, sort_keys: as of ``json.dumps``.
        """
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def parse_json(self, values_json: str) -> HParams:
        """``override_from_dict`` of JSON.

        Args:
            values_json: the text of a JSON object.
        """
        return self.override_from_dict(json.loads(values_json))

    def get_model_structure(self) -> Any:
        """What was given as ``model_structure``."""
        return self._model_structure

    def set_model_structure(self, model_structure: Any) -> None:
        """Keep something as ``model_structure``.

        Args:
            model_structure: anything.
        """
        self._model_structure = model_structure

    def __contains__(self, key: str) -> bool:
        return key in self._kinds

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"HParams({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"


def _as(kind: type | None, name: str, value: Any) -> Any:
    """``value`` in the type of the setting, refusing what loses information."""
    if kind is None or value is None or isinstance(value, kind):
        if kind is int and isinstance(value, bool):
            raise ValueError(f"{name} takes an int, got {value!r}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"Could not cast hyperparameter {name} of type {kind.__name__}: {value!r}")


def _read(kind: type | None, name: str, text: str) -> Any:
    text = text.strip()
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return text if kind in (None, str) else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"Could not parse hyperparameter {name}: {text!r}") from None
