"""DNNClassifier, DNNRegressor and their linear kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowgraph.keras import layers, optimizers, regularizers
from flowgraph.keras.models import Sequential
from flowgraph.keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor


class _Network:
    """The parameters of all, and the layers they mean.

    Args:
        hidden_units: sizes of the hidden layers.
        activation: of the hidden layers.
        dropout: share of the hidden units that are left out in training.
        l2: factor of the sum of squared weights in the loss.
        optimizer: its name.
        learning_rate: of the optimizer; None for its default.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
    """

    build_fn: Any = None

    def __init__(
        self,
        hidden_units: Sequence[int] = (64,),
        activation: str = "relu",
        dropout: float = 0.0,
        l2: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float | None = 0.01,
        epochs: int = 100,
        batch_size: int = 32,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.hidden_units, self.activation = hidden_units, activation
        self.dropout, self.l2 = dropout, l2
        self.optimizer, self.learning_rate = optimizer, learning_rate
        self.epochs, self.batch_size = epochs, batch_size
        self.verbose, self.random_state = verbose, random_state

    def _made(self, features: int, units: int, activation: str, loss: str) -> Any:
        """The compiled model."""
        penalty = regularizers.l2(self.l2) if self.l2 else None
        shape: dict[str, Any] = {"input_dim": features}
        stack: list[Any] = []
        for size in self._sizes():
            stack.append(
                layers.Dense(size, activation=self.activation, kernel_regularizer=penalty, **shape)
            )
            shape = {}
            if self.dropout:
                stack.append(layers.Dropout(self.dropout))
        stack.append(
            layers.Dense(units, activation=activation, kernel_regularizer=penalty, **shape)
        )
        config = {} if self.learning_rate is None else {"lr": self.learning_rate}
        optimizer = optimizers.get({"class_name": self.optimizer, "config": config})
        model = Sequential(stack)
        model.compile(optimizer, loss)
        return model

    def _sizes(self) -> list[int]:
        return list(self.hidden_units)


class _Classifies:
    """Of two classes one probability, else one per class."""

    def __call__(self, n_features_in_: int, n_classes_: int) -> Any:
        """The compiled model.

        Args:
            n_features_in_, n_classes_: what the data are like.
        """
        if n_classes_ == 2:
            return self._made(n_features_in_, 1, "sigmoid", "binary_crossentropy")  # type: ignore[attr-defined]
        loss = "sparse_categorical_crossentropy"
        return self._made(n_features_in_, n_classes_, "softmax", loss)  # type: ignore[attr-defined]


class _Regresses:
    """One number, or several."""

    def __call__(self, n_features_in_: int, n_outputs_: int) -> Any:
        """The compiled model.

        Args:
            n_features_in_, n_outputs_: what the data are like.
        """
        return self._made(n_features_in_, n_outputs_, "linear", "mse")  # type: ignore[attr-defined]


class DNNClassifier(_Network, _Classifies, KerasClassifier):
    """A network of dense layers that tells classes apart.

    Args:
        hidden_units: sizes of the hidden layers.
        activation: of the hidden layers.
        dropout: share of the hidden units that are left out in training.
        l2: factor of the sum of squared weights in the loss.
        optimizer: its name.
        learning_rate: of the optimizer; None for its default.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.

    >>> import numpy as np
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> network = DNNClassifier((8,), "tanh", epochs=200, random_state=0)
    >>> network.fit(x, ["even", "odd", "odd", "even"]).predict(x).tolist()
    ['even', 'odd', 'odd', 'even']
    """


class DNNRegressor(_Network, _Regresses, KerasRegressor):
    """A network of dense layers that predicts numbers.

    Args:
        hidden_units: sizes of the hidden layers.
        activation: of the hidden layers.
        dropout: share of the hidden units that are left out in training.
        l2: factor of the sum of squared weights in the loss.
        optimizer: its name.
        learning_rate: of the optimizer; None for its default.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
    """


class _Linear(_Network):
    """No hidden layers."""

    activation, dropout = "linear", 0.0

    def __init__(
        self,
        l2: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float | None = 0.05,
        epochs: int = 100,
        batch_size: int = 32,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.l2, self.optimizer, self.learning_rate = l2, optimizer, learning_rate
        self.epochs, self.batch_size = epochs, batch_size
        self.verbose, self.random_state = verbose, random_state

    def _sizes(self) -> list[int]:
        return []


class LinearClassifier(_Linear, _Classifies, KerasClassifier):
    """Logistic regression, trained by an optimizer of networks.

    Args:
        l2: factor of the sum of squared weights in the loss.
        optimizer: its name.
        learning_rate: of the optimizer; None for its default.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
    """


class LinearRegressor(_Linear, _Regresses, KerasRegressor):
    """Linear regression, trained by an optimizer of networks.

    Args:
        l2: factor of the sum of squared weights in the loss.
        optimizer: its name.
        learning_rate: of the optimizer; None for its default.
        epochs: number of epochs.
        batch_size: samples of a batch.
        verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
        random_state: an integer makes every fit the same; None takes NumPy's global generator.
    """
