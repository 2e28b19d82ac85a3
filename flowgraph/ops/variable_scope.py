"""get_variable and variable_scope: variables that are shared by name.

``get_variable("w", [2])`` inside ``variable_scope("layer")`` makes the variable ``layer/w`` the
first time, and gives the same variable where the scope allows reuse.  A variable scope also opens a
name scope for operations, and the two differ: entering ``layer`` a second time means the same
variables, but operations go under ``layer_1``.

Read next: shared_variables.py (one variable by its full name), variables.py.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

from flowgraph.dtypes import DType, as_dtype, float32
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph, graph_of, name_scope
from flowgraph.graph.export import export
from flowgraph.ops.shared_variables import ReuseMode, dtype_with, get_or_make
from flowgraph.ops.variables import Variable


class _Store(threading.local):
    """The variables that get_variable made in one graph, and the open scope of this thread."""

    def __init__(self) -> None:
        self.scope = VariableScope(False)
        #: How often each scope name was opened; default names are made unique by it.
        self.opened: Counter[str] = Counter()

    def close_subscopes(self, name: str) -> None:
        """Forget the scopes inside ``name``: their default names start anew with the next block."""
        for opened in list(self.opened):
            if not name or opened.startswith(name + "/"):
                del self.opened[opened]


#: The store is a collection of the graph, under a name that no string equals.
_STORE = ("variable scopes",)


def _store(graph: Graph) -> _Store:
    items = graph.get_collection_ref(_STORE)
    if not items:
        items.append(_Store())
    return items[0]


@export("VariableScope")
class VariableScope:
    """What a variable scope says about the variables made in it.

    Attributes:
        name: prefix of the variables' names.   original_name_scope: the name scope of the block
            that made it.
        reuse: True (they must exist), False (they must not), or AUTO_REUSE.
        initializer, regularizer, caching_device, custom_getter, dtype, use_resource, constraint,
            partitioner: defaults for get_variable.
    """

    def __init__(
        self,
        reuse: ReuseMode,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Callable[..., Any] | None = None,
        name_scope: str = "",
        dtype: Any = float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self.name, self.reuse = name, reuse
        self.original_name_scope = name_scope
        self.initializer, self.regularizer = initializer, regularizer
        self.caching_device, self.partitioner = caching_device, partitioner
        self.custom_getter, self.constraint = custom_getter, constraint
        self.use_resource = use_resource
        self.dtype: DType = as_dtype(dtype)

    def _copy(self, **changes: Any) -> VariableScope:
        copy = VariableScope(self.reuse)
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(changes)
        return copy

    def reuse_variables(self) -> None:
        """From now on variables of this scope must exist."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Set the default initializer."""
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        """Set the default regularizer."""
        self.regularizer = regularizer

    def set_dtype(self, dtype: Any) -> None:
        """Set the default dtype."""
        self.dtype = as_dtype(dtype)

    def set_caching_device(self, caching_device: Any) -> None:
        """Set the default caching device."""
        self.caching_device = caching_device

    def set_custom_getter(self, custom_getter: Callable[..., Any] | None) -> None:
        """Set the default custom getter."""
        self.custom_getter = custom_getter

    def set_partitioner(self, partitioner: Callable[..., Any] | None) -> None:
        """Set the default partitioner."""
        self.partitioner = partitioner

    def set_use_resource(self, use_resource: bool | None) -> None:
        """Accepted; every variable has a defined order of effects."""
        self.use_resource = use_resource

    def get_collection(self, name: Any) -> list[Any]:
        """The items of a collection of the default graph that lie in this scope."""
        scope = self.name + "/" if self.name else ""
        return get_default_graph().get_collection(name, scope)

    def global_variables(self) -> list[Variable]:
        """The global variables of this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Variable]:
        """The local variables of this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def trainable_variables(self) -> list[Variable]:
        """The trainable variables of this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def get_variable(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: ReuseMode = None,
        trainable: bool | None = None,
        collections: Iterable[Any] | None = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Callable[..., Any] | None = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Variable:
        """The variable ``name`` of this scope; arguments as ``tf.get_variable``."""
        if not isinstance(name, str):
            raise TypeError(f"get_variable: the name must be a string, got {name!r}")
        given = None if dtype is None else as_dtype(dtype).base_dtype
        initializer = self.initializer if initializer is None else initializer
        arguments = {
            "shape": shape,
            "dtype": dtype_with(initializer, given) or self.dtype,
            "initializer": initializer,
            "regularizer": self.regularizer if regularizer is None else regularizer,
            "reuse": self.reuse if reuse is None else reuse,
            "trainable": trainable,
            "collections": collections,
            "caching_device": self.caching_device if caching_device is None else caching_device,
            "partitioner": self.partitioner if partitioner is None else partitioner,
            "validate_shape": validate_shape,
            "use_resource": use_resource,
            "constraint": self.constraint if constraint is None else constraint,
            "synchronization": synchronization,
            "aggregation": aggregation,
        }
        full_name = f"{self.name}/{name}" if self.name else name
        getter = _wrap_getter(custom_getter, self.custom_getter)
        # Name scopes do not count: the variable's name is the scope's and its own.
        with name_scope(None):
            if getter is not None:
                return getter(get_or_make, full_name, **arguments)
            return get_or_make(full_name, **arguments)


def _wrap_getter(
    inner: Callable[..., Any] | None, outer: Callable[..., Any] | None
) -> Callable[..., Any] | None:
    """The getter that asks ``inner`` first and gives it ``outer`` as the next one."""
    if inner is None or outer is None:
        return inner or outer
    return lambda getter, *args, **kwargs: inner(partial(outer, getter), *args, **kwargs)


# ----------------------------------------------------------------------------- the public functions


@export("get_variable_scope")
def get_variable_scope() -> VariableScope:
    """The variable scope of the innermost block."""
    return _store(get_default_graph()).scope


@export("get_variable")
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    trainable: bool | None = None,
    collections: Iterable[Any] | None = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable[..., Any] | None = None,
    constraint: Any = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Variable:
    """The variable ``name`` of the current variable scope: a shared one, or a new one.

    Args:
        name: without the scope's prefix.
        shape: of a new variable; an existing one must agree with it.
        dtype: default float32, or the initializer's.
        initializer: a function ``f(shape, dtype)``, an initializer object or class, a function
            without arguments, or a value; default Glorot uniform, and zeros for integers and bools.
        regularizer: ``f(variable)``; its result joins ``GraphKeys.REGULARIZATION_LOSSES``.
        trainable, collections, caching_device, validate_shape, constraint: as in ``tf.Variable``.
        custom_getter: ``f(getter, name, **arguments)``, called in place of making the variable.
        partitioner: ``f(shape, dtype)``, pieces per axis; more than one is refused.
        use_resource, synchronization, aggregation: accepted.

    Raises:
        ValueError: the variable exists and the scope does not reuse; or does not exist and the
            scope only reuses; or has another shape or dtype; or a new one has neither shape nor
            initializer; or a partitioner asks for several pieces.

    Source: tf.get_variable (TensorFlow 1.15).
    """
    arguments = dict(locals())
    return get_variable_scope().get_variable(**arguments)


@export("get_local_variable")
def get_local_variable(name: str, *args: Any, **kwargs: Any) -> Variable:
    """``get_variable`` for a local variable: not trained, not saved."""
    kwargs["trainable"] = False
    kwargs["collections"] = [*(kwargs.get("collections") or ()), GraphKeys.LOCAL_VARIABLES]
    return get_variable(name, *args, **kwargs)


@export("no_regularizer")
def no_regularizer(_: Any) -> None:
    """The regularizer that switches off the scope's."""


