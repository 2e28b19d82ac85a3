"""Distribution: what every distribution can do, and how one is written.

    sample_shape | batch_shape | event_shape      the shape of what ``sample`` gives
       how many    parameters     one outcome

A subclass gives ``_sample_n``, ``_log_prob`` (or ``_prob``), ``_mean`` and so on; the public method
of that name opens a name scope, converts its argument and takes what follows from what is there:
prob = exp(log_prob), stddev = sqrt(variance), survival_function = 1 - cdf.

Read next: parameters.py, normal.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype, int32
from flowgraph.graph.apply import apply_op, call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export, export_value
from flowgraph.graph.node import Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.rules import constant_axes, shape_of, size_vector
from flowgraph.shapes import Dims
from flowgraph.tensor_shape import TensorShape


@export("distributions.ReparameterizationType")
class ReparameterizationType:
    """Whether samples are smooth functions of the parameters, so that gradients pass through them.

    Args:
        rep_type: the name that ``repr`` shows.
    """

    def __init__(self, rep_type: str) -> None:
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameterization Type: {self._rep_type}>"


#: Gradients pass through samples.
FULLY_REPARAMETERIZED = ReparameterizationType("FULLY_REPARAMETERIZED")
#: They do not.
NOT_REPARAMETERIZED = ReparameterizationType("NOT_REPARAMETERIZED")

export_value(FULLY_REPARAMETERIZED, "distributions.FULLY_REPARAMETERIZED")
export_value(NOT_REPARAMETERIZED, "distributions.NOT_REPARAMETERIZED")

_METHOD = """{what}

        Args:
            {argument}name: of the scope of its operations.

        Returns:
            A tensor of shape {shape}.

        Raises:
            NotImplementedError: this distribution has none.
        """


@export("distributions.Distribution")
class Distribution:
    """A random variable: the base class of all distributions.

    Args:
        dtype: of samples.
        reparameterization_type: FULLY_REPARAMETERIZED or NOT_REPARAMETERIZED.
        validate_args: whether the run checks parameters and values; else wrong ones give NaN or
            nonsense.
        allow_nan_stats: whether a moment that does not exist is NaN; else it is an error.
        parameters: the arguments of the constructor, for ``copy``.
        graph_parents: tensors that the distribution depends on.
        name: the name scope of everything; the class's name by default.

    Raises:
        ValueError: something in graph_parents is no tensor.
    """

    def __init__(
        self,
        dtype: Any,
        reparameterization_type: ReparameterizationType,
        validate_args: bool,
        allow_nan_stats: bool,
        parameters: Mapping[str, Any] | None = None,
        graph_parents: Sequence[Any] | None = None,
        name: str | None = None,
    ) -> None:
        self._graph_parents = list(graph_parents or ())
        for i, parent in enumerate(self._graph_parents):
            if not isinstance(parent, Tensor):
                raise ValueError(f"Distribution: graph_parents[{i}] is no tensor: {parent!r}")
        if not name or not name.endswith("/"):
            with name_scope(name or type(self).__name__) as scope:
                name = scope
        self._dtype = None if dtype is None else as_dtype(dtype)
        self._reparameterization_type = reparameterization_type
        self._validate_args, self._allow_nan_stats = validate_args, allow_nan_stats
        self._parameters = arguments(parameters or {})
        self._name = name

    # ------------------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        """The name scope of its operations, with a slash at the end."""
        return self._name

    @property
    def dtype(self) -> DType | None:
        """The dtype of samples."""
        return self._dtype

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that it was made with."""
        return dict(self._parameters)

    @property
    def reparameterization_type(self) -> ReparameterizationType:
        """FULLY_REPARAMETERIZED or NOT_REPARAMETERIZED."""
        return self._reparameterization_type

    @property
    def allow_nan_stats(self) -> bool:
        """Whether a moment that does not exist is NaN; else it is an error."""
        return self._allow_nan_stats

    @property
    def validate_args(self) -> bool:
        """Whether the run checks parameters and values."""
        return self._validate_args

    def copy(self, **override_parameters_kwargs: Any) -> Distribution:
        """A distribution of this class with some arguments replaced.

        Args:
            override_parameters_kwargs: arguments of the constructor.
        """
        return type(self)(**{**self._parameters, **override_parameters_kwargs})

    @classmethod
    def param_shapes(
        cls, sample_shape: Any, name: str = "DistributionParamShapes"
    ) -> dict[str, Tensor]:
        """Shapes that the parameters of a distribution with samples of ``sample_shape`` may have.

        Args:
            sample_shape: an integer vector.
            name: of the scope.

        Returns:
            Name of a parameter -> int32 vector.
        """
        with name_scope(name, values=[sample_shape]):
            return cls._param_shapes(sample_shape)

    @classmethod
    def param_static_shapes(cls, sample_shape: Any) -> dict[str, TensorShape]:
        """As param_shapes, of known sizes: name of a parameter -> TensorShape.

        Args:
            sample_shape: a shape, known completely.

        Raises:
            ValueError: it is not known when built.
        """
        if isinstance(sample_shape, Tensor):
            sample_shape = constant_value(sample_shape)
        shape = TensorShape(sample_shape)
        if not shape.is_fully_defined():
            raise ValueError("param_static_shapes: sample_shape must be known")
        names = cls._param_shapes(shape.as_list())
        return dict.fromkeys(names, shape)

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        raise NotImplementedError(f"_param_shapes is not implemented: {cls.__name__}")

    # --------------------------------------------------------------------------------- shapes

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of independent distributions, as far as it is known."""
        return TensorShape(self._batch_shape())

    @property
    def event_shape(self) -> TensorShape:
        """The shape of one outcome, as far as it is known."""
        return TensorShape(self._event_shape())

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of independent distributions, an int32 vector."""
        with self._name_scope(name):
            known = _constant(self.batch_shape)
            return self._batch_shape_tensor() if known is None else known

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Tensor:
        """The shape of one outcome, an int32 vector."""
        with self._name_scope(name):
            known = _constant(self.event_shape)
            return self._event_shape_tensor() if known is None else known

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Tensor:
        """Whether the batch shape is []."""
        with self._name_scope(name):
            return _is_scalar(self.batch_shape, self.batch_shape_tensor)

    def is_scalar_event(self, name: str = "is_scalar_event") -> Tensor:
        """Whether the event shape is []."""
        with self._name_scope(name):
            return _is_scalar(self.event_shape, self.event_shape_tensor)

    # -------------------------------------------------------------------------------- samples

    def sample(
        self, sample_shape: Any = (), seed: int | None = None, name: str = "sample"
    ) -> Tensor:
        """Random outcomes.

        Args:
            sample_shape: how many: a number, or sizes.
            seed: of the operations; see tf.set_random_seed.
            name: of the scope of its operations.

        Returns:
            A tensor of shape ``sample_shape + batch_shape + event_shape``.
        """
        with self._name_scope(name, [sample_shape]):
            sizes = convert_to_tensor(size_vector(sample_shape), dtype=int32, name="sample_shape")
            if sizes.dims == ():
                sizes = call.Reshape(sizes, constant_axes([1]))
            count = call.Prod(sizes, constant_axes([0]))
            known = constant_value(sizes)
            if known is not None:
                count = call.Const(value=np.array(known.prod(), np.int32), dtype=int32)
            samples = self._required("_sample_n", count, seed)
            rest = call.Slice(shape_of(samples), constant_axes([1]), constant_axes([-1]))
            samples = call.Reshape(samples, call.ConcatV2([sizes, rest], 0))
            if known is not None:
                samples.set_shape(
                    TensorShape(known.tolist())
                    .concatenate(self.batch_shape)
                    .concatenate(self.event_shape)
                )
            return samples

    # ------------------------------------------------------------------------------ densities

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        return self._at(value, name, ("_log_prob", None), ("_prob", call.Log))

    def prob(self, value: Any, name: str = "prob") -> Tensor:
        return self._at(value, name, ("_prob", None), ("_log_prob", call.Exp))

    def log_cdf(self, value: Any, name: str = "log_cdf") -> Tensor:
        return self._at(value, name, ("_log_cdf", None), ("_cdf", call.Log))

    def cdf(self, value: Any, name: str = "cdf") -> Tensor:
        return self._at(value, name, ("_cdf", None), ("_log_cdf", call.Exp))

    def log_survival_function(self, value: Any, name: str = "log_survival_function") -> Tensor:
        return self._at(
            value, name, ("_log_survival_function", None), ("_cdf", lambda p: call.Log1p(-p))
        )

    def survival_function(self, value: Any, name: str = "survival_function") -> Tensor:
        return self._at(value, name, ("_survival_function", None), ("_cdf", lambda p: 1 - p))

    def quantile(self, value: Any, name: str = "quantile") -> Tensor:
        return self._at(value, name, ("_quantile", None))

    # -------------------------------------------------------------------------------- moments

    def entropy(self, name: str = "entropy") -> Tensor:
        return self._moment(name, ("_entropy", None))

    def mean(self, name: str = "mean") -> Tensor:
        return self._moment(name, ("_mean", None))

    def variance(self, name: str = "variance") -> Tensor:
        return self._moment(name, ("_variance", None), ("_stddev", call.Square))

    def stddev(self, name: str = "stddev") -> Tensor:
        return self._moment(name, ("_stddev", None), ("_variance", call.Sqrt))

    def covariance(self, name: str = "covariance") -> Tensor:
        return self._moment(name, ("_covariance", None))

    def mode(self, name: str = "mode") -> Tensor:
        return self._moment(name, ("_mode", None))

    def cross_entropy(self, other: Distribution, name: str = "cross_entropy") -> Tensor:
        """-E[log q(X)] with X of this distribution and q the density of ``other``.

        Args:
            other: a distribution of a type that kl_divergence takes beside this one.
            name: of the scope of its operations.

        Raises:
            NotImplementedError: no divergence between the two types is registered.
        """
        with self._name_scope(name):
            return self.entropy() + self.kl_divergence(other)

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Tensor:
        """E[log p(X) - log q(X)] with X of this distribution and q the density of ``other``.

        Args:
            other: a distribution of a type that kl_divergence takes beside this one.
            name: of the scope of its operations.

        Raises:
            NotImplementedError: no divergence between the two types is registered.
        """
        with self._name_scope(name):
            return divergence(self, other, self._allow_nan_stats)

    def __str__(self) -> str:
        shown = f'tf.distributions.{type(self).__name__}("{self.name}"'
        for what, shape in (("batch", self.batch_shape), ("event", self.event_shape)):
            if shape.ndims is not None:
                shown += f", {what}_shape={_shown(shape)}"
        return f"{shown}, dtype={self._dtype_name()})"

    def __repr__(self) -> str:
        return (
            f"<tf.distributions.{type(self).__name__} {self.name!r} "
            f"batch_shape={_shown(self.batch_shape)} event_shape={_shown(self.event_shape)} "
            f"dtype={self._dtype_name()}>"
        )

    # ------------------------------------------------------------------- what subclasses give

    def _batch_shape(self) -> Any:
        return None

    def _event_shape(self) -> Any:
        return None

    def _batch_shape_tensor(self) -> Tensor:
        raise NotImplementedError(f"batch_shape_tensor is not implemented: {type(self).__name__}")

    def _event_shape_tensor(self) -> Tensor:
        raise NotImplementedError(f"event_shape_tensor is not implemented: {type(self).__name__}")

    # --------------------------------------------------------------------------------- helpers

    @contextmanager
    def _name_scope(self, name: str, values: Sequence[Any] = ()) -> Iterator[str]:
        with name_scope(self.name), name_scope(name, values=[*values, *self._graph_parents]) as own:
            yield own

    def _required(self, method: str, *given: Any) -> Any:
        found = getattr(self, method, None)
        if found is None:
            raise NotImplementedError(f"{method[1:]} is not implemented: {type(self).__name__}")
        return found(*given)

    def _first_of(
        self, given: Sequence[Any], ways: Sequence[tuple[str, Callable[[Tensor], Tensor] | None]]
    ) -> Tensor:
        """By the first of ``ways`` (a method, and what to make of its result) that is there."""
        for method, then in ways:
            if hasattr(self, method):
                try:
                    result = getattr(self, method)(*given)
                except NotImplementedError:
                    if (method, then) == ways[-1]:
                        raise
                    continue
                return result if then is None else then(result)
        raise NotImplementedError(f"{ways[0][0][1:]} is not implemented: {type(self).__name__}")

    def _at(self, value: Any, name: str, *ways: Any) -> Tensor:
        with self._name_scope(name, [value]):
            value = convert_to_tensor(value, name="value", preferred_dtype=self._dtype)
            return self._first_of((value,), ways)

    def _moment(self, name: str, *ways: Any) -> Tensor:
        with self._name_scope(name):
            return self._first_of((), ways)

    def _dtype_name(self) -> str:
        return "?" if self._dtype is None else self._dtype.name


