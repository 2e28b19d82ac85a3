"""Files of later releases of Keras 2 (tf.keras 2.x), as those of this one.

Later releases gave classes other names ("Functional", "Custom>Adam"), layers more arguments
("groups"), optimizers more settings, and order an optimizer's state by weights.  What means the
same here is translated; what does not is an error that says so.

Read next: saving.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.keras.engine.base_layer import LAYERS
from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.serialization import WRITTEN_BY
from flowgraph.keras.utils.generic_utils import get_custom_objects
from flowgraph.layers.base import snake_case

#: Arguments of later releases with the values that mean what is done here; None: any value.
_NEUTRAL: dict[str, Any] = {
    "groups": 1,
    "ema_momentum": None,  # of averages that "use_ema" says whether to make
    "ema_overwrite_frequency": None,
    "name": None,
    "initial_accumulator_value": None,  # the state tells
    "interpolation": "nearest",
    "rng_type": None,
}
#: What functions of the same name need not know.
_OF_FUNCTIONS = frozenset(
    ["name", "dtype", "reduction", "axis", "from_logits", "label_smoothing", "ignore_class"]
)
#: What every layer takes.
_OF_LAYERS = frozenset(
    ["name", "trainable", "dtype", "weights", "input_shape", "batch_input_shape", "batch_size"]
)
#: What every model does.
_OF_MODELS = frozenset(["name", "layers", "build_input_shape", "input_layers", "output_layers"])


def adapt_model(data: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of a model, as this release writes them.

    Args:
        data: as a file has them.

    Raises:
        ValueError: they are of Keras 3, or a layer has an argument that means something else here.
    """
    return _adapted({k: v for k, v in data.items() if k not in {*WRITTEN_BY, "training_config"}})


def _adapted(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_adapted(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value or "config" not in value:
        return {key: _adapted(item) for key, item in value.items()}
    if isinstance(value["config"], Mapping) and "batch_shape" in value["config"]:
        raise ValueError("the file is of Keras 3, whose models are not read: save it by Keras 2")
    rest = {k: v for k, v in value.items() if k not in ("module", "registered_name")}
    rest["class_name"] = name = _class_name(value["class_name"])
    rest["config"] = _adapted(value["config"])
    rest.pop("build_config", None)
    if name in ("L1", "L2") and name not in get_custom_objects():
        return {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.0, **rest["config"]}}
    cls = LAYERS.get(name)
    if cls is not None and name not in get_custom_objects() and isinstance(rest["config"], dict):
        rest["config"] = _known_arguments(cls, rest["config"])
    return rest


def _class_name(name: str) -> str:
    """``Custom>Adam`` as ``Adam``, unless that is how it was registered."""
    if name in get_custom_objects():
        return name
    return {"Functional": "Model"}.get(name.rpartition(">")[2], name.rpartition(">")[2])


def _parameters(cls: type) -> set[str]:
    """The names of the arguments of a class, and those that it hands on."""
    return {
        name
        for base in cls.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(vars(base)["__init__"]).parameters
    }


def _known_arguments(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """A config without the arguments of later releases that change nothing."""
    known = _parameters(cls) | _OF_LAYERS | (_OF_MODELS if issubclass(cls, Network) else set())
    found = {}
    for key, value in config.items():
        if key in known:
            found[key] = value
        elif not _is_neutral(key, value):
            layer = found.get("name", "")
            raise ValueError(
                f"{cls.__name__} {layer!r}: the file gives {key}={value!r}, an argument of a later "
                "release that is not known here"
            )
    return found


def _is_neutral(key: str, value: Any) -> bool:
    """Whether an argument that is not known here changes nothing."""
    if key in _NEUTRAL:
        return _NEUTRAL[key] is None or value == _NEUTRAL[key]
    return value is None or value is False or value in ({}, [])


# ---------------------------------------------------------------------------------------- training


def adapt_training(training: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """The arguments of ``compile`` that a file has.

    Args:
        training: as a file has it.
        model: the model.

    Raises:
        ValueError: something is not known here.
    """
    names = ("loss", "metrics", "weighted_metrics", "sample_weight_mode", "loss_weights")
    found = {name: training.get(name) for name in names}
    found["loss"] = _function_names(found["loss"], "a loss")
    for name in ("metrics", "weighted_metrics"):
        metrics = _function_names(found[name], "a metric")
        alone = isinstance(metrics, list) and len(metrics) == 1 and isinstance(metrics[0], list)
        found[name] = metrics[0] if alone and len(model.outputs) == 1 else metrics
    found["optimizer"] = _optimizer(training["optimizer_config"])
    return found


def _function_names(value: Any, what: str) -> Any:
    """Losses and metrics: objects of later releases that stand for a function as its name."""
    if isinstance(value, (list, tuple)):
        return [_function_names(item, what) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        return {key: _function_names(item, what) for key, item in value.items()}
    name, settings = _class_name(value["class_name"]), value.get("config", {})
    if name in get_custom_objects():
        return {"class_name": name, "config": settings}
    if "fn" in settings:
        return _function_names(settings["fn"], what)
    if settings.get("from_logits") or settings.get("label_smoothing"):
        raise ValueError(
            f"{what} of the file is {name} with {settings}: no function here does that; "
            "load_model(..., compile=False), and compile with one of your own"
        )
    if set(settings) <= _OF_FUNCTIONS:
        return snake_case(name)
    return {"class_name": name, "config": {k: v for k, v in settings.items() if k != "dtype"}}


def _optimizer(data: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of an optimizer without the settings that are off."""
    name = _class_name(data["class_name"])
    if name in get_custom_objects():
        return {"class_name": name, "config": dict(data["config"])}
    config = {}
    for key, value in data["config"].items():
        if key == "learning_rate" and isinstance(value, Mapping):
            raise ValueError(
                f"the file's optimizer has a schedule for its rate ({value.get('class_name')}): "
                "load_model(..., compile=False), and compile with a LearningRateScheduler"
            )
        neutral = key in _NEUTRAL or value is None or value is False
        zero = key in ("momentum", "weight_decay") and value == 0 and name != "SGD"
        if not (neutral or zero) or key in ("nesterov", "amsgrad"):
            config[key] = value
    return {"class_name": name, "config": config}


def adapt_optimizer_state(
    optimizer: Any, named: Sequence[tuple[str, np.ndarray]]
) -> list[np.ndarray]:
    """The arrays of an optimizer's state in its own order.

    Args:
        optimizer: the optimizer, with its weights made.
        named: (name, array) pairs in the order of the file.
    """
    if named[0][0].startswith("iteration"):
        # Adam/m/dense/kernel:0, Adam/v/dense/kernel:0, Adam/m/dense/bias:0 ...: by weights; here
        # all of one kind come before those of the next
        kinds: dict[str, list[np.ndarray]] = {}
        for name, array in named[1:]:
            kinds.setdefault("/".join(name.split("/")[:2]), []).append(array)
        found = [named[0][1], *(array for arrays in kinds.values() for array in arrays)]
    else:
        found = [array for _, array in named]
    own = optimizer.get_weights()
    if len(own) > len(found):
        # without slots for what is switched off: momentum 0, amsgrad
        found += own[len(found) :]
    return found
