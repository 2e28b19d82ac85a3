"""Where the modules of TensorFlow and Keras lead: one table from their paths to our public names.

A path is dotted, without ``tensorflow.`` or ``keras.``.  Its value lists namespaces of public
names, in the order in which a name is looked for; ``""`` is ``tf`` itself.  Where many modules of a
package lead to the same names, GROUPS lists them together.

>>> places("python.ops.array_ops")
('', 'manip')
>>> places("contrib.rnn.python.ops.core_rnn_cell")
('contrib.rnn', 'nn.rnn_cell')
>>> places("contrib.crf") is None
True
"""

from __future__ import annotations

_TOP = ("",)
_TRAIN = ("train", "train.experimental", "io", "")
_LAYERS = ("layers", "")
_MESSAGES = ("", "train", "summary")

#: Paths of TensorFlow's.
TENSORFLOW: dict[str, tuple[str, ...]] = {
    "python": ("python", "", "train"),
    "python.client": ("python.client",),
    "python.debug": ("debug",),
    "python.debug.wrappers": ("debug",),
    "python.debug.wrappers.local_cli_wrapper": ("debug",),
    "python.debug.wrappers.hooks": ("debug",),
    "python.client.session": _TOP,
    "python.client.timeline": ("profile",),
    "python.data": ("data",),
    "python.eager": ("contrib.eager", ""),
    "python.framework": ("python.framework", ""),
    "python.framework.dtypes": ("dtypes", ""),
    "python.framework.errors": ("errors",),
    "python.framework.errors_impl": ("errors",),
    "python.framework.graph_io": ("train",),
    "python.framework.graph_util": ("graph_util",),
    "python.framework.graph_util_impl": ("graph_util",),
    "python.framework.random_seed": ("random", ""),
    "python.framework.tensor_shape": ("python.framework.tensor_shape", ""),
    "python.framework.tensor_util": ("contrib.util", ""),
    "python.framework.test_util": ("test", ""),
    "python.framework.versions": ("version",),
    "python.layers": ("python.layers", "layers"),
    "python.lib": (), "python.lib.io": (),
    "python.lib.io.file_io": ("python.lib.io.file_io", "gfile"),
    "python.lib.io.tf_record": ("python_io", "io"),
    "python.ops": ("python.ops", "nn", ""),
    "python.ops.array_ops": ("", "manip"),
    "python.ops.bitwise_ops": ("bitwise",),
    "python.ops.candidate_sampling_ops": ("nn", "random"),
    "python.ops.check_ops": ("debugging", ""),
    "python.ops.confusion_matrix": ("math", ""),
    "python.ops.control_flow_ops": ("", "python.ops.control_flow_ops"),
    "python.ops.ctc_ops": ("nn",),
    "python.ops.data_flow_ops": ("queue", "lookup", "io", ""),
    "python.ops.distributions": ("distributions",),
    "python.ops.embedding_ops": ("nn",),
    "python.ops.gradient_checker": ("test",),
    "python.ops.image_ops": ("image",),
    "python.ops.image_ops_impl": ("image",),
    "python.ops.init_ops": ("initializers", ""),
    "python.ops.io_ops": ("io", ""),
    "python.ops.linalg": ("linalg",),
    "python.ops.linalg_ops": ("linalg", ""),
    "python.ops.lookup_ops": ("lookup", "contrib.lookup", ""),
    "python.ops.losses": ("losses",),
    "python.ops.math_ops": ("math", ""),
    "python.ops.metrics": ("metrics",),
    "python.ops.metrics_impl": ("metrics",),
    "python.ops.nn": ("nn", ""),
    "python.ops.nn_grad": ("nn",),
    "python.ops.nn_impl": ("nn", ""),
    "python.ops.nn_ops": ("nn", ""),
    "python.ops.parsing_ops": ("io", ""),
    "python.ops.random_ops": ("random", ""),
    "python.ops.rnn": ("nn",),
    "python.ops.rnn_cell": ("nn.rnn_cell",),
    "python.ops.rnn_cell_impl": ("nn.rnn_cell",),
    "python.ops.sets": ("sets",),
    "python.ops.sets_impl": ("sets",),
    "python.ops.signal": ("signal",),
    "python.ops.sparse_ops": ("sparse", ""),
    "python.ops.spectral_ops": ("signal", "spectral", ""),
    "python.ops.string_ops": ("strings", ""),
    "python.ops.summary_ops": ("summary",),
    "python.platform": ("", "python.platform"),
    "python.platform.app": ("app", ""),
    "python.platform.benchmark": ("test",),
    "python.platform.flags": ("flags",),
    "python.platform.gfile": ("gfile",),
    "python.platform.googletest": ("test",),
    "python.platform.resource_loader": ("resource_loader",),
    "python.platform.sysconfig": ("sysconfig",),
    "python.platform.test": ("test",),
    "python.platform.tf_logging": ("logging",),
    "python.profiler": ("profiler", "profile"),
    "python.pywrap_tensorflow": _TRAIN,
    "python.saved_model": ("saved_model",),
    "python.summary": ("summary",),
    "python.tools": ("python.tools",),
    "python.training": _TRAIN,
    "python.util": (),
    "python.util.compat": ("compat",),
    "python.util.nest": ("nest", "contrib.framework.nest"),
    "python.feature_column": ("feature_column",),
    "core": (), "core.framework": (), "core.protobuf": (), "core.example": (), "core.util": (),
    "core.util.event_pb2": _MESSAGES,
    "contrib.framework.python": ("contrib.framework",),
    "contrib.layers.python": ("contrib.layers",),
    "contrib.learn.python": ("contrib.learn",),
    "contrib.learn.python.learn": ("contrib.learn",),
    "contrib.learn.python.learn.datasets": ("contrib.learn.datasets",),
    "contrib.learn.python.learn.datasets.base": ("contrib.learn.datasets.base",),
    "contrib.learn.python.learn.datasets.mnist": ("contrib.learn.datasets.mnist",),
    "contrib.learn.datasets": ("contrib.learn.datasets",),
    "contrib.legacy_seq2seq": ("contrib.seq2seq",),
    "contrib.losses.python": ("contrib.losses",),
    "contrib.metrics.python": ("contrib.metrics",),
    "contrib.opt.python": ("contrib.opt",),
    "contrib.rnn.python": ("contrib.rnn",),
    "contrib.seq2seq.python": ("contrib.seq2seq",),
    "contrib.slim.python": ("contrib.slim",),
    "contrib.slim.python.slim": ("contrib.slim",),
    "contrib.image.python": ("contrib.image",),
    "contrib.data.python": ("contrib.data",),
    "contrib.tensorboard": (), "contrib.tensorboard.plugins": (),
}  # fmt: skip

