"""Estimators: what train, evaluate, predict and export do, and what they say to wrong arguments."""

from __future__ import annotations

import os

import numpy as np
import pytest

import flowgraph as tf

E = tf.estimator
X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 1.0).astype(np.float32)


def line(features, labels, mode, params):
    """A line through points, by least squares."""
    x = features["x"] if isinstance(features, dict) else features
    y = tf.layers.dense(x, 1, name="line")
    if mode == E.ModeKeys.PREDICT:
        return E.EstimatorSpec(mode, {"y": y, "twice": y * 2.0})
    loss = tf.losses.mean_squared_error(labels, y)
    step = tf.train.get_global_step()
    train = tf.train.GradientDescentOptimizer(params["rate"]).minimize(loss, step)
    metrics = {"mae": tf.metrics.mean_absolute_error(labels, y)}
    return E.EstimatorSpec(mode, {"y": y}, loss, train, metrics)


def data(epochs=None, shuffle=False, batch=10):
    return E.inputs.numpy_input_fn({"x": X}, Y, batch, epochs, shuffle)


def made(folder, **config) -> tf.estimator.Estimator:
    return E.Estimator(line, str(folder), E.RunConfig(**config), {"rate": 0.1})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return made(tmp_path_factory.mktemp("trained")).train(data(), steps=150)


# -------------------------------------------------------------------------------------------- calls


def test_train_evaluate_predict(trained) -> None:
    results = trained.evaluate(data(1))
    assert sorted(results) == ["global_step", "loss", "mae"] and results["global_step"] == 150
    assert results["loss"] < 1e-4 and results["mae"] < 1e-2
    assert trained.evaluate(data(), steps=2, name="some")["loss"] < 1e-4
    rows = list(trained.predict(data(1)))
    assert len(rows) == 50 and sorted(rows[0]) == ["twice", "y"] and rows[0]["y"].shape == (1,)
    np.testing.assert_allclose([row["y"] for row in rows], Y, atol=0.05)
    (batch, *_) = trained.predict(data(1, batch=8), "y", yield_single_examples=False)
    assert list(batch) == ["y"] and batch["y"].shape == (8, 1)
    names = ["global_step", "line/bias", "line/kernel"]
    assert trained.get_variable_names() == names
    np.testing.assert_allclose(trained.get_variable_value("line/bias"), [1.0], atol=0.01)
    assert trained.latest_checkpoint().endswith("model.ckpt-150")


def test_summaries(trained) -> None:
    def found(folder):
        (name,) = [n for n in os.listdir(folder) if "tfevents" in n]
        events = tf.train.summary_iterator(os.path.join(folder, name))
        return [(event.step, v.tag) for event in events for v in event.summary.value]

    trained.evaluate(data(1), name="there")
    assert found(trained.eval_dir("there")) == [(150, "loss"), (150, "mae")]
    assert {(1, "loss"), (101, "loss")} <= set(found(trained.model_dir))


def test_a_row_at_a_time_leaves_the_default_graph_alone(trained) -> None:
    graph = tf.get_default_graph()
    rows = trained.predict(data(1))
    for _ in range(12):
        next(rows)
        assert tf.get_default_graph() is graph
    rows.close()
    assert not graph.get_operations()


def test_training_goes_on(tmp_path) -> None:
    first = made(tmp_path).train(data(), steps=3)
    assert first.get_variable_value("global_step") == 3
    again = made(tmp_path).train(data(), steps=2).train(data(), max_steps=7)
    assert again.get_variable_value("global_step") == 7
    before = again.get_variable_value("line/kernel")
    assert made(tmp_path).train(data(), max_steps=7) is not None  # nothing to do
    np.testing.assert_array_equal(again.get_variable_value("line/kernel"), before)
    # the data end: 5 batches of 10
    assert again.train(data(1)).get_variable_value("global_step") == 12


