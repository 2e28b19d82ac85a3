"""Training as tf.contrib.slim and tf.contrib.training wrote it, and files beside a program.

Read next: contrib/optimizers.py (optimize_loss), training_loop/monitored_session.py.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flowgraph.graph.export import EXPORTS, export
from flowgraph.saving.reader import load_checkpoint

_UNSET: Any = 0


@export("contrib.training.create_train_op", "contrib.slim.learning.create_train_op")
def create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = _UNSET,
    update_ops: Any = None,
    variables_to_train: Any = None,
    clip_gradient_norm: float = 0,
    summarize_gradients: bool = False,
    gate_gradients: Any = 1,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: Mapping[Any, Any] | None = None,
    check_numerics: bool = True,
    transform_grads_fn: Callable[[Any], Any] | None = None,
) -> Any:
    """A tensor that trains when it is run, and is the loss.

    Args:
        total_loss: what is made smaller.
        optimizer: an optimizer.
        global_step: the step counter; that of the graph by default; None: none.
        update_ops: run before; those in ``GraphKeys.UPDATE_OPS`` by default.
        variables_to_train: all trainable ones by default.
        clip_gradient_norm: the greatest norm of a gradient; 0: any.
        gradient_multipliers: variables, or their names, -> what to multiply their gradients by.
        check_numerics: fail where the loss is NaN or infinite.
        transform_grads_fn: called with the (gradient, variable) pairs.
        summarize_gradients, gate_gradients, aggregation_method, colocate_gradients_with_ops:
            accepted.
    """
    tf = EXPORTS
    keys = tf["GraphKeys"]
    if global_step is _UNSET:
        global_step = tf["train.get_or_create_global_step"]()
    if update_ops is None:
        update_ops = set(tf["get_collection"](keys.UPDATE_OPS))
    if update_ops:
        with tf["control_dependencies"](list(update_ops)):
            total_loss = tf["identity"](total_loss)
    pairs = optimizer.compute_gradients(total_loss, variables_to_train)
    if gradient_multipliers:
        pairs = [
            (g * gradient_multipliers.get(v, gradient_multipliers.get(v.op.name, 1)), v)
            if g is not None and (v in gradient_multipliers or v.op.name in gradient_multipliers)
            else (g, v)
            for g, v in pairs
        ]
    if clip_gradient_norm > 0:
        clip = tf["clip_by_norm"]
        pairs = [(g if g is None else clip(g, clip_gradient_norm), v) for g, v in pairs]
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    step = optimizer.apply_gradients(pairs, global_step=global_step)
    with tf["name_scope"]("train_op"):
        if check_numerics:
            total_loss = tf["check_numerics"](total_loss, "LossTensor is inf or nan")
        with tf["control_dependencies"]([step]):
            train_op = tf["identity"](total_loss)
    tf["add_to_collection"](keys.TRAIN_OP, train_op)
    return train_op


@export("contrib.slim.learning.train")
def train(
    train_op: Any,
    logdir: str | None,
    train_step_fn: Any = None,
    train_step_kwargs: Any = None,
    log_every_n_steps: int = 1,
    graph: Any = None,
    master: str = "",
    is_chief: bool = True,
    global_step: Any = None,
    number_of_steps: int | None = None,
    init_op: Any = None,
    init_feed_dict: Any = None,
    local_init_op: Any = None,
    init_fn: Callable[[Any], Any] | None = None,
    ready_op: Any = None,
    summary_op: Any = None,
    save_summaries_secs: float | None = 600,
    summary_writer: Any = None,
    startup_delay_steps: int = 0,
    saver: Any = None,
    save_interval_secs: float | None = 600,
    sync_optimizer: Any = None,
    session_config: Any = None,
    **kwargs: Any,
) -> Any:
    """Run ``train_op`` until the step counter says so, with logs, checkpoints and summaries.

    Args:
        train_op: of ``create_train_op``; its value is the loss.
        logdir: for checkpoints, from which it goes on, and summaries; None: none.
        log_every_n_steps: how often the loss is logged.
        graph: of the operations; the default one.
        number_of_steps: stop when the step counter has reached this; None: never.
        init_op, init_feed_dict, local_init_op, ready_op, summary_op, saver: as of a Scaffold.
        init_fn: called with the session when there is no checkpoint.
        save_summaries_secs, save_interval_secs: how often, in seconds; None: never.
        session_config: a ConfigProto.
        train_step_fn, train_step_kwargs, sync_optimizer: must be None.
        master, is_chief, global_step, summary_writer, startup_delay_steps, kwargs: accepted.

    Returns:
        The last loss.

    Raises:
        NotImplementedError: a ``train_step_fn`` or ``sync_optimizer`` is given.
    """
    if train_step_fn is not None or sync_optimizer is not None:
        raise NotImplementedError(
            "slim.learning.train: train_step_fn and sync_optimizer are not supported; write the "
            "loop with tf.train.MonitoredTrainingSession"
        )
    tf = EXPORTS
    graph = graph or tf["get_default_graph"]()
    with graph.as_default():
        scaffold = tf["train.Scaffold"](
            init_op=init_op, init_feed_dict=init_feed_dict, local_init_op=local_init_op,
            ready_op=ready_op, summary_op=summary_op, saver=saver,
            init_fn=None if init_fn is None else lambda _, session: init_fn(session),
        )  # fmt: skip
        hooks = [tf["train.LoggingTensorHook"]({"loss": train_op}, every_n_iter=log_every_n_steps)]
        if number_of_steps is not None:
            hooks.append(tf["train.StopAtStepHook"](last_step=number_of_steps))
        loss = None
        with tf["train.MonitoredTrainingSession"](
            checkpoint_dir=logdir, scaffold=scaffold, hooks=hooks, config=session_config,
            save_checkpoint_secs=save_interval_secs, save_summaries_secs=save_summaries_secs,
            save_summaries_steps=None, log_step_count_steps=None,
        ) as session:  # fmt: skip
            while not session.should_stop():
                loss = session.run(train_op)
    return loss


@export("contrib.framework.assign_from_checkpoint", "contrib.slim.assign_from_checkpoint")
def assign_from_checkpoint(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """An operation, with what to feed it, that sets variables to a checkpoint's values.

    Args:
        model_path: of the checkpoint.
        var_list: variables, or a dict from names in the checkpoint to variables.
        ignore_missing_vars: leave those alone that are not there.

    Raises:
        ValueError: one is not there, or has another shape.
    """
    reader = load_checkpoint(model_path)
    named = var_list if isinstance(var_list, Mapping) else {v.op.name: v for v in var_list}
    feeds, assigns = {}, []
    for name, variable in named.items():
        if not reader.has_tensor(name):
            if ignore_missing_vars:
                continue
            raise ValueError(f"Checkpoint is missing variable [{name}]")
        value = np.asarray(reader.get_tensor(name))
        if list(value.shape) != variable.get_shape().as_list():
            raise ValueError(
                f"{name}: the checkpoint has shape {list(value.shape)}, the variable "
                f"{variable.get_shape().as_list()}"
            )
        fed = EXPORTS["placeholder"](variable.dtype.base_dtype, value.shape)
        assigns.append(variable.assign(fed))
        feeds[fed] = value
    return EXPORTS["group"](*assigns), feeds


@export("contrib.framework.assign_from_checkpoint_fn", "contrib.slim.assign_from_checkpoint_fn")
def assign_from_checkpoint_fn(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False,
    reshape_variables: bool = False,
) -> Callable[[Any], None] | None:  # fmt: skip
    """A function of a session that sets variables to a checkpoint's values.

    Args:
        model_path: of the checkpoint.
        var_list: variables, or a dict from names in the checkpoint to variables.
        ignore_missing_vars: leave those alone that are not there.
        reshape_variables: take values of another shape with as many elements.

    Returns:
        The function; None when none of the variables is there.

    Raises:
        ValueError: there are no variables.
    """
    if not var_list:
        raise ValueError("var_list cannot be empty")
    named = var_list if isinstance(var_list, Mapping) else {v.op.name: v for v in var_list}
    if ignore_missing_vars:
        reader = load_checkpoint(model_path)
        named = {name: v for name, v in named.items() if reader.has_tensor(name)}
        if not named:
            return None
    saver = EXPORTS["train.Saver"](named, reshape=reshape_variables)
    return lambda session: saver.restore(session, model_path)


# ------------------------------------------------------------------------------- resource_loader


def _callers_folder() -> str:
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return os.path.dirname(os.path.abspath(frame.f_code.co_filename if frame else ""))


@export("resource_loader.get_data_files_path")
def get_data_files_path() -> str:
    """The directory of the file that calls this."""
    return _callers_folder()


@export("resource_loader.get_path_to_datafile")
def get_path_to_datafile(path: str) -> str:
    """``path``, seen from the directory of the file that calls this.

    Args:
        path: relative.
    """
    return os.path.join(_callers_folder(), path)


@export("resource_loader.load_resource")
def load_resource(path: str) -> bytes:
    """The content of a file beside the one that calls this.

    Args:
        path: relative.
    """
    with open(os.path.join(_callers_folder(), path), "rb") as file:
        return file.read()


@export("resource_loader.readahead_file_path")
def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """``path``.

    Args:
        path: of a file.   readahead: accepted.
    """
    return path
