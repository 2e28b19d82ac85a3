"""Initializers: objects that give a variable's first value for a shape and dtype.

``glorot_uniform_initializer()([784, 10])`` is a tensor of random numbers whose spread suits the
number of inputs and outputs of a layer.  Random ones take a ``seed``; without one, the variable's
name decides the stream.

Read next: variable_scope.py (get_variable calls them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import make_constant, to_array
from flowgraph.graph.export import EXPORTS, export, export_value
from flowgraph.graph.node import Tensor
from flowgraph.shapes import format_dims
from flowgraph.tensor_shape import as_shape

#: Larger constants are made when running, by a Fill, rather than stored in the graph.
_MAX_STORED_ELEMENTS = 1000

#: Standard deviation of a normal distribution cut off at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978


def _random(name: str) -> Callable[..., Tensor]:
    """The public random function; op files reach one another through the export table."""
    return EXPORTS[name]


class Initializer:
    """Base class: ``initializer(shape, dtype=None, partition_info=None)`` gives a tensor."""

    def __init__(self, dtype: Any = float32) -> None:
        self.dtype: DType = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A tensor of ``shape`` (all sizes known) and ``dtype`` (default: the initializer's)."""
        wanted = self.dtype if dtype is None else as_dtype(dtype).base_dtype
        return self._make([int(size) for size in as_shape(shape)], wanted)

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer, as plain values."""
        return {
            name: value.name if isinstance(value, DType) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """The initializer with the arguments that ``get_config`` gave."""
        return cls(**config)


def _filled(shape: list[int], dtype: DType, value: Any, name: str) -> Tensor:
    if math.prod(shape) <= _MAX_STORED_ELEMENTS:
        return make_constant(np.full(shape, value, dtype.np), name)
    return call.Fill(shape, make_constant(np.array(value, dtype.np)), name=name)


@export("zeros_initializer", "initializers.zeros")
class Zeros(Initializer):
    """All zeros (False for bool)."""

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return _filled(shape, dtype, 0, "zeros")


@export("ones_initializer", "initializers.ones")
class Ones(Initializer):
    """All ones (True for bool)."""

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return _filled(shape, dtype, 1, "ones")


@export("constant_initializer", "initializers.constant")
class Constant(Initializer):
    """One given value, or given values in order.

    Args:
        value: a number, or a list or array that is filled in row by row; the last value is repeated
            when there are too few.
        dtype: of the result.
        verify_shape: the value must have the shape of the variable.

    Raises:
        TypeError: the value is no number, list or array; or verify_shape fails (when called).
        ValueError: there are too many values (when called).
    """

    def __init__(self, value: Any = 0, dtype: Any = float32, verify_shape: bool = False) -> None:
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise TypeError(
                f"constant_initializer takes a number, list or array, got {value!r} of type "
                f"{type(value).__name__}"
            )
        super().__init__(dtype)
        self.value, self._verify_shape = value, verify_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer, as plain values."""
        return {"value": self.value, "dtype": self.dtype.name}

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        values = to_array(self.value, dtype)
        if self._verify_shape and list(values.shape) != shape:
            raise TypeError(
                f"constant_initializer: the value has shape {format_dims(values.shape)}, the "
                f"variable {format_dims(tuple(shape))}"
            )
        flat, size = values.reshape(-1), math.prod(shape)
        if size == 0:
            return make_constant(np.zeros(shape, flat.dtype))
        if flat.size > size:
            raise ValueError(
                f"constant_initializer: {flat.size} values for {size} elements of shape "
                f"{format_dims(tuple(shape))}"
            )
        missing = np.repeat(flat[-1:], size - flat.size)
        return make_constant(np.concatenate([flat, missing]).reshape(shape))


@export("random_uniform_initializer", "initializers.random_uniform")
class RandomUniform(Initializer):
    """Uniform in [minval, maxval); ``maxval`` None is 1 for floats."""

    def __init__(
        self, minval: Any = 0.0, maxval: Any = None, seed: int | None = None, dtype: Any = float32
    ) -> None:
        super().__init__(dtype)
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return _random("random_uniform")(shape, self.minval, self.maxval, dtype, seed=self.seed)


@export("random_normal_initializer", "initializers.random_normal")
class RandomNormal(Initializer):
    """Normal with the given mean and standard deviation."""

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(_float_dtype(dtype))
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return _random("random_normal")(shape, self.mean, self.stddev, dtype, seed=self.seed)


@export("truncated_normal_initializer", "initializers.truncated_normal")
class TruncatedNormal(Initializer):
    """Normal, with values further than two ``stddev`` from the mean drawn again.

    NB: ``stddev`` is that of the distribution before cutting off.
    """

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        super().__init__(_float_dtype(dtype))
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return _random("truncated_normal")(shape, self.mean, self.stddev, dtype, seed=self.seed)


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "untruncated_normal")


