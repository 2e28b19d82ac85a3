"""Attrs: the values a caller gives become what rules and passes see.

dtypes are DType, shapes Dims, tensors read-only ndarrays, lists Python lists.  A wrong kind is a
TypeError that names op, attr and value.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import as_dtype
from flowgraph.errors import did_you_mean
from flowgraph.graph.opdef import REQUIRED, OpDef
from flowgraph.tensor_shape import as_dims


def _bool(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)) and value not in (0, 1):
        raise TypeError
    return bool(value)


def _int(value: Any) -> int:
    if isinstance(value, numbers.Integral):
        return int(value)
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError


def _float(value: Any) -> float:
    if not isinstance(value, numbers.Real):
        raise TypeError
    return float(value)


def _string(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError
    return value


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise TypeError
    value.setflags(write=False)
    return value


_KINDS: dict[str, Callable[[Any], Any]] = {
    "type": lambda value: as_dtype(value).base_dtype,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "string": _string,
    "shape": as_dims,
    "tensor": _tensor,
    "func": lambda value: value,
}


def normalize(kind: str, value: Any) -> Any:
    """``value`` as an attr of ``kind``; TypeError or ValueError without text when it is none."""
    if kind.startswith("list("):
        if not isinstance(value, (list, tuple)):
            raise TypeError
        return [_KINDS[kind[5:-1]](item) for item in value]
    return _KINDS[kind](value)


#: Op type -> its attrs that have a default; dtype attrs are left to the inputs.
_defaults: dict[str, dict[str, Any]] = {}


def _defaults_of(opdef: OpDef) -> dict[str, Any]:
    defaults = _defaults[opdef.type] = {
        name: normalize(spec.kind, spec.default)
        for name, spec in opdef.signature.attrs.items()
        if spec.default is not REQUIRED and spec.kind != "type"
    }
    return defaults


def given_attrs(opdef: OpDef, given: Mapping[str, Any]) -> dict[str, Any]:
    """The caller's attrs in their final form, and the defaults of the others.

    dtype attrs that are not given, and those without default, are still missing.

    Raises:
        TypeError: an attr that the op does not have, or a value of the wrong kind.
    """
    defaults = _defaults.get(opdef.type)
    attrs = dict(_defaults_of(opdef) if defaults is None else defaults)
    specs = opdef.signature.attrs
    for name, value in given.items():
        spec = specs.get(name)
        if spec is None:
            if name.startswith("_"):  # hints such as _class, as in a GraphDef
                attrs[name] = value
                continue
            raise TypeError(f"{opdef.type} has no attr {name!r}{did_you_mean(name, specs)}")
        if value is None and spec.kind != "shape":
            continue  # "not given": the default holds
        try:
            attrs[name] = normalize(spec.kind, value)
        except (TypeError, ValueError) as error:
            detail = f": {error}" if str(error) else ""
            raise TypeError(
                f"{opdef.type}: attr {name!r} must be a {spec.kind}, got {value!r}{detail}"
            ) from None
        if spec.allowed is not None:
            _check_allowed(opdef, name, attrs[name])
    return attrs


def _check_allowed(opdef: OpDef, name: str, value: Any) -> None:
    allowed = opdef.signature.attrs[name].allowed or ()
    for dtype in value if isinstance(value, list) else [value]:
        if dtype.name not in allowed:
            raise TypeError(
                f"{opdef.type}: attr {name!r} cannot be {dtype.name}; it takes "
                f"{', '.join(sorted(allowed))}"
            )
