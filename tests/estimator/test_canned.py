"""Canned estimators, heads, and tf.contrib.learn."""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as tf

E, F, learn = tf.estimator, tf.feature_column, tf.contrib.learn
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = np.argmax(X[:, :3], 1)
WORDS = np.array(["r", "g", "b", "z"])[RNG.integers(0, 4, 120)]
NUMBERS = [F.numeric_column("x", shape=4)]
COLOUR = F.categorical_column_with_vocabulary_list("c", ["r", "g", "b"])


def data(labels, epochs=None):
    features = {"x": X, "c": WORDS, "w": np.ones(120, np.float32)}
    return E.inputs.numpy_input_fn(features, labels, 40, epochs, epochs is None)


def trained(estimator, labels, steps=60):
    return estimator.train(data(labels), steps=steps), estimator.evaluate(data(labels, 1))


CLASSES = ["all_class_ids", "all_classes", "class_ids", "classes", "logits", "probabilities"]


def test_a_deep_classifier(tmp_path) -> None:
    columns = [*NUMBERS, F.embedding_column(COLOUR, 2)]
    model, results = trained(
        E.DNNClassifier([8, 8], columns, str(tmp_path / "m"), 3, batch_norm=True, dropout=0.1), Y
    )
    assert sorted(results) == ["accuracy", "average_loss", "global_step", "loss"]
    assert results["accuracy"] > 0.5
    # the loss of a batch of 40 is a sum
    np.testing.assert_allclose(results["loss"], 40 * results["average_loss"], rtol=1e-5)
    row = next(model.predict(data(Y, 1)))
    assert sorted(row) == CLASSES and row["class_ids"].shape == (1,)
    np.testing.assert_allclose(row["probabilities"].sum(), 1.0, rtol=1e-6)
    names = {n for n in model.get_variable_names() if "Adagrad" not in n and "batch" not in n}
    assert names == {"global_step"} | {f"dnn/{name}" for name in (
        "hiddenlayer_0/kernel", "hiddenlayer_0/bias", "hiddenlayer_1/kernel", "hiddenlayer_1/bias",
        "logits/kernel", "logits/bias",
        "input_from_feature_columns/input_layer/c_embedding/embedding_weights",
    )}  # fmt: skip
    means = model.get_variable_value("dnn/batchnorm_0/moving_mean")
    assert (means != 0).all()  # moving averages are part of the step
    spec = F.make_parse_example_spec(columns)
    path = model.export_saved_model(
        str(tmp_path / "e"), E.export.build_parsing_serving_input_receiver_fn(spec)
    )
    predict = tf.contrib.predictor.from_saved_model(path)
    example = tf.train.Example(features=tf.train.Features(feature={
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=X[0])),
        "c": tf.train.Feature(bytes_list=tf.train.BytesList(value=[WORDS[0].encode()])),
    })).SerializeToString()  # fmt: skip
    served = predict({"inputs": [example]})
    np.testing.assert_allclose(served["scores"][0], row["probabilities"], rtol=1e-5)
    assert list(served["classes"][0]) == [b"0", b"1", b"2"]


def test_a_linear_classifier(tmp_path) -> None:
    labels = (Y > 0).astype(np.int32)
    model, results = trained(E.LinearClassifier([*NUMBERS, COLOUR], str(tmp_path)), labels)
    assert sorted(results) == [
        "accuracy", "accuracy_baseline", "auc", "auc_precision_recall", "average_loss",
        "global_step", "label/mean", "loss", "precision", "prediction/mean", "recall",
    ]  # fmt: skip
    share = labels.mean()
    np.testing.assert_allclose(results["label/mean"], share, rtol=1e-5)
    np.testing.assert_allclose(results["accuracy_baseline"], max(share, 1 - share), rtol=1e-5)
    assert results["accuracy"] > 0.8 and results["auc"] > 0.9
    row = next(model.predict(data(labels, 1)))
    assert sorted(row) == sorted([*CLASSES, "logistic"])
    np.testing.assert_allclose(row["probabilities"][1], row["logistic"][0], rtol=1e-5)
    names = {n for n in model.get_variable_names() if "Ftrl" not in n}
    assert names == {
        "global_step", "linear/linear_model/bias_weights", "linear/linear_model/c/weights",
        "linear/linear_model/x/weights",
    }  # fmt: skip