def test_runs_are_equal(tmp_path) -> None:
    values = [
        made(tmp_path / name).train(data(), steps=5).get_variable_value("line/kernel")
        for name in "ab"
    ]
    np.testing.assert_array_equal(*values)


def test_datasets_tensors_and_arguments(tmp_path) -> None:
    seen = []

    def dataset(mode, params):
        seen.append((mode, params))
        return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(25)

    estimator = made(tmp_path)
    estimator.train(dataset)
    assert estimator.get_variable_value("global_step") == 2
    estimator.evaluate(dataset)
    assert len(list(estimator.predict(dataset))) == 50
    assert [mode for mode, _ in seen] == ["train", "eval", "infer"] and seen[0][1] == {"rate": 0.1}
    estimator.train(lambda: (tf.constant(X), tf.constant(Y)), steps=1)
    with pytest.raises(ValueError, match="len 2 tuple"):
        estimator.train(lambda: (tf.constant(X), tf.constant(Y), tf.constant(1)), steps=1)
    with tf.Graph().as_default():
        assert len(list(estimator.predict(lambda: tf.data.Dataset.from_tensors(X)))) == 50


def test_without_checkpoints(tmp_path) -> None:
    estimator = made(tmp_path)
    assert estimator.latest_checkpoint() is None
    assert estimator.evaluate(data(1))["global_step"] == 0
    assert len(list(estimator.predict(data(1)))) == 50
    for call in (estimator.get_variable_names, lambda: estimator.get_variable_value("a"),
                 lambda: estimator.export_saved_model(str(tmp_path / "e"), None)):  # fmt: skip
        with pytest.raises(ValueError, match="Couldn't find trained model at"):
            call()


