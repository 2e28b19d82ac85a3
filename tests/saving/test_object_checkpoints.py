"""tf.train.Checkpoint and CheckpointManager; checkpoints of TensorFlow's first format."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.saving.objects import OBJECT_GRAPH, TrackableObjectGraph

FIRST = Path(__file__).parent / "files" / "first_format"


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def made():
    """Two variables, an optimizer, and a Checkpoint of them."""
    v, w = tf.Variable([1.0, 2.0], name="v"), tf.Variable(3.0, name="w")
    optimizer = tf.train.AdamOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(v) * w)
    return v, w, optimizer, step, tf.train.Checkpoint(v=v, inner={"w": w, "l": [w, v]}, o=optimizer)


def test_keys_are_tensorflows(sess, tmp_path) -> None:
    *_, checkpoint = made()
    sess.run(tf.global_variables_initializer())
    path = checkpoint.save(str(tmp_path / "ckpt"))
    keys = [key.replace("/.ATTRIBUTES/VARIABLE_VALUE", "") for key, _ in
            tf.train.list_variables(path)]  # fmt: skip
    assert keys == [
        OBJECT_GRAPH, "inner/w", "inner/w/.OPTIMIZER_SLOT/o/m", "inner/w/.OPTIMIZER_SLOT/o/v",
        "o/beta1_power", "o/beta2_power", "save_counter", "v", "v/.OPTIMIZER_SLOT/o/m",
        "v/.OPTIMIZER_SLOT/o/v",
    ]  # fmt: skip
    raw = tf.train.load_variable(path, OBJECT_GRAPH)
    graph = TrackableObjectGraph.FromString(raw)
    assert [c.local_name for c in graph.nodes[0].children] == ["inner", "o", "v", "save_counter"]
    assert [c.local_name for c in graph.nodes[1].children] == ["w", "l"]
    slots = graph.nodes[2].slot_variables
    assert [(s.slot_name, s.original_variable_node_id) for s in slots] == [
        ("m", 3), ("m", 5), ("v", 3), ("v", 5)
    ]  # fmt: skip
    assert tf.train.latest_checkpoint(str(tmp_path)) == path == str(tmp_path / "ckpt-1")


def test_there_and_back(sess, tmp_path) -> None:
    v, w, optimizer, step, checkpoint = made()
    sess.run(tf.global_variables_initializer())
    sess.run(step)
    path = checkpoint.save(str(tmp_path / "ckpt"))
    known = sess.run([v, w, optimizer.get_slot(v, "m")])
    for _ in range(3):
        sess.run(step)
    status = checkpoint.restore(path).assert_consumed()
    status.assert_existing_objects_matched().assert_nontrivial_match().expect_partial()
    assert sess.run(v)[0] != known[0][0]  # not yet
    status.run_restore_ops()
    np.testing.assert_array_equal(sess.run(v), known[0])
    np.testing.assert_array_equal(sess.run(optimizer.get_slot(v, "m")), known[2])
    assert sess.run(w) == known[1] and sess.run(checkpoint.save_counter) == 1
    assert checkpoint.save(str(tmp_path / "ckpt")).endswith("ckpt-2")


def test_a_part_and_more_than_there_is(sess, tmp_path) -> None:
    v, _, _, _, checkpoint = made()
    sess.run(tf.global_variables_initializer())
    path = checkpoint.write(str(tmp_path / "a"))
    sess.run(v.assign([9.0, 9.0]))
    part = tf.train.Checkpoint(v=v)
    status = part.restore(path)
    with pytest.raises(AssertionError, match=r"a value has no object: inner/w/\.ATTR"):
        status.assert_consumed()
    status.assert_existing_objects_matched().run_restore_ops()
    assert list(sess.run(v)) == [1.0, 2.0]
    new = tf.Variable(5.0, name="new")
    more = tf.train.Checkpoint(v=v, new=new)
    status = more.restore(path)
    with pytest.raises(AssertionError, match="an object has no value: new/"):
        status.assert_existing_objects_matched()
    status.initialize_or_restore()
    assert sess.run(new) == 5.0
    with pytest.raises(AssertionError, match="nothing of the checkpoint fits"):
        tf.train.Checkpoint(other=new).restore(path).assert_nontrivial_match()
    nothing = more.restore(None)
    nothing.initialize_or_restore()
    with pytest.raises(AssertionError, match="No checkpoint specified"):
        nothing.assert_consumed()


def test_layers_lists_and_checkpoints_inside(sess, tmp_path) -> None:
    layer = tf.layers.Dense(2)
    layer(tf.zeros([1, 3]))
    inner = tf.train.Checkpoint(layers=[layer, layer])
    outer = tf.train.Checkpoint(net=layer, inner=inner)
    sess.run(tf.global_variables_initializer())
    path = outer.save(str(tmp_path / "a/b/ckpt"))
    assert [key for key, _ in tf.train.list_variables(path) if "layer" in key or "net" in key] == [
        "net/bias/.ATTRIBUTES/VARIABLE_VALUE", "net/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    ]  # fmt: skip
    kernel = sess.run(layer.kernel)
    sess.run(layer.kernel.initializer)
    outer.restore(path).run_restore_ops()
    np.testing.assert_array_equal(sess.run(layer.kernel), kernel)


def test_names_with_marks(sess, tmp_path) -> None:
    v = tf.Variable(1.0)
    checkpoint = tf.train.Checkpoint(d={"a/b.c": v})
    sess.run(v.initializer)
    path = checkpoint.write(str(tmp_path / "x"))
    keys = [key for key, _ in tf.train.list_variables(path)]
    assert "d/a.Sb..c/.ATTRIBUTES/VARIABLE_VALUE" in keys
    checkpoint.restore(path).assert_existing_objects_matched().run_restore_ops(sess)


def test_checkpoints_of_a_saver(sess, tmp_path) -> None:
    v = tf.Variable([1.0, 2.0], name="v")
    sess.run(v.initializer)
    path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    sess.run(v.assign([0.0, 0.0]))
    tf.train.Checkpoint(any=v).restore(path).run_restore_ops()
    assert list(sess.run(v)) == [1.0, 2.0]


def test_eager(tmp_path) -> None:
    code = f"""
