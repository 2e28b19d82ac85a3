"""The session that Keras runs in, the learning phase, functions, branches and gradients.

There is one session per graph; it initializes variables when it is first asked for after they were
made.  The learning phase is 1 (true) in training and 0 else: a tensor that may be fed, False by
default, unless ``set_learning_phase`` has fixed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import flowgraph as tf

__all__ = [
    "Function",
    "clear_session",
    "control_dependencies",
    "function",
    "get_session",
    "get_uid",
    "gradients",
    "in_test_phase",
    "in_train_phase",
    "learning_phase",
    "manual_variable_initialization",
    "name_scope",
    "reset_uids",
    "set_learning_phase",
    "set_session",
    "stop_gradient",
    "switch",
]

name_scope = tf.name_scope
control_dependencies = tf.control_dependencies

#: "session": that of ``set_session``; "manual": see below.
_STATE: dict[str, Any] = {"session": None, "manual": False}
#: Names of what is kept with a graph; no string equals them.
_PHASE, _UIDS, _SESSION = ("keras learning phase",), ("keras uids",), ("keras session",)


def get_session() -> Any:
    """The session: the default one, that of ``set_session``, or Keras's own of this graph."""
    session = find_session()
    if not _STATE["manual"]:
        _initialize(session)
    return session


def find_session() -> Any:
    """What ``get_session`` gives, without giving variables their first values."""
    session = tf.get_default_session()
    if session is None:
        session = _STATE["session"]
    if session is None:
        graph = tf.get_default_graph()
        kept = graph.get_collection_ref(_SESSION)
        if not kept or kept[0]._closed:
            kept[:] = [tf.Session(graph=graph)]
        session = kept[0]
    return session


def _initialize(session: Any) -> None:
    """Initialize the variables that no one has."""
    state = vars(session)
    variables = session.graph.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
    if state.get("_keras_count") == len(variables):
        return
    done = state.setdefault("_keras_initialized", set())
    with session.graph.as_default():
        new = [v for v in variables if id(v) not in done]
        if new:
            if hasattr(session, "_set_variables"):
                known = [v.op.name in session._state.initialized for v in new]
            else:  # around one, as a debugger's
                known = session.run([tf.is_variable_initialized(v) for v in new])
            session.run([v.initializer for v, is_set in zip(new, known, strict=True) if not is_set])
            done.update(map(id, new))
    state["_keras_count"] = len(variables)


def set_session(session: Any) -> None:
    """Let Keras run in ``session``."""
    _STATE["session"] = session


def clear_session() -> None:
    """Forget the graph, the session and the learning phase; a new default graph begins."""
    tf.reset_default_graph()
    _STATE["session"] = None


def manual_variable_initialization(value: bool) -> None:
    """Whether the user initializes variables, and ``get_session`` does not."""
    _STATE["manual"] = bool(value)


def get_uid(prefix: str = "") -> int:
    """1, 2, ... for every prefix, in the default graph."""
    kept = tf.get_default_graph().get_collection_ref(_UIDS)
    if not kept:
        kept.append(Counter())
    kept[0][prefix] += 1
    return kept[0][prefix]


def reset_uids() -> None:
    """Let ``get_uid`` start again."""
    tf.get_default_graph().get_collection_ref(_UIDS).clear()


# ------------------------------------------------------------------------------ learning phase


def learning_phase() -> Any:
    """The learning phase of the default graph: a bool tensor, or 0 or 1 if it was fixed.

    With eager execution it is 0 unless it was fixed: what trains says so (``training=True``).
    """
    graph = tf.get_default_graph()
    kept = graph.get_collection_ref(_PHASE)
    if kept and isinstance(kept[0], int):
        return kept[0]
    if tf.executing_eagerly():
        return 0
    kept = getattr(graph, "_keras_phase", kept)
    if kept and kept[0].graph is not graph:  # of another function that is traced
        kept.clear()
    if not kept:
        with tf.name_scope(None), tf.control_dependencies(None):
            kept.append(tf.placeholder_with_default(False, (), "keras_learning_phase"))
    return kept[0]


