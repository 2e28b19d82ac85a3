"""Loading a SavedModel: its graph into the session's, its variables into the session.

What a file says is only data: op types that are not known here are named in one error, and what
runs by itself while loading (restoring, initialising) must not write files or call functions.

Read next: saving/meta_graphs_read.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from flowgraph.errors import InvalidArgumentError
from flowgraph.graph.contexts import Context
from flowgraph.graph.core import Graph
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.file_io import path_of
from flowgraph.protos.meta_graphs import AssetFileDef, MetaGraphDef, SavedModel
from flowgraph.protos.reading import read_message
from flowgraph.protos.wire import DecodeError
from flowgraph.saved_model import names
from flowgraph.saving.meta_graphs_read import import_meta_graph
from flowgraph.saving.saver import Saver
from flowgraph.saving.state import checkpoint_exists

#: Op types that a file must not run by itself.
_WITH_EFFECTS_OUTSIDE = {
    "WriteFile", "Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints", "PyFunc",
    "PyFuncStateless", "EagerPyFunc",
}  # fmt: skip


def _file_of(folder: str) -> str | None:
    for name in (names.FILENAME_PB, names.FILENAME_PBTXT):
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return None


@export(
    "saved_model.loader.maybe_saved_model_directory",
    "saved_model.maybe_saved_model_directory",
    "saved_model.contains_saved_model",
)
def maybe_saved_model_directory(export_dir: Any) -> bool:
    """Whether there is a SavedModel file in a directory.

    Args:
        export_dir: the directory.
    """
    return _file_of(path_of(export_dir)) is not None


def parse_saved_model(export_dir: Any) -> SavedModel:
    """The message in the file of a SavedModel.

    Raises:
        OSError: there is none, or it is damaged.
    """
    folder = path_of(export_dir)
    path = _file_of(folder)
    if path is None:
        raise OSError(
            f"SavedModel file does not exist at: {folder}{os.path.sep}"
            f"{{{names.FILENAME_PBTXT}|{names.FILENAME_PB}}}"
        )
    try:
        model = read_message(path, SavedModel)
    except DecodeError as error:
        raise OSError(f"Cannot parse file {path}: {error}.") from None
    if model.saved_model_schema_version > names.SCHEMA_VERSION:
        raise OSError(
            f"{path} has the schema version {model.saved_model_schema_version}; versions up to "
            f"{names.SCHEMA_VERSION} are known here"
        )
    return model


class SavedModelLoader:
    """Reads one directory: graph, variables and initialisation, together or one by one.

    Args:
        export_dir: the directory.

    Raises:
        OSError: there is no SavedModel, or it is damaged.
    """

    def __init__(self, export_dir: Any) -> None:
        self._folder = path_of(export_dir)
        self._model = parse_saved_model(export_dir)

    @property
    def variables_path(self) -> str:
        """Path of the checkpoint."""
        return os.path.join(self._folder, names.VARIABLES_DIRECTORY, names.VARIABLES_FILENAME)

    def get_meta_graph_def_from_tags(self, tags: Iterable[str]) -> MetaGraphDef:
        """The MetaGraphDef that has these tags and no other.

        Raises:
            RuntimeError: there is none.
        """
        wanted = {tags} if isinstance(tags, str) else set(tags)
        for meta in self._model.meta_graphs:
            if set(meta.meta_info_def.tags) == wanted:
                return meta
        have = ", ".join(str(sorted(meta.meta_info_def.tags)) for meta in self._model.meta_graphs)
        raise RuntimeError(
            f"MetaGraphDef associated with tags {sorted(wanted)} could not be found in the "
            f"SavedModel {self._folder}; available tags: {have or 'none'}"
        )

    def load_graph(
        self,
        graph: Graph,
        tags: Iterable[str],
        import_scope: str | None = None,
        **saver_kwargs: Any,
    ) -> tuple[Saver | None, Any]:
        """Add the graph with these tags to ``graph``.

        Returns:
            A Saver (None without variables), and the ``return_elements`` that were asked for.
        """
        meta = self.get_meta_graph_def_from_tags(tags)
        with graph.as_default():
            found = import_meta_graph(meta, import_scope=import_scope, **saver_kwargs)
        return found if isinstance(found, tuple) else (found, None)

    def restore_variables(
        self, sess: Any, saver: Saver | None, import_scope: str | None = None
    ) -> None:
        """Set the variables to the values of the checkpoint.

        Raises:
            ValueError: there is no checkpoint.
        """
        if saver is None:
            logging.info("The specified SavedModel has no variables; no checkpoints were restored.")
            return
        if saver._by_graph:
            _check_harmless(sess.graph.get_operation_by_name(saver.saver_def.restore_op_name))
        if not checkpoint_exists(self.variables_path):
            raise ValueError(f"the SavedModel {self._folder} has no checkpoint of its variables")
        saver.restore(sess, self.variables_path)

    def run_init_ops(
        self, sess: Any, tags: Iterable[str], import_scope: str | None = None
    ) -> None:
        """Run the operation that the graph wants to be run, with the paths of its files."""
        meta = self.get_meta_graph_def_from_tags(tags)
        lead = f"{import_scope}/" if import_scope else ""
        graph = sess.graph
        name = init_op_name(meta)
        if name is None:
            return
        operation = graph.as_graph_element(lead + name)
        _check_harmless(operation if isinstance(operation, Operation) else operation.op)
        feeds = {
            graph.get_tensor_by_name(lead + asset.tensor_info.name): os.path.join(
                self._folder, names.ASSETS_DIRECTORY, _plain(asset.filename)
            )
            for asset in assets_of(meta)
        }
        sess.run(operation, feeds)

    def load(
        self,
        sess: Any,
        tags: Iterable[str],
        import_scope: str | None = None,
        **saver_kwargs: Any,
    ) -> MetaGraphDef:
        """Graph, variables, initialisation.

        Returns:
            The MetaGraphDef.
        """
        tags = [tags] if isinstance(tags, str) else list(tags)
        saver, _ = self.load_graph(sess.graph, tags, import_scope, **saver_kwargs)
        with sess.graph.as_default():
            self.restore_variables(sess, saver, import_scope)
            self.run_init_ops(sess, tags, import_scope)
        return self.get_meta_graph_def_from_tags(tags)


@export("saved_model.loader.load", "saved_model.load")
def load(
    sess: Any,
    tags: Iterable[str],
    export_dir: Any,
    import_scope: str | None = None,
    **saver_kwargs: Any,
) -> MetaGraphDef:
    """Load a SavedModel, of TensorFlow or of this library, into a session and its graph.

    Args:
        sess: the session.
        tags: the tags of the graph that is wanted, all of them.
        export_dir: the directory.
        import_scope: prefix of the names; none by default.
        **saver_kwargs: of ``tf.train.import_meta_graph``: ``clear_devices``, ``input_map``.

    Returns:
        The MetaGraphDef; its ``signature_def`` says which tensors are fed and fetched.

    Raises:
        OSError: there is no SavedModel, or it is damaged.
        RuntimeError: it has no graph with these tags.
        NotFoundError: op types are not known here; all are named.
        DataLossError: the checkpoint is damaged.
        InvalidArgumentError: loading would write files or call functions.
    """
    return SavedModelLoader(export_dir).load(sess, tags, import_scope, **saver_kwargs)


def init_op_name(meta: MetaGraphDef) -> str | None:
    """The operation that is run when the graph is loaded."""
    key = names.INIT_OP_SIGNATURE_KEY
    if key in meta.signature_def:
        return meta.signature_def[key].outputs[key].name.partition(":")[0]
    for key in (names.MAIN_OP_KEY, names.LEGACY_INIT_OP_KEY):
        if key in meta.collection_def and meta.collection_def[key].node_list.value:
            found: Sequence[str] = meta.collection_def[key].node_list.value
            if len(found) != 1:
                raise RuntimeError(f"Expected exactly one main op in the collection {key!r}.")
            return found[0]
    return None


def assets_of(meta: MetaGraphDef) -> list[AssetFileDef]:
    """The files that the graph reads."""
    if meta.asset_file_def:
        return list(meta.asset_file_def)
    if names.ASSETS_KEY not in meta.collection_def:
        return []
    packed = meta.collection_def[names.ASSETS_KEY].any_list.value
    return [AssetFileDef.FromString(item.value) for item in packed]


def _plain(name: str) -> str:
    """A file name without a directory: a file must not point out of its own."""
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise InvalidArgumentError(None, None, f"an asset has the name {name!r}, which is a path")
    return name


def _check_harmless(operation: Operation) -> None:
    """What ``operation`` needs writes no files and calls no functions."""
    seen, waiting = {operation}, [operation]
    wrong = []
    while waiting:
        at = waiting.pop()
        if at.type in _WITH_EFFECTS_OUTSIDE:
            wrong.append(f"{at.name!r} ({at.type})")
        bodies = [value.origin for value in at.attrs.values() if isinstance(value, Context)]
        inside = [op for body in bodies for op in at.graph._operations if op._context is body]
        for other in (*(tensor.op for tensor in at.inputs), *at.control_inputs, *inside):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    if wrong:
        raise InvalidArgumentError(
            None, None, "the SavedModel is not loaded: it would write files or call functions "
            f"while it is being loaded: {', '.join(sorted(wrong))}",
        )  # fmt: skip
