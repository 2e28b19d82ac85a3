"""Examples written as JSON: decode_json_example.

The JSON form of protocol buffers: names in camelCase (or as in the message), bytes in base64,
64-bit integers as text or numbers, and ``"NaN"``, ``"Infinity"``, ``"-Infinity"`` for floats.

Read next: features.py (what parses the result).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from flowgraph.graph.apply import apply_op
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.opdef import define, error_sample, not_differentiable, sample
from flowgraph.ops.rules import invalid, same_shape
from flowgraph.ops.texts import each, texts
from flowgraph.protos.example import Example


def _member(value: Any, *names: str) -> Any:
    """The member of an object that has one of ``names``, and no others."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")
    other = set(value) - set(names)
    if other:
        raise ValueError(f"there is no field {min(other)!r}; fields are {', '.join(names)}")
    return next((value[name] for name in names if value.get(name) is not None), None)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no integer")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is no integer")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no base64")
    plain = value.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


_LISTS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("bytes_list", "bytesList", _bytes),
    ("float_list", "floatList", _number),
    ("int64_list", "int64List", _integer),
)


def _example(text: bytes) -> bytes:
    """The bytes of the Example that a JSON text says."""
    example = Example()
    try:
        features = _member(json.loads(text), "features")
        for name, value in ((_member(features or {}, "feature")) or {}).items():
            feature = example.features.feature[name]
            for field, camel, read in _LISTS:
                given = {k: v for k, v in value.items() if k in (field, camel)}
                if given:
                    values = [read(v) for v in _member(_member(given, field, camel), "value") or []]
                    getattr(feature, field).value.extend(values)
                    getattr(feature, field).SetInParent()
            _member(value, *(name for field, camel, _ in _LISTS for name in (field, camel)))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise invalid(f"this JSON is no example: {error}") from None
    return example.SerializeToString()


define(
    "DecodeJSONExample",
    "json_examples: string -> binary_examples: string",
    infer=same_shape,
    grad=not_differentiable("strings have no derivatives"),
    reference=lambda call_, x: each(_example, x),
    samples=(
        sample(texts(['{"features":{"feature":{"a":{"int64List":{"value":["1", -2]}}}}}', "{}"])),
        sample(texts('{"features": {"feature": {"b": {"bytes_list": {"value": ["YQ=="]}}}}}')),
        sample(texts('{"features":{"feature":{"f":{"floatList":{"value":[1.5,"-Infinity"]}}}}}')),
    ),
    errors=(
        error_sample(Exception, "this JSON is no example", texts("{"), stage="run"),
        error_sample(Exception, "no field 'x'", texts('{"x": 1}'), stage="run"),
    ),
    doc="The serialized Example that each JSON text says.",
)  # fmt: skip


@export("decode_json_example", "io.decode_json_example")
def decode_json_example(json_examples: Any, name: str | None = None) -> Tensor:
    """The serialized Example that each JSON text says, for ``tf.parse_example``.

    Args:
        json_examples: a string tensor of Examples in the JSON form of protocol buffers.
        name: of the operation; ``DecodeJSONExample`` by default.

    Returns:
        A string tensor of the same shape.

    Raises:
        InvalidArgumentError: a text is no JSON, or no Example (when run).
    """
    return apply_op("DecodeJSONExample", json_examples, name=name)