_OF_VALUE = "value: outcomes; any shape that broadcasts against batch_shape + event_shape.\n"
_SAMPLES = "of ``value`` broadcast with the batch, without the event"
for _name, _what, _of_value, _shape in (
    ("log_prob", "The logarithm of the density (or of the probability).", True, _SAMPLES),
    ("prob", "The density, or the probability of a discrete outcome.", True, _SAMPLES),
    ("log_cdf", "log P(X <= value).", True, _SAMPLES),
    ("cdf", "P(X <= value).", True, _SAMPLES),
    ("log_survival_function", "log P(X > value).", True, _SAMPLES),
    ("survival_function", "P(X > value).", True, _SAMPLES),
    ("quantile", "The x with P(X <= x) = value.", True, _SAMPLES),
    ("entropy", "-E[log p(X)], in nats.", False, "``batch_shape``"),
    ("mean", "E[X].", False, "``batch_shape + event_shape``"),
    ("variance", "E[(X - E[X])^2].", False, "``batch_shape + event_shape``"),
    ("stddev", "The square root of the variance.", False, "``batch_shape + event_shape``"),
    ("covariance", "E[(X - E[X]) (X - E[X])^T].", False, "``batch_shape + event_shape * 2``"),
    ("mode", "The most probable outcome.", False, "``batch_shape + event_shape``"),
):
    getattr(Distribution, _name).__doc__ = _METHOD.format(
        what=_what, argument=_OF_VALUE + " " * 12 if _of_value else "", shape=_shape
    )


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments among the local variables of a constructor."""
    return {k: v for k, v in given.items() if not k.startswith("__") and k != "self"}


def _constant(static: TensorShape) -> Tensor | None:
    """``static`` as an int32 vector; None unless all of it is known."""
    if not static.is_fully_defined():
        return None
    return constant_axes(static.as_list())  # type: ignore[arg-type]


def _is_scalar(static: TensorShape, tensor: Callable[[], Tensor]) -> Tensor:
    if static.ndims is not None:
        return convert_to_tensor(static.ndims == 0, name="is_scalar")
    return apply_op("Equal", call.Size(tensor()), 0, name="is_scalar")


def _shown(shape: TensorShape) -> str:
    dims: Dims = None if shape.ndims is None else tuple(shape.as_list())
    if dims is None:
        return "<unknown>"
    inside = ", ".join("?" if d is None else str(d) for d in dims)
    return f"({inside},)" if len(dims) == 1 else f"({inside})"


#: (type, type) -> function(a, b, name): who registers it is divergences.py.
DIVERGENCES: dict[tuple[type, type], Callable[..., Tensor]] = {}


def divergence(
    a: Distribution, b: Distribution, allow_nan_stats: bool, name: str | None = None
) -> Tensor:
    """KL(a || b) by the function registered for the nearest base classes."""
    best: tuple[int, Callable[..., Tensor]] | None = None
    for i, one in enumerate(type(a).__mro__):
        for j, other in enumerate(type(b).__mro__):
            found = DIVERGENCES.get((one, other))
            if found is not None and (best is None or i + j < best[0]):
                best = i + j, found
    if best is None:
        raise NotImplementedError(
            f"kl_divergence: no divergence of {type(a).__name__} from {type(b).__name__} is "
            "registered; see tf.distributions.RegisterKL"
        )
    with name_scope("KullbackLeibler"):
        result = best[1](a, b, name=name)
        if allow_nan_stats:
            return result
        problem = convert_to_tensor("kl_divergence: an element of the result is NaN")
        fine = call.All(call.LogicalNot(call.IsNan(result)), list(range(len(result.dims or ()))))
        with name_scope("checked"):
            check = apply_op("Assert", fine, [problem, result])
        return _after(result, [check])


def _after(x: Tensor, operations: Sequence[Any]) -> Tensor:
    with x.graph.control_dependencies(list(operations)):
        return call.Identity(x)
