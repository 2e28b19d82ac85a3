"""``tf.function``: a Python function, traced into a graph once per signature, and run by its plan.

    @tf.function
    def step(x): ...          step(x)      signature: float32[2, 3]    -> a ConcreteFunction
                              step(x2)     the same signature          -> the same one

Read next: concrete_function.py.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.eager.autograph import converted
from flowgraph.eager.concrete_function import ConcreteFunction
from flowgraph.eager.specs import TensorSpec
from flowgraph.eager.tensor import EagerTensor, Spec
from flowgraph.eager.variables import EagerVariable
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.sparse_tensor import SparseTensor
from flowgraph.graph.stack import graph_as_default
from flowgraph.ops.nest import flatten, is_nested, map_structure, pack_sequence_as
from flowgraph.shapes import is_compatible

_numbers = itertools.count()


class Function:
    """What ``tf.function`` makes of a Python function: call it like that function.

    Args:
        python: the function.
        name: of its graphs.
        input_signature: TensorSpecs of all arguments, or None.
        autograph: whether Python's statements become those of the graph.
    """

    def __init__(
        self,
        python: Callable[..., Any],
        name: str,
        input_signature: Sequence[Any] | None = None,
        autograph: bool = True,
    ) -> None:
        self._python, self._name, self._autograph = python, name, autograph
        self._input_signature = None if input_signature is None else tuple(input_signature)
        if self._input_signature is not None:
            for spec in flatten(list(self._input_signature)):
                if not isinstance(spec, TensorSpec):
                    raise TypeError(
                        "Invalid input_signature; input_signature must be a possibly nested "
                        f"sequence of TensorSpec objects, got {spec!r}."
                    )
        try:
            self._signature: inspect.Signature | None = inspect.signature(python)
        except (TypeError, ValueError):
            self._signature = None
        self._concrete: dict[Any, ConcreteFunction] = {}
        #: The same, for calls with nothing but tensors, by what they are.
        self._by_specs: dict[tuple[Spec, ...], ConcreteFunction] = {}
        self._is_traced = False
        self._bound: weakref.WeakKeyDictionary[Any, Function] = weakref.WeakKeyDictionary()
        functools.update_wrapper(self, python)

    @property
    def python_function(self) -> Callable[..., Any]:
        """The Python function."""
        return self._python

    @property
    def input_signature(self) -> Any:
        """The TensorSpecs given, or None."""
        return self._input_signature

    def __get__(self, instance: Any, owner: Any) -> Function:
        """As a method: each instance has its own traces."""
        if instance is None:
            return self
        try:
            known = self._bound.get(instance)
        except TypeError:
            bound = functools.partial(self._python, instance)
            return Function(bound, self._name, autograph=self._autograph)
        if known is None:
            # NB: not the bound method itself, which would keep the instance alive for ever.
            itself, python, is_converted = weakref.ref(instance), self._python, self._autograph

            def method(*args: Any, **kwargs: Any) -> Any:
                call_ = converted(python) if is_converted else python
                return call_(itself(), *args, **kwargs)

            method.__signature__ = inspect.signature(python.__get__(instance))  # type: ignore[attr-defined]
            known = self._bound[instance] = Function(
                method, self._name, self._input_signature, autograph=False
            )
        return known

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function for these arguments; trace it first when the signature is new."""
        if not get_default_graph().executes:
            return self._traced()(*args, **kwargs)
        if _eagerly[0]:
            return self._python(*args, **kwargs)
        specs = None
        if not kwargs and all(x.__class__ is EagerTensor for x in args):
            specs = tuple([x._spec for x in args])
            known = self._by_specs.get(specs)
            if known is not None:
                return known.run(args)
        args, kwargs = self._canonical(args, kwargs)
        tensors: list[EagerTensor] = []
        args, kwargs = map_structure(functools.partial(_argument, tensors), (args, kwargs))
        concrete = self._find(args, kwargs)
        if specs is not None:
            self._by_specs[specs] = concrete
        return concrete.run(tensors)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The function traced for a signature.

        Args:
            args, kwargs: as for a call; TensorSpecs stand for tensors.  None at all when there is
                an input_signature.
        """
        with graph_as_default(EagerTensor._executing):
            if self._input_signature is not None and not args and not kwargs:
                args = self._input_signature
            args, kwargs = self._canonical(args, kwargs, check=False)
            args, kwargs = map_structure(functools.partial(_argument, []), (args, kwargs))
            return self._find(args, kwargs)

    def _canonical(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], *, check: bool = True
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, each at its one place."""
        if self._signature is not None:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if self._input_signature is not None and check:
            if kwargs or len(args) != len(self._input_signature):
                raise ValueError(
                    f"{self._name}: the arguments do not have the structure of input_signature "
                    f"{self._input_signature}"
                )
            pairs = zip(args, self._input_signature, strict=True)
            args = tuple(_fitting(x, spec, self._name) for x, spec in pairs)
        return args, kwargs

    def _find(self, args: Any, kwargs: Any) -> ConcreteFunction:
        if self._input_signature is not None:
            specs = iter(flatten(list(self._input_signature)))
            args = map_structure(lambda x: next(specs) if isinstance(x, TensorSpec) else x, args)
        key = _key((args, kwargs))
        found = self._concrete.get(key)
        if found is None:
            args, kwargs = self._named(args, kwargs)
            found = self._trace(args, kwargs)
            self._concrete[key] = found
        return found

    def _named(self, args: Any, kwargs: Any) -> Any:
        """The arguments with TensorSpecs named after them."""
        names: list[str] = []
        if self._signature is not None:
            for parameter in self._signature.parameters.values():
                if parameter.kind in (
                    parameter.POSITIONAL_ONLY,
                    parameter.POSITIONAL_OR_KEYWORD,
                ):
                    names.append(parameter.name)
        names += [f"args_{i}" for i in range(len(args) - len(names))]

        def named(name: str, value: Any) -> Any:
            return map_structure(
                lambda x: (
                    TensorSpec(x.shape, x.dtype, x.name or name) if isinstance(x, TensorSpec) else x
                ),
                value,
            )

        return (
            tuple(named(n, x) for n, x in zip(names, args, strict=False)),
            {n: named(n, x) for n, x in kwargs.items()},
        )

    def _trace(self, args: Any, kwargs: Any) -> ConcreteFunction:
        name = f"__inference_{self._name}_{next(_numbers)}"
        concrete, python = ConcreteFunction(name), self._traced()
        concrete.trace(python, args, kwargs, may_make_variables=not self._is_traced)
        if concrete.graph.variables_made:
            # A function may make variables the first time only, so it must not do so again.
            concrete.trace(python, args, kwargs, may_make_variables=False)
        self._is_traced = True
        return concrete

    def _traced(self) -> Callable[..., Any]:
        """The Python function as it is traced."""
        python: Callable[..., Any] = converted(self._python) if self._autograph else self._python
        return python

    def __repr__(self) -> str:
        return f"<flowgraph Function {self._name}>"