@export("variable_scope")
class variable_scope(AbstractContextManager[VariableScope]):
    """Prefix the names of ``get_variable`` inside, and open a name scope for operations.

    Args:
        name_or_scope: a name, appended to the current scope's; or a VariableScope to enter again
            exactly; or None.
        default_name: used when ``name_or_scope`` is None; made unique.
        values: tensors that say which graph is meant.
        initializer, regularizer, caching_device, custom_getter, dtype, use_resource, constraint,
            partitioner: defaults for get_variable inside; None inherits.
        reuse: True, tf.AUTO_REUSE; None or False inherit from the surrounding scope.
        auxiliary_name_scope: False opens no name scope.

    Raises:
        TypeError: no name and no default name, or neither a string nor a VariableScope.
        ValueError: reuse=True with a default name only.

    Source: tf.variable_scope (TensorFlow 1.15).
    """

    def __init__(
        self,
        name_or_scope: str | VariableScope | None,
        default_name: str | None = None,
        values: Sequence[Any] | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Callable[..., Any] | None = None,
        reuse: ReuseMode = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if name_or_scope is None and default_name is None:
            raise TypeError("variable_scope needs a name or a default_name")
        if not (name_or_scope is None or isinstance(name_or_scope, (str, VariableScope))):
            raise TypeError(
                f"variable_scope takes a name or a VariableScope, got {name_or_scope!r}"
            )
        if reuse is True and name_or_scope is None:
            raise ValueError("variable_scope: reuse=True needs a name, not only a default_name")
        self._given, self._default_name, self._values = name_or_scope, default_name, values
        self._reuse = reuse or None
        self._name_scope_too = auxiliary_name_scope
        self._custom_getter = custom_getter
        settings = {
            "initializer": initializer,
            "regularizer": regularizer,
            "caching_device": caching_device,
            "partitioner": partitioner,
            "dtype": None if dtype is None else as_dtype(dtype),
            "use_resource": use_resource,
            "constraint": constraint,
        }
        self._changes = {key: value for key, value in settings.items() if value is not None}

    def __enter__(self) -> VariableScope:
        graph = graph_of(self._values or ())
        with ExitStack() as stack:
            stack.enter_context(graph.as_default())
            store = _store(graph)
            outer = store.scope
            given = self._given
            if given is None:
                given = self._unique(store, str(self._default_name))
            last = given.name.split("/")[-1] if isinstance(given, VariableScope) else given
            if self._name_scope_too and last:
                current = stack.enter_context(graph.name_scope(last))
            else:
                current = ""
            scope = self._make(given, outer, current)
            opened = Counter(store.opened)
            store.opened[scope.name] += 1
            store.scope = scope
            stack.callback(self._leave, store, outer, opened)
            self._stack = stack.pop_all()
        return scope

    def _leave(self, store: _Store, outer: VariableScope, opened: Counter[str]) -> None:
        store.close_subscopes(store.scope.name)
        if isinstance(self._given, VariableScope):
            store.opened = opened  # entering again leaves no trace
        store.scope = outer

    def __exit__(self, *exc_info: Any) -> None:
        self._stack.__exit__(*exc_info)

    @staticmethod
    def _unique(store: _Store, name: str) -> str:
        prefix = f"{store.scope.name}/" if store.scope.name else ""
        candidate, number = name, 0
        while store.opened[prefix + candidate]:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def _make(
        self, given: str | VariableScope, outer: VariableScope, name_scope_: str
    ) -> VariableScope:
        if isinstance(given, VariableScope):
            base, name, original = given, given.name, given.original_name_scope
            reuse = self._reuse or given.reuse
        else:
            base, original = outer, name_scope_
            name = f"{outer.name}/{given}" if outer.name else given
            reuse = self._reuse or outer.reuse
        return base._copy(
            name=name,
            reuse=reuse,
            original_name_scope=original,
            custom_getter=_wrap_getter(self._custom_getter, base.custom_getter),
            **self._changes,
        )


@export("variable_op_scope")
def variable_op_scope(
    values: Sequence[Any],
    name_or_scope: str | VariableScope | None,
    default_name: str | None = None,
    **settings: Any,
) -> variable_scope:
    """``variable_scope`` with its arguments in an older order.

    Args:
        values: tensors that say which graph is meant.
        name_or_scope, default_name: as in ``tf.variable_scope``.
        settings: further arguments of ``tf.variable_scope``, by name.
    """
    return variable_scope(name_or_scope, default_name, values, **settings)


@export("op_scope")
def op_scope(
    values: Sequence[Any], name: str | None, default_name: str | None = None
) -> AbstractContextManager[Any]:
    """``name_scope`` with its arguments in an older order.

    Args:
        values: tensors that say which graph is meant.
        name: of the scope, or None for ``default_name``.
        default_name: the name when there is none.
    """
    return name_scope(name, default_name, values)
