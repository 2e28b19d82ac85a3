"""make_template: a function whose variables are made by its first call and shared by the next.

Read next: variable_scope.py, which does the sharing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.ops.variable_scope import VariableScope, variable_scope
from flowgraph.ops.variables import Variable


class Template:
    """A function bound to a variable scope of its own; see ``make_template``.

    Attributes:
        name: of the scope that was asked for.   func: the function.
    """

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        create_scope_now: bool,
        unique_name: str | None,
        custom_getter: Callable[..., Any] | None,
    ) -> None:
        self.name, self.func = name, func
        self._unique_name, self._custom_getter = unique_name, custom_getter
        self._scope: VariableScope | None = None
        self._called = False
        if create_scope_now:
            with self._new_scope() as scope:
                self._scope = scope

    def _new_scope(self) -> variable_scope:
        if self._unique_name is not None:
            return variable_scope(self._unique_name, custom_getter=self._custom_getter)
        return variable_scope(None, self.name, custom_getter=self._custom_getter)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function inside the scope.

        Raises:
            ValueError: a later call makes a variable that the first did not.
        """
        if self._scope is None:
            with self._new_scope() as scope:
                self._scope = scope
                return self._first(args, kwargs)
        if not self._called:
            with variable_scope(self._scope):
                return self._first(args, kwargs)
        before = len(get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES))
        with variable_scope(self._scope, reuse=True):
            result = self.func(*args, **kwargs)
        made = get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES)[before:]
        if made:
            names = ", ".join(repr(v.name) for v in made)
            raise ValueError(
                f"template {self.name!r} made the trainable variables {names} in a later call; the "
                "first call makes them all: use tf.get_variable, which shares, not tf.Variable"
            )
        return result

    def _first(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        result = self.func(*args, **kwargs)
        self._called = True
        return result

    @property
    def variable_scope(self) -> VariableScope | None:
        """The scope of the variables; None before the first call."""
        return self._scope

    @property
    def var_scope(self) -> VariableScope | None:
        """Same as ``variable_scope``."""
        return self._scope

    @property
    def variable_scope_name(self) -> str | None:
        """``"name/"``; None before the first call."""
        if self._scope is None:
            return None
        name = self._scope.name
        return name if not name or name.endswith("/") else name + "/"

    def _of(self, *collections: str) -> list[Variable]:
        if self._scope is None:
            return []
        return [v for key in collections for v in self._scope.get_collection(key)]

    @property
    def global_variables(self) -> list[Variable]:
        """The global variables made in the scope."""
        return self._of(GraphKeys.GLOBAL_VARIABLES)

    @property
    def local_variables(self) -> list[Variable]:
        """The local variables made in the scope."""
        return self._of(GraphKeys.LOCAL_VARIABLES)

    @property
    def variables(self) -> list[Variable]:
        """The global and local variables made in the scope."""
        return self._of(GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES)

    @property
    def weights(self) -> list[Variable]:
        """Same as ``variables``."""
        return self.variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """The trainable variables made in the scope."""
        return self._of(GraphKeys.TRAINABLE_VARIABLES)

    @property
    def trainable_weights(self) -> list[Variable]:
        """Same as ``trainable_variables``."""
        return self.trainable_variables

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Those variables of the scope that are not trained."""
        trained = set(map(id, self.trainable_variables))
        return [v for v in self.variables if id(v) not in trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Same as ``non_trainable_variables``."""
        return self.non_trainable_variables


@export("make_template")
def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Callable[..., Any] | None = None,
    **kwargs: Any,
) -> Template:
    """A function that makes its variables when first called and shares them afterwards.

    Args:
        name_: of the variable scope; made unique.
        func_: the function; it makes its variables with ``tf.get_variable``.
        create_scope_now_: True opens the scope here, else where it is first called.
        unique_name_: the scope's exact name, in place of a unique one made from ``name_``.
        custom_getter_: custom getter of the scope.
        kwargs: arguments bound to ``func_``.

    Raises:
        ValueError: ``unique_name_`` together with ``create_scope_now_=False`` in a scope of that
            name that does not reuse (at the first call).

    Source: tf.make_template (TensorFlow 1.15).

    >>> import flowgraph as tf
    >>> with tf.Graph().as_default():
    ...     scale = tf.make_template("scale", lambda x: x * tf.get_variable("w", [2]))
    ...     a, b = scale([1.0, 2.0]), scale([3.0, 4.0])
    ...     [v.name for v in tf.global_variables()]
    ['scale/w:0']
    """
    func = partial(func_, **kwargs) if kwargs else func_
    return Template(name_, func, create_scope_now_, unique_name_, custom_getter_)
