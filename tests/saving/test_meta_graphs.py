"""Graphs with their collections and Savers, written and read again."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

X = np.arange(6, dtype=np.float32).reshape(2, 3) / 6


def model() -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.device("/cpu:0"):
        w = tf.get_variable("w", [3, 2], initializer=tf.constant_initializer(0.5))
    y = tf.tanh(tf.matmul(x, w), name="y")
    step = tf.train.get_or_create_global_step()
    tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(y * y), step, name="step")
    tf.add_to_collection("ends", y)
    tf.add_to_collection("ends", x.op)
    tf.get_collection_ref("numbers").extend([3, -4])
    tf.add_to_collection("floats", 1.5)
    tf.add_to_collection("texts", "abc")
    tf.add_to_collection("odd", object())


def test_a_saved_model_goes_on(tmp_path) -> None:
    prefix = str(tmp_path / "model.ckpt")
    feed = {"x:0": X}
    with tf.Graph().as_default() as graph, tf.Session() as session:
        model()
        session.run(tf.global_variables_initializer())
        session.run("step", feed)
        operations = len(graph.get_operations())
        path = tf.train.Saver().save(session, prefix, global_step=1)
        assert len(graph.get_operations()) == operations
        session.run("step", feed)
        wanted = session.run(["w:0", "global_step:0"])
    with tf.Graph().as_default() as graph, tf.Session() as session:
        saver = tf.train.import_meta_graph(f"{path}.meta")
        saver.restore(session, path)
        session.run("step", feed)
        for one, other in zip(session.run(["w:0", "global_step:0"]), wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
        assert [v.name for v in tf.trainable_variables()] == ["w:0"]
        assert [v.name for v in tf.global_variables()] == [
            "w:0", "global_step:0", "beta1_power:0", "beta2_power:0", "w/Adam:0", "w/Adam_1:0"
        ]  # fmt: skip
        assert tf.trainable_variables()[0] is tf.global_variables()[0]
        assert tf.train.get_global_step().name == "global_step:0"
        assert tf.get_collection("ends") == [
            graph.get_tensor_by_name("y:0"), graph.get_operation_by_name("x")
        ]  # fmt: skip
        assert tf.get_collection("numbers") == [3, -4] and tf.get_collection("floats") == [1.5]
        assert tf.get_collection("texts") == [b"abc"] and tf.get_collection("odd") == []
        again = saver.save(session, prefix, global_step=2)
        session.run(tf.global_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(session, again)
        np.testing.assert_allclose(session.run("w:0"), wanted[0], rtol=1e-6)


def test_scopes_and_devices() -> None:
    with tf.Graph().as_default():
        model()
        saver = tf.train.Saver({"renamed": tf.trainable_variables()[0]})
        meta = saver.export_meta_graph()
        assert meta.saver_def.restore_op_name == "save/restore_all"
        plain = saver.export_meta_graph(clear_devices=True)
        assert any(n.device for n in meta.graph_def.node)
        assert not any(n.device for n in plain.graph_def.node)
        all_of_it = tf.train.export_meta_graph(saver_def=tf.train.Saver().as_saver_def())
        bare = tf.train.export_meta_graph(collection_list=["variables"], clear_devices=True)
        assert list(bare.collection_def) == ["variables"] and not bare.HasField("saver_def")
        with pytest.raises(NotImplementedError, match="whole graphs"):
            tf.train.export_meta_graph(export_scope="x")
    assert len(all_of_it.graph_def.node) > len(meta.graph_def.node)
    with tf.Graph().as_default() as graph:
        saver, (y,) = tf.train.import_meta_graph(
            meta, clear_devices=True, import_scope="a", return_elements=["y:0"]
        )
        assert y.name == "a/y:0" and saver.saver_def.restore_op_name == "a/save/restore_all"
        assert not any(op.device for op in graph.get_operations())
        assert tf.trainable_variables()[0].initializer.name == "a/w/Assign"
        tf.train.import_meta_graph(meta, import_scope="a")
        assert [v.name for v in tf.trainable_variables()] == ["a/w:0", "a_1/w:0"]
    with tf.Graph().as_default():
        assert isinstance(tf.train.import_meta_graph(bare), tf.train.Saver)
        assert tf.train.import_meta_graph(tf.MetaGraphDef(), import_scope="b") is None


def test_files(tmp_path) -> None:
    path = str(tmp_path / "g.meta")
    with tf.Graph().as_default(), tf.Session() as session:
        model()
        meta = tf.train.export_meta_graph(path)
        assert tf.MetaGraphDef.FromString((tmp_path / "g.meta").read_bytes()) == meta
        tf.train.export_meta_graph(path, as_text=True)
        assert (tmp_path / "g.meta").read_text() == str(meta)
        with tf.Graph().as_default() as again:
            tf.train.import_meta_graph(path)
            assert list(again.as_graph_def().node) == list(meta.graph_def.node)
        (tmp_path / "g.meta").write_bytes(b"\x0a\xff")
        with pytest.raises(ValueError, match="holds no MetaGraphDef"):
            tf.train.import_meta_graph(path)
        with pytest.raises(tf.errors.NotFoundError):
            tf.train.import_meta_graph(str(tmp_path / "nothing"))
        tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])
        session.run(tf.global_variables_initializer())
        saved = tf.train.Saver().save(session, str(tmp_path / "loop"))
        assert saved and (tmp_path / "loop.meta").exists()
        tf.train.Saver().save(session, str(tmp_path / "v"), write_meta_graph=False)
        assert not (tmp_path / "v.meta").exists()


def test_variables_as_messages() -> None:
    with tf.Graph().as_default() as graph:
        with tf.name_scope("s"):
            v = tf.Variable([1.0, 2.0], name="v", trainable=False)
        said = v.to_proto()
        assert (said.variable_name, said.initializer_name) == ("s/v:0", "s/v/Assign")
        assert v.to_proto("s").snapshot_name == "v/read:0" and v.to_proto("other") is None
        again = tf.Variable.from_proto(v.to_proto("s"), "s")
        assert again.name == "s/v:0" and again.initializer is v.initializer
        assert not again.trainable
        with tf.Session(graph=graph) as session:
            session.run(again.initializer)
            assert list(session.run(again + 1.0)) == [2.0, 3.0]
