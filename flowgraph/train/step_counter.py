"""The global step: the variable that counts training steps, one per graph.

Read next: optimizer.py (``minimize(loss, global_step=...)`` increases it).
"""

from __future__ import annotations

from typing import Any

from flowgraph.dtypes import int64
from flowgraph.graph.core import Graph
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.stack import graph_as_default
from flowgraph.ops.initializers import Zeros
from flowgraph.ops.variable_scope import get_variable
from flowgraph.ops.variables import Variable

_NAME = "global_step"


def _home(graph: Graph | None) -> Graph:
    return get_default_graph() if graph is None else graph


@export("train.get_global_step", "contrib.framework.get_global_step")
def get_global_step(graph: Graph | None = None) -> Any:
    """The global step variable, or None when there is none.

    Args:
        graph: where to look; the default graph.

    Raises:
        TypeError: it is no scalar of an integer dtype.
    """
    home = _home(graph)
    found = home.get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        raise ValueError(f"there are several variables in the collection GLOBAL_STEP: {found}")
    if found:
        step = found[0]
    else:
        named = [
            v for v in home.get_collection(GraphKeys.GLOBAL_VARIABLES) if v.name == _NAME + ":0"
        ]
        if not named:
            return None
        step = named[0]
    assert_global_step(step)
    return step


@export("train.create_global_step", "contrib.framework.create_global_step")
def create_global_step(graph: Graph | None = None) -> Any:
    """A new global step: an int64 variable ``global_step`` of 0 that is not trained.

    Args:
        graph: where to make it; the default graph.

    Raises:
        ValueError: there is one already.

    >>> step = tf.train.create_global_step()
    >>> tf.train.get_global_step() is step
    True
    """
    home = _home(graph)
    if get_global_step(home) is not None:
        raise ValueError('"global_step" already exists.')
    with graph_as_default(home), home.name_scope(None):
        return get_variable(
            _NAME,
            shape=[],
            dtype=int64,
            initializer=Zeros(),
            trainable=False,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )


@export("train.get_or_create_global_step", "contrib.framework.get_or_create_global_step")
def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The global step variable, made when there is none.

    Args:
        graph: where to look; the default graph.
    """
    home = _home(graph)
    step = get_global_step(home)
    return create_global_step(home) if step is None else step


@export("train.assert_global_step", "contrib.framework.assert_global_step")
def assert_global_step(global_step_tensor: Any) -> None:
    """Nothing, when ``global_step_tensor`` can be a global step.

    Args:
        global_step_tensor: a variable or tensor.

    Raises:
        TypeError: it is neither, no integer, or no scalar.
    """
    if not isinstance(global_step_tensor, (Variable, Tensor)):
        raise TypeError(f"'global_step' is no variable or tensor: {global_step_tensor!r}")
    if not global_step_tensor.dtype.base_dtype.is_integer:
        raise TypeError(
            f"Existing 'global_step' does not have integer type: {global_step_tensor.dtype.name}"
        )
    rank = global_step_tensor.shape.ndims
    if rank not in (0, None):
        raise TypeError(f"Existing 'global_step' is not scalar: {global_step_tensor.shape}")


@export("train.global_step")
def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The number of steps made so far, in a session.

    Args:
        sess: a Session.   global_step_tensor: the variable, or its name.
    """
    if get_default_graph().executes:
        return int(global_step_tensor.numpy())
    return int(sess.run(global_step_tensor))
