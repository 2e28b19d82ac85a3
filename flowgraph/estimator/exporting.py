"""From an Estimator's checkpoint to a SavedModel in a directory named by the time.

    base/1712345678/saved_model.pb, variables/, assets/, assets.extra/

All is written under ``temp-1712345678`` and renamed at the end.

Read next: saved_model/building.py.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from flowgraph.estimator.export_outputs import ModeOutput, PredictOutput, with_default
from flowgraph.estimator.specs import EstimatorSpec, ModeKeys
from flowgraph.graph.default import GraphKeys, add_to_collection, get_collection
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.protos.meta_graphs import SignatureDef
from flowgraph.saved_model import names
from flowgraph.saved_model.building import SavedModelBuilder
from flowgraph.saved_model.signatures import is_valid_signature
from flowgraph.saving.saver import Saver
from flowgraph.session import Session
from flowgraph.training_loop.scaffold import Scaffold

_TAGS = {ModeKeys.PREDICT: names.SERVING, ModeKeys.TRAIN: names.TRAINING,
         ModeKeys.EVAL: names.EVAL}  # fmt: skip
_METHODS = {ModeKeys.TRAIN: ("train", "tensorflow/supervised/training"),
            ModeKeys.EVAL: ("eval", "tensorflow/supervised/eval")}  # fmt: skip
#: Collection with the operation of a training step.
_TRAIN_OP_KEY = "saved_model_train_op"


def export(
    estimator: Any,
    export_dir_base: Any,
    receiver_fns: Mapping[str, Callable[[], Any]],
    assets_extra: Mapping[str, str] | None,
    as_text: bool,
    checkpoint_path: str | None,
    strip_default_attrs: bool,
) -> bytes:
    """Write the graphs of some modes, with the variables of a checkpoint; see Estimator.

    Args:
        estimator: the Estimator.
        export_dir_base: where the new directory is made.
        receiver_fns: ModeKeys value -> function that returns a receiver.
        assets_extra: name in ``assets.extra`` -> file to copy there.
        as_text: write the text form.
        checkpoint_path: the checkpoint; the newest when None.
        strip_default_attrs: leave out attrs that have their default values.

    Raises:
        ValueError: there is no checkpoint, or no mode.
    """
    path = estimator._checkpoint(checkpoint_path, required=True)
    # NB: the graph that trains has all variables
    modes = [mode for mode in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)
             if mode in receiver_fns]  # fmt: skip
    if not modes:
        raise ValueError("No valid modes for exporting found. Got "
                         f"{sorted(receiver_fns)}.")  # fmt: skip
    target = _directory(path_of(export_dir_base))
    temporary = os.path.join(os.path.dirname(target), f"temp-{os.path.basename(target)}")
    try:
        builder = SavedModelBuilder(temporary)
        for number, mode in enumerate(modes):
            _add(estimator, builder, mode, receiver_fns[mode], path, not number,
                 strip_default_attrs)  # fmt: skip
        builder.save(as_text)
        with file_errors(temporary):
            for name, source in (assets_extra or {}).items():
                place = os.path.join(temporary, "assets.extra", name)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                shutil.copyfile(path_of(source), place)
            os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    logging.info("SavedModel written to: %s", target)
    return target.encode()


def _directory(base: str) -> str:
    """A path in ``base`` named by the seconds, which does not exist yet."""
    for _ in range(10):
        path = os.path.join(base, str(int(time.time())))
        if not os.path.exists(path):
            return path
        time.sleep(1)  # NB: TensorFlow Serving takes the name for a version
    raise RuntimeError(f"Failed to obtain a unique export directory name in {base}.")


def _add(
    estimator: Any,
    builder: SavedModelBuilder,
    mode: str,
    receiver_fn: Callable[[], Any],
    path: str,
    with_variables: bool,
    strip_default_attrs: bool,
) -> None:
    with estimator._new_graph() as graph, Session(graph=graph) as session:
        receiver = receiver_fn()
        spec = estimator._call_model_fn(
            receiver.features, getattr(receiver, "labels", None), mode, estimator.config
        )
        if spec.train_op is not None and mode == ModeKeys.TRAIN:
            add_to_collection(_TRAIN_OP_KEY, spec.train_op)
        signatures = _signatures(spec, mode, receiver)
        scaffold = spec.scaffold
        init = scaffold.local_init_op
        settings: dict[str, Any] = {
            "signature_def_map": signatures,
            "assets_collection": get_collection(GraphKeys.ASSET_FILEPATHS),
            "main_op": Scaffold.default_local_init_op() if init is None else init,
            "saver": scaffold.saver or Saver(sharded=True, allow_empty=True),
            "strip_default_attrs": strip_default_attrs,
        }
        if with_variables:
            settings["saver"].restore(session, path)
            builder.add_meta_graph_and_variables(session, [_TAGS[mode]], **settings)
        else:
            builder.add_meta_graph([_TAGS[mode]], **settings)


def _signatures(spec: EstimatorSpec, mode: str, receiver: Any) -> dict[str, SignatureDef]:
    """The signatures that fit; those that do not are logged."""
    if mode != ModeKeys.PREDICT:
        key, method = _METHODS[mode]
        output = ModeOutput(method, spec.loss, spec.predictions, spec.eval_metric_ops)
        return {key: output.as_signature_def(receiver.receiver_tensors)}
    outputs: dict[str, Any] = (
        {names.DEFAULT_SERVING_SIGNATURE_DEF_KEY: PredictOutput(spec.predictions)}
        if spec.export_outputs is None
        else with_default(spec.export_outputs)
    )
    found: dict[str, SignatureDef] = {}
    alternatives = receiver.receiver_tensors_alternatives or {}
    for key, output in outputs.items():
        named = {key: receiver.receiver_tensors}
        named |= {f"{name}:{key}": tensors for name, tensors in alternatives.items()}
        for signature_name, tensors in named.items():
            try:
                signature = output.as_signature_def(tensors)
            except ValueError as error:
                logging.info("Signature %s is left out: %s", signature_name, error)
                continue
            if is_valid_signature(signature):
                found[signature_name] = signature
    if not found:
        logging.warning("Export includes no signatures that can be served!")
    return found
