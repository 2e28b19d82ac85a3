"""The public questions about causes: why a gradient is None."""

from __future__ import annotations

from typing import Any

from flowgraph.graph import cuts
from flowgraph.graph.export import export


@export("why_no_gradient", "debugging.why_no_gradient")
def why_no_gradient(loss: Any, variable: Any) -> cuts.Diagnosis:
    """Why ``tf.gradients(loss, variable)`` gives None: the path and the operation that cuts it.

    Args:
        loss: a tensor.
        variable: a variable or tensor of the same graph.

    Returns:
        A Diagnosis; printing it shows the path from the loss to the variable with the user's
        lines, the operation at which the gradient ends, the reason, and what to do.  Its
        attributes are ``is_none``, ``reason`` (``"flows"``, ``"cut"``, ``"not connected"``,
        ``"other graph"`` or ``"loss"``), ``cuts`` (the operations) and ``path`` (the tensors).
        Nothing is added to the graph.

    Raises:
        TypeError: an argument cannot be a tensor.

    NB: not in TensorFlow.

    >>> import flowgraph as tf
    >>> w = tf.Variable(1.0, name="w")
    >>> loss = tf.square(tf.stop_gradient(w) - 2.0)
    >>> found = tf.why_no_gradient(loss, w)
    >>> found.reason, found.cuts[0].type
    ('cut', 'StopGradient')
    """
    return cuts.why_no_gradient(loss, variable)