def test_hooks_and_listeners(tmp_path) -> None:
    log: list[str] = []

    class Hook(tf.train.SessionRunHook):
        def __init__(self, name):
            self._name = name

        def begin(self):
            log.append(self._name)

    class Listener(tf.estimator.CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            log.append(f"saved {global_step_value}")

    def model_fn(features, labels, mode):
        spec = line(features, labels, mode, {"rate": 0.1})
        return spec._replace(
            training_hooks=[Hook("training")], training_chief_hooks=[Hook("chief")],
            evaluation_hooks=[Hook("evaluation")], prediction_hooks=[Hook("prediction")],
        )  # fmt: skip

    estimator = E.Estimator(model_fn, str(tmp_path))
    estimator.train(data(), hooks=[Hook("mine")], steps=2, saving_listeners=[Listener()])
    estimator.evaluate(data(1), hooks=[Hook("mine")])
    next(estimator.predict(data(1), hooks=[Hook("mine")]))
    assert sorted(log[:3]) == ["chief", "mine", "training"]
    assert log[3:] == ["saved 0", "saved 2", "mine", "evaluation", "mine", "prediction"]
    with pytest.raises(TypeError, match="must be a SessionRunHook"):
        estimator.train(data(), hooks=[3], steps=1)
    never = E.Estimator(
        line, str(tmp_path / "n"), E.RunConfig(save_checkpoints_steps=None), {"rate": 0.1}
    )
    with pytest.raises(ValueError, match="There should be a CheckpointSaverHook"):
        never.train(data(), steps=1, saving_listeners=[Listener()])


def test_a_loss_that_is_not_a_number(tmp_path) -> None:
    estimator = E.Estimator(line, str(tmp_path), params={"rate": 1e30})
    with pytest.raises(tf.train.NanLossDuringTrainingError):
        estimator.train(data(), steps=5)


def test_warm_start(tmp_path, trained) -> None:
    kernel = trained.get_variable_value("line/kernel")
    for given in (trained.model_dir, E.WarmStartSettings(trained.model_dir, ".*kernel")):
        estimator = E.Estimator(
            line, str(tmp_path / type(given).__name__), params={"rate": 0.0},
            warm_start_from=given,
        )  # fmt: skip
        estimator.train(data(), steps=1)
        np.testing.assert_array_equal(estimator.get_variable_value("line/kernel"), kernel)
        bias = estimator.get_variable_value("line/bias")
        assert (bias == 0).all() == isinstance(given, E.WarmStartSettings)
    with pytest.raises(ValueError, match="path or WarmStartSettings"):
        E.Estimator(line, str(tmp_path), params={}, warm_start_from=3)


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(("model_fn", "params", "error"), [
    (None, None, "must be provided"),
    (lambda labels: None, None, "must include features"),
    (lambda features: None, {"a": 1}, "does not include params"),
    (lambda features, batch: None, None, r"not expected args: \['batch'\]"),
])  # fmt: skip
def test_model_functions_are_checked(tmp_path, model_fn, params, error) -> None:
    with pytest.raises(ValueError, match=error):
        E.Estimator(model_fn, str(tmp_path), params=params)


def test_arguments_are_checked(tmp_path, trained) -> None:
    for arguments, error in (
        ({"steps": 1, "max_steps": 1}, "both steps and max_steps"), ({"steps": 0}, "steps > 0"),
        ({"max_steps": -1}, "max_steps > 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            trained.train(data(), **arguments)
    with pytest.raises(ValueError, match="steps > 0"):
        trained.evaluate(data(), steps=0)
    with pytest.raises(ValueError, match="at least one output from"):
        list(trained.predict(data(1), predict_keys=["z"]))
    with pytest.raises(ValueError, match="different values"):
        E.Estimator(line, "a", E.RunConfig("b"), {})
    with pytest.raises(ValueError, match="instance of `RunConfig`"):
        E.Estimator(line, "a", {"b": 1}, {})

    class Sub(E.Estimator):
        def evaluate(self, *args, **kwargs):
            return super().evaluate(*args, **kwargs)

    Sub(line, str(tmp_path), params={})

    class Wrong(E.Estimator):
        def get_variable_names(self):
            return []

    with pytest.raises(ValueError, match="cannot override.*get_variable_names"):
        Wrong(line, str(tmp_path), params={})


def test_results_of_model_functions_are_checked(tmp_path) -> None:
    def run(model_fn, call="train"):
        estimator = E.Estimator(model_fn, str(tmp_path))
        if call == "predict":
            return list(estimator.predict(data(1)))
        return getattr(estimator, call)(data(1))

    with pytest.raises(ValueError, match="should return an EstimatorSpec"):
        run(lambda features, labels: 3)
    with pytest.raises(ValueError, match="does not take labels"):
        run(lambda features: 3)
    with pytest.raises(ValueError, match='"loss" is not allowed'):
        run(lambda features, labels, mode: E.EstimatorSpec(
            mode, loss=tf.constant(1.0), eval_metric_ops={"loss": tf.metrics.mean(1.0)}
        ), "evaluate")  # fmt: skip
    with pytest.raises(ValueError, match="Batch length of predictions should be same"):
        run(lambda features, labels, mode: E.EstimatorSpec(
            mode, {"a": tf.zeros([2]), "b": tf.zeros([3])}), "predict")  # fmt: skip
    with pytest.raises(ValueError, match="non-dict predictions"):
        next(E.Estimator(
            lambda features, labels, mode: E.EstimatorSpec(mode, tf.zeros([2])), str(tmp_path)
        ).predict(data(1), predict_keys="a"))  # fmt: skip


def test_specs_are_checked() -> None:
    one, spec = tf.constant(1.0), E.EstimatorSpec
    for call, kind, error in (
        (lambda: spec("train", loss=one), ValueError, "Missing train_op"),
        (lambda: spec("eval"), ValueError, "Missing loss"),
        (lambda: spec("infer"), ValueError, "Missing predictions"),
        (lambda: spec("other"), ValueError, "ModeKeys"),
        (lambda: spec("eval", loss=tf.zeros([2])), ValueError, "Loss must be scalar"),
        (lambda: spec("eval", loss=1.0), TypeError, "loss must be Tensor"),
        (lambda: spec("infer", {"a": 3}), TypeError, r"predictions\['a'\] must be Tensor"),
        (lambda: spec("eval", loss=one, eval_metric_ops={"a": one}), TypeError, "tuples"),
        (lambda: spec("infer", one, export_outputs={"a": one}), TypeError, "ExportOutput objects"),
        (lambda: spec("infer", one, export_outputs=[]), TypeError, "must be dict"),
        (lambda: spec("infer", one, scaffold=3), TypeError, "scaffold must be"),
        (lambda: spec("infer", one, prediction_hooks=[3]), TypeError, "All hooks must be"),
        (lambda: spec("train", loss=one, train_op=3), TypeError, "train_op must be"),
    ):  # fmt: skip
        with pytest.raises(kind, match=error):
            call()
    with tf.Graph().as_default(), pytest.raises(ValueError, match="from the default graph"):
        spec("infer", one)
    made_ = spec("train", loss=tf.zeros([1, 1]), train_op=tf.no_op())
    assert made_.loss.shape == [] and made_.predictions == {} and made_.mode == E.ModeKeys.TRAIN
    assert made_._replace(mode="eval").mode == "eval"


def test_run_config() -> None:
    config = E.RunConfig()
    assert (config.tf_random_seed, config.save_summary_steps, config.keep_checkpoint_max) == (
        1, 100, 5)  # fmt: skip
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps) == (600, None)
    steps = config.replace(save_checkpoints_steps=3, model_dir="m")
    assert (steps.save_checkpoints_secs, steps.save_checkpoints_steps) == (None, 3)
    assert steps.replace(save_checkpoints_secs=4).save_checkpoints_steps is None
    assert E.RunConfig(save_checkpoints_steps=None).save_checkpoints_secs is None
    assert config.model_dir is None and steps.model_dir == "m" and config.is_chief
    assert (config.task_type, config.task_id, config.num_ps_replicas) == ("worker", 0, 0)
    with pytest.raises(ValueError, match="cannot be both set"):
        E.RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1)
    with pytest.raises(ValueError, match="Replacing cluster is not supported"):
        config.replace(cluster=1)
    for bad in ({"save_summary_steps": -1}, {"model_dir": ""}, {"session_config": 3},
                {"tf_random_seed": 1.5}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(bad))):
            E.RunConfig(**bad)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        config.nothing


