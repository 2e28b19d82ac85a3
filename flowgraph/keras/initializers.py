"""Initializers: the first values of weights.

Without a seed, one is drawn from NumPy's global generator when the values are made, as Keras does:
``numpy.random.seed(7)`` at the start of a program makes its weights the same in every run.

>>> get("he_normal").get_config()
{'scale': 2.0, 'mode': 'fan_in', 'distribution': 'normal', 'seed': None}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras.backend.settings import floatx
from flowgraph.keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object

#: Standard deviation of the standard normal distribution cut off at -2 and 2.
_STDDEV_OF_TRUNCATED = 0.87962566103423978


def _seed(seed: int | None) -> int:
    """``seed``, or one of NumPy's global generator."""
    return int(np.random.randint(10**7)) if seed is None else seed  # noqa: NPY002  see above


class Initializer:
    """Base class: ``initializer(shape, dtype=None)`` gives a tensor.

    One's own needs ``__call__``, and ``get_config`` when it has arguments.
    """

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        """The first values.

        Args:
            shape: of the weight, all sizes known.
            dtype: of the weight; ``floatx()`` by default.
            partition_info: not used.
        """
        return self._make([int(size) for size in tf.TensorShape(shape)], dtype or floatx())

    def _make(self, shape: list[int], dtype: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what the values are")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """The initializer with these arguments.

        Args:
            config: as ``get_config`` gives it; a ``dtype`` in it is not used.
        """
        return cls(**{name: value for name, value in config.items() if name != "dtype"})


class Zeros(Initializer):
    """All 0."""

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.zeros(shape, dtype)


class Ones(Initializer):
    """All 1."""

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.ones(shape, dtype)


class Constant(Initializer):
    """All ``value``.

    Args:
        value: a number; or as many as there are weights.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.constant(self.value, dtype=dtype, shape=shape)


class RandomNormal(Initializer):
    """Normal.

    Args:
        mean: of the distribution.
        stddev: of the distribution.
        seed: an int, or None.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.random_normal(shape, self.mean, self.stddev, dtype, _seed(self.seed))


class RandomUniform(Initializer):
    """Uniform from ``minval`` to ``maxval``.

    Args:
        minval: lower limit.
        maxval: upper limit.
        seed: an int, or None.
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.random_uniform(shape, self.minval, self.maxval, dtype, _seed(self.seed))


class TruncatedNormal(Initializer):
    """Normal, with values further than two ``stddev`` from the mean drawn again.

    Args:
        mean: of the distribution.
        stddev: of the distribution before cutting off.
        seed: an int, or None.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.truncated_normal(shape, self.mean, self.stddev, dtype, _seed(self.seed))


class VarianceScaling(Initializer):
    """Random numbers of mean 0 and variance ``scale / n``.

    Args:
        scale: positive.
        mode: n is the number of inputs of a unit ("fan_in"), of outputs ("fan_out"), or the mean
            of both ("fan_avg").
        distribution: "normal" (cut off at two standard deviations) or "uniform".
        seed: an int, or None.

    Raises:
        ValueError: an argument is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "normal",
        seed: int | None = None,
    ) -> None:
        mode, distribution = mode.lower(), distribution.lower()
        if scale <= 0:
            raise ValueError(f"VarianceScaling: scale must be positive, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: mode is fan_in, fan_out or fan_avg, got {mode!r}")
        if distribution == "truncated_normal":  # as later releases write it
            distribution = "normal"
        if distribution not in ("normal", "uniform"):
            raise ValueError(
                f"VarianceScaling: distribution is normal or uniform, got {distribution!r}"
            )
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def _make(self, shape: list[int], dtype: Any) -> Any:
        inputs, outputs = _fans(shape)
        n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        seed = _seed(self.seed)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return tf.random_uniform(shape, -limit, limit, dtype, seed)
        stddev = math.sqrt(variance) / _STDDEV_OF_TRUNCATED
        return tf.truncated_normal(shape, 0.0, stddev, dtype, seed)


def _fans(shape: Sequence[int]) -> tuple[float, float]:
    """How many numbers a unit takes and gives: kernels have inputs and outputs as last axes."""
    if len(shape) in (2, 3, 4, 5):
        window = math.prod(shape[:-2])
        return window * shape[-2], window * shape[-1]
    side = math.sqrt(math.prod(shape))
    return side, side


class Orthogonal(Initializer):
    """Orthonormal columns, or rows where there are fewer (Saxe et al. 2014), times ``gain``.

    Args:
        gain: factor.
        seed: an int, or None.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain, self.seed = gain, seed

    def _make(self, shape: list[int], dtype: Any) -> Any:
        return tf.orthogonal_initializer(self.gain, _seed(self.seed))(shape, dtype)


class Identity(Initializer):
    """``gain`` on the diagonal of a matrix, 0 elsewhere.

    Args:
        gain: factor.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def _make(self, shape: list[int], dtype: Any) -> Any:
        if len(shape) != 2:
            raise ValueError(f"Identity: only matrices have a diagonal, not shape {shape}")
        return self.gain * tf.eye(*shape, dtype=tf.as_dtype(dtype))


