"""ConfigProto and its kind behave like the protocol buffers that programs expect.

Expected texts and errors are those of TensorFlow's own classes.
"""

from __future__ import annotations

import pytest

import flowgraph as tf


def test_fields_read_as_defaults_until_set():
    proto = tf.ConfigProto()
    assert proto.allow_soft_placement is False
    assert proto.gpu_options.per_process_gpu_memory_fraction == 0.0
    assert not proto.HasField("gpu_options")
    proto.gpu_options.allow_growth = True
    proto.device_count["CPU"] = 1
    proto.device_filters.append("/job:x")
    assert proto.HasField("gpu_options")
    assert [name for name, _ in proto.ListFields()] == [
        "device_count", "device_filters", "gpu_options",
    ]  # fmt: skip


def test_text_form():
    proto = tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True, allocator_type="BFC"))
    proto.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
    assert str(proto) == (
        'gpu_options {\n  allow_growth: true\n  allocator_type: "BFC"\n}\n'
        "graph_options {\n  optimizer_options {\n    opt_level: -1\n  }\n}\n"
    )
    assert str(tf.ConfigProto()) == ""


def test_unknown_fields():
    with pytest.raises(ValueError, match='Protocol message ConfigProto has no "alow" field.'):
        tf.ConfigProto(alow=1)
    proto = tf.ConfigProto()
    with pytest.raises(AttributeError, match='no "alow" field'):
        proto.alow = 1
    with pytest.raises(AttributeError, match='no "alow" field'):
        _ = proto.alow
    with pytest.raises(AttributeError, match='Assignment not allowed to message field "gpu_opti'):
        proto.gpu_options = tf.GPUOptions()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("intra_op_parallelism_threads", 1.5),
        ("intra_op_parallelism_threads", "2"),
        ("allow_soft_placement", "yes"),
    ],
)
def test_wrong_types(field, value):
    with pytest.raises(TypeError):
        tf.ConfigProto(**{field: value})
    with pytest.raises(TypeError):
        tf.GPUOptions(allocator_type=3)
    with pytest.raises(TypeError):
        tf.GPUOptions(per_process_gpu_memory_fraction="all")
    with pytest.raises(TypeError, match="takes a GPUOptions"):
        tf.ConfigProto(gpu_options=tf.GraphOptions())


def test_copies_are_independent():
    first = tf.ConfigProto(device_count={"GPU": 0}, log_device_placement=True)
    second = tf.ConfigProto()
    second.CopyFrom(first)
    assert second == first
    second.device_count["GPU"] = 1
    second.gpu_options.allow_growth = True
    assert first.device_count == {"GPU": 0}
    assert not first.HasField("gpu_options")
    assert second != first
    second.Clear()
    assert second == tf.ConfigProto()
    with pytest.raises(TypeError):
        second.CopyFrom(tf.GPUOptions())


def test_sessions_take_a_config():
    proto = tf.ConfigProto(allow_soft_placement=True)
    proto.graph_options.rewrite_options.memory_optimization = 1
    proto.experimental.anything = "kept"
    with tf.Graph().as_default(), tf.Session(config=proto) as sess:
        assert sess.run(tf.constant(1.0) + 1.0) == 2.0
    assert proto.experimental.anything == "kept"


def test_enum_values():
    assert tf.RunOptions.FULL_TRACE == 3
    assert (tf.OptimizerOptions.L1, tf.OptimizerOptions.L0) == (0, -1)
    assert tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE).trace_level == 3