# ------------------------------------------------------------------------------------------ inputs


def batches(input_fn) -> list:
    with tf.Graph().as_default():
        tensors = input_fn()
        with tf.Session() as session:
            found = []
            with pytest.raises(tf.errors.OutOfRangeError):
                while True:
                    found.append(session.run(tensors))
            return found


def test_numpy_batches_cross_epochs() -> None:
    x, y = np.arange(5), {"a": np.arange(5) * 10}
    found = batches(E.inputs.numpy_input_fn(x, y, 3, num_epochs=2, shuffle=False))
    assert [list(features) for features, _ in found] == [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4]]
    assert [list(labels["a"]) for _, labels in found][-1] == [40]
    alone = batches(E.inputs.numpy_input_fn({"x": x}, None, 9, shuffle=False))
    assert len(alone) == 1 and list(alone[0]) == ["x"]
    mixed = batches(E.inputs.numpy_input_fn(x, x, 5, num_epochs=3, shuffle=True))
    assert all((x_ == y_).all() for x_, y_ in mixed)
    orders = [tuple(features) for features, _ in mixed]
    assert len(set(orders)) > 1 and all(sorted(order) == list(range(5)) for order in orders)
    with tf.Graph().as_default():
        endless = E.inputs.numpy_input_fn(x, None, 2, num_epochs=None, shuffle=False)()
        assert endless.shape == [2]


