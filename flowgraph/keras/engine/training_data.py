"""What users give ``fit`` and the like -> lists of arrays, one for each placeholder, checked.

    x: array | list | {"main_input": array}     inputs, in the model's order
    y: the same by outputs                      targets
    sample_weight, class_weight                 one weight per sample (or per time step)

Messages name the input or target, the shape it is expected to have and the shape found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.errors import did_you_mean
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import losses

Shape = tuple[int | None, ...]


def is_array(x: Any) -> bool:
    """Whether ``x`` holds rows: a NumPy array or another object with ``shape`` and slices."""
    return hasattr(x, "shape") and hasattr(x, "__getitem__") and not isinstance(x, tf.Tensor)


def is_symbolic(x: Any) -> bool:
    """Whether ``x`` is a tensor, or holds one."""
    if isinstance(x, Mapping):
        return any(map(is_symbolic, x.values()))
    if isinstance(x, (list, tuple)):
        return any(is_symbolic(item) for item in x)
    return isinstance(x, (tf.Tensor, tf.Variable)) and not hasattr(x, "numpy")


def of_tensors(x: Any) -> Any:
    """``x`` with arrays in place of tensors that have values, also in lists and dicts."""
    if isinstance(x, Mapping):
        return {key: of_tensors(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(map(of_tensors, x)) if any(hasattr(i, "numpy") for i in x) else x
    return x.numpy() if hasattr(x, "numpy") else x


def as_arrays(data: Any, names: Sequence[str], kind: str) -> list[Any]:
    """``data`` as a list with one array (or None) per name.

    Args:
        data: None, an array, a list of arrays, or a dict of them by names.
        names: of inputs or outputs, in order.
        kind: "input", "target", "sample weight": for messages.

    Raises:
        ValueError: there are too many or too few, or a name is not there.
    """
    if not names:
        if data is not None and not isinstance(data, Mapping) and np.size(data):
            raise ValueError(f"the model takes no {kind} data, but got some: {_described(data)}")
        return []
    if data is None:
        return [None] * len(names)
    data = of_tensors(data)
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(
                f"no data for {kind} {missing[0]!r}{did_you_mean(missing[0], list(data))}; needed "
                f"are {list(names)}, the dict has {sorted(map(str, data))}"
            )
        found = [data[name] for name in names]
    elif isinstance(data, (list, tuple)):
        found = _listed(data, names)
    else:
        found = [data]
    if len(found) != len(names):
        raise ValueError(
            f"the model has {len(names)} {kind}s, {list(names)}, but {len(found)} arrays were "
            f"given for them: {_described(data)}"
        )
    return [_as_array(x, name, kind) for x, name in zip(found, names, strict=True)]


def _listed(data: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """A list: of arrays, or, for one name, of rows or numbers."""
    if len(names) == 1 and (len(data) != 1 or not is_array(data[0])):
        holds_arrays = data and all(is_array(x) for x in data)
        return list(data) if holds_arrays else [np.asarray(data)]
    return [np.asarray(x) if isinstance(x, (list, tuple)) else x for x in data]


def _as_array(x: Any, name: str, kind: str) -> Any:
    if type(x).__name__ in ("DataFrame", "Series"):
        x = x.values
    if x is not None and not is_array(x):
        if not isinstance(x, (int, float, list, tuple)):
            raise ValueError(f"{kind} {name!r} must be an array, got {type(x).__name__}: {x!r:.80}")
        x = np.asarray(x)
    if isinstance(x, np.ndarray) and x.dtype == object:
        raise ValueError(
            f"{kind} {name!r} is an array of Python objects (rows of different lengths?); it must "
            "be numbers in a rectangle"
        )
    return x


def _described(data: Any) -> str:
    items = data if isinstance(data, (list, tuple)) else [data]
    shapes = [np.shape(x) if is_array(x) else type(x).__name__ for x in items[:5]]
    return f"shapes {', '.join(map(str, shapes))}{', ...' if len(items) > 5 else ''}"


def standardize(
    data: Any, names: Sequence[str], shapes: Sequence[Shape | None], kind: str
) -> list[Any]:
    """``as_arrays`` with an axis of 1 added to vectors, and shapes checked.

    Args:
        data, names, kind: as of ``as_arrays``.
        shapes: what each should be, with the batch; None for anything.

    Raises:
        ValueError: data are missing or have a wrong shape.
    """
    arrays = as_arrays(data, names, kind)
    checked = []
    for x, name, shape in zip(arrays, names, shapes, strict=True):
        if x is None:
            raise ValueError(f"no data were given for {kind} {name!r}")
        if len(x.shape) == 1 and (shape is None or len(shape) != 1):
            x = np.expand_dims(x, 1) if isinstance(x, np.ndarray) else x
        if len(x.shape) == 0:
            raise ValueError(f"{kind} {name!r} is a number; it must be an array of samples")
        if shape is not None:
            check_shape(x.shape, shape, name, kind)
        checked.append(x)
    return checked


def check_shape(found: Sequence[int], shape: Shape, name: str, kind: str) -> None:
    """Raise ValueError unless an array of shape ``found`` fits ``shape``, whatever its batch."""
    found = tuple(found)
    sample = zip(found[1:], shape[1:], strict=False)
    if len(found) == len(shape) and all(b is None or a == b for a, b in sample):
        return
    hint = ""
    if kind == "input" and found[1:] == (1,) and len(shape) == 2 and shape[1]:
        hint = f"; one sample alone has the shape (1, {shape[1]})"
    elif len(found) == len(shape) + 1:
        rest = zip(found[2:], shape[1:], strict=True)
        if all(b is None or a == b for a, b in rest):
            hint = "; it has one axis too many: a data set that was batched twice?"
    elif found == tuple(shape[1:]):
        hint = "; the axis of the samples is missing: x[None]"
    raise ValueError(f"{kind} {name!r} is expected to have shape {shape}, found {found}{hint}")


def check_lengths(
    inputs: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any], names: Sequence[str]
) -> None:
    """Raise ValueError unless all have the same number of samples.

    Args:
        inputs, targets, weights: arrays, or None.
        names: of all of them.
    """
    counts: dict[int, list[str]] = {}
    for x, name in zip([*inputs, *targets, *weights], names, strict=True):
        if x is not None:
            counts.setdefault(x.shape[0], []).append(name)
    if len(counts) > 1:
        listed = "; ".join(f"{n} samples of {', '.join(which)}" for n, which in counts.items())
        raise ValueError(f"all data must have the same number of samples; found {listed}")


#: Losses that compare target and output element by element.
_SAME_SHAPE = {
    losses.mean_squared_error, losses.binary_crossentropy, losses.categorical_crossentropy,
}  # fmt: skip


def check_targets(
    targets: Sequence[Any],
    functions: Sequence[Any],
    shapes: Sequence[Shape | None],
    names: Sequence[str],
) -> None:
    """Raise ValueError where targets cannot be meant for the loss.

    Args:
        targets: arrays.
        functions: the loss of each.
        shapes: of the outputs.
        names: of the outputs.
    """
    for y, function, shape, name in zip(targets, functions, shapes, names, strict=True):
        if y is None or shape is None or function is None:
            continue
        if function is losses.categorical_crossentropy and y.shape[-1] == 1:
            raise ValueError(
                f"target {name!r} has shape {tuple(y.shape)}, but categorical_crossentropy expects "
                "1 at the class of each sample and 0 elsewhere, shape "
                f"{shape}: use keras.utils.to_categorical(y), or the loss "
                "sparse_categorical_crossentropy for classes as integers"
            )
        if function in _SAME_SHAPE:
            pairs = zip(y.shape[1:], shape[1:], strict=False)
            if len(y.shape) != len(shape) or any(b is not None and a != b for a, b in pairs):
                raise ValueError(
                    f"target {name!r} has shape {tuple(y.shape)}, the output {shape}: the loss "
                    f"{function.__name__} expects both to have the same shape"
                )


# ---------------------------------------------------------------------------------------- weights


def by_outputs(given: Any, names: Sequence[str], what: str) -> list[Any]:
    """``sample_weight`` or ``class_weight`` per output.

    Args:
        given: None; what is meant for the only output; a list; or a dict by names of outputs.
        names: of the outputs.
        what: for messages.

    Raises:
        ValueError: a list of another length; for several outputs neither list nor dict.
    """
    if given is None or (isinstance(given, Iterable) and not is_array(given) and not len(given)):  # type: ignore[arg-type]
        return [None] * len(names)
    if isinstance(given, Mapping) and any(name in given for name in names):
        unknown = [key for key in given if key not in names]
        if unknown:
            raise ValueError(f"{what}: {unknown[0]!r} is no output; there are {list(names)}")
        return [given.get(name) for name in names]
    if len(names) == 1:
        if isinstance(given, list) and len(given) == 1 and not np.isscalar(given[0]):
            return given
        return [given]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(
                f"{what} is a list of {len(given)}, the model has {len(names)} outputs: one is "
                "needed for each"
            )
        return list(given)
    raise ValueError(
        f"the model has several outputs: {what} must be a list, or a dict by their names "
        f"{list(names)}; got {type(given).__name__}"
    )


def weights_of(
    y: Any, sample_weight: Any, class_weight: Mapping[Any, float] | None, temporal: bool, name: str
) -> np.ndarray:
    """The weight of every sample (of every time step, if ``temporal``).

    Args:
        y: targets.
        sample_weight: an array or None.
        class_weight: class -> weight, or None; multiplied with the other.
        temporal: whether there is one weight per time step.
        name: of the output.

    Raises:
        ValueError: shapes do not fit, or a class has no weight.
    """
    given = None if sample_weight is None else np.asarray(sample_weight, K.floatx())
    axes = 2 if temporal else 1
    if given is not None:
        if given.ndim == 2 and axes == 1 and given.shape[1] == 1:
            given = given[:, 0]
        if given.ndim != axes:
            hint = (
                "sample_weight_mode='temporal' takes one weight for every time step"
                if temporal
                else "for one weight per time step, compile with sample_weight_mode='temporal'"
            )
            raise ValueError(
                f"sample_weight of {name!r} is expected to have {axes} axes, found shape "
                f"{given.shape}; {hint}"
            )
        if y is not None and given.shape != tuple(y.shape[:axes]):
            raise ValueError(
                f"sample_weight of {name!r} has shape {given.shape}, the target "
                f"{tuple(y.shape)}: they must agree in the first {axes} axes"
            )
    if isinstance(class_weight, Mapping):
        of_classes = _class_weights(y, class_weight, name)
        if temporal:
            of_classes = np.repeat(of_classes[:, None], y.shape[1], axis=1)
        return of_classes if given is None else given * of_classes
    if given is not None:
        return given
    return np.ones(y.shape[:axes], K.floatx())


def _class_weights(y: Any, class_weight: Mapping[Any, float], name: str) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim > 2:
        raise ValueError(
            f"class_weight of {name!r}: targets of shape {y.shape} are not one class per sample"
        )
    classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    present, where = np.unique(classes, return_inverse=True)
    missing = [c.item() for c in present if c not in class_weight]
    if missing:
        raise ValueError(
            f"class_weight of {name!r} has no weight for the classes {missing}, which are among "
            f"the targets; it has {sorted(class_weight)}"
        )
    table = np.array([class_weight[c] for c in present.tolist()], K.floatx())
    return table[where.reshape(-1)]


# --------------------------------------------------------------------------------- order and rows


def shuffled(count: int, shuffle: Any, batch_size: int) -> np.ndarray:
    """The samples 0 ... count-1 in the order of an epoch.

    Args:
        count: how many samples.
        shuffle: False; True; or "batch": batches are moved as a whole.
        batch_size: of these batches.

    NB: NumPy's global generator, as in Keras: ``numpy.random.seed`` decides.
    """
    order = np.arange(count)
    if shuffle == "batch":
        full = count // batch_size * batch_size
        batches = order[:full].reshape(-1, batch_size)
        np.random.shuffle(batches)  # noqa: NPY002  see NB
    elif shuffle:
        np.random.shuffle(order)  # noqa: NPY002  see NB
    return order


def split(arrays: Sequence[Any], share: float) -> tuple[list[Any], list[Any]]:
    """Arrays without their last rows, and these.

    Args:
        arrays: arrays, or None.
        share: of the rows that are split off.

    Raises:
        ValueError: one part has no rows.
    """
    count = next(x.shape[0] for x in arrays if x is not None)
    first = int(count * (1.0 - share))
    if not 0 < first < count:
        raise ValueError(
            f"validation_split={share} leaves {first} of {count} samples for the training and "
            f"{count - first} for the validation; both need some"
        )
    return (
        [None if x is None else x[:first] for x in arrays],
        [None if x is None else x[first:] for x in arrays],
    )


def rows_of(x: Any, rows: Any) -> Any:
    """Rows of an array; of a file's arrays, which want rows in order and once, too."""
    if isinstance(x, np.ndarray) or hasattr(x, "tocoo"):
        return x[rows]
    if isinstance(rows, slice):
        return np.asarray(x[rows])
    present, where = np.unique(rows, return_inverse=True)
    return np.asarray(x[present.tolist()])[where]


def feedable(x: Any) -> Any:
    """What a Session takes: arrays, and a SparseTensorValue for SciPy's sparse matrices."""
    if not hasattr(x, "tocoo"):
        return x
    found = x.tocoo()
    order = np.lexsort((found.col, found.row))
    places = np.stack([found.row, found.col], 1).astype(np.int64)[order]
    return tf.SparseTensorValue(places, found.data[order], np.array(found.shape, np.int64))
