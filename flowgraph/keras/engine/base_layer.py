"""Layer: what all of Keras's layers, and models, are.

    layer = Dense(10)          its name, "dense_1"; nothing is made
    y = layer(x)               scope "dense_1": build((None, 3)), call(x), a Node
    z = layer(w)               scope "dense_1_1": call(w) with the same weights, another Node

A layer of one's own overrides ``build``, which makes weights with ``add_weight``; ``call``; and
``compute_output_shape`` where the shape of the output cannot be found from the operations, and
``get_config`` when its constructor has arguments.

How it stands to the rest of the library:

- ``tf.layers.Layer`` (flowgraph/layers/base.py) is another class: its layers take their variables
  from variable scopes and note losses and updates in collections of the graph, Keras's do neither.
  They share InputSpec and the check of inputs, the names that class names become, and, by way of
  the operations of ``tf.nn``, the computation.
- Weights are ``tf.Variable`` of the default graph; ``K.get_session`` gives them their first values
  when something is first run.  ``K.clear_session`` begins a new graph: layers of the old one
  keep their tensors but cannot be run any more.
- A layer that acts differently in training asks ``K.in_train_phase``: the learning phase is a
  tensor, False unless it is fed.
- Static shapes are the graph's own.  ``compute_output_shape`` adds what they miss; where the two
  disagree the graph is right.
- The layers in attributes of a layer (and in lists and dicts there) belong to it: their weights,
  losses and updates are the layer's too.
- With eager execution a layer that is called gives values, and no nodes are made.

Read next: node.py, input_layer.py, network.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.graph.site import find_site, format_site
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import initializers
from flowgraph.keras.engine.connections import Connected
from flowgraph.keras.engine.node import Node
from flowgraph.keras.engine.tensors import (
    as_shape_tuple,
    as_tensors,
    collect_masks,
    collect_shapes,
    dependent,
    from_layers,
    is_shape,
    listed,
)
from flowgraph.keras.utils.generic_utils import is_all_none, to_list, unpack_singleton
from flowgraph.layers.base import snake_case
from flowgraph.layers.input_spec import InputSpec, check_inputs

__all__ = ["InputSpec", "Layer", "Node"]

#: Arguments that every layer takes, besides ``name``, ``dtype``, ``trainable`` and ``weights``.
_OF_INPUT = ("input_shape", "batch_input_shape", "batch_size", "input_dim", "input_length")
#: Attributes whose lists hold no layers of the layer.
_NOT_TRACKED = frozenset(
    ["_inbound_nodes", "_outbound_nodes", "_losses", "_updates", "_tracked", "input_spec"]
) | {f"{lead}{kind}_weights" for lead in ("", "_") for kind in ("trainable", "non_trainable")}


#: The library's layers and models by class name, which files name them by.
LAYERS: dict[str, type[Layer]] = {}


class Layer(Connected):
    """Base class of the layers.

    Args:
        name: unique in a model; made from the class name ("dense_1") by default.
        dtype: of the weights, and of the Input that ``input_shape`` makes; ``K.floatx()``.
        trainable: whether the weights are trained.
        input_shape: of one sample, where the layer is the first of a Sequential model.
        batch_input_shape: the same with the batch; ``batch_size`` says only how large that is.
        input_dim, input_length: the same, for layers that take vectors or sequences of them.
        weights: arrays, the first values of the weights instead of the initializers'.

    Attributes:
        name, dtype, trainable: as given.   built: whether the weights exist.
        input_spec: an InputSpec, a list of them, or None: what inputs are checked against.
        supports_masking: whether the mask of the input goes on to the output.
        stateful: whether the updates are run in predictions, too.

    A layer of one's own::

        class Scale(keras.layers.Layer):
            def build(self, input_shape):
                self.w = self.add_weight("w", shape=(input_shape[-1],), initializer="ones")
                super().build(input_shape)

            def call(self, inputs):
                return inputs * self.w

    >>> layer = Layer()
    >>> layer.name, layer.built, layer.count_params()
    ('layer_1', False, 0)
    """

    #: How many axes a sample has that ``input_dim`` (and ``input_length``) describe.
    _axes_of_input_dim = 1

    name: str
    trainable: bool

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("flowgraph.keras."):
            LAYERS.setdefault(cls.__name__, cls)

    def __init__(self, **kwargs: Any) -> None:
        self._init_layer(kwargs.pop("name", None), kwargs.pop("trainable", True))
        dtype = kwargs.pop("dtype", None) or kwargs.pop("input_dtype", None)
        if isinstance(dtype, dict):  # a "policy" of files of later releases
            dtype = dtype.get("config", {}).get("name")
        self.dtype: str = tf.as_dtype(dtype or K.floatx()).name
        self._initial_weights: Any = kwargs.pop("weights", None)
        shape = self._shape_of_input({key: kwargs.pop(key, None) for key in _OF_INPUT})
        if shape is not None:
            self.batch_input_shape = shape
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}: unknown argument{'s' * (len(kwargs) > 1)} "
                f"{', '.join(map(repr, kwargs))}"
            )

    def _init_layer(self, name: str | None, trainable: bool = True) -> None:
        """The attributes of every layer."""
        self._tracked: dict[str, Any] = self.__dict__.get("_tracked", {})
        self.name = name or self._new_name()
        self.trainable, self.built = bool(trainable), False
        self.input_spec: Any = None
        self.supports_masking = self.stateful = False
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._losses: list[tuple[Any, list[Any]]] = []
        self._updates: list[tuple[Any, list[Any]]] = []
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []
        self._made_at = format_site(find_site())

    @classmethod
    def _new_name(cls) -> str:
        base = snake_case(cls.__name__)
        return f"{base}_{K.get_uid(base)}"

    def _shape_of_input(self, given: dict[str, Any]) -> tuple[int | None, ...] | None:
        """The shape of the input with its batch, of the arguments ``_OF_INPUT``."""
        if given["batch_input_shape"] is not None:
            return as_shape_tuple(given["batch_input_shape"])
        sample, axes = given["input_shape"], self._axes_of_input_dim
        if sample is None and given["input_dim"] is not None:
            lengths = axes == 2 or given["input_length"] is not None
            sample = ([given["input_length"]] if lengths else []) + [given["input_dim"]]
        elif sample is None and given["input_length"] is not None:
            sample = [given["input_length"]]
        if sample is None:
            return None
        return (given["batch_size"], *as_shape_tuple(sample))

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Layer, list, tuple, dict)) and name not in _NOT_TRACKED:
            if "_tracked" not in self.__dict__:  # set before Layer.__init__ was called
                object.__setattr__(self, "_tracked", {})
            self._tracked[name] = value
        elif "_tracked" in self.__dict__:
            self._tracked.pop(name, None)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._tracked.pop(name, None)
        object.__delattr__(self, name)

    def _sublayers(self) -> list[Layer]:
        """The layers in the attributes, each once, in the order they were set."""
        return list(dict.fromkeys(layer for v in self._tracked.values() for layer in _layers_in(v)))

    # ------------------------------------------------------------------------------- to override

    def build(self, input_shape: Any) -> None:
        """Make the weights.

        Args:
            input_shape: a tuple with None for unknown sizes; a list of them for several inputs.
        """
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The output for ``inputs``: a tensor or a list of them.

        Args:
            inputs: a tensor, or a list of tensors.
            args, kwargs: what the layer was called with; an argument ``mask`` is given the masks
                of the inputs, ``training`` what the model was called with.
        """
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, a tuple (a list of them for several); by default the input's.

        Args:
            input_shape: as of ``build``.
        """
        return input_shape

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output: ``mask`` where ``supports_masking``, else None.

        Args:
            inputs: a tensor or a list of tensors.
            mask: of the inputs: a tensor or None, or a list of them.

        Raises:
            TypeError: there is a mask, and the layer does not support it.
        """
        if self.supports_masking:
            return mask
        if mask is not None and not is_all_none(mask):
            raise TypeError(
                f"layer {self.name!r} ({type(self).__name__}) does not support masking, but its "
                f"input has the mask {mask!r}; a layer of one's own says supports_masking = True"
            )
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as plain data.

        A layer whose constructor has arguments adds them::

            def get_config(self):
                return {**super().get_config(), "units": self.units}
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if hasattr(self, "batch_input_shape"):
            config["batch_input_shape"] = self.batch_input_shape
        if hasattr(self, "dtype"):
            config["dtype"] = self.dtype
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer with these arguments.

        Args:
            config: as ``get_config`` gives it.
        """
        try:
            return cls(**config)
        except TypeError as error:
            error.add_note(
                f"{cls.__name__} was made from the config {sorted(config)}: a layer whose "
                "constructor has arguments of its own adds them in get_config()"
            )
            raise

    # ----------------------------------------------------------------------------------- calling

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The output for ``inputs``; the first call makes the weights.

        Args:
            inputs: a tensor or a list of tensors.
            args, kwargs: given to ``call``.

        Raises:
            ValueError: an input is not what the layer expects.
        """
        inputs = as_tensors(inputs, self.name)
        tensors = listed(inputs)
        symbolic = [x for x in tensors if not x.graph.executes]
        graph = symbolic[0].graph if symbolic else tf.get_default_graph()
        kwargs.update(zip(self._call_arguments()[1:], args, strict=False))
        with graph.as_default(), K.name_scope(self.name):
            try:
                self._make_weights(inputs)
                check_inputs(self.name, self.input_spec, inputs)
                masks = collect_masks(inputs)
                outputs, out_masks = self._computed(inputs, masks, kwargs)
            except Exception as error:
                shapes = ", ".join(str(K.int_shape(x)) for x in tensors)
                made = f", made at {self._made_at}" if self._made_at else ""
                error.add_note(
                    f"in layer {self.name!r} ({type(self).__name__}{made}), called with inputs of "
                    f"shape {shapes}"
                )
                raise
            if not graph.executes:
                self._add_inbound_node(inputs, outputs, masks, out_masks, kwargs)
        return outputs

    def _make_weights(self, inputs: Any) -> None:
        """Build the layer, unless it is."""
        if self.built:
            return
        check_inputs(self.name, self.input_spec, inputs)
        self.build(unpack_singleton(collect_shapes(inputs)))
        self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def _computed(self, inputs: Any, mask: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """The outputs and their masks, with the regularizer of the activity and shapes noted.

        Models call their layers through this too: it makes no nodes and opens no scopes.

        Args:
            inputs: a tensor or a list of them.
            mask: of each input: a tensor or None, or a list of them.
            kwargs: further arguments of ``call``.
        """
        given = dict(kwargs)
        if not is_all_none(mask) and self._takes("mask") and "mask" not in given:
            given["mask"] = mask
        outputs = self.call(inputs, **given)
        wanted = None if is_all_none(mask) else mask
        out_masks = self.compute_mask(inputs, given.get("mask", wanted))
        # The same tensor as input and output would have two histories.
        known = {id(x) for x in listed(inputs)}
        if any(id(x) in known for x in listed(outputs)):
            fresh = [tf.identity(x) if id(x) in known else x for x in listed(outputs)]
            outputs = fresh if isinstance(outputs, (list, tuple)) else fresh[0]
        self._note_shapes(inputs, outputs)
        masks = to_list(out_masks, allow_tuple=True)
        for x, m in zip(listed(outputs), masks, strict=False):
            if isinstance(x, tf.Tensor):
                x._keras_mask = m
        regularizer = getattr(self, "activity_regularizer", None)
        if regularizer is not None:
            self.add_loss([regularizer(x) for x in listed(outputs)], listed(inputs))
        return outputs, out_masks

    def _note_shapes(self, inputs: Any, outputs: Any) -> None:
        """Add to the outputs' static shapes what ``compute_output_shape`` knows."""
        tensors = listed(outputs)
        batch = next(((K.int_shape(x) or (None,))[:1] for x in listed(inputs)), (None,))
        whole = 1 if batch == (None,) else 0  # from which axis on sizes should be known
        if type(self).compute_output_shape is not Layer.compute_output_shape and any(
            None in (K.int_shape(x) or (None, None))[whole:]
            for x in tensors
            if isinstance(x, tf.Tensor)
        ):
            shapes = self.compute_output_shape(unpack_singleton(collect_shapes(inputs)))
            shapes = [shapes] if is_shape(shapes) else list(shapes)
            for x, shape in zip(tensors, shapes, strict=False):
                wanted = tf.TensorShape(shape)
                if isinstance(x, tf.Tensor) and x.shape.is_compatible_with(wanted):
                    x.set_shape(wanted)
        for x in tensors:
            x._keras_shape = K.int_shape(x)

    def _add_inbound_node(
        self, inputs: Any, outputs: Any, masks: Any, out_masks: Any, arguments: dict[str, Any]
    ) -> None:
        """Note a call: make its Node and say in the outputs where they come from."""
        tensors, results = [*listed(inputs), *from_layers(arguments)], listed(outputs)
        histories = [x._keras_history for x in tensors if hasattr(x, "_keras_history")]
        found = to_list(out_masks, allow_tuple=True)
        Node(
            self,
            [layer for layer, _, _ in histories],
            [node for _, node, _ in histories],
            [index for _, _, index in histories],
            tensors,
            results,
            to_list(masks, allow_tuple=True),
            found if len(found) == len(results) else [None] * len(results),
            [K.int_shape(x) for x in tensors],
            [K.int_shape(x) for x in results],
            arguments,
            inputs,
        )
        for index, x in enumerate(results):
            x._keras_history = (self, len(self._inbound_nodes) - 1, index)

    def _call_arguments(self) -> tuple[str, ...]:
        names = self.__dict__.get("_call_argument_names")
        if names is None:
            names = tuple(inspect.signature(self.call).parameters)
            object.__setattr__(self, "_call_argument_names", names)
        return names

    def _takes(self, argument: str) -> bool:
        """Whether ``call`` has an argument by that name."""
        return argument in self._call_arguments()

    # ----------------------------------------------------------------------------------- weights

    def add_weight(
        self,
        name: Any = None,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Callable[[Any], Any] | None = None,
        trainable: bool = True,
        constraint: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A weight of this layer, for ``build``.

        Args:
            name: in the layer ("kernel"); a shape in its place is an older order of arguments.
            shape: all sizes known; a scalar by default.
            dtype: the layer's by default.
            initializer: a name or an initializer; "glorot_uniform", "zeros" for integers.
            regularizer: ``f(weight)``, added to the losses.
            trainable: whether it is trained, when the layer is.
            constraint: ``f(weight)``, applied after every update.
            kwargs: arguments of later releases that change nothing here.

        Returns:
            A tf.Variable.
        """
        if isinstance(name, (list, tuple, tf.TensorShape)):  # add_weight(shape, name=...)
            name, shape = (shape if isinstance(shape, str) else kwargs.pop("name", None)), name
        sizes = () if shape is None else as_shape_tuple(shape)
        if None in sizes:
            raise ValueError(
                f"layer {self.name!r}: weight {name!r} cannot have the shape {sizes}: a size of "
                "the input is not known that must be; give the layer, or Input, a full input_shape"
            )
        wanted = tf.as_dtype(dtype or self.dtype)
        default = "glorot_uniform" if wanted.is_floating else "zeros"
        make = initializers.get(default if initializer is None else initializer)
        weight = tf.Variable(
            lambda: make(sizes, dtype=wanted.name),
            dtype=wanted,
            name=name or "weight",
            trainable=bool(trainable),
            constraint=constraint,
        )
        (self._trainable_weights if trainable else self._non_trainable_weights).append(weight)
        if regularizer is not None:
            self._regularize(regularizer, weight)
        return weight

    def _regularize(self, regularizer: Callable[[Any], Any], weight: Any) -> None:
        if _is_done_at_once():
            self.add_loss(lambda: regularizer(weight))
        else:
            with K.name_scope("weight_regularizer"):
                self.add_loss(regularizer(weight))

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """Another name of ``add_weight``."""
        return self.add_weight(*args, **kwargs)

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that are trained; none when ``trainable`` is False."""
        if not self.trainable:
            return []
        inner = self._sublayers()
        if not inner:
            return self._trainable_weights  # itself: layers of one's own append to it
        found = [w for layer in inner for w in layer.trainable_weights]
        return list(dict.fromkeys([*self._trainable_weights, *found]))

    @trainable_weights.setter
    def trainable_weights(self, weights: Iterable[Any]) -> None:
        self._trainable_weights = list(weights)

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that are not trained."""
        inner = self._sublayers()
        if self.trainable and not inner:
            return self._non_trainable_weights
        weights = [*self._non_trainable_weights]
        weights += [w for layer in inner for w in layer.non_trainable_weights]
        if not self.trainable:
            trained = [w for layer in inner for w in layer.trainable_weights]
            weights = [*self._trainable_weights, *trained, *weights]
        return list(dict.fromkeys(weights))

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: Iterable[Any]) -> None:
        self._non_trainable_weights = list(weights)

    @property
    def weights(self) -> list[Any]:
        """The variables, those that are trained first."""
        return [*self.trainable_weights, *self.non_trainable_weights]

    @property
    def variables(self) -> list[Any]:
        """The same as ``weights``."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Any]:
        """The same as ``trainable_weights``."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The same as ``non_trainable_weights``."""
        return self.non_trainable_weights

    def get_weights(self) -> list[np.ndarray]:
        """The values of the weights, as arrays."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the weights to arrays.

        Args:
            weights: one for each of ``weights``, in this order.

        Raises:
            ValueError: too many, too few, or one of another shape; nothing is set then.
        """
        self._set_all(self.weights, list(weights))

    def _set_all(self, variables: list[Any], values: list[Any]) -> None:
        if len(variables) != len(values):
            expected = ", ".join(f"{v.op.name} {K.int_shape(v)}" for v in variables[:6])
            more = ", ..." if len(variables) > 6 else ""
            hint = "" if self.built else " (it is not built: call it, or give an input_shape)"
            raise ValueError(
                f"layer {self.name!r} has {len(variables)} weights{hint}, but {len(values)} "
                f"arrays were given; the weights are: {expected or 'none'}{more}"
            )
        for variable, value in zip(variables, values, strict=True):
            if K.int_shape(variable) != np.shape(value):
                raise ValueError(
                    f"layer {self.name!r}: weight {variable.op.name!r} has shape "
                    f"{K.int_shape(variable)}, the array given for it {np.shape(value)}"
                )
        K.batch_set_value(zip(variables, values, strict=True))

    def count_params(self) -> int:
        """How many numbers the weights hold.

        Raises:
            RuntimeError: the layer makes weights, but nothing has told it the shape of its input.
        """
        if not self.built and type(self).build is not Layer.build:
            raise RuntimeError(
                f"layer {self.name!r} has no weights yet: its input shape is not known; call it, "
                "or model.build(input_shape), first"
            )
        return count_params(self.weights)

    # ------------------------------------------------------------------------ losses and updates

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add to the losses of the model.

        Args:
            losses: a tensor, or a list of them; their means are added.
            inputs: tensors that they depend on; None when on nothing but the weights.
        """
        new = losses if isinstance(losses, (list, tuple)) else [losses]
        self._losses += [(x, listed(inputs)) for x in new if x is not None]

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add operations that every training step runs.

        Args:
            updates: an operation, or a (variable, new value) pair, or a list of them.
            inputs: tensors that they depend on; None when on nothing but the weights.
        """
        new = updates if isinstance(updates, list) else [updates]
        for update in new:
            done = tf.assign(*update) if isinstance(update, tuple) else update
            # The graph of Inputs is a function's, too, but training runs what it needs of it.
            if not _is_done_at_once() or hasattr(tf.get_default_graph(), "_keras_phase"):
                self._updates.append((done, listed(inputs)))

    def _all_losses(self) -> list[tuple[Any, list[Any]]]:
        own = [(x() if callable(x) else x, of) for x, of in self._losses]
        return own + [pair for layer in self._sublayers() for pair in layer._all_losses()]

    def _all_updates(self) -> list[tuple[Any, list[Any]]]:
        if not (self.trainable or self.stateful) or tf.executing_eagerly():
            return []
        inner = [pair for layer in self._sublayers() for pair in layer._all_updates()]
        return self._updates + inner

    @property
    def losses(self) -> list[Any]:
        """What ``add_loss`` was given, here and in the layers inside."""
        return list(dict.fromkeys(loss for loss, _ in self._all_losses()))

    @property
    def updates(self) -> list[Any]:
        """What ``add_update`` was given; nothing when neither trainable nor stateful."""
        return list(dict.fromkeys(update for update, _ in self._all_updates()))

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that ``inputs`` (a tensor or a list) lead to; None: those of no input."""
        return dependent(self._all_losses(), inputs)

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that ``inputs`` (a tensor or a list) lead to; None: those of no input."""
        return dependent(self._all_updates(), inputs)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} {self.name!r}>"


def _is_done_at_once() -> bool:
    """Whether operations are executed, or are a function's, which has its own order of effects."""
    graph = tf.get_default_graph()
    return graph.executes or getattr(graph, "building_function", False)


def count_params(weights: Iterable[Any]) -> int:
    """How many numbers the variables hold, each counted once."""
    return sum(K.count_params(w) for w in dict.fromkeys(weights))


def _layers_in(value: Any) -> Iterator[Layer]:
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _layers_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _layers_in(item)
