"""Element types, as TensorFlow names them: ``float32``, ``int32``, ``bool``, ``string`` ...

A DType is interned: inside the library dtypes are compared with ``is``.  Every dtype has a
reference twin (``float32_ref``), the type of a variable's own output.  The frozensets at the end
name the groups of dtypes that op signatures allow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.errors import did_you_mean


class DType:
    """The type of a tensor's elements.

    Attributes:
        name: the NumPy-style name, ``"float32"`` or ``"float32_ref"``.
        np: the numpy dtype (``object`` for strings).
        base_dtype: the dtype without reference; ``base`` is short for it.
        is_ref: True for the type of a variable's own output.
        as_datatype_enum: the number of this type in TensorFlow's protocol buffers.
    """

    __slots__ = ("_twin", "as_datatype_enum", "base_dtype", "is_ref", "name", "np")

    name: str
    np: np.dtype[Any]
    base_dtype: DType
    is_ref: bool
    as_datatype_enum: int
    _twin: DType

    def __new__(cls, type_enum: Any) -> DType:
        """The interned DType for a TensorFlow enum number, or anything ``as_dtype`` takes."""
        return as_dtype(type_enum)

    @property
    def base(self) -> DType:
        """Same as ``base_dtype``."""
        return self.base_dtype

    @property
    def _as_ref(self) -> DType:
        return self if self.is_ref else self._twin

    @property
    def as_numpy_dtype(self) -> type:
        """The NumPy scalar type, ``np.float32`` (``object`` for strings)."""
        return object if self.np.kind == "O" else self.np.type

    @property
    def real_dtype(self) -> DType:
        """The dtype of the real part; the dtype itself unless complex."""
        return {"complex64": float32, "complex128": float64}.get(self.base_dtype.name, self)

    @property
    def is_floating(self) -> bool:
        """True for float16, float32 and float64."""
        return self.np.kind == "f"

    @property
    def is_integer(self) -> bool:
        """True for signed and unsigned integers."""
        return self.np.kind in "iu"

    @property
    def is_unsigned(self) -> bool:
        """True for unsigned integers."""
        return self.np.kind == "u"

    @property
    def is_bool(self) -> bool:
        """True for bool."""
        return self.np.kind == "b"

    @property
    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return self.np.kind == "c"

    @property
    def is_quantized(self) -> bool:
        """False: there are no quantised types here."""
        return False

    @property
    def is_numpy_compatible(self) -> bool:
        """True: every dtype can be held by a NumPy array."""
        return True

    @property
    def size(self) -> int:
        """Bytes of one element; 0 for strings."""
        return 0 if self.np.kind == "O" else self.np.itemsize

    def _limit(self, which: str) -> Any:
        if self.is_floating:
            return getattr(np.finfo(self.np), which)
        if self.is_integer:
            return getattr(np.iinfo(self.np), which)
        word = "minimum" if which == "min" else "maximum"
        raise TypeError(f"{self.name} has no {word} value")

    @property
    def min(self) -> Any:
        """The lowest finite value."""
        return self._limit("min")

    @property
    def max(self) -> Any:
        """The greatest finite value."""
        return self._limit("max")

    @property
    def limits(self) -> tuple[Any, Any]:
        """Range of intensities of an image of this dtype: (0, 1) for floats, else (0, max)."""
        if self.is_bool:
            return False, True
        if self.is_floating:
            return 0, 1
        if self.is_integer:
            return 0, self.max
        raise ValueError(f"{self.name} has no intensity limits")

    def is_compatible_with(self, other: Any) -> bool:
        """True when ``other`` can be used as this dtype: it is the same, or its reference."""
        other = as_dtype(other)
        return other is self or other.base_dtype is self

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None or isinstance(other, DType):
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __hash__(self) -> int:
        return self.as_datatype_enum

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


_BY_NAME: dict[str, DType] = {}
_BY_ENUM: dict[int, DType] = {}
_REF_ENUM_OFFSET = 100  # TensorFlow numbers a reference type 100 above its base


def _make(name: str, numpy_type: Any, enum: int) -> DType:
    base, ref = object.__new__(DType), object.__new__(DType)
    for dtype, suffix, number in ((base, "", enum), (ref, "_ref", enum + _REF_ENUM_OFFSET)):
        dtype.name, dtype.np = name + suffix, np.dtype(numpy_type)
        dtype.base_dtype, dtype.is_ref = base, bool(suffix)
        dtype.as_datatype_enum = number
        _BY_NAME[dtype.name] = _BY_ENUM[number] = dtype
    base._twin, ref._twin = ref, base
    return base


float16 = _make("float16", np.float16, 19)
float32 = _make("float32", np.float32, 1)
float64 = _make("float64", np.float64, 2)
int8 = _make("int8", np.int8, 6)
int16 = _make("int16", np.int16, 5)
int32 = _make("int32", np.int32, 3)
int64 = _make("int64", np.int64, 9)
uint8 = _make("uint8", np.uint8, 4)
uint16 = _make("uint16", np.uint16, 17)
uint32 = _make("uint32", np.uint32, 22)
uint64 = _make("uint64", np.uint64, 23)
bool_ = _make("bool", np.bool_, 10)
string = _make("string", object, 7)
complex64 = _make("complex64", np.complex64, 8)
complex128 = _make("complex128", np.complex128, 18)

half, double = float16, float64

_ALIASES: dict[Any, DType] = {
    "half": float16,
    "float": float32,
    "double": float64,
    "str": string,
    float: float32,
    object: string,
    str: string,
    bytes: string,
    np.str_: string,
    np.bytes_: string,
}
_BY_NUMPY: dict[np.dtype[Any], DType] = {
    dtype.np: dtype for dtype in _BY_NAME.values() if not dtype.is_ref
}


def as_dtype(type_value: Any) -> DType:
    """The DType meant by ``type_value``.

    Args:
        type_value: a DType, its name, TensorFlow's enum number, a NumPy dtype or scalar type, or a
            Python type (``float`` is float32 as in TensorFlow, ``int`` is int64).

    Raises:
        TypeError: nothing of the above.

    >>> as_dtype("float32"), as_dtype(np.int64), as_dtype(float)
    (tf.float32, tf.int64, tf.float32)
    """
    value = type_value
    if isinstance(value, DType):
        return value
    if isinstance(value, np.dtype) and value in _BY_NUMPY:
        return _BY_NUMPY[value]
    try:
        found = _BY_NAME.get(value) or _ALIASES.get(value) or _BY_ENUM.get(value)
    except TypeError:  # unhashable
        found = None
    if found is not None:
        return found
    if value is not None:
        try:
            numpy_dtype = np.dtype(value)
        except TypeError:
            pass
        else:
            if numpy_dtype.kind in "SU":
                return string
            if numpy_dtype.newbyteorder("=") in _BY_NUMPY:
                return _BY_NUMPY[numpy_dtype.newbyteorder("=")]
    hint = did_you_mean(value, _BY_NAME) if isinstance(value, str) else ""
    raise TypeError(f"cannot convert {value!r} to a flowgraph DType{hint}")


# ---------------------------------------------------------------- groups allowed by op signatures

FLOAT = frozenset(("float16", "float32", "float64"))
SIGNED = frozenset(("int8", "int16", "int32", "int64"))
UNSIGNED = frozenset(("uint8", "uint16", "uint32", "uint64"))
INT = SIGNED | UNSIGNED
COMPLEX = frozenset(("complex64", "complex128"))
REAL = FLOAT | INT
NUMERIC = REAL | COMPLEX
INDEX = frozenset(("int32", "int64"))
BOOL = frozenset(("bool",))
STRING = frozenset(("string",))
ALL = NUMERIC | BOOL | STRING

#: Public names: ``tf.float32`` and, as in TensorFlow, ``tf.dtypes.float32``.
PUBLIC: dict[str, Any] = {
    **{name: dtype for name, dtype in _BY_NAME.items() if not dtype.is_ref},
    "half": half,
    "double": double,
    "DType": DType,
    "as_dtype": as_dtype,
}