#: Package -> (namespaces, the modules in it that lead there).
GROUPS: dict[str, tuple[tuple[str, ...], str]] = {
    "python.data": (("data", "data.experimental"), "ops experimental util"),
    "python.data.ops": (("data", "data.experimental"), "dataset_ops iterator_ops readers"),
    "python.data.experimental": (("data.experimental",), "ops"),
    "python.eager": (
        ("contrib.eager", ""),
        "backprop context core def_function execute function tape wrap_function",
    ),
    "python.framework": (
        _TOP,
        ("common_shapes config constant_op convert_to_constants device device_spec func_graph "
        "function importer indexed_slices load_library meta_graph op_def_library ops smart_cond "
        "sparse_tensor tensor tensor_spec type_spec"),
    ),
    "python.layers": (("layers", ""), "base convolutional core layers normalization pooling"),
    "python.ops": (
        ("", "math", "nn", "train"),
        ("clip_ops cond_v2 constant_op custom_gradient functional_ops gradients "
        "gradients_impl gradients_util histogram_ops logging_ops manip_ops map_fn numerics "
        "partitioned_variables resource_variable_ops script_ops session_ops sort_ops "
        "special_math_ops standard_ops state_ops template tensor_array_ops variable_scope "
        "variables while_v2 array_grad math_grad weights_broadcast_ops gen_array_ops "
        "gen_control_flow_ops gen_data_flow_ops gen_image_ops gen_io_ops gen_linalg_ops "
        "gen_logging_ops gen_math_ops gen_nn_ops gen_parsing_ops gen_random_ops gen_script_ops "
        "gen_sparse_ops gen_state_ops gen_string_ops gen_training_ops"),
    ),
    "python.ops.distributions": (
        ("distributions",),
        ("bernoulli beta categorical dirichlet dirichlet_multinomial distribution distributions "
        "exponential gamma kullback_leibler laplace multinomial normal student_t uniform util"),
    ),
    "python.ops.linalg": (("linalg", ""), "linalg linalg_impl linear_operator"),
    "python.ops.losses": (("losses",), "losses losses_impl util"),
    "python.ops.signal": (
        ("signal", ""),
        ("dct_ops fft_ops mel_ops mfcc_ops reconstruction_ops shape_ops signal spectral_ops "
        "util_ops window_ops"),
    ),
    "python.profiler": (("profiler", "profile"), "model_analyzer option_builder profile_context"),
    "python.saved_model": (
        ("saved_model", "saved_model.signature_constants", "saved_model.tag_constants"),
        ("builder builder_impl constants loader loader_impl main_op main_op_impl "
        "signature_constants signature_def_utils signature_def_utils_impl simple_save "
        "tag_constants utils utils_impl"),
    ),
    "python.summary": (("summary", "train"), "summary summary_iterator writer"),
    "python.summary.writer": (("summary",), "writer event_file_writer writer_cache"),
    "python.training": (
        _TRAIN,
        ("adadelta adagrad adagrad_da adam basic_loops basic_session_run_hooks "
        "checkpoint_management checkpoint_state_pb2 checkpoint_utils coordinator evaluation ftrl "
        "gradient_descent input learning_rate_decay momentum monitored_session moving_averages "
        "optimizer proximal_adagrad proximal_gradient_descent py_checkpoint_reader queue_runner "
        "queue_runner_impl rmsprop saver session_manager session_run_hook slot_creator summary_io "
        "supervisor sync_replicas_optimizer training training_ops training_util "
        "warm_starting_util"),
    ),
    "python.feature_column": (("feature_column",), "feature_column feature_column_v2"),
    "core.framework": (
        _MESSAGES,
        ("attr_value_pb2 graph_pb2 node_def_pb2 op_def_pb2 step_stats_pb2 summary_pb2 tensor_pb2 "
        "tensor_shape_pb2 types_pb2 variable_pb2 versions_pb2"),
    ),
    "core.protobuf": (
        (*_MESSAGES, "saved_model"),
        "config_pb2 meta_graph_pb2 rewriter_config_pb2 saved_model_pb2 saver_pb2",
    ),
    "core.example": (("train",), "example_pb2 feature_pb2"),
    "contrib.framework.python": (("contrib.framework", ""), "framework ops"),
    "contrib.framework.python.framework": (("contrib.framework", ""), "tensor_util"),
    "contrib.framework.python.ops": (("contrib.framework", ""), "arg_scope ops variables"),
    "contrib.layers.python": (("contrib.layers", "contrib.framework"), "layers ops"),
    "contrib.layers.python.layers": (
        ("contrib.layers", "contrib.framework", "contrib.layers.utils"),
        ("embedding_ops encoders initializers layers normalization optimizers regularizers "
        "summaries utils"),
    ),
    "contrib.losses.python": (("contrib.losses",), "losses"),
    "contrib.losses.python.losses": (("contrib.losses",), "loss_ops"),
    "contrib.metrics.python": (("contrib.metrics",), "ops metrics"),
    "contrib.metrics.python.ops": (("contrib.metrics",), "metric_ops"),
    "contrib.opt.python": (("contrib.opt", "train"), "training"),
    "contrib.rnn.python": (("contrib.rnn", "nn.rnn_cell"), "ops"),
    "contrib.rnn.python.ops": (
        ("contrib.rnn", "nn.rnn_cell"), "core_rnn core_rnn_cell gru_ops lstm_ops rnn rnn_cell"
    ),
    "contrib.seq2seq.python": (("contrib.seq2seq",), "ops"),
    "contrib.seq2seq.python.ops": (
        ("contrib.seq2seq",), "basic_decoder decoder helper loss sampling_decoder",
    ),
    "contrib.image.python": (("contrib.image",), "ops"),
    "contrib.image.python.ops": (("contrib.image",), "image_ops dense_image_warp"),
    "contrib.data.python": (("contrib.data", "data"), "ops"),
    "contrib.data.python.ops": (("contrib.data", "data"), "batching grouping iterator_ops"),
}  # fmt: skip

