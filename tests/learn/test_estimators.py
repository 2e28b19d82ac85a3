"""Models as estimators of scikit-learn: its own checks, and what programs do with them (G28)."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import flowgraph as tf
from flowgraph import keras, learn
from flowgraph.keras import layers
from flowgraph.keras.models import Model, Sequential
from flowgraph.keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

RNG = np.random.RandomState(0)
X = RNG.normal(size=(120, 4)) * [1, 5, 0.2, 1] + [0, 2, 0, 1]
CLASS = np.array(["no", "maybe", "yes"])[np.digitize(X[:, 0] + X[:, 3], [0.3, 1.7])]
NUMBER = 3 * X[:, 0] + X[:, 1] - 1


def classifier(units=16, n_features_in_=None, n_classes_=None):
    model = Sequential(
        [
            layers.Dense(units, activation="relu", input_dim=n_features_in_),
            layers.Dense(n_classes_, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    return model


def regressor(n_features_in_=None, n_outputs_=1):
    inputs = keras.Input((n_features_in_,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    model = Model(inputs, layers.Dense(n_outputs_)(hidden))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


@parametrize_with_checks(
    [
        KerasClassifier(classifier, epochs=40, random_state=0),
        KerasRegressor(regressor, epochs=40, random_state=0),
    ]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        learn.DNNClassifier(), learn.DNNRegressor(), learn.LinearClassifier(),
        learn.LinearRegressor(),
    ]
)  # fmt: skip
def test_checks_of_scikit_learn_for_learn(estimator, check):
    check(estimator)


def test_pipelines_and_cross_validation():  # G28
    one = make_pipeline(StandardScaler(), learn.DNNClassifier((16,), epochs=60, random_state=0))
    assert cross_val_score(one, X, CLASS, cv=3).mean() > 0.85
    other = make_pipeline(StandardScaler(), learn.LinearRegressor(epochs=80, random_state=0))
    assert cross_val_score(other, X, NUMBER, cv=3).min() > 0.99
    assert is_classifier(learn.LinearClassifier())


def test_searches_over_arguments_of_build_and_fit():
    estimator = KerasClassifier(classifier, random_state=0)
    search = GridSearchCV(estimator, {"units": [2, 16], "epochs": [1, 30]}, cv=2)
    search.fit(StandardScaler().fit_transform(X), CLASS)
    assert search.best_params_ == {"units": 16, "epochs": 30}
    assert search.best_estimator_.model.count_params() == 16 * 5 + 3 * 17


def test_clones_and_parameters():
    estimator = KerasClassifier(classifier, units=3, shuffle=False)
    assert clone(estimator).get_params() == {
        "build_fn": classifier, "epochs": 1, "batch_size": 32, "verbose": 0, "random_state": None,
        "units": 3, "shuffle": False,
    }  # fmt: skip
    estimator.set_params(units=4, validation_split=0.25)
    history = estimator.fit(X, CLASS).history_
    assert set(history) == {"loss", "val_loss"}
    with pytest.raises(ValueError, match=r"'unit' is no parameter of KerasClassifier.*units"):
        estimator.set_params(unit=3)
    with pytest.raises(ValueError, match="'unit' is an argument of neither build_fn nor fit"):
        KerasClassifier(classifier, unit=3).fit(X, CLASS)
    with pytest.raises(ValueError, match="needs build_fn"):
        KerasClassifier().fit(X, CLASS)
    with pytest.raises(TypeError, match="must return a model, got int"):
        KerasRegressor(lambda: 3).fit(X, NUMBER)


def test_several_estimators_side_by_side():
    """Each has a graph and a session of its own, and the user's stay as they are."""
    graph = tf.get_default_graph()
    before = np.random.get_state()[1].tolist()
    one, other = (
        KerasRegressor(regressor, epochs=3, random_state=s).fit(X, NUMBER) for s in (0, 1)
    )
    first = one.predict(X)
    assert not np.array_equal(first, other.predict(X))
    assert np.array_equal(first, one.predict(X))
    assert np.array_equal(first, one.model.predict(X)[:, 0])
    assert np.array_equal(first, KerasRegressor(regressor, epochs=3, random_state=0).fit(
        X, NUMBER).predict(X))  # fmt: skip
    assert tf.get_default_graph() is graph
    assert np.random.get_state()[1].tolist() == before
    again = pickle.loads(pickle.dumps(one))
    assert np.array_equal(first, again.predict(X))


def test_forms_of_targets():
    def two(n_features_in_):
        model = Sequential([layers.Dense(1, activation="sigmoid", input_dim=n_features_in_)])
        model.compile("adam", "binary_crossentropy", metrics=["acc"])
        return model

    found = KerasClassifier(two, epochs=2).fit(X, CLASS == "yes")
    assert found.predict_proba(X).shape == (120, 2)
    assert found.predict(X).dtype == bool

    def several(n_classes_):
        model = Sequential([layers.Dense(n_classes_, activation="softmax", input_dim=4)])
        model.compile("adam", "categorical_crossentropy")
        return model

    assert KerasClassifier(several).fit(X, CLASS).predict(X).shape == (120,)
    one_hot = np.eye(3)[np.unique(CLASS, return_inverse=True)[1]]
    assert set(KerasClassifier(several).fit(X, one_hot).predict(X)) <= {0, 1, 2}
    pair = np.stack([NUMBER, -NUMBER], 1)
    assert KerasRegressor(regressor).fit(X, pair).predict(X).shape == (120, 2)


def test_images():
    def build(n_classes_):
        model = Sequential([layers.Flatten(input_shape=(4, 4, 1)),
                            layers.Dense(n_classes_, activation="softmax")])  # fmt: skip
        model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
        return model

    x = np.random.RandomState(1).rand(30, 4, 4, 1)
    y = x[:, :2].mean((1, 2, 3)) > x[:, 2:].mean((1, 2, 3))
    found = KerasClassifier(build, epochs=200, random_state=0).fit(x, y)
    assert found.score(x, y) > 0.8


def test_classes_with_a_model():
    class Mine(KerasRegressor):
        def __call__(self, n_features_in_):
            return regressor(n_features_in_)

    assert Mine(epochs=2).fit(X, NUMBER).predict(X).shape == (120,)
