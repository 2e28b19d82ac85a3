"""Variable: a tensor that keeps its value between runs.

``tf.Variable([1., 2.], name="v")`` makes the operations of TensorFlow 1.15's default variables::

    v/initial_value  Const
    v                VariableV2   its output is a reference, float32_ref
    v/Assign         Assign       v.initializer
    v/read           Identity     what ``v + 1`` uses

Using a variable as a tensor means ``v/read``, a read made when the variable was.  When an operation
that writes the variable was made since, or a control-dependency block is open, a new read is made
instead: a read sees exactly the writes that were made before it and run with it (docs/design.md,
    "Variables and effects").

Read next: variable_scope.py (get_variable), state.py (the op records).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from flowgraph.dtypes import DType, as_dtype
from flowgraph.errors import format_message
from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert, make_constant, register_tensor_conversion_function
from flowgraph.graph.core import Graph
from flowgraph.graph.default import (
    GraphKeys,
    control_dependencies,
    get_collection,
    get_default_graph,
    name_scope,
)
from flowgraph.graph.export import export
from flowgraph.graph.node import (
    OVERLOADABLE_OPERATORS,
    Operation,
    Tensor,
    describe,
    run_in_session,
)
from flowgraph.graph.report import call_message
from flowgraph.graph.site import find_site, format_site
from flowgraph.ops.variable_scattering import Scattering
from flowgraph.shapes import Dims, format_tuple
from flowgraph.tensor_shape import TensorShape, as_dims


def variable_defs() -> Any:
    """The module that knows VariableDefs; few programs need it."""
    from flowgraph.ops import variable_messages

    return variable_messages


class _Creatable(type):
    """Calling the class asks the graph's ``variable_creator_scope`` blocks first."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        creators = get_default_graph()._variable_creators
        if not creators:
            return super().__call__(*args, **kwargs)
        make: Callable[..., Any] = super().__call__
        for creator in creators:
            make = partial(creator, make)
        given = inspect.signature(cls.__init__).bind(None, *args, **kwargs)  # type: ignore[misc]
        given.apply_defaults()
        del given.arguments["self"]
        return make(**given.arguments)


