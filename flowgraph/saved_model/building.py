"""SavedModelBuilder: a session's variables, its graph and files, into a directory.

    builder = tf.saved_model.builder.SavedModelBuilder("export/1")
    builder.add_meta_graph_and_variables(sess, [tag_constants.SERVING], {"serving_default": ...})
    builder.save()

``saved_model.pb`` appears last and whole: a directory without it is no SavedModel.

Read next: loading.py (the way back), saving/meta_graphs.py.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from flowgraph.graph.default import (
    GraphKeys,
    control_dependencies,
    get_collection,
    get_default_graph,
)
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.static import constant_value
from flowgraph.ops.control import group
from flowgraph.ops.variable_kinds import tables_initializer
from flowgraph.ops.variables import global_variables_initializer, local_variables_initializer
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.protos.exporting import strip_default_attrs as without_default_attrs
from flowgraph.protos.exporting import write_message
from flowgraph.protos.meta_graphs import (
    AnyMessage,
    AssetFileDef,
    MetaGraphDef,
    SavedModel,
    SignatureDef,
    TensorInfo,
)
from flowgraph.saved_model import names
from flowgraph.saved_model.signatures import predict_signature_def
from flowgraph.saving.meta_graphs import export_meta_graph
from flowgraph.saving.saver import Saver


@export("saved_model.builder.SavedModelBuilder", "saved_model.Builder")
class SavedModelBuilder:
    """Writes a SavedModel: first variables with a graph, then more graphs with other tags.

    Args:
        export_dir: the directory; it must be empty or not exist.

    Raises:
        AssertionError: the directory is not empty.
    """

    def __init__(self, export_dir: Any) -> None:
        self._folder = path_of(export_dir)
        self._model = SavedModel(saved_model_schema_version=names.SCHEMA_VERSION)
        self._has_variables = False
        with file_errors(self._folder):
            if os.path.isdir(self._folder) and os.listdir(self._folder):
                raise AssertionError(
                    f"Export directory {self._folder} already exists, and isn't empty. Please "
                    "choose a different export directory, or delete all the contents of the "
                    "specified directory."
                )
            os.makedirs(self._folder, exist_ok=True)

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Iterable[str],
        signature_def_map: Mapping[str, SignatureDef] | None = None,
        assets_collection: Iterable[Tensor] | None = None,
        legacy_init_op: Operation | None = None,
        clear_devices: bool = False,
        main_op: Operation | None = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Write the variables of a session, and add its graph.

        Args:
            sess: the session.
            tags: what the graph is for: ``tag_constants.SERVING`` and its like.
            signature_def_map: name -> SignatureDef.
            assets_collection: constant string tensors with the paths of files to take along.
            legacy_init_op: as ``main_op``; an older name.
            clear_devices: leave out the devices.
            main_op: an operation that is run when the graph is loaded.
            strip_default_attrs: leave out attrs that have their default values.
            saver: a Saver of the variables to write; all by default.

        Raises:
            AssertionError: variables have been written already; a signature names no tensor.
            TypeError: ``main_op`` is no Operation.
            FailedPreconditionError: a variable has no value.
            NotImplementedError: a branch or loop writes a variable.
        """
        if self._has_variables:
            raise AssertionError(
                "Graph state including variables and assets has already been saved. Please invoke "
                "`add_meta_graph()` instead."
            )
        with sess.graph.as_default():
            # NB: first the graph, which may be one that cannot be written
            meta = self._meta_graph(
                tags, signature_def_map, assets_collection, main_op or legacy_init_op,
                clear_devices, strip_default_attrs, saver,
            )  # fmt: skip
            place = os.path.join(self._folder, names.VARIABLES_DIRECTORY)
            saver = _saver(saver)
            if saver._built() or saver._by_graph:
                with file_errors(place):
                    os.makedirs(place, exist_ok=True)
                saver.save(
                    sess, os.path.join(place, names.VARIABLES_FILENAME), write_meta_graph=False,
                    write_state=False,
                )  # fmt: skip
            self._model.meta_graphs.add().CopyFrom(meta)
        self._has_variables = True

    def add_meta_graph(
        self,
        tags: Iterable[str],
        signature_def_map: Mapping[str, SignatureDef] | None = None,
        assets_collection: Iterable[Tensor] | None = None,
        legacy_init_op: Operation | None = None,
        clear_devices: bool = False,
        main_op: Operation | None = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Add the default graph, which uses the variables that were written before.

        Args:
            tags, signature_def_map, assets_collection, legacy_init_op, clear_devices, main_op,
                strip_default_attrs, saver: as of ``add_meta_graph_and_variables``.

        Raises:
            AssertionError: no variables have been written; a signature names no tensor.
            TypeError: ``main_op`` is no Operation.
            NotImplementedError: a branch or loop writes a variable.
        """
        if not self._has_variables:
            raise AssertionError(
                "Graph state including variables and assets has not been saved yet. Please invoke "
                "`add_meta_graph_and_variables()` first."
            )
        meta = self._meta_graph(
            tags, signature_def_map, assets_collection, main_op or legacy_init_op, clear_devices,
            strip_default_attrs, saver,
        )  # fmt: skip
        self._model.meta_graphs.add().CopyFrom(meta)

    def save(self, as_text: bool = False) -> bytes:
        """Write ``saved_model.pb``.

        Args:
            as_text: write the text form, ``saved_model.pbtxt``.

        Returns:
            The path of the file, as bytes.
        """
        name = names.FILENAME_PBTXT if as_text else names.FILENAME_PB
        path = os.path.join(self._folder, name)
        with file_errors(path):
            write_message(path, self._model, as_text)
        return path.encode()

    # ------------------------------------------------------------------------------------- parts

    def _meta_graph(
        self,
        tags: Iterable[str],
        signatures: Mapping[str, SignatureDef] | None,
        assets: Iterable[Tensor] | None,
        init_op: Operation | None,
        clear_devices: bool,
        strip: bool,
        saver: Saver | None,
    ) -> MetaGraphDef:
        if init_op is not None and not isinstance(init_op, Operation):
            raise TypeError(f"main_op must be an Operation, got {init_op!r}")
        for key, signature in (signatures or {}).items():
            _check_signature(key, signature)
        saver = _saver(saver)
        if saver._built() or saver._by_graph:
            meta = saver.export_meta_graph(clear_devices=clear_devices)
        else:
            meta = export_meta_graph(clear_devices=clear_devices)
        if strip:
            without_default_attrs(meta.graph_def)
            meta.meta_info_def.stripped_default_attrs = True
        if isinstance(tags, str):
            raise TypeError(f"tags must be a list of names, got {tags!r}")
        meta.meta_info_def.tags.extend(tags)
        for key, signature in (signatures or {}).items():
            meta.signature_def[key].CopyFrom(signature)
        if init_op is not None:
            meta.collection_def[names.MAIN_OP_KEY].node_list.value.append(init_op.name)
        for asset in self._copied(assets or ()):
            packed = AnyMessage(type_url=names.ASSET_TYPE_URL, value=asset.SerializeToString())
            meta.collection_def[names.ASSETS_KEY].any_list.value.append(packed)
        return meta

    def _copied(self, assets: Iterable[Tensor]) -> list[AssetFileDef]:
        """Copy the files of ``assets``; two of one name get different ones."""
        found = []
        for tensor in assets:
            value = None if not isinstance(tensor, Tensor) else constant_value(tensor)
            if value is None:
                raise ValueError(f"an asset must be a constant string tensor, got {tensor!r}")
            source = path_of(value.item() if hasattr(value, "item") else value)
            folder = os.path.join(self._folder, names.ASSETS_DIRECTORY)
            stem, ending = os.path.splitext(os.path.basename(source))
            name, number = f"{stem}{ending}", 0
            with file_errors(source):
                os.makedirs(folder, exist_ok=True)
                while os.path.exists(os.path.join(folder, name)) and not filecmp.cmp(
                    source, os.path.join(folder, name), shallow=False
                ):
                    number += 1
                    name = f"{stem}_{number}{ending}"
                shutil.copyfile(source, os.path.join(folder, name))
            info = TensorInfo(name=tensor.name)
            found.append(AssetFileDef(tensor_info=info, filename=name))
        return found


def _saver(given: Saver | None) -> Saver:
    return Saver(sharded=True, allow_empty=True) if given is None else given


def _check_signature(key: str, signature: SignatureDef) -> None:
    if key == names.INIT_OP_SIGNATURE_KEY:
        raise KeyError(f"the name {key!r} of a signature is reserved")
    for name, info in [*signature.inputs.items(), *signature.outputs.items()]:
        if info.WhichOneof("encoding") is None or (
            info.WhichOneof("encoding") == "name" and not info.name
        ):
            raise AssertionError(
                f"signature {key!r}: the TensorInfo of {name!r} must have the name field set"
            )
        if not info.dtype:
            raise AssertionError(
                f"signature {key!r}: the TensorInfo of {name!r} must have the dtype field set"
            )


@export("saved_model.simple_save")
def simple_save(
    session: Any,
    export_dir: Any,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    legacy_init_op: Operation | None = None,
) -> None:
    """Write a session's graph and variables for serving, with one signature.

    Args:
        session: the session.
        export_dir: the directory; it must be empty or not exist.
        inputs: name -> tensor that is fed.
        outputs: name -> tensor that is computed.
        legacy_init_op: an operation that is run when the graph is loaded.

    >>> import os, tempfile
    >>> x = tf.placeholder(tf.float32, [None], name="x")
    >>> y = tf.multiply(x, tf.Variable(2.0, name="v"), name="y")
    >>> with tf.Session() as sess, tempfile.TemporaryDirectory() as folder:
    ...     sess.run(tf.global_variables_initializer())
    ...     tf.saved_model.simple_save(sess, folder, {"x": x}, {"y": y})
    ...     with tf.Session(graph=tf.Graph()) as other:
    ...         _ = tf.saved_model.loader.load(other, ["serve"], folder)
    ...         print(other.run("y:0", {"x:0": [1.0, 2.0]}))
    [2. 4.]
    """
    with session.graph.as_default():
        signature = predict_signature_def(inputs, outputs)
        builder = SavedModelBuilder(export_dir)
        builder.add_meta_graph_and_variables(
            session,
            [names.SERVING],
            {names.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
            assets_collection=get_collection(GraphKeys.ASSET_FILEPATHS),
            main_op=legacy_init_op,
            clear_devices=True,
        )
    builder.save()


@export("saved_model.main_op.main_op")
def main_op() -> Operation:
    """An operation that initialises all variables and tables, to be run at loading."""
    return group(
        global_variables_initializer(), local_variables_initializer(), tables_initializer()
    )


@export("saved_model.main_op.main_op_with_restore", "saved_model.main_op_with_restore")
def main_op_with_restore(restore_op_name: str) -> Operation:
    """As ``main_op``; afterwards variables are restored by an operation of the graph.

    Args:
        restore_op_name: its name.
    """
    with control_dependencies([main_op()]):
        return group(get_default_graph().get_operation_by_name(restore_op_name))


