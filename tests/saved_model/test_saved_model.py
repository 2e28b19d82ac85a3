"""SavedModels are written and read; what is wrong with them is said."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import flowgraph as tf
from flowgraph.protos.meta_graphs import SavedModel, SignatureDef
from flowgraph.protos.text_format import Parse
from flowgraph.saved_model.loading import SavedModelLoader, parse_saved_model

SM = tf.saved_model
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def model() -> tuple:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.identity(tf.layers.dense(x, 2, name="d"), name="y")
    return x, y


def saved(folder, **kwargs) -> np.ndarray:
    """A model of one layer with the signature ``serving_default``; its result for X."""
    with tf.Graph().as_default(), tf.Session() as session:
        x, y = model()
        session.run(tf.global_variables_initializer())
        builder = SM.builder.SavedModelBuilder(str(folder))
        signature = SM.signature_def_utils.predict_signature_def({"x": x}, {"y": y})
        as_text = kwargs.pop("as_text", False)
        builder.add_meta_graph_and_variables(
            session, [SM.tag_constants.SERVING], {"serving_default": signature}, **kwargs
        )
        path = builder.save(as_text=as_text)
        assert os.path.isfile(path) and isinstance(path, bytes)
        return session.run(y, {x: X})


def loaded(folder, tags=("serve",), **kwargs):
    with tf.Session(graph=tf.Graph()) as session:
        meta = SM.loader.load(session, list(tags), str(folder), **kwargs)
        signature = meta.signature_def["serving_default"]
        lead = f"{kwargs['import_scope']}/" if kwargs.get("import_scope") else ""
        y, x = (lead + part.name for part in (signature.outputs["y"], signature.inputs["x"]))
        return session.run(y, {x: X})


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("strip", [False, True])
def test_there_and_back(tmp_path, as_text, strip) -> None:
    folder = tmp_path / "m"
    assert not SM.loader.maybe_saved_model_directory(str(folder))
    y = saved(folder, as_text=as_text, strip_default_attrs=strip)
    assert SM.loader.maybe_saved_model_directory(str(folder)) and SM.contains_saved_model(folder)
    np.testing.assert_array_equal(loaded(folder), y)
    np.testing.assert_array_equal(loaded(folder, import_scope="again"), y)
    meta = parse_saved_model(folder).meta_graphs[0]
    assert meta.meta_info_def.stripped_default_attrs == strip
    product = next(node for node in meta.graph_def.node if node.op == "MatMul")
    assert ("transpose_a" in product.attr) != strip
    assert sorted(os.listdir(folder)) == [
        "saved_model.pbtxt" if as_text else "saved_model.pb", "variables"
    ]


def test_simple_save_and_predictor(tmp_path) -> None:
    folder = str(tmp_path / "m")
    with tf.Session() as session:
        x, y = model()
        session.run(tf.global_variables_initializer())
        SM.simple_save(session, folder, {"x": x}, {"y": y, "x again": x})
        known = session.run(y, {x: X})
    predict = tf.contrib.predictor.from_saved_model(folder)
    result = predict({"x": X})
    np.testing.assert_array_equal(result["y"], known)
    np.testing.assert_array_equal(result["x again"], X)
    assert sorted(predict.fetch_tensors) == ["x again", "y"] and "x" in predict.feed_tensors
    with pytest.raises(ValueError, match="unexpected keys in input_dict: .*'z'"):
        predict({"z": X})
    by_name = tf.contrib.predictor.from_saved_model(
        folder, input_names={"a": "x:0"}, output_names={"b": "y:0"}, tags="serve"
    )
    np.testing.assert_array_equal(by_name({"a": X})["b"], known)
    with pytest.raises(ValueError, match="Available signatures are"):
        tf.contrib.predictor.from_saved_model(folder, signature_def_key="none")
    with pytest.raises(ValueError, match="both be specified"):
        tf.contrib.predictor.from_saved_model(folder, input_names={"a": "x:0"})
    with pytest.raises(ValueError, match="at most one"):
        tf.contrib.predictor.from_saved_model(
            folder, "serving_default", input_names={}, output_names={}
        )


def test_a_loaded_model_trains_on_and_is_saved_again(tmp_path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        _, y = model()
        tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(y * y, name="loss"), name="step")
        session.run(tf.global_variables_initializer())
        session.run("step", {"x:0": X})
        SM.simple_save(session, str(tmp_path / "a"), {"x": y}, {"y": y})
        session.run("step", {"x:0": X})
        loss = session.run("loss:0", {"x:0": X})
    with tf.Graph().as_default() as graph, tf.Session() as session:
        SM.loader.load(session, ["serve"], str(tmp_path / "a"))
        assert len(tf.trainable_variables()) == 2
        session.run("step", {"x:0": X})
        assert session.run("loss:0", {"x:0": X}) == loss
        x, y = graph.get_tensor_by_name("x:0"), graph.get_tensor_by_name("y:0")
        SM.simple_save(session, str(tmp_path / "b"), {"x": x}, {"y": y})
        known = session.run(y, {x: X})
    np.testing.assert_array_equal(loaded(tmp_path / "b"), known)


def test_several_graphs_share_variables(tmp_path) -> None:
    folder = str(tmp_path / "m")
    builder = SM.builder.SavedModelBuilder(folder)
    with pytest.raises(AssertionError, match="has not been saved yet"):
        builder.add_meta_graph(["serve"])
    with tf.Graph().as_default(), tf.Session() as session:
        tf.Variable([1.0, 2.0], name="v")
        with pytest.raises(tf.errors.FailedPreconditionError):
            builder.add_meta_graph_and_variables(session, ["train"])
        session.run(tf.global_variables_initializer())
        builder.add_meta_graph_and_variables(session, ["train"])
        with pytest.raises(AssertionError, match="already been saved"):
            builder.add_meta_graph_and_variables(session, ["train"])
    with tf.Graph().as_default():
        v = tf.get_variable("v", [2])
        tf.multiply(v, 10.0, name="ten")
        builder.add_meta_graph(["serve", "gpu"])
    builder.save()
    with tf.Session(graph=tf.Graph()) as session:
        SM.loader.load(session, ["gpu", "serve"], folder)
        np.testing.assert_array_equal(session.run("ten:0"), [10.0, 20.0])
        with pytest.raises(RuntimeError, match=r"available tags: \['train'\], \['gpu', 'serve'\]"):
            SM.loader.load(session, ["serve"], folder)
    with pytest.raises(AssertionError, match="isn't empty"):
        SM.builder.SavedModelBuilder(folder)


def test_assets_and_main_op(tmp_path) -> None:
    first, second = tmp_path / "a" / "words.txt", tmp_path / "b" / "words.txt"
    for path, text in ((first, "hello"), (second, "bye")):
        path.parent.mkdir()
        path.write_text(text)
    with tf.Graph().as_default(), tf.Session() as session:
        paths = [tf.constant(str(first), name="p"), tf.constant(str(second), name="q")]
        for path in paths:
            tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, path)
        v = tf.Variable(["", ""], name="v")
        session.run(v.initializer)
        read = v.assign(tf.stack([tf.read_file(path) for path in paths])).op
        SM.simple_save(session, str(tmp_path / "m"), {"p": paths[0]}, {"v": v}, read)
        with pytest.raises(TypeError, match="main_op must be an Operation"):
            SM.simple_save(session, str(tmp_path / "n"), {"p": v}, {"v": v}, 3)
        builder = SM.builder.SavedModelBuilder(str(tmp_path / "o"))
        with pytest.raises(ValueError, match="constant string tensor"):
            builder.add_meta_graph_and_variables(session, [], assets_collection=[v])
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    assert sorted(os.listdir(tmp_path / "m" / "assets")) == ["words.txt", "words_1.txt"]
    with tf.Session(graph=tf.Graph()) as session:
        SM.loader.load(session, ["serve"], str(tmp_path / "m"))
        assert list(session.run("v:0")) == [b"hello", b"bye"]


def test_main_op_initialises() -> None:
    v = tf.Variable(1.0)
    with tf.Session() as session:
        session.run(SM.main_op.main_op())
        assert session.run(v) == 1.0
        tf.group(v.assign(3.0), name="restore")
        session.run(SM.main_op.main_op_with_restore("restore"))
        assert session.run(v) == 3.0


# -------------------------------------------------------------------------------------- signatures


def test_tensor_infos() -> None:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    sparse = tf.sparse_placeholder(tf.int64, [None, 3], name="s")
    info = SM.utils.build_tensor_info(x)
    assert info.name == "x:0" and [d.size for d in info.tensor_shape.dim] == [-1, 2]
    assert SM.get_tensor_from_tensor_info(info) is x
    info = SM.build_tensor_info(sparse)
    assert info.coo_sparse.values_tensor_name == "s/values:0" and not info.name
    assert SM.utils.get_tensor_from_tensor_info(info).indices is sparse.indices
    assert SM.build_tensor_info(tf.Variable(1, name="v")).name == "v:0"
    with pytest.raises(TypeError):
        SM.build_tensor_info(3)
    with pytest.raises(ValueError, match="encoding"):
        SM.get_tensor_from_tensor_info(tf.TensorInfo())


def test_signatures_are_checked() -> None:
    x, s = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.string, [None])
    classify, regress = SM.classification_signature_def, SM.regression_signature_def
    predict = SM.signature_def_utils.predict_signature_def
    for good in (classify(s, s, None), classify(s, None, x), classify(s, s, x), regress(s, x),
                 predict({"a": x}, {"b": s})):  # fmt: skip
        assert SM.signature_def_utils.is_valid_signature(good)
    assert not SM.is_valid_signature(SM.build_signature_def({}, {}, SM.PREDICT_METHOD_NAME))
    assert not SM.is_valid_signature(SignatureDef(method_name="other"))
    for call, error in (
        (lambda: classify(None, s, x), "`examples` cannot be None"),
        (lambda: classify(s, None, None), "cannot both be None"),
        (lambda: classify(x, s, None), "input tensors must be of type string. Found DT_FLOAT"),
        (lambda: classify(s, x, None), "classes must be a string"),
        (lambda: classify(s, None, s), "scores must be a float"),
        (lambda: regress(x, x), "input tensors must be of type string"),
        (lambda: regress(s, s), "output tensors must be of type float"),
        (lambda: regress(s, None), "`predictions` cannot be None"),
        (lambda: predict({}, {"y": x}), "`inputs` cannot be None or empty"),
        (lambda: predict({"x": x}, None), "`outputs` cannot be None or empty"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            call()


def test_signatures_without_names_are_not_written(tmp_path) -> None:
    x = tf.placeholder(tf.float32, [None])
    for number, field in enumerate(("name", "dtype")):
        signature = SM.predict_signature_def({"x": x}, {"y": x})
        signature.inputs["x"].ClearField(field)
        builder = SM.builder.SavedModelBuilder(str(tmp_path / str(number)))
        with tf.Session() as session, pytest.raises(AssertionError, match=f"{field} field set"):
            builder.add_meta_graph_and_variables(session, ["serve"], {"s": signature})


# --------------------------------------------------------------------------------------- bad input


def test_what_is_no_saved_model(tmp_path) -> None:
    session = tf.Session(graph=tf.Graph())
    with pytest.raises(OSError, match=r"SavedModel file does not exist at: .*saved_model.pbtxt"):
        SM.loader.load(session, ["serve"], str(tmp_path))
    folder = tmp_path / "m"
    saved(folder)
    path = folder / "saved_model.pb"
    data = path.read_bytes()
    for damaged in (data[:-5], data[:100], b"\xff" * 50, b"no message", b"\n" * 11):
        path.write_bytes(damaged)
        with pytest.raises((OSError, RuntimeError)):
            SM.loader.load(session, ["serve"], str(folder))
    path.write_bytes(b"")
    with pytest.raises(RuntimeError, match="available tags: none"):
        SM.loader.load(session, ["serve"], str(folder))
    model = SavedModel.FromString(data)
    model.saved_model_schema_version = 2
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OSError, match="schema version 2"):
        SM.loader.load(session, ["serve"], str(folder))
    assert not session.graph.get_operations()


def test_what_cannot_be_imported_is_named(tmp_path) -> None:
    saved(tmp_path)
    path = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    graph_def = model.meta_graphs[0].graph_def
    for name in ("a", "b", "c"):
        graph_def.node.add(name=name, op="Mystery" if name < "c" else "Riddle")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(tf.errors.NotFoundError, match=r"(?s)Mystery \(2\): a, b\n.*Riddle"):
        loaded(tmp_path)
    graph_def.versions.min_consumer = 3000
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="min consumer version 3000 above current"):
        loaded(tmp_path)


def test_damaged_variables(tmp_path) -> None:
    saved(tmp_path)
    place = tmp_path / "variables" / "variables.data-00000-of-00001"
    data = bytearray(place.read_bytes())
    data[3] ^= 1
    place.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError):
        loaded(tmp_path)
    place.write_bytes(data[:-1])
    with pytest.raises(tf.errors.DataLossError):
        loaded(tmp_path)
    shutil.rmtree(tmp_path / "variables")
    with pytest.raises(ValueError, match="has no checkpoint"):
        loaded(tmp_path)


def test_loading_writes_no_files_and_calls_nothing(tmp_path) -> None:
    """A SavedModel whose main op writes a file, or calls a function, is not run."""
    victim = tmp_path / "victim"
    for number, evil in enumerate((
        lambda: tf.write_file(str(victim), "bad"),
        lambda: tf.py_func(lambda: victim.write_text("bad"), [], tf.int64).op,
    )):
        with tf.Graph().as_default(), tf.Session() as session:
            builder = SM.builder.SavedModelBuilder(str(tmp_path / str(number)))
            builder.add_meta_graph_and_variables(session, ["serve"], main_op=tf.group(evil()))
            builder.save()
        with tf.Session(graph=tf.Graph()) as session:
            with pytest.raises(tf.errors.OpError):
                SM.loader.load(session, ["serve"], str(tmp_path / str(number)))
        assert not victim.exists()


def test_assets_stay_in_their_directory(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with tf.Graph().as_default(), tf.Session() as session:
        path = tf.constant(str(tmp_path / "a.txt"))
        builder = SM.builder.SavedModelBuilder(str(tmp_path / "m"))
        builder.add_meta_graph_and_variables(
            session, ["serve"], assets_collection=[path], main_op=tf.no_op()
        )
        builder.save()
    file = tmp_path / "m" / "saved_model.pb"
    data = file.read_bytes()
    assert data.count(b"\x05a.txt") == 1
    file.write_bytes(data.replace(b"\x05a.txt", b"\x05../ax"))
    with tf.Session(graph=tf.Graph()) as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="which is a path"):
            SM.loader.load(session, ["serve"], str(tmp_path / "m"))


def test_a_graph_with_writes_in_loops_is_not_written(tmp_path) -> None:
    v = tf.get_variable("v", initializer=0.0)
    tf.while_loop(lambda i: i < 3.0, lambda i: v.assign_add(i), [0.0])
    builder = SM.builder.SavedModelBuilder(str(tmp_path / "m"))
    with tf.Session() as session, pytest.raises(NotImplementedError, match="writes a variable"):
        builder.add_meta_graph_and_variables(session, ["serve"])
    assert not os.listdir(tmp_path / "m")


def test_parts_of_the_loader(tmp_path) -> None:
    y = saved(tmp_path)
    loader = SavedModelLoader(str(tmp_path))
    with tf.Session(graph=tf.Graph()) as session:
        saver, (found,) = loader.load_graph(session.graph, ["serve"], return_elements=["y:0"])
        with session.graph.as_default():
            loader.restore_variables(session, saver)
        loader.run_init_ops(session, ["serve"])
        np.testing.assert_array_equal(session.run(found, {"x:0": X}), y)


def test_graphs_without_variables(tmp_path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        SM.simple_save(session, str(tmp_path), {"x": x}, {"y": x + 1.0})
    np.testing.assert_array_equal(loaded(tmp_path), X + 1)


# ------------------------------------------------------------------------------ resource variables


def test_resource_variables_become_plain_ones() -> None:
    """What TensorFlow writes for tf.get_variable(use_resource=True) and a step of Adam."""
    text = """
    node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "shape" value { shape { dim { size: 2 } } } }
           attr { key: "shared_name" value { s: "v" } }
           attr { key: "allowed_devices" value { list { } } }
           attr { key: "debug_name" value { s: "v/" } } }
    node { name: "one" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } }
                                               float_val: 1 } } } }
    node { name: "set" op: "AssignVariableOp" input: "v" input: "one"
           attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "add" op: "AssignAddVariableOp" input: "v" input: "one" input: "^set"
           attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "read" op: "ReadVariableOp" input: "v" input: "^add"
           attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "ready" op: "VarIsInitializedOp" input: "v" }
    node { name: "size" op: "VariableShape" input: "v"
           attr { key: "out_type" value { type: DT_INT64 } } }
    node { name: "rows" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
           attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 } } } }
    node { name: "take" op: "ResourceGather" input: "v" input: "rows"
           attr { key: "Tindices" value { type: DT_INT32 } }
           attr { key: "batch_dims" value { i: 0 } }
           attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "rate" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 4 } } }
           }
    node { name: "step" op: "ResourceApplyGradientDescent" input: "v" input: "rate" input: "one"
           attr { key: "T" value { type: DT_FLOAT } } }
    versions { producer: 1395 min_consumer: 12 }
    """
    tf.import_graph_def(Parse(text, tf.GraphDef()), name="")
    graph = tf.get_default_graph()
    assert graph.get_operation_by_name("v").type == "VariableV2"
    with tf.Session() as session:
        assert not session.run("ready:0")
        assert list(session.run("read:0")) == [2.0, 2.0]
        session.run("step")
        assert session.run("take:0") == -2.0
        assert session.run("ready:0") and list(session.run("size:0")) == [2]
