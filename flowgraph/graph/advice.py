"""Advice: what to write instead of a name of TensorFlow's that flowgraph does not have.

ADVICE is the one table; ``missing`` makes of it the error for an attribute, ``missing_module`` the
one for an import statement.  The entry of a namespace holds for everything inside it.  The file is
loaded when a name is missing, never before.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from flowgraph.errors import MissingNameError

#: Namespaces that are another one under an older name: looked up there.
ALIASES = {
    "contrib.autograph": "autograph",
    "contrib.distributions": "distributions",
    "contrib.estimator": "estimator",
    "contrib.feature_column": "feature_column",
    "contrib.keras": "keras",
    "contrib.legacy_seq2seq": "contrib.seq2seq",
    "contrib.saved_model": "saved_model",
    "contrib.signal": "signal",
    "contrib.testing": "test",
    "contrib.slim.layers": "contrib.layers",
    # names of one namespace that are public in another
    **{
        f"contrib.framework.{name}": f"train.{name}"
        for name in (
            "init_from_checkpoint",
            "list_variables",
            "load_checkpoint",
            "load_variable",
        )
    },
    "contrib.framework.sort": "sort",
    "contrib.framework.argsort": "argsort",
    "contrib.framework.zero_initializer": "zeros_initializer",
    "contrib.layers.safe_embedding_lookup_sparse": "nn.safe_embedding_lookup_sparse",
    "contrib.metrics.confusion_matrix": "confusion_matrix",
    "contrib.metrics.set_size": "sets.set_size",
    "contrib.util.make_ndarray": "make_ndarray",
    "contrib.util.make_tensor_proto": "make_tensor_proto",
    "contrib.summary": "summary",
}

_ONE_PROCESS = "flowgraph runs in one process on one machine; leave it out"
_NO_QUANTISED = "there are no quantised types; use float32, or tf.quantization.fake_quant_..."
_NEWER = "this is an API of TensorFlow 2; "
_VARIABLES = "tf.Variable or tf.get_variable with tf.gather, tf.scatter_update"

#: Dotted name or namespace -> what to write instead.
ADVICE = {
    # ---- TensorFlow 2
    "compat.v2": "import flowgraph.compat.v1; for values at once tf.enable_eager_execution()",
    "Module": _NEWER + "write a class with tf.get_variable in it, or a tf.layers.Layer",
    "RaggedTensor": "pad to one length (keras.preprocessing.sequence.pad_sequences, "
    "Dataset.padded_batch) and use tf.sequence_mask",
    "ragged": "pad to one length (Dataset.padded_batch) and use tf.sequence_mask",
    "optimizers": _NEWER + "use tf.train.AdamOptimizer and its like, or keras.optimizers",
    "random.Generator": _NEWER + "use tf.random_uniform or tf.random.stateless_uniform",
    "saved_model.save": _NEWER + "use tf.saved_model.simple_save or tf.train.Saver",
    "config.experimental": "flowgraph takes no memory in advance: leave it out",
    "config.list_physical_devices": "Session.list_devices()",
    "lite": "there is no TensorFlow Lite; export a GraphDef with tf.graph_util and convert that",
    "xla": "every graph is compiled: leave it out",
    "tpu": "there is no TPU support; run the model function itself",
    "mixed_precision": "compute in float32, or cast with tf.cast",
    "bfloat16": "NumPy has no bfloat16: use tf.float16 or tf.float32",
    "qint8": _NO_QUANTISED, "quint8": _NO_QUANTISED, "qint32": _NO_QUANTISED,
    "qint16": _NO_QUANTISED, "quint16": _NO_QUANTISED,
    "quantize": _NO_QUANTISED, "quantize_v2": _NO_QUANTISED, "dequantize": _NO_QUANTISED,
    # ---- several machines
    "distribute": _ONE_PROCESS,
    "contrib.distribute": _ONE_PROCESS,
    "contrib.cluster_resolver": _ONE_PROCESS,
    "contrib.rpc": _ONE_PROCESS,
    "train.ClusterSpec": _ONE_PROCESS,
    "train.Server": _ONE_PROCESS,
    "train.ServerDef": _ONE_PROCESS,
    "train.replica_device_setter": _ONE_PROCESS,
    "test.create_local_cluster": _ONE_PROCESS,
    # ---- foreign code
    "load_library": "operations written in C++ for TensorFlow cannot be loaded; write the formula "
    "with tf's operations, or tf.py_func",
    "load_op_library": "operations written in C++ for TensorFlow cannot be loaded; write the "
    "formula with tf's operations, or tf.py_func",
    # ---- gone since TensorFlow 1.0
    "mul": "tf.multiply", "sub": "tf.subtract", "neg": "tf.negative", "pack": "tf.stack",
    "unpack": "tf.unstack", "inv": "tf.reciprocal", "select": "tf.where",
    "batch_matmul": "tf.matmul", "sparse_concat_v2": "tf.sparse_concat",
    "merge_summary": "tf.summary.merge", "merge_all_summaries": "tf.summary.merge_all",
    "scalar_summary": "tf.summary.scalar(name, tensor)",
    "histogram_summary": "tf.summary.histogram(name, values)",
    "image_summary": "tf.summary.image(name, tensor)",
    "audio_summary": "tf.summary.audio(name, tensor, sample_rate)",
    "train.SummaryWriter": "tf.summary.FileWriter(logdir, graph)",
    "nn.rnn": "tf.nn.static_rnn or tf.nn.dynamic_rnn",
    "nn.state_saving_rnn": "tf.nn.static_state_saving_rnn",
    "nn.bidirectional_rnn": "tf.nn.static_bidirectional_rnn or tf.nn.bidirectional_dynamic_rnn",
    "nn.seq2seq": "tf.contrib.seq2seq",
    "initialize_variables_": "tf.variables_initializer",
    "batch_cholesky": "tf.cholesky", "batch_matrix_inverse": "tf.matrix_inverse",
    "batch_fft": "tf.fft", "complex_abs": "tf.abs", "listdiff": "tf.setdiff1d",
    "python": "TensorFlow's own files are not here; use the public name, tf.<name>",
    # ---- tf.contrib
    "contrib.all_reduce": _ONE_PROCESS,
    "contrib.bayesflow": "tf.distributions, tf.py_func",
    "contrib.boosted_trees": "another library for trees",
    "contrib.checkpoint": "tf.train.Saver",
    "contrib.compiler": "every graph is compiled: leave it out",
    "contrib.copy_graph": "graph.as_graph_def() and tf.import_graph_def",
    "contrib.crf": "the forward recursion in tf.scan with tf.reduce_logsumexp",
    "contrib.cudnn_rnn": "tf.nn.dynamic_rnn with tf.nn.rnn_cell.LSTMCell or GRUCell",
    "contrib.factorization": "another library for k-means and matrix factors",
    "contrib.ffmpeg": "read sound files with another library, and feed them",
    "contrib.gan": "write both losses and minimize each with its var_list",
    "contrib.graph_editor": "graph.as_graph_def(), then tf.import_graph_def(..., input_map=...)",
    "contrib.grid_rnn": "tf.nn.rnn_cell.MultiRNNCell",
    "contrib.hooks": "tf.train.ProfilerHook and the other hooks of tf.train",
    "contrib.integrate": "tf.scan over the steps of the integrator",
    "contrib.linear_optimizer": "tf.train.FtrlOptimizer",
    "contrib.lite": "export a GraphDef with tf.graph_util and convert that",
    "contrib.memory_stats": "RunOptions(trace_level=RunOptions.FULL_TRACE) and tf.profile.table",
    "contrib.mixed_precision": "compute in float32, or cast with tf.cast",
    "contrib.model_pruning": "multiply the weights with a mask",
    "contrib.mpi": _ONE_PROCESS, "contrib.nccl": _ONE_PROCESS,
    "contrib.quantize": _NO_QUANTISED,
    "contrib.resampler": "tf.contrib.image.transform, or tf.gather_nd with weights",
    "contrib.rnn.AttentionCellWrapper": "attention written with tf.nn.softmax and tf.matmul",
    "contrib.seq2seq.AttentionWrapper": "attention written with tf.nn.softmax and tf.matmul, in a "
    "tf.nn.raw_rnn or tf.contrib.seq2seq.CustomHelper",
    "contrib.seq2seq.BahdanauAttention": "attention written with tf.nn.softmax and tf.matmul",
    "contrib.seq2seq.LuongAttention": "attention written with tf.nn.softmax and tf.matmul",
    "contrib.seq2seq.BeamSearchDecoder": "tf.contrib.seq2seq.GreedyEmbeddingHelper with "
    "BasicDecoder, or a beam kept in Python",
    "contrib.slim.dataset": "tf.data", "contrib.slim.dataset_data_provider": "tf.data",
    "contrib.slim.tfexample_decoder": "tf.data with tf.parse_single_example",
    "contrib.slim.nets": "the networks written with tf.contrib.slim's layers",
    "contrib.slim.evaluation": "tf.train.Saver, tf.metrics and a loop over tf.data",
    "contrib.solvers": "tf.linalg and tf.while_loop",
    "profiler": "RunOptions(trace_level=RunOptions.FULL_TRACE), tf.profile.table(run_metadata)",
    "contrib.stat_summarizer": "tf.profile.table(run_metadata)",
    "contrib.tensor_forest": "another library for trees",
    "contrib.tensorboard": "tf.summary; embeddings are written as a checkpoint and a "
    "projector_config.pbtxt",
    "contrib.tensorrt": "flowgraph compiles by itself: leave it out",
    "contrib.tfprof": "tf.profiler, or tf.profile.table(run_metadata)",
    "contrib.timeseries": "tf.nn.dynamic_rnn",
    "contrib.tpu": "there is no TPU support; run the model function itself",
    "contrib.verbs": _ONE_PROCESS,
    # ---- files of TensorFlow's that only programs about TensorFlow itself import
    "python.distribute": _ONE_PROCESS,
    "python.estimator": "tf.estimator",
    "python.tpu": "there is no TPU support; run the model function itself",
    "python.compiler": "flowgraph compiles by itself: leave it out",
    "examples.tutorials": "of the tutorials' modules there is mnist.input_data",
    "sysconfig": "there is no C++ library to compile against",
    # ---- Keras
    "keras.estimator": "model.fit",
    "keras.mixed_precision": "compute in float32",
}  # fmt: skip


#: Namespace -> what there is of it, where it is a part of TensorFlow's.
CONTENTS = {
    "contrib": "layers, slim, framework, rnn, seq2seq, losses, metrics, opt, data, image, "
    "training, lookup and learn",
    "contrib.distributions": "what tf.distributions has",
    "contrib.framework": "arg_scope, functions for variables and for checkpoints, nest",
    "contrib.learn": "datasets, Estimator, DNNClassifier, LinearClassifier and their regressors",
    "contrib.layers": "layers, initializers, regularizers, feature columns and optimize_loss",
    "contrib.opt": "variants of Adam, AddSign, PowerSign, weight decay and MovingAverageOptimizer",
    "contrib.rnn": "basic, LSTM and GRU cells, their block variants and wrappers",
    "contrib.seq2seq": "sequence_loss, BasicDecoder, dynamic_decode and helpers",
    "contrib.training": "bucket, bucket_by_sequence_length, create_train_op and HParams",
}


def advice(path: str) -> str:
    """What to use instead of the dotted name ``path``; ``""`` when the table says nothing.

    >>> advice("contrib.crf.crf_log_likelihood")
    'the forward recursion in tf.scan with tf.reduce_logsumexp'
    """
    while path:
        if path in ADVICE:
            return ADVICE[path]
        path = path.rpartition(".")[0]
    return ""


def _elsewhere(name: str, known: Iterable[str]) -> str:
    """``name`` in another namespace of the public names, the shortest one."""
    found = [path for path in known if path.rpartition(".")[2] == name]
    return min(found, key=lambda path: (path.count("."), len(path), path), default="")


def _hint(path: str, siblings: Iterable[str], known: Iterable[str]) -> str:
    """What follows the statement that a name is missing: one suggestion, the surest first."""
    space, _, name = path.rpartition(".")
    if path in ADVICE:
        return f"; instead: {ADVICE[path]}"
    folded = {sibling.lower(): sibling for sibling in siblings}
    near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.75)
    other = _elsewhere(name, known)
    if other and not (near and near[0] == name.lower()):
        return f"; there is tf.{other}"
    if near:
        return "; did you mean " + " or ".join(repr(folded[word]) for word in near) + "?"
    return _general(space)


def _general(space: str) -> str:
    """What the tables say of a namespace or the nearest one around it."""
    while space:
        if space in ADVICE:
            return f"; instead: {ADVICE[space]}"
        if space in CONTENTS:
            return f"; tf.{space} has {CONTENTS[space]}"
        space = space.rpartition(".")[0]
    return ""


def missing(module: str, path: str, siblings: Iterable[str], known: Iterable[str]) -> Exception:
    """The error for an attribute of a public module that is not there.

    Args:
        module: whose attribute was asked for.
        path: the dotted public name, without ``tf.``.
        siblings: names that the module has.
        known: every dotted public name.
    """
    name = path.rpartition(".")[2]
    return MissingNameError(
        f"module {module!r} has no attribute {name!r}: flowgraph has no tf.{path}"
        + _hint(path, siblings, known),
        name=name,
    )


def missing_module(name: str, root: str, path: str) -> Exception:
    """The error for ``import tensorflow.contrib.crf``.

    Args:
        name: as the program wrote it.
        root: ``"tf."`` or ``"keras."``.
        path: dotted, without the root.
    """
    text = _general(f"keras.{path}" if root == "keras." else path)
    return ModuleNotFoundError(
        f"No module named {name!r}: flowgraph has no {root}{path}{text}", name=name
    )