for _package, (_spaces, _modules) in GROUPS.items():
    for _module in _modules.split():
        TENSORFLOW.setdefault(f"{_package}.{_module}", _spaces)

#: Paths of Keras 2's files; namespaces are below flowgraph.keras.
KERAS: dict[str, tuple[str, ...]] = {
    "activations": ("activations",),
    "callbacks": ("callbacks",),
    "engine": ("engine", "models", "layers"),
    "models": ("models",),
    "optimizers": ("optimizers",),
    "applications": ("applications",),
    "wrappers": ("wrappers",),
}
for _package, _spaces, _modules in (
    ("engine", ("engine", "models", "layers"),
     "base_layer input_layer network saving sequential topology training"),
    ("layers", ("layers", "engine"),
     ("advanced_activations convolutional convolutional_recurrent core cudnn_recurrent embeddings "
     "local merge noise normalization pooling recurrent wrappers")),
    ("utils", ("utils",),
     ("conv_utils data_utils generic_utils io_utils layer_utils multi_gpu_utils np_utils "
     "vis_utils")),
    ("preprocessing", ("preprocessing",), "image sequence text"),
    ("legacy", ("layers",), "interfaces layers"),
    ("wrappers", ("wrappers",), "scikit_learn"),
):  # fmt: skip
    for _module in _modules.split():
        KERAS.setdefault(f"{_package}.{_module}", _spaces)


def places(path: str, table: dict[str, tuple[str, ...]] | None = None) -> tuple[str, ...] | None:
    """The namespaces in which the names of the module ``path`` are looked for; None: no such one.

    Args:
        path: dotted, without the root.
        table: TENSORFLOW or KERAS.
    """
    return (TENSORFLOW if table is None else table).get(path)