@export("Variable")
class Variable(Scattering, metaclass=_Creatable):
    """A value that lives in a Session, is initialised by an operation and changed by others.

    Args:
        initial_value: a tensor or what converts to one, or a function without arguments that gives
            it.
        trainable: whether optimisers change it by default (True).
        collections: graph collections to join; default ``[GraphKeys.GLOBAL_VARIABLES]``.
        validate_shape: False leaves the shape open, so that other shapes can be assigned.
        caching_device: device of the read.
        name: ``"Variable"`` when None; made unique.
        variable_def, import_scope: accepted.
        synchronization, aggregation: kept.
        dtype: the dtype to convert the initial value to.
        expected_shape: accepted (it is deprecated in TensorFlow).
        constraint: function applied to the variable after an optimiser's update; kept for the
            optimiser.
        use_resource: accepted; every variable has a defined order of effects.
        shape: the static shape, when it is wider than the initial value's.

    Raises:
        ValueError: no initial value; its shape is unknown though ``validate_shape``; collections is
            no list; constraint is not callable.
        TypeError: the initial value does not convert to ``dtype``.

    Gradient: flows to the variable itself: ``tf.gradients(loss, v)`` sums over all its reads.
    Source: tf.Variable (TensorFlow 1.15, use_resource=False).

    >>> v = Variable([1.0, 2.0], name="weights")
    >>> v
    <tf.Variable 'weights:0' shape=(2,) dtype=float32_ref>
    """

    #: Above ndarray's, so that ``array + variable`` becomes ``variable.__radd__(array)``.
    __array_priority__ = 100

    def __new__(cls, *args: Any, **kwargs: Any) -> Variable:
        """A variable of the kind that the default graph has."""
        made = get_default_graph().variable_class
        return super().__new__(made if made is not None and cls is Variable else cls)

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Iterable[Any] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> None:
        if initial_value is None:
            raise ValueError(
                call_message(
                    "Variable: initial_value must be given",
                    name=name or "Variable",
                    fix="give a value or a tensor, e.g. tf.Variable(tf.zeros([3]))",
                )
            )
        if constraint is not None and not callable(constraint):
            raise ValueError(f"Variable: constraint must be callable, got {constraint!r}")
        self._trainable = trainable is None or bool(trainable)
        self._constraint = constraint
        self._caching_device = caching_device
        self._synchronization, self._aggregation = synchronization, aggregation
        wanted = None if dtype is None else as_dtype(dtype).base_dtype
        graph = get_default_graph()
        with control_dependencies(None), graph._outside_of_contexts():
            self._build(initial_value, wanted, name, validate_shape, shape)
        graph = self.graph
        graph.add_to_collections(self._collections(collections), self)

    def _build(
        self, given: Any, dtype: DType | None, name: str | None, validate_shape: bool, shape: Any
    ) -> None:
        """Make the operations."""
        graph = get_default_graph()
        with name_scope(name, "Variable", None if callable(given) else [given]) as scope:
            if callable(given):
                with name_scope("Initializer"):
                    initial = convert(given(), dtype, "initial_value")
            else:
                initial = convert(given, dtype, "initial_value")
            dims = self._static_shape(initial, validate_shape, shape)
            self._variable: Tensor = call.VariableV2(
                shape=dims, dtype=initial.dtype.base_dtype, name=scope
            )
            self._initial_value = initial
            with graph.colocate_with(self._variable):
                self._initializer: Operation = call.Assign(
                    self._variable, initial, validate_shape=validate_shape, name="Assign"
                ).op
                self._snapshot = self._read("read")

    @staticmethod
    def _static_shape(initial: Tensor, validate_shape: bool, shape: Any) -> Dims:
        if shape is not None:
            return as_dims(shape)
        if not validate_shape:
            return None
        if initial.dims is None or None in initial.dims:
            raise ValueError(
                format_message(
                    "Variable: the shape of initial_value must be known",
                    [describe("initial_value", initial)],
                    ("Variable", format_site(find_site())),
                    "give validate_shape=False to allow any shape",
                )
            )
        return initial.dims

    def _collections(self, given: Iterable[Any] | None) -> list[Any]:
        if given is None:
            given = [GraphKeys.GLOBAL_VARIABLES]
        if not isinstance(given, (list, tuple, set, frozenset)):
            raise ValueError(f"Variable: collections must be a list, got {given!r}")
        trainable = [GraphKeys.TRAINABLE_VARIABLES] if self._trainable else []
        return list(dict.fromkeys([*given, *trainable]))

    # ------------------------------------------------------------------------------------ messages

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The names of the variable's operations, as a VariableDef.

        Args:
            export_scope: a name scope; None is returned for variables outside of it, and names are
                relative to it.
        """
        return variable_defs().variable_def(self, export_scope)

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Variable:
        """The variable whose operations are in the default graph.

        Args:
            variable_def: the VariableDef.
            import_scope: the name scope that the graph was imported into.
        """
        return variable_defs().variable_of(get_default_graph(), variable_def, import_scope)

    # ------------------------------------------------------------------------------------ reading

    def _read(self, name: str) -> Tensor:
        """A new read of the variable, in the current scope."""
        with get_default_graph().device(self._caching_device or ""):
            return call.Identity(self._variable, name=name)

    def value(self) -> Tensor:
        """The value as a tensor: what ``v + 1`` uses.

        It sees the writes that were made before this call and run in the same ``Session.run``.
        """
        graph = self.graph
        if graph._has_control_dependencies() or graph._scopes.context is not None:
            return self._read_in_own_scope()  # NB: a loop reads anew in every iteration
        if graph._last_write.get(self.op, -1) > self._snapshot.op._id:
            self._snapshot = self._read_in_own_scope()
        return self._snapshot

    def _read_in_own_scope(self) -> Tensor:
        graph = self.graph
        with graph.as_default(), graph.name_scope(self.op.name + "/"):
            return self._read("read")

    def read_value(self) -> Tensor:
        """A new read, made here: it also waits for the open control-dependency blocks."""
        return self._read("read")

    def initialized_value(self) -> Tensor:
        """The value, to be used in the initial value of another variable.

        When both are initialised in one run, the other one sees this one's initial value.

        NB: TensorFlow would fall back to ``initial_value`` when the variable is not initialised;
        here that is an error of the run.
        """
        return self.value()

    def eval(self, session: Any = None) -> Any:
        """The current value as an array, in ``session`` or else the default session."""
        return run_in_session(self._variable, None, session, self.graph)

    # ------------------------------------------------------------------------------------ writing

    def assign(
        self,
        value: Any,
        use_locking: bool = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """Operation ``v = value``.

        Args:
            value: a tensor of the variable's dtype and shape, or what converts to one.
            use_locking: accepted; updates never race.
            name: of the operation.
            read_value: True returns the updated variable as a (Ref) tensor, False the Operation.
        """
        result = call.Assign(self._variable, value, use_locking=use_locking, name=name)
        return result if read_value else result.op

    def assign_add(
        self,
        delta: Any,
        use_locking: bool = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """Operation ``v += delta``; arguments as ``assign``."""
        result = call.AssignAdd(self._variable, delta, use_locking=use_locking, name=name)
        return result if read_value else result.op

    def assign_sub(
        self,
        delta: Any,
        use_locking: bool = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """Operation ``v -= delta``; arguments as ``assign``."""
        result = call.AssignSub(self._variable, delta, use_locking=use_locking, name=name)
        return result if read_value else result.op

    def load(self, value: Any, session: Any = None) -> None:
        """Set the value at once, without making an operation.

        Raises:
            ValueError: there is neither a session nor a default session, or the shape is wrong.
        """
        run_in_session(self._initializer, {self._initial_value: value}, session, self.graph)

    # ------------------------------------------------------------------------------------
    # describing

    @property
    def initializer(self) -> Operation:
        """The operation that gives the variable its initial value."""
        return self._initializer

    @property
    def initial_value(self) -> Tensor:
        """The initial value as a tensor."""
        return self._initial_value

    @property
    def name(self) -> str:
        """``"v:0"``."""
        return self._variable.name

    @property
    def _shared_name(self) -> str:
        return self._variable.op.name

    @property
    def op(self) -> Operation:
        """The VariableV2 operation."""
        return self._variable.op

    @property
    def graph(self) -> Graph:
        """The Graph that contains the variable."""
        return self._variable.graph

    @property
    def device(self) -> str:
        """The device string of the variable."""
        return self._variable.device

    @property
    def dtype(self) -> DType:
        """The reference dtype, ``float32_ref``."""
        return self._variable.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return self._variable.shape

    def get_shape(self) -> TensorShape:
        """Same as ``shape``."""
        return self._variable.shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known about the shape; see Tensor.set_shape."""
        self._variable.set_shape(shape)
        self._snapshot.set_shape(shape)

    @property
    def trainable(self) -> bool:
        """Whether optimisers change it by default."""
        return self._trainable

    @property
    def constraint(self) -> Callable[[Any], Any] | None:
        """The function to apply after an optimiser's update, or None."""
        return self._constraint

    @property
    def synchronization(self) -> Any:
        """What was given; a VariableSynchronization or None."""
        return self._synchronization

    @property
    def aggregation(self) -> Any:
        """What was given; a VariableAggregation or None."""
        return self._aggregation

    # ------------------------------------------------------------------------------------ protocol

    def _ref(self) -> Tensor:
        return self._variable

    def _as_graph_element(self) -> Tensor:
        return self._variable

    def _as_tensor(self) -> Tensor:
        return self.value()

    def __repr__(self) -> str:
        return (
            f"<tf.Variable {self.name!r} shape={format_tuple(self._variable.dims)} "
            f"dtype={self.dtype.name}>"
        )

    def __iter__(self) -> Any:
        raise TypeError(
            f"the variable {self.name!r} cannot be iterated over: use tf.unstack to split it, or "
            "run it in a Session"
        )


