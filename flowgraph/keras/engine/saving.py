"""Models and weights to files and back.

    model.save("model.zip")        the model, its weights, how it is trained, the optimizer's state
    load_model("model.zip")        goes on as if it had never stopped
    model.save_weights("w.safetensors")

Paths that end in ``.h5`` or ``.hdf5`` make files in the layout of Keras 2 (hdf5.py), others our own
(archive.py); what is read is told by its contents.  Nothing in a file is executed: classes and
functions are the library's or named by ``custom_objects``.

Read next: stored_weights.py, newer.py.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from flowgraph.keras.engine import archive, hdf5, random_state
from flowgraph.keras.engine.newer import adapt_model, adapt_optimizer_state, adapt_training
from flowgraph.keras.engine.serialization import deserialize, own_objects, wrapped
from flowgraph.keras.engine.stored_weights import Stored, collect, restore
from flowgraph.keras.utils.generic_utils import (
    CustomObjectScope,
    get_custom_objects,
    serialize_keras_object,
)

__all__ = [
    "Saved",
    "load_model",
    "load_weights",
    "load_weights_from_hdf5_group",
    "load_weights_from_hdf5_group_by_name",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
    "save_weights",
    "save_weights_to_hdf5_group",
]

_HDF5_ENDINGS = (".h5", ".hdf5", ".hdf")
_HDF5_BEGINNING, _ZIP_BEGINNING = b"\x89HDF\r\n\x1a\n", b"PK"


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
) -> None:
    """Write a model to a file.

    Args:
        model: a model that is built.
        filepath: the path; ``.h5`` and ``.hdf5`` make HDF5 files.  Or an open h5py.File, or a file
            to write bytes to.
        overwrite: whether a file by that name may be replaced.
        include_optimizer: whether the optimizer and its state are written too.
        save_format: "h5" or "zip", whatever the path ends in.

    Raises:
        NotImplementedError: the model has a ``call`` of its own and no ``get_config``.
        FileExistsError: there is such a file, and it may not be replaced.
    """
    data = wrapped(model)
    names: list[str] = []
    state = None
    if include_optimizer and model._is_compiled:
        training = _training_config(model)
        if training is None:
            warnings.warn(
                "an optimizer of tf.train is not stored with the model: compile it again after "
                "load_model, with an optimizer of keras.optimizers to be stored",
                stacklevel=2,
            )
        else:
            data["training_config"] = training
            if model._topology is not None:
                data["random_state"] = random_state.positions(model)
            names = [f"{w.op.name}:0" for w in model.optimizer.weights]
            state = model.optimizer.get_weights() if names else None
    stored = collect(model)
    if _is_hdf5(filepath, save_format):
        _check_overwrite(filepath, overwrite)
        named = None if state is None else list(zip(names, state, strict=True))
        with hdf5.opened(filepath, "w") as file:
            hdf5.write_model(file, data, stored, named)
    else:
        _write(filepath, archive.archive_bytes(data, stored, state), overwrite)


def load_model(
    filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Any:
    """The model of a file that ``save_model``, or Keras 2, has written.

    Args:
        filepath: the path; or an open h5py.File, or a file to read bytes from.
        custom_objects: name -> class or function, for those of one's own.
        compile: whether it is compiled as it was when it was saved.

    Raises:
        ValueError: the file holds no model, or names what is not known.
    """
    source = _name_of(filepath)
    content = _read(filepath)
    if content is None:
        with hdf5.opened(filepath, "r") as file:
            data, stored, named = hdf5.read_model(file, source)
    else:
        data, stored, state = archive.read_archive(content, source)
        named = None if state is None else [("", array) for array in state]
    with CustomObjectScope(custom_objects or {}), _numpy_as_it_is():
        model = deserialize(adapt_model(data))
        if not model.built and any(arrays for _, arrays in stored):
            raise ValueError(
                f"{source} does not say what the input of {model.name!r} is: it was saved before "
                "it was built"
            )
        restore(model, stored, source)
        training = data.get("training_config")
        if compile and training is not None:
            _compile(model, training, named, source)
            if model._topology is not None:
                random_state.go_on(model, data.get("random_state", ()))
    return model


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, save_format: str | None = None
) -> None:
    """Write the weights of a model to a file.

    Args:
        model: a model that is built.
        filepath: the path; ``.h5`` and ``.hdf5`` make HDF5 files, others are safetensors.
        overwrite: whether a file by that name may be replaced.
        save_format: "h5" or "safetensors", whatever the path ends in.
    """
    stored = collect(model)
    if _is_hdf5(filepath, save_format):
        _check_overwrite(filepath, overwrite)
        with hdf5.opened(filepath, "w") as file:
            hdf5.write_weights(file, stored)
    else:
        _write(filepath, archive.weights_bytes(stored), overwrite)


def load_weights(
    model: Any,
    filepath: Any,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
) -> None:
    """Set the weights of a model from a file of weights, or of a whole model.

    Args:
        model: a model that is built.
        filepath: the path, or an open file.
        by_name: layers get what was stored under their names; else one after the other.
        skip_mismatch: with ``by_name``, layers that do not fit keep their weights.
        reshape: arrays of as many elements as the weight are brought into its shape.

    Raises:
        ValueError: what is stored does not fit; no weight is set then.
    """
    if skip_mismatch and not by_name:
        raise ValueError("load_weights: skip_mismatch needs by_name=True")
    source = _name_of(filepath)
    content = _read(filepath)
    if content is None:
        with hdf5.opened(filepath, "r") as file:
            stored: Stored = hdf5.read_weights(file, source)
    elif content.startswith(_ZIP_BEGINNING):
        stored = archive.read_archive(content, source)[1]
    else:
        stored = archive.read_weights(content, source)
    restore(model, stored, source, by_name, skip_mismatch, reshape)


# ------------------------------------------------------------------------------- groups of a file


def _of(layers: Sequence[Any]) -> Any:
    """Layers as a model that only has them."""
    return SimpleNamespace(
        layers=list(layers), name="layers", built=True, _trainable_weights=[],
        _non_trainable_weights=[],
    )  # fmt: skip


def save_weights_to_hdf5_group(f: Any, layers: Sequence[Any]) -> None:
    """Write the weights of layers into an open h5py.File or Group.

    Args:
        f: the file or group.
        layers: a list of layers.
    """
    hdf5.write_weights(f, collect(_of(layers)))


def load_weights_from_hdf5_group(f: Any, layers: Sequence[Any], reshape: bool = False) -> None:
    """Set the weights of layers, one after the other, from an open h5py.File or Group.

    Args:
        f: the file or group.
        layers: a list of layers.
        reshape: as of ``load_weights``.
    """
    restore(_of(layers), hdf5.read_weights(f, "the group"), "the group", reshape=reshape)


def load_weights_from_hdf5_group_by_name(
    f: Any, layers: Sequence[Any], skip_mismatch: bool = False, reshape: bool = False
) -> None:
    """Set the weights of layers by their names from an open h5py.File or Group.

    Args:
        f: the file or group.
        layers: a list of layers.
        skip_mismatch, reshape: as of ``load_weights``.
    """
    stored = hdf5.read_weights(f, "the group")
    restore(_of(layers), stored, "the group", True, skip_mismatch, reshape)


# ---------------------------------------------------------------------------------------- training


def _training_config(model: Any) -> dict[str, Any] | None:
    """How the model is trained, as plain data; None for an optimizer that has no config."""
    optimizer = model.optimizer
    if type(optimizer).__name__ == "TFOptimizer" or not hasattr(optimizer, "get_config"):
        return None
    return {
        "optimizer_config": serialize_keras_object(optimizer),
        "loss": _named(model.loss),
        "metrics": _named(model.metrics),
        "weighted_metrics": _named(model.weighted_metrics),
        "sample_weight_mode": model.sample_weight_mode,
        "loss_weights": model.loss_weights,
    }


def _named(value: Any) -> Any:
    """Functions and objects, also in lists and dicts, as plain data."""
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    return value if value is None or isinstance(value, str) else serialize_keras_object(value)


def _meant(value: Any) -> Any:
    """Losses and metrics of one's own for their names: the names mean nothing later."""
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _meant(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_meant(item) for item in value]
    return get_custom_objects().get(value, value) if isinstance(value, str) else value


