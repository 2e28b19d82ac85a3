"""The weights of a model as named arrays, layer by layer, and back into a model.

    [("dense_1", [("kernel", array), ("bias", array)]),
     ("model_2", [("dense_3/kernel", array), ...])]

Every file of weights is read and written by way of this.  A weight's name says where it is in its
layer: by the names of layers in models, by attributes in other layers ("cell/kernel").

Read next: saving.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.base_layer import Layer
from flowgraph.keras.engine.network import Network

#: (layer name, [(weight name, array)]) of every layer that has weights or none, in order.
Stored = list[tuple[str, list[tuple[str, np.ndarray]]]]

#: In place of a layer's name: weights of a model that are no layer's.
OWN = "top_level_model_weights"


def named_weights(layer: Any) -> list[tuple[str, Any]]:
    """The weights of a layer in its order, each with a name that is unique in it."""
    places = dict(_places(layer))
    names: dict[str, Any] = {}
    for weight in layer.weights:
        name = unique = places.get(weight) or weight.op.name
        number = 1
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names[unique] = weight
    return list(names.items())


def _places(layer: Any) -> Iterator[tuple[Any, str]]:
    """(weight, where it is in ``layer``), also in the layers inside."""
    for weight in (*layer._trainable_weights, *layer._non_trainable_weights):
        yield weight, weight.op.name.rsplit("/", 1)[-1]
    if isinstance(layer, Network):
        inner = [(sub.name, sub) for sub in layer.layers]
    else:
        inner = [(path, sub) for name, v in layer._tracked.items() for path, sub in _paths(name, v)]
    for path, sub in inner:
        for weight, place in _places(sub):
            yield weight, f"{path}/{place}"


def _paths(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Layer):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _paths(f"{name}/{key}", item)


def groups_of(model: Any) -> list[tuple[str, Any, list[tuple[str, Any]]]]:
    """(name, layer, its named weights) of every layer of a model, and of what is no layer's."""
    found = [(layer.name, layer, named_weights(layer)) for layer in model.layers]
    own = [*model._trainable_weights, *model._non_trainable_weights]
    if own:
        found.append((OWN, model, [(w.op.name.rsplit("/", 1)[-1], w) for w in own]))
    return found


def collect(model: Any) -> Stored:
    """The weights of a model with their values."""
    groups = groups_of(model)
    values = iter(K.batch_get_value([w for _, _, weights in groups for _, w in weights]))
    return [(name, [(key, next(values)) for key, _ in weights]) for name, _, weights in groups]


# ------------------------------------------------------------------------------------------- back


def restore(
    model: Any,
    stored: Stored,
    source: str,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
) -> None:
    """Set the weights of a model; nothing is set where something does not fit.

    Args:
        model: a model that is built.
        stored: as ``collect`` gives it.
        source: where it comes from, for messages.
        by_name: layers get what was stored under their names, others keep their weights; else
            layers with weights get what was stored, one after the other.
        skip_mismatch: with ``by_name``, layers that do not fit keep their weights, with a warning.
        reshape: arrays of as many elements as the weight has are brought into its shape.

    Raises:
        ValueError: the number of layers, of weights of a layer, or a shape differs.
    """
    groups = [(name, layer, weights) for name, layer, weights in groups_of(model) if weights]
    given = [(name, arrays) for name, arrays in stored if arrays]
    if not groups and given:
        hint = "" if model.built else ": it is not built; call it, or build(input_shape), first"
        raise ValueError(f"{source} has weights, but {model.name!r} has none{hint}")
    if by_name:
        known = dict(given)
        pairs = [(group, known[group[0]]) for group in groups if group[0] in known]
    else:
        if len(groups) != len(given):
            raise ValueError(
                f"{source} has weights of {len(given)} layers ({_some(name for name, _ in given)})"
                f", the model {model.name!r} has {len(groups)} layers with weights "
                f"({_some(name for name, _, _ in groups)})"
            )
        pairs = [(group, arrays) for group, (_, arrays) in zip(groups, given, strict=True)]
    values = []
    for (name, layer, weights), arrays in pairs:
        try:
            values += _matched(name, layer, weights, arrays, source, reshape)
        except ValueError as error:
            if not (by_name and skip_mismatch):
                raise
            warnings.warn(f"layer {name!r} keeps its weights: {error}", stacklevel=3)
    K.batch_set_value(values)


def _some(names: Any) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")


def _matched(
    name: str,
    layer: Any,
    weights: Sequence[tuple[str, Any]],
    arrays: Sequence[tuple[str, np.ndarray]],
    source: str,
    reshape: bool,
) -> list[tuple[Any, np.ndarray]]:
    """(variable, array) pairs of a layer: by the weights' names, or else by their order."""
    if hasattr(layer, "_of_stored"):  # other layouts that it knows
        arrays = layer._of_stored(arrays)
    by_key = {_bare(key, name): array for key, array in arrays}
    if len(by_key) == len(arrays) and set(by_key) == {key for key, _ in weights}:
        pairs = [(key, w, by_key[key]) for key, w in weights]
    else:
        found = [array for _, array in arrays]
        if len(found) != len(weights):
            raise ValueError(
                f"layer {name!r} ({type(layer).__name__}) has {len(weights)} weights "
                f"({_some(key for key, _ in weights)}), {source} has {len(found)} for it "
                f"({_some(key for key, _ in arrays)})"
            )
        pairs = [(key, w, array) for (key, w), array in zip(weights, found, strict=True)]
    done = []
    for key, w, array in pairs:
        shape = K.int_shape(w)
        if reshape and array.size == K.count_params(w):
            array = np.reshape(array, w.shape.as_list())
        if shape != array.shape:
            raise ValueError(
                f"layer {name!r} ({type(layer).__name__}): weight {key!r} has shape {shape}, the "
                f"one in {source} has {array.shape}"
            )
        done.append((w, array))
    return done


def _bare(key: str, layer: str) -> str:
    """``dense_1/kernel:0`` of layer dense_1 as ``kernel``."""
    return key.partition(":")[0].removeprefix(f"{layer}/")