def _scheme(name: str, scale: float, mode: str, distribution: str, doc: str) -> Callable[..., Any]:
    def make(seed: int | None = None) -> VarianceScaling:
        return VarianceScaling(scale, mode, distribution, seed)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc}\n\n    Args:\n        seed: an int, or None.\n    "
    return make


lecun_uniform = _scheme(
    "lecun_uniform", 1.0, "fan_in", "uniform", "Uniform, variance 1 / inputs (LeCun 1998)."
)
lecun_normal = _scheme(
    "lecun_normal", 1.0, "fan_in", "normal", "Normal, variance 1 / inputs (LeCun 1998)."
)
glorot_uniform = _scheme(
    "glorot_uniform", 1.0, "fan_avg", "uniform",
    "Uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010); the default of layers.",
)  # fmt: skip
glorot_normal = _scheme(
    "glorot_normal", 1.0, "fan_avg", "normal",
    "Normal, variance 2 / (inputs + outputs) (Glorot and Bengio 2010).",
)  # fmt: skip
he_uniform = _scheme(
    "he_uniform", 2.0, "fan_in", "uniform", "Uniform, variance 2 / inputs (He et al. 2015)."
)
he_normal = _scheme(
    "he_normal", 2.0, "fan_in", "normal", "Normal, variance 2 / inputs (He et al. 2015)."
)
# The schemes of text books by the activation behind the weights: Glorot's, times 1 for the
# sigmoid, 4 for tanh and the square root of 2 for ReLU.
sigmoid_uniform = _scheme(
    "sigmoid_uniform", 1.0, "fan_avg", "uniform",
    "For sigmoids: uniform within sqrt(6 / (inputs + outputs)).",
)  # fmt: skip
sigmoid_normal = _scheme(
    "sigmoid_normal", 1.0, "fan_avg", "normal",
    "For sigmoids: normal, deviation sqrt(2 / (inputs + outputs)).",
)  # fmt: skip
tanh_uniform = _scheme(
    "tanh_uniform", 16.0, "fan_avg", "uniform",
    "For tanh: uniform within 4 sqrt(6 / (inputs + outputs)).",
)  # fmt: skip
tanh_normal = _scheme(
    "tanh_normal", 16.0, "fan_avg", "normal",
    "For tanh: normal, deviation 4 sqrt(2 / (inputs + outputs)).",
)  # fmt: skip
relu_uniform = _scheme(
    "relu_uniform", 2.0, "fan_avg", "uniform",
    "For ReLUs: uniform within sqrt(2) sqrt(6 / (inputs + outputs)).",
)  # fmt: skip
relu_normal = _scheme(
    "relu_normal", 2.0, "fan_avg", "normal",
    "For ReLUs: normal, deviation sqrt(2) sqrt(2 / (inputs + outputs)).",
)  # fmt: skip

zero = zeros = Zeros
one = ones = Ones
constant = Constant
uniform = random_uniform = RandomUniform
normal = random_normal = RandomNormal
truncated_normal = TruncatedNormal
identity = Identity
orthogonal = Orthogonal
# Names of later releases.
GlorotUniform, GlorotNormal = glorot_uniform, glorot_normal
HeUniform, HeNormal = he_uniform, he_normal
LecunUniform, LecunNormal = lecun_uniform, lecun_normal


def serialize(initializer: Any) -> Any:
    """The initializer as plain data.

    Args:
        initializer: an initializer.
    """
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer of plain data.

    Args:
        config: as ``serialize`` gives it.
        custom_objects: name -> class, for initializers of one's own.
    """
    return deserialize_keras_object(config, _KNOWN, custom_objects, "initializer")


def get(identifier: Any) -> Callable[..., Any]:
    """The initializer that ``identifier`` means.

    Args:
        identifier: a name, plain data, or a function of shape and dtype.

    Raises:
        ValueError: it is none of these, or no initializer has that name.
    """
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret initializer identifier: {identifier!r}")


_CLASSES = (
    Zeros, Ones, Constant, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling,
    Orthogonal, Identity,
)  # fmt: skip
_SCHEMES = (
    lecun_uniform, lecun_normal, glorot_uniform, glorot_normal, he_uniform, he_normal,
    sigmoid_uniform, sigmoid_normal, tanh_uniform, tanh_normal, relu_uniform, relu_normal,
)  # fmt: skip
#: Every class and scheme under its name and its aliases.
_KNOWN: dict[str, Any] = {
    name: value for name, value in list(vars().items()) if value in _CLASSES or value in _SCHEMES
}
