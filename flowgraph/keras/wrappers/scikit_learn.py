"""KerasClassifier and KerasRegressor: models as estimators of scikit-learn.

    def build(units=8, n_features_in_=None, n_classes_=None):
        model = Sequential([Dense(units, activation="relu", input_dim=n_features_in_),
                            Dense(n_classes_, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    search = GridSearchCV(KerasClassifier(build, epochs=20), {"units": [8, 16]})

Arguments of ``build`` and of the model's ``fit`` may be given to the estimator, and are its
parameters.  A ``build`` with arguments called ``n_features_in_``, ``n_classes_`` or ``n_outputs_``
is told what the data are like.  Every fitted estimator has a graph of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras.engine.model import Model
from flowgraph.keras.engine.sequential import Sequential
from flowgraph.keras.losses import categorical_crossentropy
from flowgraph.keras.utils.np_utils import to_categorical

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:  # pragma: no cover
    raise ImportError(
        "models as estimators need scikit-learn: pip install 'flowgraph[sklearn]'"
    ) from error

#: Arguments of ``Model.fit`` that may be parameters of an estimator.
_OF_FIT = frozenset(inspect.signature(Model.fit).parameters) - {"self", "x", "y", "kwargs"}
#: What a ``build_fn`` may ask to be told.
_TOLD = ("n_features_in_", "n_classes_", "n_outputs_")


class BaseWrapper(BaseEstimator):
    """What classifier and regressor share.

    Args:
        build_fn: function that makes and compiles a model; None for a class derived from this
            one that has ``__call__``.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
        sk_params: arguments of ``build_fn``, or of the model's ``fit``.
    """

    build_fn: Any

    def __init__(
        self,
        build_fn: Callable[..., Any] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        verbose: int = 0,
        random_state: Any = None,
        **sk_params: Any,
    ) -> None:
        self.build_fn, self.epochs, self.batch_size = build_fn, epochs, batch_size
        self.verbose, self.random_state = verbose, random_state
        for name, value in sk_params.items():
            setattr(self, name, value)

    # --------------------------------------------------------------------------------- parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, those that were given by ``sk_params`` too.

        Args:
            deep: as of scikit-learn.
        """
        own = super().get_params(deep)
        given = {k: v for k, v in vars(self).items() if not (k.startswith("_") or k.endswith("_"))}
        return {**given, **own}

    def set_params(self, **params: Any) -> Any:
        """Set parameters, also such as the estimator was not made with.

        Args:
            params: name -> value.

        Raises:
            ValueError: neither the estimator nor ``build_fn`` nor ``fit`` has one of the names.
        """
        known = self.get_params(deep=False)
        legal = {*known, *_OF_FIT, *self._arguments_of_build()}
        for name in params:
            if name not in legal:
                raise ValueError(
                    f"{name!r} is no parameter of {type(self).__name__}; there are: "
                    f"{', '.join(sorted(legal))}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _builder(self) -> Callable[..., Any]:
        if self.build_fn is not None:
            return self.build_fn
        if not callable(self):
            raise ValueError(
                f"{type(self).__name__} needs build_fn, a function that returns a compiled model"
            )
        return self

    def _arguments_of_build(self) -> set[str]:
        builder: Any = self if self.build_fn is None else self.build_fn
        return set(inspect.signature(builder).parameters) if callable(builder) else set()

    def filter_sk_params(
        self, fn: Callable[..., Any], override: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The parameters that are arguments of ``fn``.

        Args:
            fn: a function.
            override: further values, which go before the parameters.
        """
        names = inspect.signature(fn).parameters
        found = {k: v for k, v in self.get_params(deep=False).items() if k in names}
        return {**found, **(override or {})}

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Raise ValueError unless every name is an argument of ``build_fn`` or ``fit``.

        Args:
            params: name -> value.
        """
        legal = {*_OF_FIT, *self._arguments_of_build(), "random_state", "build_fn"}
        unknown = [name for name in params if name not in legal]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is an argument of neither build_fn nor fit")

    # ------------------------------------------------------------------------------------ fitting

    @property
    def model(self) -> Any:
        """The fitted model."""
        check_is_fitted(self, "model_")
        return self.model_

    def _fit(self, x: Any, y: np.ndarray, kwargs: Mapping[str, Any]) -> None:
        """Build a model in a new graph and train it."""
        builder = self._builder()
        arguments = self.filter_sk_params(builder)
        told = inspect.signature(builder).parameters
        arguments.update({k: getattr(self, k) for k in _TOLD if k in told and hasattr(self, k)})
        extra = set(self.get_params(deep=False)) - set(type(self)._get_param_names())
        self.check_params(dict.fromkeys(extra))
        given = {**self.filter_sk_params(Model.fit), **kwargs}
        before = None
        if self.random_state is not None:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            before = np.random.get_state()  # noqa: NPY002  initializers and shuffling use it
            np.random.seed(seed)  # noqa: NPY002  as above
        try:
            with tf.Graph().as_default():
                model = builder(**arguments)
                if not isinstance(model, Model):
                    raise TypeError(f"build_fn must return a model, got {type(model).__name__}")
                if model._is_compiled and _is_categorical(model) and y.ndim == 1:
                    y = to_categorical(y, getattr(self, "n_classes_", None))
                history = model.fit(x, y, **given)
        finally:
            if before is not None:
                np.random.set_state(before)  # noqa: NPY002  as above
        self.model_, self.history_ = model, history.history

    def _predicted(self, x: Any, kwargs: Mapping[str, Any]) -> np.ndarray:
        check_is_fitted(self, "model_")
        x = validate_data(self, x, reset=False, allow_nd=True)
        given = {**self.filter_sk_params(Model.predict), **kwargs}
        return self.model_.predict(x, **given)

    # ----------------------------------------------------------------------------------- pickling

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        model = state.pop("model_", None)
        if model is not None:
            kind = "Sequential" if isinstance(model, Sequential) else "Model"
            state["_stored"] = kind, model.get_config(), model.get_weights()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        stored = state.pop("_stored", None)
        super().__setstate__(state)
        if stored is not None:
            kind, config, weights = stored
            with tf.Graph().as_default():
                self.model_ = (Sequential if kind == "Sequential" else Model).from_config(config)
                self.model_.set_weights(weights)


def _is_table(y: Any) -> bool:
    """Whether there are several numbers for each sample."""
    shape = np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def _is_categorical(model: Any) -> bool:
    loss = model.loss
    return loss in ("categorical_crossentropy", categorical_crossentropy)


class KerasClassifier(ClassifierMixin, BaseWrapper):
    """A model that tells classes apart, as an estimator of scikit-learn.

    Args:
        build_fn: function that makes and compiles a model; its output is one probability for two
            classes, or one per class.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
        sk_params: arguments of ``build_fn``, or of the model's ``fit``.

    Attributes:
        model: the fitted model.   history_: the logs of its training.
        classes_: the classes, sorted.   n_classes_: how many.
    """

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Build a model and train it.

        Args:
            x: samples, an array (n, ...).
            y: a class for each; or 1 at the class and 0 elsewhere.
            kwargs: further arguments of the model's ``fit``.
        """
        several = _is_table(y)
        x, y = validate_data(self, x, y, allow_nd=True, multi_output=several)
        check_classification_targets(y)
        if several:
            self.classes_ = np.arange(y.shape[1])
            codes = y
        else:
            self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_ = self.n_outputs_ = len(self.classes_)
        self._fit(x, codes, kwargs)
        return self

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The most probable class of every sample.

        Args:
            x: samples.
            kwargs: further arguments of the model's ``predict``.
        """
        places = self.predict_proba(x, **kwargs).argmax(axis=1)
        return self.classes_[places]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The probability of every class.

        Args:
            x: samples.
            kwargs: further arguments of the model's ``predict``.
        """
        found = self._predicted(x, kwargs)
        if len(self.classes_) == 1:
            return np.ones((len(found), 1), found.dtype)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found


class KerasRegressor(RegressorMixin, BaseWrapper):
    """A model that predicts numbers, as an estimator of scikit-learn.

    Args:
        build_fn: function that makes and compiles a model.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
        sk_params: arguments of ``build_fn``, or of the model's ``fit``.

    Attributes:
        model: the fitted model.   history_: the logs of its training.

    ``score`` is R squared, as of scikit-learn's regressors (Keras's own wrapper gives minus the
    loss).
    """

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Build a model and train it.

        Args:
            x: samples, an array (n, ...).
            y: a number for each, or several.
            kwargs: further arguments of the model's ``fit``.
        """
        several = _is_table(y)
        x, y = validate_data(self, x, y, allow_nd=True, multi_output=several, y_numeric=True)
        self.n_outputs_ = y.shape[1] if several else 1
        self._fit(x, np.asarray(y, K.floatx()), kwargs)
        return self

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The predictions: (n,), or (n, m) for several numbers.

        Args:
            x: samples.
            kwargs: further arguments of the model's ``predict``.
        """
        found = self._predicted(x, kwargs)
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