import flowgraph as tf
tf.enable_eager_execution()
v, w = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
checkpoint = tf.train.Checkpoint(v=v, w=w)
manager = tf.train.CheckpointManager(checkpoint, {str(tmp_path)!r}, 1)
manager.save()
v.assign([0.0, 0.0]); w.assign([0.0])
assert manager.restore_or_initialize() == manager.latest_checkpoint
assert list(v.numpy()) == [1.0, 2.0] and w.numpy()[0] == 3.0
assert checkpoint.save_counter.numpy() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors(sess, tmp_path) -> None:
    with pytest.raises(ValueError, match="expecting 'a' to be a trackable object"):
        tf.train.Checkpoint(a=3)
    v = tf.Variable([1.0, 2.0], name="v")
    checkpoint = tf.train.Checkpoint(v=v)
    with pytest.raises(tf.errors.FailedPreconditionError):
        checkpoint.save(str(tmp_path / "m"))
    with pytest.raises(tf.errors.NotFoundError):
        checkpoint.restore(str(tmp_path / "none"))
    sess.run(v.initializer)
    path = checkpoint.write(str(tmp_path / "m"))
    other = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0, 3.0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"has shape \[3\], there \[2\]"):
        other.restore(path)
    with tf.Graph().as_default():
        w = tf.Variable(1.0)
        with pytest.raises((RuntimeError, tf.errors.FailedPreconditionError, KeyError)):
            tf.train.Checkpoint(w=w).write(str(tmp_path / "n"))


# ------------------------------------------------------------------------------------------ manager


def test_manager(sess, tmp_path) -> None:
    v = tf.Variable(1.0)
    sess.run(v.initializer)
    checkpoint = tf.train.Checkpoint(v=v)
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=2)
    assert manager.latest_checkpoint is None and manager.restore_or_initialize() is None
    paths = [manager.save() for _ in range(3)]
    assert manager.checkpoints == paths[1:] and manager.latest_checkpoint == paths[2]
    assert tf.train.latest_checkpoint(str(tmp_path)) == paths[2]
    assert sorted(n for n in os.listdir(tmp_path) if n.endswith("index")) == [
        "ckpt-2.index", "ckpt-3.index"
    ]  # fmt: skip
    assert manager.save(checkpoint_number=10).endswith("ckpt-10")
    again = tf.train.CheckpointManager(checkpoint, str(tmp_path), 2)
    assert again.checkpoints == manager.checkpoints
    sess.run(v.assign(7.0))
    assert again.restore_or_initialize() == manager.latest_checkpoint and sess.run(v) == 1.0
    assert again.directory == str(tmp_path) and again.checkpoint is checkpoint
    with pytest.raises(ValueError, match="positive integer"):
        tf.train.CheckpointManager(checkpoint, str(tmp_path), 0)
    with pytest.raises(ValueError, match="no step_counter"):
        tf.train.CheckpointManager(checkpoint, str(tmp_path), 1, checkpoint_interval=3)


