"""Saver: write the values of variables to checkpoints, and read them back.

    save(sess, "model.ckpt", global_step=200)  ->  model.ckpt-200.index, model.ckpt-200.data-...,
                                                   and the file `checkpoint`, which names it
    restore(sess, "model.ckpt-200")            ->  every value checked, then all set

A checkpoint appears at once and complete, and an older one is removed after the newer one is
named, so a process may be killed at any moment.  A path that ends in ``.safetensors`` makes one
file of that kind; any other path TensorFlow's format.

Read next: reader.py, state.py; session.py (_variable_values, _set_variables).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flowgraph.errors import InvalidArgumentError, NotFoundError, did_you_mean
from flowgraph.graph.default import GraphKeys, get_default_graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor
from flowgraph.graph.report import call_message
from flowgraph.ops.variables import Variable
from flowgraph.platform.file_io import path_of
from flowgraph.protos.exporting import write_message
from flowgraph.protos.meta_graphs import MetaGraphDef, SaverDef
from flowgraph.saving import bundle, safetensors_file
from flowgraph.saving.files import Slabs, clean, write_whole
from flowgraph.saving.meta_graphs import KeptMetaGraph, of_saver
from flowgraph.saving.reader import NewCheckpointReader
from flowgraph.saving.state import (
    checkpoint_exists,
    get_checkpoint_mtimes,
    remove_checkpoint,
    update_checkpoint_state,
)
from flowgraph.session import BaseSession
from flowgraph.shapes import format_dims, is_compatible


@export("train.Saver")
class Saver:
    """Saves and restores variables.

    Args:
        var_list: the variables: a list (saved under their names) or a dict from names to them; all
            global ones, and those in ``GraphKeys.SAVEABLE_OBJECTS``, by default.
        reshape: restore values of another shape when they have as many elements.
        max_to_keep: how many checkpoints stay; None or 0: all.
        keep_checkpoint_every_n_hours: one of them in so many hours stays for ever.
        defer_build: look for the variables when ``build`` is called, or at the first use.
        allow_empty: no error when there are no variables.
        pad_step_number: write steps with 8 digits.
        save_relative_paths: name checkpoints in the file ``checkpoint`` without the directory.
        saver_def: a SaverDef with other defaults.
        filename: the path of ``save`` when it is given none.
        sharded, name, restore_sequentially, builder, write_version: accepted.

    Raises:
        ValueError: there are no variables, or two of one name.
        TypeError: something that is to be saved is no variable.

    >>> import os, tempfile
    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> saver = tf.train.Saver()
    >>> with tf.Session() as sess, tempfile.TemporaryDirectory() as folder:
    ...     sess.run(v.initializer)
    ...     path = saver.save(sess, os.path.join(folder, "model.ckpt"), global_step=7)
    ...     print(os.path.basename(path), tf.train.list_variables(path))
    model.ckpt-7 [('v', [2])]
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: SaverDef | None = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = SaverDef.V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        if defer_build and var_list is not None:
            raise ValueError("Saver: give var_list, or defer_build=True; not both")
        self._given, self._reshape, self._allow_empty = var_list, reshape, allow_empty
        self._max_to_keep, self._every_hours = max_to_keep, keep_checkpoint_every_n_hours
        self._pad, self._relative = pad_step_number, save_relative_paths
        self._filename = filename
        if saver_def is not None:
            self._max_to_keep = saver_def.max_to_keep
            self._every_hours = saver_def.keep_checkpoint_every_n_hours
        self.saver_def = saver_def or SaverDef(
            max_to_keep=self._max_to_keep or 0,
            sharded=sharded,
            keep_checkpoint_every_n_hours=self._every_hours,
            version=write_version,
        )
        #: Operations of the graph do the work: another Saver put them there.
        self._by_graph = bool(self.saver_def.restore_op_name)
        #: (path, when it was written), oldest first.
        self._last: list[tuple[str, float]] = []
        self._meta_graph = KeptMetaGraph()
        self._variables: dict[str, Variable] | None = None
        self._next_to_stay = time.time() + self._every_hours * 3600
        if not defer_build:
            self.build()

    def build(self) -> None:
        """Look for the variables, when that was deferred."""
        if self._by_graph:
            self._variables = {}
        if self._variables is None:
            self._variables = _by_name(self._found())
            if not self._variables and not self._allow_empty:
                raise ValueError(
                    call_message(
                        "Saver: there are no variables to save",
                        fix="make the Saver after the variables, in their graph",
                    )
                )
            self._next_to_stay = time.time() + self._every_hours * 3600

    def _found(self) -> Any:
        if self._given is not None:
            return self._given
        graph = get_default_graph()
        return [
            *graph.get_collection(GraphKeys.GLOBAL_VARIABLES),
            *graph.get_collection(GraphKeys.SAVEABLE_OBJECTS),
        ]

    def _built(self) -> dict[str, Variable]:
        self.build()
        assert self._variables is not None
        return self._variables

    # -------------------------------------------------------------------------------------- save

    def save(
        self,
        sess: Any,
        save_path: str | None = None,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Write a checkpoint.

        Args:
            sess: the session whose variables are written; None in eager mode.
            save_path: the path, without endings; one that ends in ``.safetensors`` makes such a
                file.
            global_step: a number, or a tensor or variable with one, behind the path.
            latest_filename: name of the file that lists checkpoints; ``checkpoint`` by default.
            meta_graph_suffix: of the file with the graph, ``meta``.
            write_meta_graph: whether that file is written: for ``tf.train.import_meta_graph``.  A
                graph in which a branch or loop writes a variable has none.
            strip_default_attrs, save_debug_info: accepted.
            write_state: whether the file that lists checkpoints is written, and old ones removed.

        Returns:
            The path, to give to ``restore``; None when there are no variables.

        Raises:
            FailedPreconditionError: a variable has no value.
            ValueError: the directory does not exist, or the session is closed.
            TypeError: ``sess`` is no session.
        """
        variables = self._built()
        sess = _session(sess, variables)
        given = self._filename if save_path is None else save_path
        if not given:
            raise ValueError("Saver.save: save_path must be given")
        path = self._numbered(path_of(given), sess, global_step)
        directory, name = os.path.split(path)
        latest = latest_filename or "checkpoint"
        if os.path.split(latest)[0]:
            raise ValueError(f"Saver.save: latest_filename {latest!r} must have no directory")
        if not name or name == latest:
            raise ValueError(f"Saver.save: {given!r} does not name a checkpoint")
        if directory and not os.path.isdir(directory):
            raise ValueError(f"Saver.save: the directory {directory!r} does not exist; make it")
        if not variables and not self._by_graph:
            return None
        clean(path_of(given).removesuffix(safetensors_file.EXTENSION))
        clean(os.path.join(directory, latest))
        if self._by_graph:
            into = {self.saver_def.filename_tensor_name: path}
            sess.run(self.saver_def.save_tensor_name, into)
        else:
            self._write(path, variables, sess)
        is_safe = path.endswith(safetensors_file.EXTENSION)
        if write_meta_graph and not is_safe and isinstance(sess, BaseSession):
            with contextlib.suppress(NotImplementedError):
                meta = self._meta_graph.get(sess.graph, self.saver_def, variables)
                write_whole(f"{path}.{meta_graph_suffix}", [meta])
        if write_state:
            self._record(directory, path, latest, meta_graph_suffix)
        return path

    @staticmethod
    def _write(path: str, variables: Mapping[str, Variable], sess: Any) -> None:
        write = (
            safetensors_file.write if path.endswith(safetensors_file.EXTENSION) else bundle.write
        )
        names = {key: variable.op.name for key, variable in variables.items()}
        with sess._variable_values(names.values()) as values:
            write(path, {key: values[own] for key, own in names.items()})

    def _numbered(self, path: str, sess: Any, step: Any) -> str:
        if step is None:
            return path
        if isinstance(step, (Tensor, Variable)):
            step = sess.run(step)
        number = f"{int(step):08d}" if self._pad else f"{int(step)}"
        if path.endswith(safetensors_file.EXTENSION):
            stem = path.removesuffix(safetensors_file.EXTENSION)
            return f"{stem}-{number}{safetensors_file.EXTENSION}"
        return f"{path}-{number}"

    def _record(self, directory: str, path: str, latest: str, suffix: str) -> None:
        """Name the new checkpoint, then remove the one that is too old."""
        old: list[tuple[str, float]] = []
        if self._max_to_keep:
            self._last = [item for item in self._last if item[0] != path]
            self._last.append((path, time.time()))
            while len(self._last) > self._max_to_keep:
                old.append(self._last.pop(0))
        kept = self.last_checkpoints
        if self._relative:
            # NB: relative paths are taken for relative to where the process runs
            lead = "" if os.path.isabs(directory) else directory
            path, *kept = (os.path.join(lead, os.path.basename(p)) for p in (path, *kept))
        update_checkpoint_state(directory, path, kept, latest)
        for stale, written in old:
            if written > self._next_to_stay:
                self._next_to_stay += self._every_hours * 3600
            else:
                remove_checkpoint(stale, meta_graph_suffix=suffix)

    # ----------------------------------------------------------------------------------- restore

    def restore(self, sess: Any, save_path: str | None) -> None:
        """Set the variables to the values of a checkpoint; they need not be initialised.

        Everything is read and checked before the first variable changes.

        Args:
            sess: the session whose variables are set; None in eager mode.
            save_path: what ``save`` returned.

        Raises:
            ValueError: ``save_path`` is None, or no checkpoint.
            NotFoundError: variables are not in the checkpoint (all are listed).
            InvalidArgumentError: shapes or dtypes differ (all are listed).
            DataLossError: the checkpoint is damaged.
        """
        variables = self._built()
        if save_path is None:
            raise ValueError("Saver.restore: save_path is None; is there a checkpoint?")
        sess = _session(sess, variables)
        path = path_of(save_path)
        if not checkpoint_exists(path):
            raise ValueError(
                call_message(
                    f"Saver.restore: {path!r} is no checkpoint",
                    fix="give what save returned, or tf.train.latest_checkpoint(directory)",
                )
            )
        if self._by_graph:
            sess.run(self.saver_def.restore_op_name, {self.saver_def.filename_tensor_name: path})
        elif variables:
            reader = NewCheckpointReader(path)
            check_fit(reader, path, variables, reshape=self._reshape)
            with bundle.Opened() as opened:
                sess._set_variables(self._read(reader, variables, sess, opened))

    def _read(
        self,
        reader: NewCheckpointReader,
        variables: Mapping[str, Variable],
        sess: Any,
        opened: bundle.Opened,
    ) -> dict[str, Any]:
        """Name of a variable -> its value, or what is going to give it; all is checked."""
        values: dict[str, Any] = {}
        slabs = Slabs()
        for key, variable in variables.items():
            name = variable.op.name
            stored = None
            if isinstance(sess, BaseSession) and not self._reshape:
                stored = reader._stored(key, opened)
            if stored is None:
                values[name] = _shaped(reader.get_tensor(key), variable, self._reshape)
                continue
            buffer = sess._state.variables.get(name)
            if buffer is not None and stored.suits(buffer):
                stored.check()
            else:
                stored.load(slabs)
            values[name] = stored
        return values

    # ------------------------------------------------------------------------------- bookkeeping

    @property
    def last_checkpoints(self) -> list[str]:
        """The paths of the checkpoints that are kept, oldest first."""
        return [path for path, _ in self._last]

    def set_last_checkpoints(self, last_checkpoints: Sequence[str]) -> None:
        """Say which checkpoints are kept, oldest first, as if made long ago."""
        self._last = [(path, float("inf")) for path in last_checkpoints]

    def set_last_checkpoints_with_time(
        self, last_checkpoints_with_time: Sequence[tuple[str, float]]
    ) -> None:
        """Say which checkpoints are kept, with the time of each."""
        self._last = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """Go on with the checkpoints of an earlier process; those that are gone do not count.

        Args:
            checkpoint_paths: their paths, oldest first.
        """
        there = [path for path in checkpoint_paths if checkpoint_exists(path)]
        self._last = list(zip(there, get_checkpoint_mtimes(there), strict=True))

    def export_meta_graph(
        self,
        filename: Any = None,
        as_text: bool = False,
        clear_devices: bool = False,
    ) -> MetaGraphDef:
        """The default graph, its collections and the operations of this Saver.

        Args:
            filename: where to write it, or None.
            as_text: write the text form.
            clear_devices: leave out the devices.

        Raises:
            NotImplementedError: a branch or loop writes a variable.
        """
        meta = of_saver(get_default_graph(), self.saver_def, self._built())
        if clear_devices:
            for node in meta.graph_def.node:
                node.device = ""
        if filename is not None:
            write_message(path_of(filename), meta, as_text)
        return meta

    def as_saver_def(self) -> SaverDef:
        """The settings."""
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> SaverDef:
        """The settings; ``export_scope`` is accepted."""
        return self.saver_def

    @staticmethod
    def from_proto(saver_def: SaverDef, import_scope: str | None = None) -> Saver:
        """The Saver of a graph that was imported, whose operations it runs.

        Args:
            saver_def: the settings; without names of operations those of the graph's variables.
            import_scope: the name scope that the graph was imported into.
        """
        mine = SaverDef()
        mine.CopyFrom(saver_def)
        if import_scope:
            for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
                if getattr(mine, field):
                    setattr(mine, field, f"{import_scope}/{getattr(mine, field)}")
        return Saver(saver_def=mine)


def _session(sess: Any, variables: Mapping[str, Variable]) -> Any:
    graph = get_default_graph()
    if graph.executes:
        return graph.in_place_of_a_session(variables.values())  # type: ignore[attr-defined]
    if not isinstance(sess, BaseSession):
        raise TypeError(f"Saver: sess must be a Session, got {sess!r}")
    if sess._closed:
        raise RuntimeError("Attempted to use a closed Session.")
    return sess


def _by_name(given: Any) -> dict[str, Variable]:
    """Key in the checkpoint -> variable."""
    if isinstance(given, Mapping):
        pairs = [(str(key), value) for key, value in given.items()]
    else:
        pairs = [(getattr(getattr(value, "op", None), "name", ""), value) for value in given]
    found: dict[str, Variable] = {}
    for key, value in pairs:
        if not isinstance(value, Variable):
            raise TypeError(f"Saver: only variables can be saved, got {value!r}")
        if found.get(key, value) is not value:
            raise ValueError(f"Saver: two variables have the name {key!r}")
        found[key] = value
    return found


def check_fit(
    reader: NewCheckpointReader,
    path: str,
    variables: Mapping[str, Variable],
    reshape: bool = False,
) -> None:
    """Compare ``variables`` with what the checkpoint holds.

    Raises:
        NotFoundError: some are not there.   InvalidArgumentError: shapes or dtypes differ.
    """
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    missing = [key for key in variables if key not in shapes]
    wrong = []
    for key, variable in variables.items():
        if key in shapes:
            own, have, dims = variable.dtype.base_dtype, shapes[key], variable._variable.dims
            fits = is_compatible(dims, tuple(have))
            if reshape and not fits and dims is not None and None not in dims:
                fits = np.prod(dims) == np.prod(have)  # type: ignore[arg-type]
            if not fits:
                wrong.append(f"{key!r} has shape {format_dims(dims)}, there {have}")
            elif own is not dtypes[key]:
                wrong.append(f"{key!r} is {own.name}, there {dtypes[key].name}")
    lines = "\n  ".join([f"{key!r} is not there{did_you_mean(key, shapes)}" for key in missing]
                        + wrong)  # fmt: skip
    if lines:
        kind = NotFoundError if missing else InvalidArgumentError
        text = call_message(
            f"the checkpoint {path} does not fit; no variable was changed:\n  {lines}",
            [("variable", variable) for key, variable in variables.items() if f"{key!r}" in lines],
            fix="tf.train.list_variables(path) shows what it holds; Saver(var_list={name: "
            "variable}) reads some of it, or under other names",
        )
        raise kind(None, None, text)


def _shaped(value: Any, variable: Variable, reshape: bool) -> np.ndarray[Any, Any]:
    array = np.asarray(value, variable.dtype.base_dtype.np)
    dims = variable._variable.dims
    if reshape and dims is not None and None not in dims:
        return array.reshape(dims)
    return array