def test_labels_that_are_words(tmp_path) -> None:
    labels = np.where(Y > 0, "yes", "no")
    model, results = trained(
        E.LinearClassifier(
            NUMBERS, str(tmp_path), weight_column="w", label_vocabulary=["no", "yes"]
        ),
        labels,
    )
    assert results["accuracy"] > 0.8
    assert {row["classes"][0] for row in model.predict(data(labels, 1))} == {b"no", b"yes"}


def test_regressors(tmp_path) -> None:
    model, results = trained(E.LinearRegressor(NUMBERS, str(tmp_path / "a")), X[:, 0] * 2 + 1)
    assert sorted(results) == [
        "average_loss", "global_step", "label/mean", "loss", "prediction/mean"
    ]  # fmt: skip
    assert results["average_loss"] < 0.2
    assert next(model.predict(data(Y, 1)))["predictions"].shape == (1,)
    _, results = trained(
        E.DNNRegressor([8], NUMBERS, str(tmp_path / "b"), 2, optimizer="Adam"), X[:, :2], 200
    )
    assert results["average_loss"] < 0.1


def test_wide_and_deep(tmp_path) -> None:
    labels = (Y > 0).astype(np.int32)
    model, results = trained(
        E.DNNLinearCombinedClassifier(
            str(tmp_path), linear_feature_columns=[COLOUR], dnn_feature_columns=NUMBERS,
            dnn_hidden_units=[8],
        ),
        labels, 100,
    )  # fmt: skip
    assert results["accuracy"] > 0.85 and results["global_step"] == 100
    names = model.get_variable_names()
    assert "dnn/hiddenlayer_0/kernel/Adagrad" in names
    assert "linear/linear_model/c/weights/Ftrl" in names
    _, results = trained(
        E.DNNLinearCombinedRegressor(
            str(tmp_path / "r"), NUMBERS, linear_optimizer=tf.train.AdamOptimizer
        ),
        X[:, 0],
    )
    assert results["global_step"] == 60


def test_baselines(tmp_path) -> None:
    model, _ = trained(E.BaselineClassifier(str(tmp_path / "a"), 3), Y, 150)
    share = np.bincount(Y) / len(Y)
    row = next(model.predict(data(Y, 1)))
    np.testing.assert_allclose(row["probabilities"], share, atol=0.05)
    numbers = Y.astype(np.float32)
    model, _ = trained(E.BaselineRegressor(str(tmp_path / "b")), numbers, 150)
    found = next(model.predict(data(numbers, 1)))["predictions"]
    np.testing.assert_allclose(found, numbers.mean(), atol=0.1)


def test_any_head(tmp_path) -> None:
    model, results = trained(
        E.DNNEstimator(E.MultiClassHead(3, name="mine"), [8], NUMBERS, str(tmp_path / "a")), Y
    )
    assert sorted(results) == ["accuracy/mine", "average_loss/mine", "global_step", "loss"]
    # the loss of these heads is a mean
    np.testing.assert_allclose(results["loss"], results["average_loss/mine"], rtol=1e-5)
    counts = RNG.poisson(2.0, 120)
    for number, head in enumerate((E.PoissonRegressionHead(), E.LogisticRegressionHead())):
        estimator = E.LinearEstimator(head, NUMBERS, str(tmp_path / f"b{number}"))
        labels = counts if not number else (counts > 2).astype(np.float32)
        model, _ = trained(estimator, labels)
        row = next(model.predict(data(labels, 1)))
        link = np.exp if not number else lambda x: 1 / (1 + np.exp(-x))
        np.testing.assert_allclose(row["predictions"], link(row["logits"]), rtol=1e-5)
    both = np.stack([Y > 0, Y > 1], 1).astype(np.int32)
    baseline = E.BaselineEstimator(E.MultiLabelHead(2), str(tmp_path / "c"))
    _, results = trained(baseline, both, 100)
    assert sorted(results) == [
        "auc", "auc_precision_recall", "average_loss", "global_step", "loss"
    ]  # fmt: skip


