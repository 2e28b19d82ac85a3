"""multi_gpu_model: data parallelism, a batch in slices on several devices.

    batch of 96  ->  /gpu:0: model(32 samples)  /gpu:1: model(32)  /gpu:2: model(32)  ->  joined

Gradients of the joined loss are sums over the slices, so a step equals that of the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flowgraph as tf
from flowgraph.keras.engine.model import Model
from flowgraph.keras.layers import Concatenate, Lambda


def multi_gpu_model(
    model: Any,
    gpus: int | Sequence[int] | None = None,
    cpu_merge: bool = True,
    cpu_relocation: bool = False,
) -> Any:
    """A model that gives every device a part of the batch.

    Args:
        model: the model; its weights are shared by all parts.
        gpus: how many devices, 2 or more, or a list of their numbers; 2 by default.
        cpu_merge: whether the parts are joined on the CPU, or else on the first device.
        cpu_relocation: accepted: weights are where the model was made.

    Returns:
        A model with the same inputs and outputs.  Save and load ``model``, not this one.

    Raises:
        ValueError: fewer than 2 devices, or a model whose inputs are not known.

    The devices are noted in the graph (``Operation.device``); every one of them is this computer's
    CPU for now, so nothing becomes faster.
    """
    devices = list(range(2 if gpus is None else gpus)) if _is_count(gpus) else list(gpus or ())  # type: ignore[arg-type]
    if len(devices) < 2:
        raise ValueError(f"multi_gpu_model needs 2 devices or more, got gpus={gpus!r}")
    if model.inputs is None:
        raise ValueError("multi_gpu_model: the model's inputs are not known: build it first")
    parts: list[list[Any]] = [[] for _ in model.outputs]
    with model.inputs[0].graph.as_default():
        for place, device in enumerate(devices):
            with tf.device(f"/gpu:{device}"), tf.name_scope(f"replica_{device}"):
                arguments = {"i": place, "parts": len(devices)}
                slices = [
                    Lambda(_slice, output_shape=_same, arguments=arguments)(x) for x in model.inputs
                ]
                found = model(slices if len(slices) > 1 else slices[0])
                for part, output in zip(
                    parts, found if isinstance(found, list) else [found], strict=True
                ):
                    part.append(output)
        with tf.device("/cpu:0" if cpu_merge else f"/gpu:{devices[0]}"):
            joined = [
                Concatenate(axis=0, name=name)(part)
                for name, part in zip(model.output_names, parts, strict=True)
            ]
    return Model(list(model.inputs), joined if len(joined) > 1 else joined[0])


def _is_count(gpus: Any) -> bool:
    return gpus is None or isinstance(gpus, int)


def _slice(x: Any, i: int, parts: int) -> Any:
    """Part ``i`` of the samples; the last one has what is left over."""
    count = tf.shape(x)[0]
    size = count // parts
    return x[i * size :] if i == parts - 1 else x[i * size : (i + 1) * size]


def _same(shape: Any) -> Any:
    return (None, *shape[1:])