def _convert_variable(
    value: Variable, dtype: DType | None = None, name: str | None = None, as_ref: bool = False
) -> Tensor:
    return value._variable if as_ref else value.value()


register_tensor_conversion_function(Variable, _convert_variable)


def _delegate(operator: str) -> None:
    """Let ``operator`` of a Variable be that of its value."""

    def method(self: Variable, *args: Any) -> Any:
        function = getattr(Tensor, operator, None)
        return NotImplemented if function is None else function(self.value(), *args)

    method.__name__ = operator
    setattr(Variable, operator, method)


for _operator in OVERLOADABLE_OPERATORS:
    _delegate(_operator)


# ----------------------------------------------------------------------------- groups of variables


@export("global_variables", "all_variables")
def global_variables(scope: str | None = None) -> list[Variable]:
    """The variables of the default graph that checkpoints hold.

    Args:
        scope: only those whose name matches this regular expression from its start.
    """
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


@export("local_variables")
def local_variables(scope: str | None = None) -> list[Variable]:
    """The variables that belong to one process only; ``scope`` as in ``global_variables``."""
    return get_collection(GraphKeys.LOCAL_VARIABLES, scope)


@export("trainable_variables")
def trainable_variables(scope: str | None = None) -> list[Variable]:
    """The variables that optimisers change by default; ``scope`` as in ``global_variables``."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


@export("model_variables")
def model_variables(scope: str | None = None) -> list[Variable]:
    """The variables in ``GraphKeys.MODEL_VARIABLES``; ``scope`` as in ``global_variables``."""
    return get_collection(GraphKeys.MODEL_VARIABLES, scope)


@export("moving_average_variables")
def moving_average_variables(scope: str | None = None) -> list[Variable]:
    """The variables that have a moving average; ``scope`` as in ``global_variables``."""
    return get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


@export("variables_initializer", "initializers.variables", "initialize_variables")
def variables_initializer(var_list: Sequence[Variable], name: str = "init") -> Operation:
    """An operation that initialises the variables of ``var_list``."""
    with control_dependencies([variable.initializer for variable in var_list]):
        return call.NoOp(name=name)


@export("global_variables_initializer", "initializers.global_variables", "initialize_all_variables")
def global_variables_initializer() -> Operation:
    """An operation that initialises all global variables made so far."""
    return variables_initializer(global_variables())


@export("local_variables_initializer", "initializers.local_variables", "initialize_local_variables")
def local_variables_initializer() -> Operation:
    """An operation that initialises all local variables made so far."""
    return variables_initializer(local_variables())


@export("is_variable_initialized")
def is_variable_initialized(variable: Variable) -> Tensor:
    """A bool scalar: has the variable a value in the session that runs this?"""
    return call.IsVariableInitialized(variable)


@export("report_uninitialized_variables")
def report_uninitialized_variables(
    var_list: Sequence[Variable] | None = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """A 1-D string tensor: the names of the variables that have no value yet.

    Args:
        var_list: the variables to ask; default: all global and local ones.
        name: the name scope of the operations.
    """
    if var_list is None:
        var_list = global_variables() + local_variables()
    with name_scope(name):
        names = np.array([variable.op.name.encode() for variable in var_list], object)
        all_names = make_constant(names)
        if not var_list:
            return all_names
        known = call.Pack([call.IsVariableInitialized(variable) for variable in var_list])
        missing = call.Where(call.LogicalNot(known))
        return call.GatherV2(all_names, call.Reshape(missing, [-1]), 0)