def test_numpy_input_is_checked() -> None:
    numpy_input_fn = E.inputs.numpy_input_fn
    x = np.arange(3)
    with pytest.raises(ValueError, match="shuffle must be provided"):
        numpy_input_fn(x)
    for bad, kind, error in (
        ((3,), TypeError, "x must be a dict or array"), (({},), ValueError, "empty dict"),
        ((x, {}), ValueError, "y cannot be empty dict"),
        (({"a": x}, {"a": x}), ValueError, "1 duplicate keys"),
        (({"a": x, "b": x[:2]},), ValueError, r"mismatched.*\(3,\).*\(2,\)"),
        ((x, x[:2]), ValueError, "mismatched"), ((np.array(3),), ValueError, "at least one axis"),
    ):  # fmt: skip
        with pytest.raises(kind, match=error):
            numpy_input_fn(*bad, shuffle=False)()


class Frame:
    """As much of a pandas DataFrame (or Series) as pandas_input_fn looks at."""

    def __init__(self, columns, index):
        self._columns, self.index = columns, np.asarray(index)
        if isinstance(columns, dict):
            self.columns = list(columns)

    def __getitem__(self, name):
        return self._columns[name]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._columns, dtype)


def test_pandas_frames() -> None:
    frame = Frame({"a": np.arange(4), "b": np.array(["p", "q", "r", "s"])}, range(4))
    labels = Frame(np.arange(4) * 2.0, range(4))
    found = batches(E.inputs.pandas_input_fn(frame, labels, 3, shuffle=False))
    assert list(found[0][0]["b"]) == [b"p", b"q", b"r"] and list(found[1][1]) == [6.0]
    both = Frame({"c": np.arange(4)}, range(4))
    assert list(batches(E.inputs.pandas_input_fn(frame, both, shuffle=False))[0][1]) == ["c"]
    with pytest.raises(TypeError, match="must be a pandas DataFrame"):
        E.inputs.pandas_input_fn({"a": 1}, shuffle=False)
    with pytest.raises(ValueError, match="mismatched"):
        E.inputs.pandas_input_fn(frame, Frame(np.arange(4), range(1, 5)), shuffle=False)
    with pytest.raises(ValueError, match="Cannot use name a for target"):
        E.inputs.pandas_input_fn(frame, labels, shuffle=False, target_column="a")


# ------------------------------------------------------------------------------------------ export


def test_export_of_raw_features(tmp_path, trained) -> None:
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": X[:1]})
    (tmp_path / "extra.txt").write_text("hi")
    path = trained.export_saved_model(
        str(tmp_path / "e"), receiver, {"sub/more.txt": str(tmp_path / "extra.txt")}, as_text=True
    )
    assert isinstance(path, bytes) and os.path.basename(path).isdigit()
    assert os.listdir(tmp_path / "e") == [os.path.basename(path).decode()]
    predict = tf.contrib.predictor.from_saved_model(path)
    np.testing.assert_allclose(predict({"x": X})["y"], Y, atol=0.05)
    extra = os.path.join(path.decode(), "assets.extra", "sub", "more.txt")
    with open(extra) as file:
        assert file.read() == "hi"
    warm = E.Estimator(line, str(tmp_path / "w"), params={"rate": 0.0}, warm_start_from=path)
    kernel = warm.train(data(), steps=1).get_variable_value("line/kernel")
    np.testing.assert_array_equal(kernel, trained.get_variable_value("line/kernel"))