def _compile(model: Any, training: Mapping[str, Any], named: Any, source: str) -> None:
    """Compile a model as ``training`` says, and give the optimizer its state."""
    arguments = adapt_training(training, model)
    for key in ("loss", "metrics", "weighted_metrics"):
        arguments[key] = _meant(arguments[key])
    model.compile(**arguments)
    if not named:
        return
    model._make_train_function()
    try:
        state = adapt_optimizer_state(model.optimizer, named)
        model.optimizer.set_weights(state)
    except ValueError as error:
        warnings.warn(
            f"the optimizer of {source} starts anew, since its state does not fit: {error}",
            stacklevel=3,
        )


@contextmanager
def _numpy_as_it_is() -> Iterator[None]:
    """Leave NumPy's generator alone: first values that nobody sees are drawn by it."""
    before = np.random.get_state()  # noqa: NPY002  which initializers take their seeds from
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _functions_in(value: Any) -> list[Any]:
    """The functions of the user's in losses or metrics."""
    if isinstance(value, (list, tuple)):
        return [f for item in value for f in _functions_in(item)]
    if isinstance(value, dict):
        return _functions_in(list(value.values()))
    return [value] if inspect.isfunction(value) or isinstance(value, type) else []


# ------------------------------------------------------------------------------------------- files


def _name_of(filepath: Any) -> str:
    return repr(str(getattr(filepath, "name", filepath)))