@export("variance_scaling_initializer", "initializers.variance_scaling")
class VarianceScaling(Initializer):
    """Random numbers whose variance is ``scale / n``.

    Args:
        scale: positive.
        mode: n is the number of inputs (``fan_in``), of outputs (``fan_out``), or their mean
            (``fan_avg``).
        distribution: ``normal`` and ``truncated_normal`` (cut off at two standard deviations, with
            the variance corrected for that), ``untruncated_normal``, or ``uniform`` (within sqrt(3
            * scale / n)).
        seed: of the random stream.   dtype: a float dtype.

    Raises:
        ValueError: an argument is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        if scale <= 0:
            raise ValueError(f"variance_scaling_initializer: scale must be positive, got {scale}")
        if mode not in _MODES:
            raise ValueError(
                f"variance_scaling_initializer: mode must be one of {_MODES}, got {mode!r}"
            )
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(
                f"variance_scaling_initializer: distribution must be one of {_DISTRIBUTIONS}, got "
                f"{distribution!r}"
            )
        super().__init__(_float_dtype(dtype))
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        inputs, outputs = fans(shape)
        count = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _random("random_uniform")(shape, -limit, limit, dtype, seed=self.seed)
        stddev = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return _random("random_normal")(shape, 0.0, stddev, dtype, seed=self.seed)
        return _random("truncated_normal")(
            shape, 0.0, stddev / _TRUNCATED_STDDEV, dtype, seed=self.seed
        )


class _Glorot(VarianceScaling):
    _distribution = ""

    def __init__(self, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(1.0, "fan_avg", self._distribution, seed, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer, as plain values."""
        return {"seed": self.seed, "dtype": self.dtype.name}


@export("glorot_uniform_initializer", "initializers.glorot_uniform")
class GlorotUniform(_Glorot):
    """Uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010); the default."""

    _distribution = "uniform"


@export("glorot_normal_initializer", "initializers.glorot_normal")
class GlorotNormal(_Glorot):
    """Truncated normal of variance 2 / (inputs + outputs) (Glorot and Bengio 2010)."""

    _distribution = "truncated_normal"


@export("uniform_unit_scaling_initializer", "initializers.uniform_unit_scaling")
class UniformUnitScaling(Initializer):
    """Uniform within ``factor * sqrt(3 / inputs)``: keeps the scale of a layer's input."""

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(_float_dtype(dtype))
        self.factor, self.seed = factor, seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        limit = math.sqrt(3.0 / max(1.0, math.prod(shape[:-1]))) * self.factor
        return _random("random_uniform")(shape, -limit, limit, dtype, seed=self.seed)


@export("initializers.identity")
class Identity(Initializer):
    """``gain`` times the identity matrix; for 2-D variables."""

    def __init__(self, gain: float = 1.0, dtype: Any = float32) -> None:
        super().__init__(_float_dtype(dtype))
        self.gain = gain

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        if len(shape) != 2:
            raise ValueError(
                f"initializers.identity makes matrices, not shape {format_dims(tuple(shape))}"
            )
        return make_constant(np.eye(*shape, dtype=dtype.np) * dtype.np.type(self.gain))


@export("orthogonal_initializer", "initializers.orthogonal")
class Orthogonal(Initializer):
    """Orthonormal columns, or rows where there are fewer (Saxe et al. 2014), times ``gain``.

    The last axis has the columns, all others together the rows.

    Args:
        gain: what every element is multiplied with.
        seed: of the stream of normal numbers whose QR factors are taken.
        dtype: of the result.

    Raises:
        ValueError: the shape has fewer than two axes (when called), or ``dtype`` is no float.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(_float_dtype(dtype))
        self.gain, self.seed = gain, seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        if len(shape) < 2:
            raise ValueError(
                f"orthogonal_initializer: a shape of at least two axes, not "
                f"{format_dims(tuple(shape))}"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        sizes = [max(rows, columns), min(rows, columns)]
        numbers = _random("random_normal")(sizes, dtype=dtype, seed=self.seed)
        q, r = call.Qr(numbers)
        # with a positive diagonal of R the factors are unique, and Q is uniformly distributed
        q = q * call.Sign(call.MatrixDiagPart(r))
        if rows < columns:
            q = call.Transpose(q, np.array([1, 0], np.int32))
        return call.Mul(make_constant(np.array(self.gain, dtype.np)), call.Reshape(q, shape))


def _scaled(name: str, scale: float, mode: str, distribution: str, doc: str) -> None:
    def function(seed: int | None = None) -> VarianceScaling:
        return VarianceScaling(scale, mode, distribution, seed)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    export(f"initializers.{name}")(function)


_scaled(
    "he_normal",
    2.0,
    "fan_in",
    "truncated_normal",
    "Truncated normal of variance 2 / inputs (He et al. 2015), of stream ``seed``; for relu.",
)
_scaled(
    "he_uniform",
    2.0,
    "fan_in",
    "uniform",
    "Uniform of variance 2 / inputs (He et al. 2015), of stream ``seed``; for relu.",
)
_scaled(
    "lecun_normal",
    1.0,
    "fan_in",
    "truncated_normal",
    "Truncated normal of variance 1 / inputs (LeCun et al. 1998), of stream ``seed``.",
)
_scaled("lecun_uniform", 1.0, "fan_in", "uniform",
        "Uniform of variance 1 / inputs (LeCun et al. 1998), of stream ``seed``.")  # fmt: skip


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """(inputs, outputs) of one unit for a weight of ``shape``; window sizes stand first in a
    filter.

    >>> fans([3, 3, 4, 8])
    (36.0, 72.0)
    """
    if not shape:
        return 1.0, 1.0
    if len(shape) == 1:
        return float(shape[0]), float(shape[0])
    window = math.prod(shape[:-2])
    return float(shape[-2] * window), float(shape[-1] * window)


def _float_dtype(dtype: Any) -> DType:
    found = as_dtype(dtype)
    if not found.is_floating:
        raise ValueError(f"a random initializer needs a float dtype, got {found.name}")
    return found


zeros_initializer = Zeros
glorot_uniform_initializer = GlorotUniform
export_value(Initializer, "initializers.Initializer")
