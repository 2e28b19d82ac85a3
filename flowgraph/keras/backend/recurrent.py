"""Recurrent networks: ``rnn``, one function at every step of sequences, in a native loop.

    output[t], states = step(inputs[t], states)

Inside, time is the first axis.  Layers call ``over_steps``, with what they can compute of the
inputs of all steps at once (one product) already computed; ``rnn`` is its public form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.graph.apply import call
from flowgraph.rnn.loops import chosen, turned

__all__ = ["rnn"]

Step = Callable[[list[Any], list[Any]], tuple[Any, list[Any]]]

_ZERO, _ONE = np.array(0, np.int32), np.array(1, np.int32)


def rnn(
    step_function: Callable[[Any, list[Any]], tuple[Any, list[Any]]],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Any, Any, list[Any]]:
    """``step_function`` at every step of ``inputs``.

    Args:
        step_function: ``f(input of one step, states + constants)`` gives ``(output, states)``.
        inputs: (samples, steps, ...).
        initial_states: a list of tensors (samples, ...): the states before the first step.
        go_backwards: begin with the last step; outputs are in the order of computation then.
        mask: (samples, steps), or (samples, steps, 1): where it is 0 the states stay, and the
            output is the one of the step before.
        constants: tensors that every step gets behind the states.
        unroll: make the operations of every step instead of a loop; the number of steps must be
            known.
        input_length: the number of steps, where ``inputs`` does not tell.

    Returns:
        ``(last_output, outputs, states)``: the output of the last step, all outputs (samples,
        steps, ...), and the states behind the last step.

    Raises:
        ValueError: ``inputs`` has fewer than two axes; ``unroll`` with an unknown number of steps.
    """
    inputs = tf.convert_to_tensor(inputs)
    if inputs.shape.ndims is not None and inputs.shape.ndims < 2:
        raise ValueError(f"rnn: inputs are (samples, steps, ...), got shape {inputs.shape}")
    fixed = [tf.convert_to_tensor(c) for c in constants or ()]
    rows = turned(inputs)
    if input_length is not None and rows.shape.ndims is not None and rows.shape[0].value is None:
        rows.set_shape([input_length, *rows.shape[1:]])
    last, outputs, states = over_steps(
        lambda row, states: step_function(row[0], [*states, *fixed]),
        [rows],
        [tf.convert_to_tensor(s) for s in initial_states],
        backward=go_backwards,
        mask=mask,
        unroll=unroll,
    )
    return last, turned(outputs), states


def over_steps(
    step: Step,
    rows: list[Any],
    states: list[Any],
    *,
    backward: bool = False,
    mask: Any = None,
    unroll: bool = False,
    output_is_state: bool = False,
    row_shape: Sequence[int | None] | None = None,
    dtype: Any = None,
) -> tuple[Any, Any, list[Any]]:
    """``step`` at every step of ``rows``, whose first axis is the time.

    Args:
        step: ``f(the rows of one step, states)`` gives ``(output, states)``.
        rows: tensors (steps, samples, ...).
        states: tensors; the states before the first step.
        backward, mask, unroll: as of ``rnn``.
        output_is_state: the caller knows that the output is the first of the states.
        row_shape: the shape of an output, when the caller knows it.
        dtype: of an output; by default that of the first state, or of the inputs.

    Returns:
        (last output, outputs with the time first, states).
    """
    known = next((r.shape[0].value for r in rows if r.shape.ndims is not None), None)
    masks = None if mask is None else _masks(mask)
    if unroll:
        if known is None:
            raise ValueError("unrolling needs a known number of steps; give the input a fixed one")
        return _unrolled(step, rows, states, backward, masks, known)
    carried, like = False, None
    if output_is_state:
        row_shape = states[0].shape
    elif masks is not None:
        # only looked at: no one fetches it
        like, new = step([_row(x, _ZERO) for x in rows], states)
        carried = not (new and like is new[0])
        row_shape = like.shape
    count = tf.constant(known, tf.int32) if known is not None else tf.shape(rows[0])[0]
    dtype = dtype or (states[0] if states else rows[0]).dtype.base_dtype
    stack = call.EmptyStack(
        count, dtype=tf.as_dtype(dtype if like is None else like.dtype.base_dtype),
        row_shape=None if row_shape is None else tf.TensorShape(row_shape).as_list(),
    )  # fmt: skip
    before = [tf.zeros_like(like)] if carried else []
    found: dict[str, Any] = {}

    def body(t: Any, stack: Any, before: list[Any], states: list[Any]) -> Any:
        place = call.Sub(call.Sub(count, _ONE), t) if backward else t
        output, new = step([_row(x, place) for x in rows], states)
        is_state = bool(new) and output is new[0]
        new = [_like(s, old) for s, old in zip(new, states, strict=True)]
        if is_state:
            output = new[0]
        if masks is not None:
            on = _row(masks, place)
            new = [_kept(on, s, old) for s, old in zip(new, states, strict=True)]
            output = new[0] if not carried else _kept(on, output, before[0])
        found.update(shape=output.shape, is_state=is_state)
        pushed = call.StackStore(stack, t, output)
        return call.AddV2(t, _ONE), pushed, [output] if carried else [], new

    _, stack, before, states = tf.while_loop(
        lambda t, *_: call.Less(t, count),
        body,
        (tf.constant(_ZERO), stack, before, list(states)),
        maximum_iterations=count,
    )
    outputs = stack
    if found["shape"].ndims is not None:
        outputs.set_shape([known, *found["shape"].as_list()])
    if carried:
        last = before[0]
    elif found["is_state"]:
        last = states[0]
    else:
        last = _row(outputs, call.Sub(count, _ONE))
    return last, outputs, list(states)


def _row(x: Any, place: Any) -> Any:
    row = call.GatherV2(x, place, 0)
    if x.shape.ndims is not None:
        row.set_shape(x.shape[1:])
    return row


def _like(new: Any, old: Any) -> Any:
    new = tf.convert_to_tensor(new)
    new.set_shape(old.shape)
    return new


def _masks(mask: Any) -> Any:
    """(steps, samples), bool."""
    mask = tf.convert_to_tensor(mask)
    if mask.shape.ndims == 3:
        mask = tf.squeeze(mask, [2])
    return turned(tf.cast(mask, tf.bool))


def _kept(on: Any, new: Any, old: Any) -> Any:
    """``new`` for the samples that are ``on``, else ``old``."""
    return chosen(on, new, old)


def _unrolled(
    step: Step, rows: list[Any], states: list[Any], backward: bool, masks: Any, count: int
) -> tuple[Any, Any, list[Any]]:
    parts = [tf.unstack(x, count) for x in rows]
    on = None if masks is None else tf.unstack(masks, count)
    outputs: list[Any] = []
    for t in reversed(range(count)) if backward else range(count):
        output, new = step([p[t] for p in parts], states)
        if on is not None:
            is_state = bool(new) and output is new[0]
            new = [_kept(on[t], s, old) for s, old in zip(new, states, strict=True)]
            if is_state:
                output = new[0]
            else:
                output = _kept(on[t], output, outputs[-1] if outputs else tf.zeros_like(output))
        outputs.append(output)
        states = list(new)
    return outputs[-1], tf.stack(outputs), states