def _is_path(filepath: Any) -> bool:
    return isinstance(filepath, (str, os.PathLike))


def _is_hdf5(filepath: Any, save_format: str | None) -> bool:
    if save_format == "tf":
        raise ValueError(
            "save_format='tf': a Keras model is not a SavedModel; for programs without Keras use "
            "tf.saved_model.simple_save(K.get_session(), folder, inputs, outputs)"
        )
    if save_format is not None:
        if save_format not in ("h5", "hdf5", "keras", "zip", "safetensors"):
            raise ValueError(f"save_format is 'h5', 'zip' or 'safetensors', got {save_format!r}")
        return save_format not in ("zip", "safetensors")
    if _is_path(filepath):
        return str(filepath).lower().endswith(_HDF5_ENDINGS)
    return hasattr(filepath, "create_group")


def _check_overwrite(filepath: Any, overwrite: bool) -> None:
    if not overwrite and _is_path(filepath) and Path(filepath).exists():
        raise FileExistsError(f"{str(filepath)!r} is there already, and overwrite is False")


def _write(filepath: Any, content: bytes, overwrite: bool) -> None:
    if hasattr(filepath, "write"):
        filepath.write(content)
        return
    _check_overwrite(filepath, overwrite)
    archive.write_whole(filepath, content)


def _read(filepath: Any) -> bytes | None:
    """What a file holds; None for HDF5."""
    if hasattr(filepath, "create_group"):
        return None
    content = filepath.read() if hasattr(filepath, "read") else None
    if content is None:
        with Path(filepath).open("rb") as file:
            beginning = file.read(8)
            if beginning == _HDF5_BEGINNING:
                return None
            content = beginning + file.read()
    return content


# ---------------------------------------------------------------------------------- from plain data


def model_from_config(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of plain data, with new weights.

    Args:
        config: ``{"class_name": ..., "config": ...}``.
        custom_objects: name -> class or function, for those of one's own.

    Raises:
        TypeError: it is the config of a Sequential model alone, without its class.
        ValueError: a class is not known.
    """
    if not isinstance(config, Mapping):
        raise TypeError(
            "model_from_config takes {'class_name': ..., 'config': ...}; for what get_config() of "
            "a model gives, use from_config of its class"
        )
    return deserialize(config, custom_objects)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a JSON text, as ``to_json`` makes it, with new weights.

    Args:
        json_string: the text.
        custom_objects: name -> class or function, for those of one's own.
    """
    return model_from_config(json.loads(json_string), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of what ``to_yaml`` makes here: JSON, which is YAML.

    Args:
        yaml_string: the text.
        custom_objects: name -> class or function, for those of one's own.

    Raises:
        ValueError: the text is YAML, but not JSON.
    """
    try:
        config = json.loads(yaml_string)
    except ValueError:
        raise ValueError(
            "model_from_yaml reads YAML that is JSON too, as to_yaml writes it; for other files "
            "use model_from_config(yaml.safe_load(text)), with the package PyYAML"
        ) from None
    return model_from_config(config, custom_objects)


# ----------------------------------------------------------------------------------- of a model


def _made_of(content: bytes, own: Mapping[str, Any]) -> Any:
    """The model of what ``save_model`` wrote, for ``pickle`` and ``copy.deepcopy``."""
    return load_model(io.BytesIO(content), own)


class Saved:
    """The part of a model that saves it."""

    def __reduce__(self) -> Any:
        buffer = io.BytesIO()
        save_model(self, buffer)
        own = own_objects(self)
        own.update({f.__name__: f for f in _functions_in(getattr(self, "loss", None))})
        own.update({f.__name__: f for f in _functions_in(getattr(self, "metrics", None))})
        return _made_of, (buffer.getvalue(), own)

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
    ) -> None:
        """Write the model to a file; arguments as of ``keras.models.save_model``."""
        save_model(self, filepath, overwrite, include_optimizer, save_format)

    def save_weights(
        self, filepath: Any, overwrite: bool = True, save_format: str | None = None
    ) -> None:
        """Write the weights to a file.

        Args:
            filepath: the path; ``.h5`` and ``.hdf5`` make HDF5 files, others are safetensors.
            overwrite: whether a file by that name may be replaced.
            save_format: "h5" or "safetensors", whatever the path ends in.
        """
        save_weights(self, filepath, overwrite, save_format)

    def load_weights(
        self,
        filepath: Any,
        by_name: bool = False,
        skip_mismatch: bool = False,
        reshape: bool = False,
    ) -> None:
        """Set the weights from a file of weights, or of a whole model.

        Args:
            filepath: the path.
            by_name: layers get what was stored under their names; else one after the other.
            skip_mismatch: with ``by_name``, layers that do not fit keep their weights.
            reshape: arrays of as many elements as the weight are brought into its shape.

        Raises:
            ValueError: what is stored does not fit; no weight is set then.
        """
        load_weights(self, filepath, by_name, skip_mismatch, reshape)