def _argument(tensors: list[EagerTensor], x: Any) -> Any:
    """A TensorSpec for what is a tensor or an array (kept in ``tensors``), else x itself."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = convert_to_tensor(x)
    if isinstance(x, EagerTensor):
        tensors.append(x)
        return TensorSpec(x._spec.dims, x._spec.dtype)
    return x


def _fitting(x: Any, spec: Any, name: str) -> Any:
    """``x``, or what is in it, as tensors that fit ``spec``."""
    if is_nested(spec):
        pairs = zip(flatten(x), flatten(spec), strict=True)
        return pack_sequence_as(spec, [_fitting(item, one, name) for item, one in pairs])
    try:
        tensor = convert_to_tensor(x, dtype=spec.dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: Python inputs incompatible with input_signature: {x!r} for {spec!r}"
        ) from error
    if not is_compatible(tensor.dims, spec._dims):
        raise ValueError(
            f"{name}: Python inputs incompatible with input_signature: {tensor!r} for {spec!r}"
        )
    return tensor


def _key(x: Any) -> Any:
    """What two arguments must agree in for one trace to serve both."""
    if is_nested(x):
        if isinstance(x, dict):
            return "dict", tuple((k, _key(x[k])) for k in sorted(x))
        return type(x), tuple(_key(item) for item in x)
    if isinstance(x, TensorSpec):
        return x._dims, x.dtype
    if isinstance(x, (IndexedSlices, SparseTensor, EagerVariable)):
        return id(x), x
    try:
        hash(x)
    except TypeError:
        return _Identity(x)
    return type(x), x


class _Identity:
    """A key for what has no hash: equal for the same object, which it keeps alive."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