def test_export_of_examples_with_several_signatures(tmp_path) -> None:
    def model_fn(features, labels, mode):
        scores = tf.layers.dense(features["x"], 2, name="d")
        outputs = {
            "serving_default": E.export.ClassificationOutput(scores=scores),
            "numbers": E.export.RegressionOutput(scores[:, 0]),
            "all": E.export.PredictOutput({"scores": scores}),
        }
        loss = tf.reduce_sum(scores)
        step = tf.assign_add(tf.train.get_global_step(), 1)
        return E.EstimatorSpec(mode, {"s": scores}, loss, step, export_outputs=outputs)

    estimator = E.Estimator(model_fn, str(tmp_path / "m"))
    estimator.train(lambda: ({"x": tf.constant(X)}, tf.constant(Y)), steps=1)
    spec = {"x": tf.FixedLenFeature([3], tf.float32)}
    receiver = E.export.build_parsing_serving_input_receiver_fn(spec)
    path = estimator.export_savedmodel(str(tmp_path / "e"), receiver)
    Feature, FloatList = tf.train.Feature, tf.train.FloatList
    examples = [
        tf.train.Example(
            features=tf.train.Features(feature={"x": Feature(float_list=FloatList(value=row))})
        ).SerializeToString()
        for row in X[:4]
    ]
    four = E.inputs.numpy_input_fn({"x": X[:4]}, shuffle=False)
    expected = np.stack([row["s"] for row in estimator.predict(four)])
    for key, name, value in (
        (None, "scores", expected), ("numbers", "outputs", expected[:, 0]),
        ("all", "scores", expected),
    ):  # fmt: skip
        predict = tf.contrib.predictor.from_saved_model(path, key)
        (fed,) = predict.feed_tensors
        np.testing.assert_allclose(predict({fed: examples})[name], value, rtol=1e-6)


