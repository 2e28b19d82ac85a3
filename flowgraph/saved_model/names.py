"""The names that stand in SavedModels: tags, keys of signatures and collections, files."""

from __future__ import annotations

from flowgraph.graph.export import export_value

#: Tags of MetaGraphDefs.
SERVING, TRAINING, EVAL, GPU, TPU = "serve", "train", "eval", "gpu", "tpu"

for _name, _value in (
    ("SERVING", SERVING), ("TRAINING", TRAINING), ("EVAL", EVAL), ("GPU", GPU), ("TPU", TPU),
):  # fmt: skip
    export_value(_value, f"saved_model.tag_constants.{_name}", f"saved_model.{_name}")

DEFAULT_SERVING_SIGNATURE_DEF_KEY = "serving_default"
CLASSIFY_METHOD_NAME = "tensorflow/serving/classify"
PREDICT_METHOD_NAME = "tensorflow/serving/predict"
REGRESS_METHOD_NAME = "tensorflow/serving/regress"
INPUTS, OUTPUTS, CLASSES, SCORES = "inputs", "outputs", "classes", "scores"

for _name, _value in (
    ("DEFAULT_SERVING_SIGNATURE_DEF_KEY", DEFAULT_SERVING_SIGNATURE_DEF_KEY),
    ("CLASSIFY_INPUTS", INPUTS), ("CLASSIFY_METHOD_NAME", CLASSIFY_METHOD_NAME),
    ("CLASSIFY_OUTPUT_CLASSES", CLASSES), ("CLASSIFY_OUTPUT_SCORES", SCORES),
    ("PREDICT_INPUTS", INPUTS), ("PREDICT_METHOD_NAME", PREDICT_METHOD_NAME),
    ("PREDICT_OUTPUTS", OUTPUTS), ("REGRESS_INPUTS", INPUTS),
    ("REGRESS_METHOD_NAME", REGRESS_METHOD_NAME), ("REGRESS_OUTPUTS", OUTPUTS),
):  # fmt: skip
    export_value(_value, f"saved_model.signature_constants.{_name}", f"saved_model.{_name}")

ASSETS_DIRECTORY, ASSETS_KEY = "assets", "saved_model_assets"
MAIN_OP_KEY, LEGACY_INIT_OP_KEY = "saved_model_main_op", "legacy_init_op"
FILENAME_PB, FILENAME_PBTXT = "saved_model.pb", "saved_model.pbtxt"
SCHEMA_VERSION = 1
VARIABLES_DIRECTORY = VARIABLES_FILENAME = "variables"
#: Key of a signature whose output is the operation that initialises the graph.
INIT_OP_SIGNATURE_KEY = "__saved_model_init_op"
#: What an asset is called in a collection of messages of any kind.
ASSET_TYPE_URL = "type.googleapis.com/tensorflow.AssetFileDef"

for _name, _value in (
    ("ASSETS_DIRECTORY", ASSETS_DIRECTORY), ("ASSETS_KEY", ASSETS_KEY),
    ("DEBUG_DIRECTORY", "debug"), ("DEBUG_INFO_FILENAME_PB", "saved_model_debug_info.pb"),
    ("LEGACY_INIT_OP_KEY", LEGACY_INIT_OP_KEY), ("MAIN_OP_KEY", MAIN_OP_KEY),
    ("SAVED_MODEL_FILENAME_PB", FILENAME_PB), ("SAVED_MODEL_FILENAME_PBTXT", FILENAME_PBTXT),
    ("VARIABLES_DIRECTORY", VARIABLES_DIRECTORY), ("VARIABLES_FILENAME", VARIABLES_FILENAME),
):  # fmt: skip
    export_value(_value, f"saved_model.constants.{_name}", f"saved_model.{_name}")
export_value(
    SCHEMA_VERSION,
    "saved_model.constants.SAVED_MODEL_SCHEMA_VERSION",
    "saved_model.SAVED_MODEL_SCHEMA_VERSION",
)
