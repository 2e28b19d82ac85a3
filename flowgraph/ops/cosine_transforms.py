"""Discrete cosine transforms of types I to IV along the last axis, by real Fourier transforms.

Type II is the real part of the spectrum of the sequence followed by zeros, turned by half a step;
type III is its adjoint; type IV of N numbers is every other one of type II of them and N zeros;
type I is the spectrum of the sequence continued as its mirror image.

J. Makhoul, "A fast cosine transform in one and two dimensions" (1980).

Read next: fourier_functions.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowgraph.dtypes import complex64, complex128, float32, float64
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.ops.fourier_functions import irfft, rfft
from flowgraph.ops.rules import number

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


def _checked(function: str, input: Any, type: int, n: Any, axis: int, norm: str | None) -> Tensor:
    """``input`` as a tensor; ValueError for arguments that mean nothing."""
    if axis != -1:
        raise NotImplementedError(f"{function}: axis must be -1, not {axis}")
    if n is not None and n < 1:
        raise ValueError(f"{function}: n must be at least 1, not {n}")
    if type not in _INVERSE:
        raise ValueError(f"{function}: type must be 1, 2, 3 or 4, not {type}")
    if norm not in (None, "ortho"):
        raise ValueError(f"{function}: norm must be None or 'ortho', not {norm!r}")
    x = convert_to_tensor(input, dtype_hint=float32, name="input")
    if x.dtype.base_dtype not in (float32, float64):
        raise TypeError(
            f"{function}: the input must be float32 or float64, not {x.dtype.base_dtype.name}"
        )
    if x.dims is not None and not x.dims:
        raise ValueError(f"{function}: the input must have at least 1 axis")
    if type == 1:
        if norm == "ortho":
            raise ValueError(f"{function}: type 1 has no norm")
        size = n if n is not None else x.dims[-1] if x.dims is not None else None
        if size is not None and size < 2:
            raise ValueError(f"{function}: type 1 needs at least 2 elements")
    return x


def _of_length(x: Tensor, n: int) -> Tensor:
    """Cut or padded with zeros."""
    if x.dims is not None and x.dims[-1] == n:
        return x
    result = x[..., :n]
    short = call.Maximum(n - call.Shape(result)[-1:], np.zeros(1, np.int32))
    before = call.Fill(call.Pack([call.Rank(x) - 1]), np.int32(0))
    after = call.ConcatV2([before, short], 0)
    result = call.Pad(result, call.Pack([call.ZerosLike(after), after], axis=1))
    if x.dims is not None:
        result.set_shape((*x.dims[:-1], n))
    return result


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    """(0, 1, ... N - 1) and N, as float64."""
    size = x.dims[-1] if x.dims is not None else None
    if size is not None:
        places = np.arange(size, dtype=np.float64)
        return convert_to_tensor(places), convert_to_tensor(np.float64(size))
    count = call.Shape(x)[-1]
    return call.Cast(call.Range(0, count, 1), DstT=float64), call.Cast(count, DstT=float64)


def _turns(places: Tensor, count: Tensor, sign: float, like: Tensor) -> Tensor:
    """2 exp(sign i pi k / (2 N))"""
    angle = places * (0.5 * math.pi * sign) / count
    wide = call.Complex(2.0 * call.Cos(angle), 2.0 * call.Sin(angle), Tout=complex128)
    return wide if like.dtype.base_dtype is float64 else call.Cast(wide, DstT=complex64)


def _doubled(x: Tensor) -> Tensor:
    """Twice the number of elements."""
    if x.dims is not None and x.dims[-1] is not None:
        return convert_to_tensor(np.array([2 * x.dims[-1]], np.int32))
    return 2 * call.Shape(x)[-1:]


def _first_and_others(places: Tensor, first: Tensor, others: Tensor, like: Tensor) -> Tensor:
    """A factor for each k: ``first`` for 0."""
    factors = call.SelectV2(call.Equal(places, number(0, places)), first, others)
    return call.Cast(factors, DstT=like.dtype.base_dtype)


def _real(x: Tensor, like: Tensor) -> Tensor:
    return call.Real(x, Tout=like.dtype.base_dtype)


def _one(x: Tensor, norm: str | None) -> Tensor:
    mirrored = call.ReverseV2(x[..., 1:-1], np.array([-1], np.int32))
    return _real(rfft(call.ConcatV2([x, mirrored], -1)), x)


def _two(x: Tensor, norm: str | None) -> Tensor:
    places, count = _places(x)
    spectrum = rfft(x, _doubled(x))
    size = x.dims[-1] if x.dims is not None else None
    spectrum = spectrum[..., : call.Shape(x)[-1] if size is None else size]
    y = _real(spectrum * _turns(places, count, -1.0, x), x)
    if norm == "ortho":
        first = 0.5 * call.Rsqrt(count)
        y = y * _first_and_others(places, first, first * math.sqrt(2.0), x)
    return y


def _three(x: Tensor, norm: str | None) -> Tensor:
    places, count = _places(x)
    if norm == "ortho":
        first = call.Sqrt(count)
        x = x * _first_and_others(places, first, first * math.sqrt(0.5), x)
    else:
        x = x * call.Cast(count, DstT=x.dtype.base_dtype)
    turns = _turns(places, count, 1.0, x)
    spectrum = turns * call.Complex(x, call.ZerosLike(x), Tout=turns.dtype)
    y = irfft(spectrum, _doubled(x))
    size = x.dims[-1] if x.dims is not None else None
    y = y[..., : call.Shape(x)[-1] if size is None else size]
    y.set_shape(x.dims)
    return y


def _four(x: Tensor, norm: str | None) -> Tensor:
    _, count = _places(x)
    y = _two(call.ConcatV2([x, call.ZerosLike(x)], -1), None)[..., 1::2]
    y.set_shape(x.dims)
    if norm == "ortho":
        y = y * call.Cast(math.sqrt(0.5) * call.Rsqrt(count), DstT=x.dtype.base_dtype)
    return y


_TRANSFORMS = {1: _one, 2: _two, 3: _three, 4: _four}


@export("signal.dct", "spectral.dct")
def dct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The discrete cosine transform along the last axis.

    Type 1: y[k] = x[0] + (-1)^k x[N-1] + 2 sum_{0 < n < N-1} x[n] cos(pi n k / (N - 1))
    Type 2: y[k] = 2 sum_n x[n] cos(pi (n + 1/2) k / N)
    Type 3: y[k] = x[0] + 2 sum_{n > 0} x[n] cos(pi n (k + 1/2) / N)
    Type 4: y[k] = 2 sum_n x[n] cos(pi (n + 1/2) (k + 1/2) / N)

    Args:
        input: (..., N) float32 or float64.
        type: 1, 2, 3 or 4.
        n: cut the input to this length, or pad it with zeros.
        axis: -1.
        norm: None, or ``"ortho"``: scaled so that the transform is an orthogonal matrix.
        name: of the operations; ``dct`` by default.

    Returns:
        The shape and dtype of ``input``, but for ``n``.

    Raises:
        ValueError: an argument is none of these, or type 1 of fewer than 2 elements.
        NotImplementedError: another axis.
        TypeError: the input is not float32 or float64.

    Gradient: the adjoint map.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.dct([1.0, 1.0], type=1))
    array([2., 0.], dtype=float32)
    """
    with name_scope(name, "dct", [input]):
        x = _checked("dct", input, type, n, axis, norm)
        if n is not None:
            x = _of_length(x, n)
        return _TRANSFORMS[type](x, norm)


@export("signal.idct", "spectral.idct")
def idct(
    input: Any,
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The inverse of ``dct`` of that type, up to a factor without ``norm``.

    idct(dct(x)) is 2 N x, of type 1 2 (N - 1) x; with ``norm="ortho"`` it is x.

    Args:
        input: (..., N) float32 or float64.
        type: 1, 2, 3 or 4: which transform is undone.
        n: cut the input to this length, or pad it with zeros.
        axis: -1.
        norm: None or ``"ortho"``, as for ``dct``.
        name: of the operations; ``idct`` by default.

    Returns:
        The shape and dtype of ``input``, but for ``n``.

    Raises:
        ValueError: an argument is none of these, or type 1 of fewer than 2 elements.
        NotImplementedError: another axis.
        TypeError: the input is not float32 or float64.

    Gradient: the adjoint map.

    >>> import flowgraph as tf
    >>> tf.Session().run(tf.signal.idct([2.0, 0.0], type=1))
    array([2., 2.], dtype=float32)
    """
    if type not in _INVERSE:
        raise ValueError(f"idct: type must be 1, 2, 3 or 4, not {type}")
    _checked("idct", input, type, n, axis, norm)
    return dct(input, _INVERSE[type], n, axis, norm, name)