def set_learning_phase(value: int) -> None:
    """Fix the learning phase of the default graph, for what is built from now on.

    Args:
        value: 0 or 1.
    """
    if value not in (0, 1):
        raise ValueError(f"the learning phase is 0 or 1, got {value!r}")
    tf.get_default_graph().get_collection_ref(_PHASE)[:] = [int(value)]


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """``x`` in training, else ``alt``.

    Args:
        x, alt: tensors, or functions that give them.
        training: a bool or tensor; the learning phase by default.
    """
    phase = learning_phase() if training is None else training
    if isinstance(phase, (bool, int)):
        chosen = x if phase else alt
        return chosen() if callable(chosen) else chosen
    return switch(phase, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """``alt`` in training, else ``x``; arguments as of ``in_train_phase``."""
    return in_train_phase(alt, x, training)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """``then_expression`` where ``condition``, else ``else_expression``.

    Args:
        condition: a scalar: only what is chosen of two functions is computed; or a tensor whose
            axes are the first ones of the expressions, which chooses element by element.
        then_expression, else_expression: tensors, or functions that give them.

    Raises:
        ValueError: the condition has more axes than the expressions.
    """
    condition = tf.cast(condition, tf.bool)
    branches = [_as_function(then_expression), _as_function(else_expression)]
    if condition.shape.ndims == 0:
        return tf.cond(condition, *branches)
    x, y = (tf.convert_to_tensor(branch()) for branch in branches)
    missing = (x.shape.ndims or 0) - (condition.shape.ndims or 0)
    if missing < 0:
        raise ValueError(
            f"switch: the condition of shape {condition.shape} has more axes than the "
            f"expression of shape {x.shape}"
        )
    if missing:
        tail = tf.concat([tf.shape(condition), [1] * missing], 0)
        condition = tf.logical_and(tf.reshape(condition, tail), tf.ones_like(x, dtype=tf.bool))
    return tf.where(condition, x, y)


def _as_function(x: Any) -> Callable[[], Any]:
    return x if callable(x) else lambda: tf.identity(x)


# ---------------------------------------------------------------------- functions and gradients


class Function:
    """Values of tensors for values of others, and updates of variables; see ``function``."""

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        updates: Sequence[Any] = (),
        name: str | None = None,
        **session_kwargs: Any,
    ) -> None:
        self.inputs, self.outputs, self.name = list(inputs), list(outputs), name
        self.session_kwargs = session_kwargs
        tensors = [x for x in self.outputs if isinstance(x, tf.Tensor)]
        with tf.control_dependencies(tensors):
            self.updates = [tf.assign(*u) if isinstance(u, tuple) else u for u in updates]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for the values ``inputs``, a list."""
        if not isinstance(inputs, (list, tuple)):
            raise TypeError(f"a function is called with a list of values, got {inputs!r}")
        if len(inputs) != len(self.inputs):
            raise ValueError(f"the function has {len(self.inputs)} inputs, got {len(inputs)}")
        fed = dict(zip(self.inputs, inputs, strict=True))
        values, _ = get_session().run([self.outputs, self.updates], fed, **self.session_kwargs)
        return values


def function(
    inputs: Sequence[Any], outputs: Sequence[Any], updates: Any = None, **kwargs: Any
) -> Function:
    """The function from values of ``inputs`` to values of ``outputs``.

    Args:
        inputs: placeholders; or other tensors, which then have the given values.
        outputs: tensors.
        updates: operations, or (variable, new value) pairs, to be run after the outputs.
        kwargs: further arguments of ``Session.run``.
    """
    return Function(inputs, outputs, updates or (), **kwargs)


def gradients(loss: Any, variables: Any) -> list[Any]:
    """The gradients of ``loss`` with respect to ``variables``; None where it does not depend."""
    return tf.gradients(loss, variables)


def stop_gradient(variables: Any) -> Any:
    """The tensor, or every tensor of a list, as a constant for gradients."""
    if isinstance(variables, (list, tuple)):
        return [tf.stop_gradient(x) for x in variables]
    return tf.stop_gradient(variables)
