"""``import tensorflow`` and ``import keras`` lead to flowgraph where a program asked for it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import flowgraph as fg
from flowgraph.compat.finder import facade
from flowgraph.compat.modules import TENSORFLOW

ROOT = Path(fg.__file__).parent.parent


@pytest.fixture
def switched():
    switch = importlib.import_module("flowgraph.compat.tensorflow")
    switch.install()
    yield switch
    switch.uninstall()


def run_python(*arguments: str, cwd: Path | None = None, **more) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=env, cwd=cwd,
        **more,
    )  # fmt: skip


IMPORTS = """
import tensorflow as tf
import tensorflow.compat.v1 as tf1
import tensorflow.contrib.slim as slim
import tensorflow.examples.tutorials.mnist.input_data as data_module
import tensorflow.nn.rnn_cell
import tensorflow.contrib.distributions as distributions
import keras
import keras.backend as K
from keras import losses
from keras.utils import np_utils
from keras.utils.np_utils import to_categorical
from keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img
from keras.preprocessing.sequence import pad_sequences
from tensorflow import keras as tf_keras
from tensorflow.contrib import learn, rnn as contrib_rnn, layers
from tensorflow.contrib.framework import arg_scope
from tensorflow.contrib.layers import fully_connected
from tensorflow.contrib.layers.python.layers import initializers
from tensorflow.contrib.learn.python.learn.datasets import base
from tensorflow.contrib.learn.python.learn.datasets.mnist import read_data_sets
from tensorflow.contrib.rnn.python.ops import core_rnn_cell
from tensorflow.core.framework import graph_pb2, summary_pb2
from tensorflow.core.protobuf import config_pb2, saver_pb2
from tensorflow.examples.tutorials.mnist import input_data
from tensorflow.keras import regularizers
from tensorflow.python import keras as python_keras, pywrap_tensorflow
from tensorflow.python.client import device_lib, session, timeline
from tensorflow.python import debug as tf_debug
from tensorflow.python.eager import context
from tensorflow.python.framework import dtypes, graph_util, ops, tensor_shape, tensor_util
from tensorflow.python.framework.ops import convert_to_tensor, name_scope
from tensorflow.python.keras import metrics
from tensorflow.python.layers import base as layers_base
from tensorflow.python.layers.utils import smart_cond
from tensorflow.python.ops import array_ops, control_flow_ops, math_ops, nn, rnn, rnn_cell
from tensorflow.python.ops import random_ops, variable_scope
from tensorflow.python.ops.losses import losses_impl
from tensorflow.python.platform import app, flags, gfile
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.tools.inspect_checkpoint import print_tensors_in_checkpoint_file
from tensorflow.python.training import moving_averages, optimizer, saver
from tensorflow.python.training.adam import AdamOptimizer
from tensorflow.python.util import nest
"""


def test_the_imports_of_old_programs(switched):
    names: dict = {}
    exec(IMPORTS, names)  # as a program's first lines
    find = types.SimpleNamespace(**names)
    assert find.tf is find.tf1 is fg
    assert find.slim is fg.contrib.slim and find.slim.conv2d is fg.contrib.layers.conv2d
    assert find.keras is find.tf_keras is find.python_keras is fg.keras
    assert find.K is fg.keras.backend and find.regularizers is fg.keras.regularizers
    assert find.np_utils.to_categorical is find.to_categorical is fg.keras.utils.to_categorical
    assert find.read_data_sets is find.input_data.read_data_sets
    assert find.data_module is find.input_data
    assert find.distributions.Normal is fg.distributions.Normal
    assert find.core_rnn_cell.BasicLSTMCell is fg.contrib.rnn.BasicLSTMCell
    assert find.initializers.xavier_initializer is fg.contrib.layers.xavier_initializer
    assert find.ops.Tensor is fg.Tensor and find.convert_to_tensor is fg.convert_to_tensor
    assert find.ops.control_dependencies is fg.control_dependencies
    assert find.dtypes.float32 is fg.float32
    assert find.graph_util.convert_variables_to_constants
    assert find.graph_pb2.GraphDef is fg.GraphDef and find.summary_pb2.Summary is fg.Summary
    assert find.config_pb2.ConfigProto is fg.ConfigProto
    assert find.saver_pb2.SaverDef is fg.train.SaverDef
    assert find.tf_debug.LocalCLIDebugWrapperSession is fg.debug.LocalCLIDebugWrapperSession
    assert find.timeline.Timeline is fg.profile.Timeline
    assert find.session.Session is fg.Session
    assert find.tensor_util.constant_value is fg.contrib.util.constant_value
    assert find.tensor_shape.scalar().as_list() == []
    assert find.tensor_shape.TensorShape is fg.TensorShape
    assert find.array_ops.reshape is fg.reshape and find.math_ops.tanh is fg.tanh
    assert find.nn.softmax is fg.nn.softmax and find.random_ops.random_uniform is fg.random_uniform
    assert find.rnn.dynamic_rnn is fg.nn.dynamic_rnn
    assert find.rnn_cell.LSTMCell is fg.nn.rnn_cell.LSTMCell
    assert find.variable_scope.get_variable is fg.get_variable
    assert find.losses_impl.mean_squared_error is fg.losses.mean_squared_error
    assert find.layers_base.Layer is fg.layers.Layer
    assert find.gfile.GFile is fg.gfile.GFile and find.logging.info is fg.logging.info
    assert find.flags.FLAGS is fg.flags.FLAGS and find.app.run is fg.app.run
    assert find.AdamOptimizer is find.optimizer.AdamOptimizer is fg.train.AdamOptimizer
    assert find.saver.Saver is fg.train.Saver
    assert find.moving_averages.ExponentialMovingAverage is fg.train.ExponentialMovingAverage
    assert find.pywrap_tensorflow.NewCheckpointReader is fg.train.NewCheckpointReader
    assert find.nest.flatten([1, (2, 3)]) == [1, 2, 3]
    assert find.context.executing_eagerly is fg.executing_eagerly
    assert [d.device_type for d in find.device_lib.list_local_devices()] == ["CPU"]
    assert find.smart_cond(True, lambda: 1, lambda: 2) == 1


def test_every_listed_module_leads_to_names(switched):
    """Every namespace in the table is one, or will be when its package is there."""
    to_come = {"queue", "lookup", "contrib.lookup", "estimator", "saved_model", "feature_column",
               "resource_loader", "profiler", "contrib.seq2seq", "python.ops", "python.platform",
               "python.lib.io.file_io", "saved_model.signature_constants",
               "saved_model.tag_constants"}  # fmt: skip
    for path, spaces in TENSORFLOW.items():
        module = importlib.import_module(f"tensorflow.{path}")
        assert not spaces or dir(module) or set(spaces) <= to_come, path


def test_what_is_not_there_says_what_to_use(switched):
    cases = {
        "import tensorflow.contrib.crf": (
            ModuleNotFoundError,
            "tf.contrib.crf.*instead: .*tf.scan",
        ),
        "from tensorflow.contrib import crf": (ImportError, "tf.contrib.crf; instead: "),
        "from tensorflow import Grahp": (ImportError, "tf.Grahp; did you mean 'Graph'"),
        "from tensorflow import relu": (ImportError, "there is tf.nn.relu"),
        "from tensorflow.python import distribute": (ImportError, "instead: .*one process"),
        "from tensorflow.python.ops.math_ops import nope": (ImportError, "no such name"),
        "import tensorflow.nope": (ModuleNotFoundError, "flowgraph has no tf.nope"),
        "import tensorflow.python.nope": (ModuleNotFoundError, "'tensorflow.python.nope'"),
        "import tensorflow.session": (ModuleNotFoundError, "tf.session"),
        "import tensorflow.compat.v2 as tf": (ModuleNotFoundError, "enable_eager_execution"),
        "import keras.nope": (ModuleNotFoundError, "flowgraph has no keras.nope"),
    }
    for line, (kind, message) in cases.items():
        with pytest.raises(kind, match=message):
            exec(line, {})
    import tensorflow.contrib.rnn

    with pytest.raises(ModuleNotFoundError):
        import tensorflow.contrib.cudnn_rnn  # noqa: F401


def test_missing_names_without_the_switch():
    with pytest.raises(AttributeError, match="flowgraph has no tf.mul; instead: tf.multiply"):
        fg.mul
    with pytest.raises(fg.errors.MissingNameError, match="tf.contrib.crf; instead"):
        fg.contrib.crf.crf_log_likelihood
    with pytest.raises(AttributeError, match="did you mean 'softmax'"):
        fg.nn.softmaxx
    with pytest.raises(ImportError, match="tf.nn.rnn; instead: tf.nn.static_rnn"):
        from flowgraph.nn import rnn  # noqa: F401
    assert not hasattr(fg, "nope") and getattr(fg.nn, "nope", 3) == 3
    assert fg.contrib.distributions is fg.distributions
    with pytest.raises(AttributeError, match="'_private'$"):
        fg._private


def test_modules_of_names_do_not_hide_private_ones():
    module = facade("tensorflow.some", ("nn",))
    assert module.relu is fg.nn.relu and "relu" in dir(module)
    with pytest.raises(AttributeError, match="'_linear'"):
        module._linear


def test_nothing_is_switched_without_asking(tmp_path):
    (tmp_path / "tensorflow.py").write_text("name = 'the real one'\n")
    code = "import flowgraph, tensorflow; print(tensorflow.name)"
    done = run_python("-c", code, cwd=tmp_path)
    assert done.stdout == "the real one\n", done.stderr
    code = (
        "import flowgraph.compat.tensorflow as switch, tensorflow as tf; print(tf.nn.relu); "
        "switch.uninstall(); import tensorflow; print(tensorflow.name)"
    )
    done = run_python("-c", code, cwd=tmp_path)
    assert "function relu" in done.stdout and done.stdout.endswith("the real one\n"), done.stderr
    assert "`import tensorflow` gives flowgraph, not " in done.stderr
    done = run_python("-c", "import tensorflow, flowgraph.compat.tensorflow", cwd=tmp_path)
    assert "ImportError: tensorflow is imported already" in done.stderr


def test_ipython_extension(switched):
    switched.unload_ipython_extension(None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tensorflow.nn")
    switched.load_ipython_extension(None)
    assert importlib.import_module("tensorflow.nn") is fg.nn
    assert switched.reduce_mean is fg.reduce_mean


def test_graphs_in_text_without_googles_package(tmp_path):
    """Programs read ``.pbtxt`` with google.protobuf.text_format, which need not be installed."""
    program = tmp_path / "program.py"
    program.write_text(
        "import tensorflow as tf\n"
        "from google.protobuf import text_format\n"
        "graph = text_format.Merge('node { name: \"a\" }', tf.GraphDef())\n"
        "print(graph.node[0].name, text_format.__name__)\n"
    )
    done = run_python("-m", "flowgraph", "run", str(program))
    if "flowgraph.protos" not in done.stdout:
        pytest.skip("Google's package is installed here")
    assert done.stdout.split() == ["a", "flowgraph.protos.text_format"], done.stderr