def test_losses_of_heads() -> None:
    logits = np.array([[0.5], [-1.0]], np.float32)
    labels = np.array([1, 0])
    features = {"w": tf.constant([1.0, 3.0])}
    each = np.log1p(np.exp(-logits[:, 0] * [1, -1]))
    with tf.Session() as session:
        for head, expected in (
            (E.BinaryClassHead(), each.mean()),
            (E.BinaryClassHead("w"), (each * [1, 3]).sum() / 2),
            (E.BinaryClassHead(loss_reduction=tf.losses.Reduction.SUM), each.sum()),
            (E.RegressionHead(), ((labels - logits[:, 0]) ** 2).mean()),
            (E.RegressionHead(loss_fn=lambda y, z: tf.abs(y - z)),
             np.abs(labels - logits[:, 0]).mean()),
        ):  # fmt: skip
            found = session.run(head.loss(labels, logits, features))
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        multi = E.MultiLabelHead(3, label_vocabulary=["a", "b", "c"])
        words = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ["a", "c", "b"], [2, 2])
        loss = multi.loss(words, np.zeros((2, 3), np.float32))
        session.run(tf.tables_initializer())
        np.testing.assert_allclose(session.run(loss), np.log(2), rtol=1e-6)


def test_heads_are_checked() -> None:
    logits = tf.zeros([2, 1])
    for call, error in (
        (lambda: E.RegressionHead(0), "Invalid label_dimension"),
        (lambda: E.RegressionHead(loss_reduction="x"), "Invalid loss_reduction"),
        (lambda: E.MultiClassHead(2), "n_classes must be > 2"),
        (lambda: E.MultiLabelHead(1), "n_classes must be > 1"),
        (lambda: E.BinaryClassHead(thresholds=[2.0]), "thresholds not in"),
        (lambda: E.BinaryClassHead(label_vocabulary=["a"]), 'does not have "n_classes" items'),
        (lambda: E.BinaryClassHead(label_vocabulary="ab"), "should be a list"),
        (lambda: E.BinaryClassHead().loss(None, logits), "must provide a labels Tensor"),
        (lambda: E.BinaryClassHead().loss([[1, 0]], logits), "Mismatched label shape"),
        (lambda: E.BinaryClassHead().loss([1, 0], tf.zeros([2, 3])), "logits shape must be"),
        (lambda: E.BinaryClassHead().loss(["a", "b"], logits), "should be integer"),
        (lambda: E.BinaryClassHead("w").loss([1, 0], logits, {}), "Feature w is not in"),
        (lambda: E.BinaryClassHead().create_estimator_spec({}, "train", logits, [1, 0]),
         "Exactly one of train_op_fn and optimizer"),
        (lambda: E.LinearClassifier([], "d").train(data(Y), steps=1), "must be given"),
        (lambda: E.LinearClassifier(["x"], "d"), "must be feature columns"),
        (lambda: E.DNNClassifier([], NUMBERS, "d"), "hidden_units"),
        (lambda: E.DNNLinearCombinedClassifier("d"), "Either linear_feature_columns"),
        (lambda: E.DNNLinearCombinedClassifier("d", dnn_feature_columns=NUMBERS),
         "dnn_hidden_units must be defined"),
        (lambda: E.LinearClassifier(NUMBERS, "d", optimizer="Newton").train(data(Y), steps=1),
         "Unsupported optimizer name: Newton"),
        (lambda: E.LinearClassifier(NUMBERS, "d").train(lambda: (tf.zeros([1]), tf.zeros([1]))),
         "features should be a dictionary"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            call()


def test_labels_out_of_range(tmp_path) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="Labels must be <= n_classes - 1"):
        E.LinearClassifier(NUMBERS, str(tmp_path)).train(data(Y + 1), steps=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Labels must be >= 0"):
        E.LinearClassifier(NUMBERS, str(tmp_path)).train(data(-Y), steps=1)


# ---------------------------------------------------------------------------------- contrib.learn


def test_learn_with_arrays(tmp_path) -> None:
    columns = learn.infer_real_valued_columns_from_input(X)
    classifier = learn.DNNClassifier([8], columns, str(tmp_path / "a"), n_classes=3)
    assert classifier.fit(X, Y, steps=200, batch_size=40) is classifier
    assert classifier.evaluate(X, Y)["accuracy"] > 0.7
    classes = list(classifier.predict(X))
    assert len(classes) == 120 and set(classes) <= {0, 1, 2}
    assert list(classifier.predict_classes(X, as_iterable=False)) == classes
    chances = classifier.predict_proba(X, as_iterable=False)
    assert chances.shape == (120, 3) and list(chances.argmax(1)) == classes
    regressor = learn.LinearRegressor(columns, str(tmp_path / "b"))
    regressor.fit(X, X[:, 0], steps=50)
    numbers = regressor.predict(X, as_iterable=False)
    assert numbers.shape == (120,) and np.corrcoef(numbers, X[:, 0])[0, 1] > 0.9
    np.testing.assert_array_equal(list(regressor.predict_scores(X)), numbers)
    with pytest.raises(ValueError, match="Either x or input_fn"):
        regressor.fit()
    with pytest.raises(NotImplementedError, match="eval_metric_ops"):
        regressor.evaluate(X, Y, metrics={})
    linear = learn.LinearClassifier(columns, str(tmp_path / "c"), n_classes=3)
    assert linear.fit(input_fn=learn.io.numpy_input_fn({"": X}, Y, num_epochs=5, shuffle=True))
    assert learn.DNNRegressor([4], columns, str(tmp_path / "d")).fit(X, X[:, 0], steps=1)


def test_learn_with_model_functions(tmp_path) -> None:
    def model_fn(features, targets, mode, params):
        y = tf.layers.dense(features, 1)
        loss = None
        if mode != learn.ModeKeys.INFER:
            loss = tf.losses.mean_squared_error(tf.expand_dims(targets, 1), y)
        train = None
        if mode == learn.ModeKeys.TRAIN:
            train = tf.train.AdamOptimizer(params["rate"]).minimize(
                loss, tf.train.get_global_step()
            )
        if params["plain"]:
            return {"y": y}, loss, train
        return learn.ModelFnOps(mode, {"y": y}, loss, train)

    for plain in (False, True):
        estimator = learn.Estimator(
            model_fn, str(tmp_path / str(plain)), params={"rate": 0.1, "plain": plain}
        )
        estimator.fit(X, X[:, 0] + 1, steps=150, batch_size=60)
        assert estimator.evaluate(X, X[:, 0] + 1)["loss"] < 0.1
        assert next(estimator.predict(X))["y"].shape == (1,)
    wrapped = learn.SKCompat(estimator)
    assert wrapped.fit(X, X[:, 0], steps=1) is wrapped
    assert wrapped.predict(X)["y"].shape == (120, 1) and "loss" in wrapped.score(X, X[:, 0])


def test_learn_infers_columns() -> None:
    named = learn.infer_real_valued_columns_from_input({"b": X, "a": X[:, 0]})
    assert named == [F.numeric_column("a"), F.numeric_column("b", (4,))]
    of_function = learn.infer_real_valued_columns_from_input_fn(
        lambda: ({"x": tf.constant(X)}, tf.constant(Y))
    )
    assert of_function == NUMBERS
    with pytest.raises(ValueError, match="has no numbers"):
        learn.infer_real_valued_columns_from_input(np.array(["a"]))


# ------------------------------------------------------------------------------------- extras


def test_more_metrics(tmp_path) -> None:
    def model_fn(features, labels, mode):
        w = tf.get_variable("w", initializer=2.0)
        y = features["x"][:, 0] * w
        step = tf.train.get_global_step().assign_add(1)
        return E.EstimatorSpec(mode, {"y": y}, tf.reduce_sum(y), step)

    base = E.Estimator(model_fn, str(tmp_path)).train(data(Y), steps=2)
    more = E.add_metrics(base, lambda labels, predictions: {
        "largest": tf.metrics.mean(tf.reduce_max(predictions["y"])),
        "mean": tf.metrics.mean(labels),
    })  # fmt: skip
    results = more.evaluate(data(Y, 1))
    assert sorted(results) == ["global_step", "largest", "loss", "mean"]
    np.testing.assert_allclose(results["mean"], Y.mean(), rtol=1e-5)
    with pytest.raises(ValueError, match="not expected args"):
        E.add_metrics(base, lambda batch: {})


def test_specs_with_labels() -> None:
    spec = E.classifier_parse_example_spec(NUMBERS, "y", weight_column="w")
    assert spec == {
        "x": tf.FixedLenFeature((4,), tf.float32), "y": tf.FixedLenFeature((1,), tf.int64),
        "w": tf.FixedLenFeature((1,), tf.float32),
    }  # fmt: skip
    spec = E.regressor_parse_example_spec(NUMBERS, "y", label_dimension=2)
    assert spec["y"] == tf.FixedLenFeature((2,), tf.float32)
    for call, error in (
        (lambda: E.classifier_parse_example_spec(NUMBERS, "x"), "should not be used as feature"),
        (lambda: E.classifier_parse_example_spec(NUMBERS, "y", tf.float32), "int64 or string"),
        (lambda: E.regressor_parse_example_spec(NUMBERS, "y", tf.string), "convertible"),
        (lambda: E.regressor_parse_example_spec(NUMBERS, "y", weight_column="y"), "cannot be the"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            call()


@pytest.mark.parametrize(("name", "number", "stops"), [
    ("stop_if_higher_hook", 4.0, True), ("stop_if_higher_hook", 6.0, False),
    ("stop_if_lower_hook", 3.0, True), ("stop_if_lower_hook", 1.0, False),
    ("stop_if_no_decrease_hook", 10, True), ("stop_if_no_decrease_hook", 100, False),
    ("stop_if_no_increase_hook", 10, True),
])  # fmt: skip
def test_stopping_early(tmp_path, name, number, stops) -> None:
    def model_fn(features, labels, mode):
        step = tf.train.get_global_step().assign_add(1)
        return E.EstimatorSpec(mode, features["x"], tf.reduce_sum(features["x"]), step)

    estimator = E.Estimator(model_fn, str(tmp_path))
    with tf.summary.FileWriter(estimator.eval_dir()) as writer:
        for step, loss in ((10, 5.0), (20, 2.0), (30, 4.5)):
            value = tf.Summary.Value(tag="loss", simple_value=loss)
            writer.add_summary(tf.Summary(value=[value]), step)
    assert E.experimental.read_eval_metrics(estimator.eval_dir())[20] == {"loss": 2.0}
    hook = getattr(E.experimental, name)(
        estimator, "loss", number, run_every_secs=None, run_every_steps=1
    )
    estimator.train(data(Y), hooks=[hook], steps=5)
    assert (estimator.get_variable_value("global_step") < 5) == stops


def test_early_stopping_is_checked(tmp_path) -> None:
    make = E.experimental.make_early_stopping_hook
    estimator = E.LinearRegressor(NUMBERS, str(tmp_path))
    with pytest.raises(TypeError, match="must have type"):
        make(3, lambda: True)
    with pytest.raises(TypeError, match="must be callable"):
        make(estimator, 3)
    with pytest.raises(ValueError, match="Exactly one"):
        make(estimator, lambda: True, 60, 3)
    by_name = E.experimental.stop_if_no_decrease_hook(
        estimator, metric_name="loss", max_steps_without_decrease=5
    )
    assert isinstance(by_name, tf.train.SessionRunHook)
