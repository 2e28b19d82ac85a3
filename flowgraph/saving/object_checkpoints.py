"""tf.train.Checkpoint: variables saved by the places they have in Python objects, not by names.

    Checkpoint(net=layer, opt=optimizer)
        net/kernel/.ATTRIBUTES/VARIABLE_VALUE
        net/kernel/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE
        _CHECKPOINTABLE_OBJECT_GRAPH               which object has which parts

The files are TensorFlow's: either reads the other's.

Read next: objects.py (the parts of an object), checkpoint_manager.py, bundle.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowgraph.dtypes import int64
from flowgraph.errors import NotFoundError
from flowgraph.graph.default import control_dependencies, get_default_graph
from flowgraph.graph.export import export
from flowgraph.ops.variables import Variable
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.saving import bundle
from flowgraph.saving.objects import OBJECT_GRAPH, Objects, TrackableObjectGraph, is_trackable
from flowgraph.saving.reader import NewCheckpointReader
from flowgraph.saving.saver import check_fit
from flowgraph.saving.state import update_checkpoint_state
from flowgraph.session import get_default_session


def _session(given: Any) -> Any:
    session = get_default_session() if given is None else given
    if session is None:
        raise RuntimeError(
            "Checkpoint: no session is given, and there is no default one; write `with session:`"
        )
    return session


def values_of(variables: Mapping[str, Variable], session: Any) -> dict[str, Any]:
    """Key -> value, a copy, of variables by key."""
    graph = get_default_graph()
    if graph.executes:  # NB: several variables may have one name then
        return {key: np.array(v.numpy()) for key, v in variables.items()}  # type: ignore[attr-defined]
    names = [variable.op.name for variable in variables.values()]
    with _session(session)._variable_values(names) as values:
        return {key: values[v.op.name].copy() for key, v in variables.items()}


def set_values(pairs: list[tuple[Variable, Any]], session: Any) -> None:
    """Give variables values."""
    graph = get_default_graph()
    if graph.executes:
        for variable, value in pairs:
            place = graph.in_place_of_a_session([variable])  # type: ignore[attr-defined]
            place._set_variables({variable.op.name: value})
    elif pairs:
        _session(session)._set_variables({v.op.name: value for v, value in pairs})


@export("train.Checkpoint")
class Checkpoint:
    """Saves and restores the variables of objects: layers, models, optimizers, lists and dicts.

    Args:
        **kwargs: name -> object; each becomes an attribute.

    Raises:
        ValueError: something that holds no variables.

    >>> import os, tempfile
    >>> v = tf.Variable([1.0, 2.0])
    >>> checkpoint = tf.train.Checkpoint(weights=v)
    >>> with tf.Session() as sess, tempfile.TemporaryDirectory() as folder:
    ...     sess.run(v.initializer)
    ...     path = checkpoint.save(os.path.join(folder, "ckpt"))
    ...     v.load([0.0, 0.0], sess)
    ...     checkpoint.restore(path).run_restore_ops()
    ...     print(os.path.basename(path), sess.run(v))
    ckpt-1 [1. 2.]
    """

    def __init__(self, **kwargs: Any) -> None:
        self._save_counter: Variable | None = None
        for name, value in kwargs.items():
            if not is_trackable(value):
                raise ValueError(
                    f"Checkpoint was expecting {name!r} to be a trackable object (a variable, "
                    f"layer, model, optimizer, Checkpoint, or a list or dict of them), got {value}"
                )
            setattr(self, name, value)

    @property
    def save_counter(self) -> Variable:
        """An int64 variable: how often ``save`` was called."""
        if self._save_counter is None or (
            not get_default_graph().executes
            and self._save_counter.graph is not get_default_graph()
        ):
            with control_dependencies(None):
                self._save_counter = Variable(
                    np.int64(0), trainable=False, name="save_counter", dtype=int64, collections=[]
                )
        return self._save_counter

    def _checkpoint_children(self) -> dict[str, Any]:
        """Name -> part, as they are stored."""
        own = {name: part for name, part in vars(self).items() if not name.startswith("_")}
        found = {name: part for name, part in sorted(own.items()) if is_trackable(part)}
        if self._save_counter is not None:
            found["save_counter"] = self._save_counter
        return found

    # -------------------------------------------------------------------------------------- write

    def write(self, file_prefix: Any, session: Any = None, options: Any = None) -> str:
        """Write a checkpoint of exactly this path, which is not counted.

        Args:
            file_prefix: the path.
            session: the session; the default one when None.
            options: accepted.

        Returns:
            The path.

        Raises:
            FailedPreconditionError: a variable has no value.
        """
        path = path_of(file_prefix)
        objects = Objects(self)
        tensors: dict[str, Any] = values_of(objects.variables, session)
        graph = np.empty((), object)
        graph[()] = objects.message().SerializeToString()
        tensors[OBJECT_GRAPH] = graph
        with file_errors(path):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        bundle.write(path, tensors)
        return path

    def save(self, file_prefix: Any, session: Any = None, options: Any = None) -> str:
        """Write a checkpoint whose path ends in ``-1``, ``-2`` ..., and name it as the newest.

        Args:
            file_prefix: the path without number.
            session: the session; the default one when None.
            options: accepted.

        Returns:
            The path.
        """
        prefix = path_of(file_prefix)
        path = self.write(f"{prefix}-{self._counted(session)}", session)
        directory = os.path.dirname(path)
        lead = "" if os.path.isabs(directory) else directory
        name = os.path.join(lead, os.path.basename(path))
        update_checkpoint_state(directory, name, [name])
        return path

    def _counted(self, session: Any) -> int:
        """The number of the next checkpoint; the counter has it afterwards."""
        counter = self.save_counter
        if get_default_graph().executes:
            number = int(counter.numpy()) + 1  # type: ignore[attr-defined]
        else:
            held = _session(session)._state
            known = counter.op.name in held.initialized
            number = int(values_of({"": counter}, session)[""]) + 1 if known else 1
        set_values([(counter, np.array(number))], session)
        return number

    # ------------------------------------------------------------------------------------ restore

    def restore(self, save_path: Any) -> LoadStatus:
        """Find out which variables have values in a checkpoint, and set them: at once when
        executing eagerly, else by ``run_restore_ops`` or ``initialize_or_restore`` of the result.

        Variables that do not exist yet are not restored when they are made.

        Args:
            save_path: what ``save`` returned; None: nothing is restored.

        Returns:
            A status, whose ``assert_consumed`` and its like say whether all fits.

        Raises:
            NotFoundError: there is no checkpoint.
            InvalidArgumentError: shapes or dtypes differ (all are listed).
        """
        self.save_counter  # noqa: B018  it is one of the parts from now on
        status = LoadStatus(self, None if save_path is None else path_of(save_path))
        if get_default_graph().executes:
            status.run_restore_ops()
        return status

    read = restore


class LoadStatus:
    """What of a checkpoint has been found in objects, and the other way round.

    Args:
        root: the Checkpoint.
        path: of the file, or None.
    """

    def __init__(self, root: Any, path: str | None) -> None:
        self._root, self._path = root, path
        self._found: list[tuple[Variable, str]] = []
        self._unused: list[str] = []
        self._objects = Objects(root)
        if path is not None:
            self._reader = NewCheckpointReader(path)
            self._match()
            check_fit(self._reader, path, {key: variable for variable, key in self._found})

    def _match(self) -> None:
        reader = self._reader
        if reader.has_tensor(OBJECT_GRAPH):
            message = TrackableObjectGraph.FromString(_bytes(reader.get_tensor(OBJECT_GRAPH)))
            self._found, self._unused = self._objects.matched(message)
        else:  # written by a Saver: by names
            stored = reader.get_variable_to_shape_map()
            known = {v.op.name: v for v in self._objects.variables.values()}
            self._found = [(v, name) for name, v in known.items() if name in stored]
            self._unused = [name for name in stored if name not in known]

    def _missing(self) -> list[str]:
        have = {id(variable) for variable, _ in self._found}
        return [key for key, v in self._objects.variables.items() if id(v) not in have]

    def _check(self, lines: list[str]) -> LoadStatus:
        if self._path is None:
            raise AssertionError(
                "No checkpoint specified (save_path=None); nothing is being restored."
            )
        if lines:
            raise AssertionError(f"{self._path}:\n  " + "\n  ".join(lines))
        return self

    def assert_consumed(self) -> LoadStatus:
        """Fails unless every variable has a value in the checkpoint and every value a variable.

        Raises:
            AssertionError: with all that do not.
        """
        unused = [f"a value has no object: {key}" for key in self._unused
                  if not key.startswith("save_counter/")]  # fmt: skip
        return self._check([*self._without_values(), *unused])

    def _without_values(self) -> list[str]:
        return [f"an object has no value: {key}" for key in self._missing()
                if not key.startswith("save_counter/")]  # fmt: skip

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Fails unless every variable has a value in the checkpoint.

        Raises:
            AssertionError: with all that do not.
        """
        return self._check(self._without_values())

    def assert_nontrivial_match(self) -> LoadStatus:
        """Fails when nothing at all fits.

        Raises:
            AssertionError: nothing but the counter does.
        """
        found = [key for _, key in self._found if not key.startswith("save_counter/")]
        return self._check([] if found else ["nothing of the checkpoint fits the objects"])

    def expect_partial(self) -> LoadStatus:
        """This status: nothing is said about what does not fit."""
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Set the variables.

        Args:
            session: the session; the default one when None.

        Raises:
            AssertionError: no checkpoint was given.
        """
        if self._path is None:
            if get_default_graph().executes:
                return
            self._check([])
        pairs = [(variable, self._reader.get_tensor(key)) for variable, key in self._found]
        set_values([(v, np.asarray(value, v.dtype.base_dtype.np)) for v, value in pairs], session)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Set the variables; those without a value get their first one.

        Args:
            session: the session; the default one when None.
        """
        if get_default_graph().executes:
            return
        have = {id(variable) for variable, _ in self._found}
        others = [v for v in self._objects.variables.values() if id(v) not in have]
        _session(session).run([v.initializer for v in others])
        if self._path is not None:
            self.run_restore_ops(session)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise NotFoundError(None, None, f"{OBJECT_GRAPH} is no text")
    return value