#: Whether functions are executed instead of traced.
_eagerly = [False]


@export("config.experimental_run_functions_eagerly", "config.run_functions_eagerly")
def run_functions_eagerly(run_eagerly: bool) -> None:
    """Let functions made by tf.function execute their Python code at every call, or not.

    Args:
        run_eagerly: True to look into them with a debugger; False to trace them again.
    """
    _eagerly[0] = bool(run_eagerly)


@export("function", "contrib.eager.function")
def function(
    func: Callable[..., Any] | None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    experimental_autograph_options: Any = None,
    experimental_relax_shapes: bool = False,
) -> Any:
    """Decorator: a Python function of tensors that runs as one graph.

    Called with eager tensors, the function is traced once per signature (dtypes and shapes of
    tensors, values of everything else) and then run by its compiled plan.  Variables may be made
    in the first call only.  While a graph is built it is an ordinary function.

    Args:
        func: the function; None to use ``tf.function(...)`` with options as decorator.
        input_signature: a TensorSpec per argument: one trace then serves all calls.
        autograph: whether Python's ``if``, ``while``, ``for``, ``and``, ``or``, ``not`` on tensors
            become branches and loops of the graph (tf.autograph), also in functions it calls.
        experimental_autograph_options, experimental_relax_shapes: accepted.

    Returns:
        A callable with the values and gradients of ``func``.

    Raises:
        ValueError: variables are made at a later call, or arguments do not fit input_signature
            (when called).

    Source: tf.function (TensorFlow 1.15).

    >>> @tf.function
    ... def f(x):
    ...     return tf.reduce_sum(x * x)
    >>> with tf.eager_mode():
    ...     x = tf.constant([1.0, 2.0])
    ...     with tf.GradientTape() as tape:
    ...         tape.watch(x)
    ...         y = f(x)
    ...     print(y.numpy(), tape.gradient(y, x).numpy())
    5.0 [2. 4.]
    """

    def decorate(python: Callable[..., Any]) -> Function:
        if not callable(python):
            raise TypeError(f"tf.function takes a function, got {python!r}")
        name = getattr(python, "__name__", python.__class__.__name__).strip("<>")
        return Function(python, name, input_signature, autograph)

    return decorate if func is None else decorate(func)


@export("contrib.eager.defun")
def defun(
    func: Callable[..., Any] | None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = True,
    experimental_autograph_options: Any = None,
) -> Any:
    """The older name of ``tf.function``.

    Args:
        func, input_signature, autograph, experimental_autograph_options: as there.
    """
    return function(func, input_signature, autograph, experimental_autograph_options)


@export("wrap_function")
def wrap_function(fn: Callable[..., Any], signature: Sequence[Any], name: str | None = None) -> Any:
    """``fn`` traced once, for use in eager mode: the way from code for graphs.

    Args:
        fn: a function of tensors; it may make variables.
        signature: a TensorSpec per argument.
        name: of the graph.

    Returns:
        A function of tensors; see ConcreteFunction.

    Source: tf.wrap_function (TensorFlow 1.15).

    >>> with tf.eager_mode():
    ...     double = tf.wrap_function(lambda x: 2 * x, [tf.TensorSpec([], tf.float32)])
    ...     print(double(tf.constant(3.0)).numpy())
    6.0
    """
    label = name or getattr(fn, "__name__", "wrapped").strip("<>")
    concrete = ConcreteFunction(label)
    with graph_as_default(EagerTensor._executing):
        concrete.trace(fn, tuple(signature), {}, may_make_variables=True)
    return concrete
