"""Layer: variables that are made at the first call, and the operations of every call.

    layer = Dense(10)        nothing is made yet, but for the layer's name
    layer(x)                 its scope ("dense"), build(shape of x), call(x)
    layer(y)                 call(y) again, with the same variables

A concrete layer overrides ``build``, which makes variables with ``add_weight``, and ``call``.
Names are TensorFlow 1.15's: the scope of the first call names the variables (``dense/kernel``), and
operations of later calls go under the same name scope (``dense/MatMul_1``).

Other libraries of layers stand on the same class: they override how names become scopes
(``_open_scope``) and how a variable is made (``_make_variable``).

Read next: core.py (the shortest layers).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flowgraph.dtypes import as_dtype, float32
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph, graph_of, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.layers.input_spec import InputSpec, check_inputs
from flowgraph.ops.initializers import Ones, Zeros
from flowgraph.ops.nest import flatten
from flowgraph.ops.variable_scope import VariableScope, get_variable, variable_scope
from flowgraph.ops.variables import Variable
from flowgraph.tensor_shape import TensorShape, as_dims, as_shape

#: Default initializers.
ZEROS, ONES = Zeros(), Ones()

#: How often each base name was given in one graph, under a name that no string equals.
_NAMES = ("names of layers",)


def snake_case(name: str) -> str:
    """``Conv2DTranspose`` -> ``conv2d_transpose``.

    >>> snake_case("SeparableConv1D"), snake_case("RNNCell")
    ('separable_conv1d', 'rnn_cell')
    """
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    return f"private{words}" if words.startswith("_") else words


def _numbered(base: str) -> str:
    """``base_1``, ``base_2`` and so on, for the layers of one graph."""
    items = get_default_graph().get_collection_ref(_NAMES)
    if not items:
        items.append(Counter())
    items[0][base] += 1
    return f"{base}_{items[0][base]}"


@export("layers.Layer")
class Layer:
    """Base class of the layers.

    Args:
        trainable: whether its variables join ``GraphKeys.TRAINABLE_VARIABLES``.
        name: of its scope; made from the class name, and unique, by default.
        dtype: of its variables; that of the first input by default.
        activity_regularizer: ``f(output)``; its mean over the batch joins the losses.

    Attributes:
        name: the name.   built: whether the variables exist.   input_spec: an InputSpec, or None.
        losses, updates: what ``add_loss`` and ``add_update`` were given.

    A layer of one's own::

        class Scale(tf.layers.Layer):
            def build(self, input_shape):
                self.w = self.add_weight("w", shape=[input_shape[-1]])
                super().build(input_shape)

            def call(self, inputs):
                return inputs * self.w
    """

    def __init__(
        self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        scope, self._reuse = kwargs.pop("_scope", None), kwargs.pop("_reuse", None)
        self._activity_regularizer = kwargs.pop("activity_regularizer", None)
        kwargs.pop("input_shape", None)
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}: unknown argument{'s' * (len(kwargs) > 1)} "
                f"{', '.join(map(repr, kwargs))}"
            )
        base = snake_case(type(self).__name__)
        named = name.name if isinstance(name, VariableScope) else name
        self._base_name: str = named or base
        self._name: str = name if isinstance(name, str) and name else _numbered(base)
        self._scope: VariableScope | None = None
        if scope:
            with variable_scope(scope) as opened:
                self._scope = opened
        self._dtype = None if dtype is None else as_dtype(dtype).base_dtype
        self.trainable, self.built = trainable, False
        self.input_spec: InputSpec | list[InputSpec] | None = None
        self._weights: list[Variable] = []
        self._trained: set[Variable] = set()
        self._losses: list[tuple[Tensor, list[Tensor]]] = []
        self._updates: list[tuple[Any, list[Tensor]]] = []
        self._graph: Graph | None = None

    # ------------------------------------------------------------------------------- to override

    def build(self, input_shape: Any) -> None:
        """Make the variables, for inputs of ``input_shape``."""
        self.built = True

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        """Make the operations of one call and return the output."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The static shape of the output for inputs of ``input_shape``."""
        raise NotImplementedError(f"{type(self).__name__} does not say the shape of its output")

    # ----------------------------------------------------------------------------------- calling

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The output for ``inputs``; the first call makes the variables.

        Args:
            inputs: a tensor, or a list of tensors.
            args, kwargs: given to ``call``; ``scope`` names the scope of the first call.
        """
        scope = kwargs.pop("scope", None)
        inputs = self._as_tensors(inputs)
        tensors = [x for x in flatten(inputs) if isinstance(x, Tensor)]
        self._graph = graph_of(tensors)
        with self._graph.as_default(), self._open_scope(scope):
            if not self.built:
                check_inputs(self._name, self.input_spec, inputs)
                if self._dtype is None:
                    self._dtype = tensors[0].dtype.base_dtype if tensors else float32
                self.build(self._shapes_of(inputs))
                self.built = True
            check_inputs(self._name, self.input_spec, inputs)
            if self._graph.executes:  # those of the last call are done
                self._updates.clear()
                self._losses = [(loss, of) for loss, of in self._losses if not of]
            outputs = self.call(inputs, *args, **kwargs)
            if self._activity_regularizer is not None:
                self._regularize_activity(outputs, tensors)
            return outputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Same as calling the layer."""
        return self(inputs, *args, **kwargs)

    @staticmethod
    def _as_tensors(inputs: Any) -> Any:
        if isinstance(inputs, (list, tuple)) and any(
            isinstance(x, (Tensor, Variable)) for x in inputs
        ):
            return type(inputs)(convert_to_tensor(x) for x in inputs)
        if isinstance(inputs, dict):
            return {key: convert_to_tensor(x) for key, x in inputs.items()}
        return convert_to_tensor(inputs, name="inputs")

    @staticmethod
    def _shapes_of(inputs: Any) -> Any:
        if isinstance(inputs, (list, tuple)):
            return [x.shape for x in inputs]
        if isinstance(inputs, dict):
            return {key: x.shape for key, x in inputs.items()}
        return inputs.shape

    @contextmanager
    def _open_scope(self, scope: Any) -> Iterator[None]:
        """The variable scope and the name scope of one call."""
        with self._open_variable_scope(scope) as current, name_scope(current.original_name_scope):
            yield

    def _open_variable_scope(self, scope: Any = None) -> variable_scope:
        if self._scope is None:
            # With reuse, or a scope that was asked for, the name is taken as it is.
            given = self._base_name if self._reuse and scope is None else scope
            with variable_scope(given, default_name=self._base_name) as opened:
                self._scope = opened
        reuse = self.built or self._reuse
        return variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False)

    def _regularize_activity(self, outputs: Any, inputs: list[Tensor]) -> None:
        for y in outputs if isinstance(outputs, (list, tuple)) else [outputs]:
            with name_scope("ActivityRegularizer"):
                loss = self._activity_regularizer(y)
                if loss is not None:
                    count = call.Cast(call.Shape(y)[0], DstT=loss.dtype.base_dtype)
                    self.add_loss(loss / count, inputs)

    # ---------------------------------------------------------------------- variables and losses

    def add_weight(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Callable[[Any], Any] | None = None,
        trainable: bool | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        partitioner: Any = None,
    ) -> Variable:
        """A variable of this layer, ``<scope>/<name>``; for ``build``.

        Args:
            name: without the scope.
            shape: of the variable; a scalar by default.
            dtype: the layer's by default.
            initializer: as in tf.get_variable.
            regularizer: ``f(variable)``; its result joins the losses.
            trainable: whether it is trained, when the layer is.
            constraint, synchronization, aggregation, partitioner, use_resource: as in
                tf.get_variable.
        """
        wanted = (self._dtype or float32) if dtype is None else as_dtype(dtype).base_dtype
        trained = self.trainable and (trainable is None or bool(trainable))
        collected = get_default_graph().get_collection_ref(GraphKeys.REGULARIZATION_LOSSES)
        before = len(collected)
        variable = self._make_variable(
            name,
            shape=() if shape is None else shape,
            dtype=wanted,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trained,
            constraint=constraint,
            use_resource=use_resource,
            synchronization=synchronization,
            aggregation=aggregation,
            partitioner=partitioner,
        )
        self._losses += [(loss, []) for loss in collected[before:]]
        self._weights.append(variable)
        if trainable is None or trainable:
            self._trained.add(variable)
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> Variable:
        """The old name of ``add_weight``."""
        return self.add_weight(*args, **kwargs)

    def _make_variable(self, name: str, **arguments: Any) -> Variable:
        with self._open_variable_scope():
            return get_variable(name, **arguments)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add to the layer's losses, and to ``GraphKeys.REGULARIZATION_LOSSES``.

        Args:
            losses: a scalar tensor or a list of them.
            inputs: what they depend on; None when on nothing but the variables.
        """
        new = losses if isinstance(losses, (list, tuple)) else [losses]
        self._losses += [(loss, _listed(inputs)) for loss in new]
        if not get_default_graph().executes:
            get_default_graph().get_collection_ref(GraphKeys.REGULARIZATION_LOSSES).extend(new)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add to the layer's updates, and to ``GraphKeys.UPDATE_OPS`` if it is trained.

        Args:
            updates: an operation or a list of them, to be run with every training step.
            inputs: what they depend on; None when on nothing but the variables.
        """
        new = updates if isinstance(updates, (list, tuple)) else [updates]
        new = [getattr(update, "op", update) for update in new]
        self._updates += [(update, _listed(inputs)) for update in new]
        if self.trainable and not get_default_graph().executes:
            get_default_graph().get_collection_ref(GraphKeys.UPDATE_OPS).extend(new)

    @property
    def losses(self) -> list[Tensor]:
        """The regularization losses of the layer."""
        return [loss for loss, _ in self._losses]

    @property
    def updates(self) -> list[Any]:
        """The operations to be run with every training step."""
        return [update for update, _ in self._updates] if self.trainable else []

    def get_losses_for(self, inputs: Any) -> list[Tensor]:
        """The losses that depend on ``inputs``; None: on no input."""
        return _those_for(self._losses, inputs)

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that depend on ``inputs``; None: on no input."""
        return _those_for(self._updates, inputs) if self.trainable else []

    # -------------------------------------------------------------------------------- describing

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    @property
    def scope_name(self) -> str:
        """The variable scope; known from the first call on."""
        if self._scope is None:
            raise ValueError(
                f"layer {self._name!r} was not called yet: its scope is not known; call it first"
            )
        return self._scope.name

    @property
    def graph(self) -> Graph | None:
        """The graph of the last call."""
        return self._graph

    @property
    def dtype(self) -> str | None:
        """The name of the dtype of the variables; None when no call has decided it."""
        return None if self._dtype is None else self._dtype.name

    @property
    def activity_regularizer(self) -> Any:
        """The function of the output whose result joins the losses, or None."""
        return self._activity_regularizer

    @property
    def weights(self) -> list[Variable]:
        """The variables, those that are trained first."""
        return [*self.trainable_weights, *self.non_trainable_weights]

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that are trained; none when ``trainable`` is False."""
        return [v for v in self._weights if self.trainable and v in self._trained]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that are not trained."""
        return [v for v in self._weights if not (self.trainable and v in self._trained)]

    non_trainable_variables = non_trainable_weights

    def count_params(self) -> int:
        """How many numbers the variables hold.

        Raises:
            ValueError: no call has made them yet.
        """
        if not self.built:
            raise ValueError(f"layer {self._name!r} has no variables yet: call it first")
        return sum(int(v.shape.num_elements() or 0) for v in self._weights)

    def __deepcopy__(self, memo: Any) -> Layer:
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(self.__dict__)
        return copy


def _listed(inputs: Any) -> list[Any]:
    return [] if inputs is None else list(flatten(inputs))


def _those_for(found: list[tuple[Any, list[Any]]], inputs: Any) -> list[Any]:
    wanted = _listed(inputs)
    if not wanted:
        return [item for item, of in found if not of]
    return [item for item, of in found if any(x is w for x in of for w in wanted)]


# ------------------------------------------------------------------------------ what layers share


def known_size(layer: str, shape: Any, axis: int) -> int:
    """The size of ``shape`` along ``axis``.

    Raises:
        ValueError: it is not known.
    """
    dims = as_dims(as_shape(shape))
    size = None if dims is None else dims[axis]
    if size is None:
        raise ValueError(
            call_message(
                f"{layer}: the size of the inputs along axis {axis} must be known, their shape is "
                f"{as_shape(shape)}",
                fix="give the placeholder that size, or x.set_shape, or tf.reshape(x, [-1, size])",
            )
        )
    return int(size)


def sizes(layer: str, value: Any, count: int, what: str) -> tuple[int, ...]:
    """``value`` as ``count`` positive integers, one number standing for all of them.

    Raises:
        ValueError: it is something else.
    """
    numbers: Sequence[Any] = [value] * count if not hasattr(value, "__len__") else list(value)
    try:
        found = tuple(int(number) for number in numbers)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or any(number < 1 for number in found):
        raise ValueError(
            f"{layer}: {what} must be {'a number' if count == 1 else f'one number or {count}'} "
            f"(1 at least), got {value!r}"
        )
    return found


def one_of(layer: str, value: Any, what: str, *choices: str) -> str:
    """``value`` in lower case; ValueError unless it is one of ``choices``."""
    found = value.lower() if isinstance(value, str) else value
    if found not in choices:
        raise ValueError(
            f"{layer}: {what} must be {' or '.join(map(repr, choices))}, not {value!r}"
        )
    return found