def test_manager_with_intervals_and_hours(sess, tmp_path) -> None:
    v, step = tf.Variable(1.0), tf.Variable(0, dtype=tf.int64)
    sess.run([v.initializer, step.initializer])
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(v=v), str(tmp_path), 1, step_counter=step, checkpoint_interval=2,
        keep_checkpoint_every_n_hours=0.0, init_fn=lambda: sess.run(v.assign(4.0)),
    )  # fmt: skip
    manager.restore_or_initialize()
    assert sess.run(v) == 4.0 and manager.checkpoint_interval == 2
    first = manager.save()
    sess.run(step.assign_add(1))
    assert manager.save() is None and manager.save(check_interval=False) is not None
    sess.run(step.assign_add(2))
    last = manager.save()
    assert manager.checkpoints == [last] and tf.train.checkpoint_exists(first)  # it stays


def test_relative_directories(sess, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    v = tf.Variable(1.0)
    sess.run(v.initializer)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=v), "some/where", 3)
    path = manager.save()
    assert path == "some/where/ckpt-1" == tf.train.latest_checkpoint("some/where")
    os.mkdir("m")
    saved = tf.train.Saver(save_relative_paths=True).save(sess, "m/x")
    assert tf.train.latest_checkpoint("m") == saved == "m/x"
    shutil.move("m", "moved")
    assert tf.train.latest_checkpoint("moved") == "moved/x"


# ------------------------------------------------------------------------------- the first format


def test_the_first_format() -> None:
    """The file was written by TensorFlow, with write_version=SaverDef.V1."""
    reader = tf.train.load_checkpoint(str(FIRST))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    np.testing.assert_array_equal(values["a"], np.arange(6, dtype=np.float32).reshape(2, 3) / 4)
    assert values["b"] == 7 and values["b"].dtype == np.int64
    assert list(values["c"]) == [True, False] and list(values["d"]) == [b"x", b"yy"]
    assert values["e"].shape == (0, 2) and values["f"][0] == 1 + 2j and values["g"][0] == 1.5
    assert values["g"].dtype == np.float16
    # in two parts
    assert values["p"].shape == (4, 2)
    np.testing.assert_array_equal(values["p"][:2], values["p"][2:])
    np.testing.assert_allclose(values["p"][0], [0.2390374, 0.92039955], rtol=1e-6)


def test_the_first_format_is_restored(sess, tmp_path) -> None:
    a = tf.Variable(np.zeros((2, 3), np.float32), name="a")
    tf.train.Saver().restore(sess, str(FIRST))
    assert sess.run(a)[1, 2] == 1.25
    wrong = tf.Variable([0.0], name="a2")
    with pytest.raises(tf.errors.InvalidArgumentError, match="has shape"):
        tf.train.Saver({"a": wrong}).restore(sess, str(FIRST))
    shutil.copy(FIRST, tmp_path / "m-00000-of-00001")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m-?????-of-?????"')
    path = tf.train.latest_checkpoint(str(tmp_path))
    assert path == str(tmp_path / "m-?????-of-?????") and tf.train.load_variable(path, "b") == 7
    assert tf.train.checkpoint_exists(str(tmp_path / "m"))
    assert len(tf.train.get_checkpoint_mtimes([path])) == 1
    tf.train.remove_checkpoint(path)
    assert not os.path.exists(tmp_path / "m-00000-of-00001")


def test_damaged_files_of_the_first_format(tmp_path) -> None:
    data = FIRST.read_bytes()
    place = tmp_path / "m"
    place.write_bytes(data[:-10])
    with pytest.raises(tf.errors.NotFoundError):
        tf.train.load_checkpoint(str(place))
    for at in range(0, len(data) - 48, 7):
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        place.write_bytes(damaged)
        try:
            reader = tf.train.load_checkpoint(str(place))
            found = {n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()}
        except tf.errors.OpError:
            continue
        # bytes that nobody needs: the list of filters, which is empty
        assert len(found) == 8 and found["b"] == 7