def test_receivers_and_outputs_are_checked() -> None:
    x, s = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.string, [None])
    receiver = E.export.ServingInputReceiver(x, s, {"other": s})
    assert receiver.features == {"feature": x} and receiver.receiver_tensors == {"input": s}
    assert receiver.receiver_tensors_alternatives == {"other": {"input": s}}
    assert E.export.TensorServingInputReceiver(x, s).features is x
    export = E.export
    for call, error in (
        (lambda: export.ServingInputReceiver(None, s), "features must be defined"),
        (lambda: export.ServingInputReceiver({"a": 3}, s), "feature a must be a Tensor"),
        (lambda: export.ServingInputReceiver({1.5: x}, s), "keys must be strings"),
        (lambda: export.ServingInputReceiver(x, s, [s]), "must be a dict"),
        (lambda: export.TensorServingInputReceiver({"a": x}, s), "must be a Tensor"),
        (lambda: export.ClassificationOutput(), "At least one"),
        (lambda: export.ClassificationOutput(scores=s), "float32 Tensor"),
        (lambda: export.ClassificationOutput(classes=x), "string Tensor"),
        (lambda: export.RegressionOutput(s), "float32 Tensor"),
        (lambda: export.PredictOutput({"a": 3}), "must be a Tensor"),
        (lambda: export.PredictOutput({3: x}), "must be a string"),
        (lambda: export.RegressionOutput(x).as_signature_def({"a": x}), "single string Tensor"),
        (lambda: E.experimental.build_raw_supervised_input_receiver_fn({"a": x}, {"a": x}),
         "overlapping keys"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            call()


def test_all_modes_in_one_saved_model(tmp_path, trained) -> None:
    supervised = E.experimental.build_raw_supervised_input_receiver_fn({"x": X}, Y)
    path = trained.experimental_export_all_saved_models(str(tmp_path), {
        E.ModeKeys.TRAIN: supervised, E.ModeKeys.EVAL: supervised,
        E.ModeKeys.PREDICT: E.export.build_raw_serving_input_receiver_fn({"x": X}),
    })  # fmt: skip
    with tf.Session(graph=tf.Graph()) as session:
        meta = tf.saved_model.loader.load(session, ["train"], path)
        signature = meta.signature_def["train"]
        feeds = {signature.inputs["x"].name: X, signature.inputs["label"].name: Y}
        before = session.run(signature.outputs["loss"].name, feeds)
        (step,) = session.graph.get_collection("saved_model_train_op")
        session.run(step, feeds)
        assert session.run(signature.outputs["loss"].name, feeds) <= before
    with tf.Session(graph=tf.Graph()) as session:
        meta = tf.saved_model.loader.load(session, ["eval"], path)
        assert "metrics/mae/value" in meta.signature_def["eval"].outputs
    with pytest.raises(ValueError, match="No valid modes"):
        trained.experimental_export_all_saved_models(str(tmp_path), {})


def test_multiple_outputs_need_a_default(tmp_path) -> None:
    def model_fn(features, mode):
        output = E.export.PredictOutput(features)
        return E.EstimatorSpec(
            mode, features, tf.constant(0.0), tf.assign_add(tf.train.get_global_step(), 1),
            export_outputs={"a": output, "b": output},
        )  # fmt: skip

    estimator = E.Estimator(model_fn, str(tmp_path / "m"))
    estimator.train(E.inputs.numpy_input_fn({"x": X}, shuffle=False), steps=1)
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": X})
    with pytest.raises(ValueError, match="none of them is specified as the default"):
        estimator.export_saved_model(str(tmp_path / "e"), receiver)
    assert os.listdir(tmp_path / "e") == []


# ------------------------------------------------------------------------------ train_and_evaluate


def test_train_and_evaluate(tmp_path) -> None:
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": X})
    best = E.BestExporter("best", receiver)
    exporters = [
        E.LatestExporter("latest", receiver, exports_to_keep=1),
        E.FinalExporter("final", receiver), best,
    ]  # fmt: skip
    estimator = made(tmp_path, save_checkpoints_steps=10)
    seen = []

    class Listener(tf.train.CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            seen.append(global_step_value)

    metrics, exports = E.train_and_evaluate(
        estimator,
        E.TrainSpec(data(), 20, saving_listeners=[Listener()]),
        E.EvalSpec(data(1), None, exporters=exporters, throttle_secs=0),
    )
    assert metrics["global_step"] == 20 and seen == [0, 10, 20]
    latest, final, best_path = exports
    folder = tmp_path / "export"
    assert os.listdir(folder / "latest") == [os.path.basename(latest).decode()]
    assert os.listdir(folder / "final") == [os.path.basename(final).decode()]
    assert len(os.listdir(folder / "best")) == 2 and best_path is not None
    assert best.export(estimator, str(folder / "best"), "", {"loss": 9e9}, False) is None
    again, nothing = E.train_and_evaluate(
        estimator, E.TrainSpec(data(), 20), E.EvalSpec(data(1))
    )
    assert again is None and nothing is None
    resumed = E.BestExporter("best", receiver, "eval/*.tfevents.*")
    assert resumed.export(estimator, str(folder / "b"), "", {"loss": 9e9}, False) is None


def test_specs_of_train_and_evaluate_are_checked(tmp_path) -> None:
    fn = data()
    for call, kind, error in (
        (lambda: E.TrainSpec(3), TypeError, "must be callable"),
        (lambda: E.TrainSpec(fn, 0), ValueError, "max_steps > 0"),
        (lambda: E.TrainSpec(fn, hooks=[3]), TypeError, "All hooks"),
        (lambda: E.EvalSpec(fn, 0), ValueError, "steps > 0"),
        (lambda: E.EvalSpec(fn, name=3), TypeError, "must be string"),
        (lambda: E.EvalSpec(fn, throttle_secs=-1), ValueError, "throttle_secs >= 0"),
        (lambda: E.EvalSpec(fn, exporters=[3]), TypeError, "must be Exporters"),
        (lambda: E.EvalSpec(fn, exporters=[E.FinalExporter("a", fn)] * 2), ValueError, "unique"),
        (lambda: E.FinalExporter("", fn), ValueError, "name"),
        (lambda: E.LatestExporter("a", fn, exports_to_keep=0), ValueError, "positive"),
        (lambda: E.BestExporter("a", fn, compare_fn=None), ValueError, "compare_fn"),
        (lambda: E.train_and_evaluate(3, E.TrainSpec(fn), E.EvalSpec(fn)), TypeError, "Estimator"),
    ):  # fmt: skip
        with pytest.raises(kind, match=error):
            call()


def test_aliases() -> None:
    assert E.SessionRunHook is tf.train.SessionRunHook and E.StopAtStepHook is not None
    assert tf.contrib.learn.ModeKeys is E.ModeKeys and E.ModeKeys.PREDICT == "infer"
