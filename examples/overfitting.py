"""Over-fitting: a network learns its few samples by heart, and what helps.

Ninety noisy synthetic samples of two classes, and a network that has room for all of them.  The
loss on the training samples goes to zero while that on others rises.  Dropout and a penalty on
large weights (L2) keep the two nearer to each other.

Covers REQUIREMENTS N22 (both curves; the gap shrinks).  L2 and both together leave at most
half of the gap, dropout alone two thirds.

    python examples/overfitting.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.keras import layers, regularizers


def make_samples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: 10 features, two of which tell the class; one label in eight is wrong."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 10)).astype(np.float32)
    y = x[:, 0] + x[:, 1] > 0
    return x, (y ^ (rng.uniform(size=count) < 0.125)).astype(np.float32)


def learn(dropout: float, penalty: float, epochs: int) -> dict[str, list[float]]:
    """Cross-entropy by epoch, of training and other samples: ``bce`` and ``val_bce``."""
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    regularizer = regularizers.l2(penalty) if penalty else None
    model = keras.Sequential([layers.InputLayer((10,))])
    for _ in range(2):
        model.add(layers.Dense(64, activation="relu", kernel_regularizer=regularizer))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid", kernel_regularizer=regularizer))
    # The loss has the penalty in it; the metric is the cross-entropy alone.
    model.compile("adam", "binary_crossentropy", metrics=[keras.losses.binary_crossentropy])
    x, y = make_samples(90, 1)
    others = make_samples(1000, 2)
    known, new = [], []
    measure = keras.callbacks.LambdaCallback(  # without dropout, as the other samples are measured
        on_epoch_end=lambda epoch, logs: (
            known.append(model.evaluate(x, y, verbose=0)[1]),
            new.append(model.evaluate(*others, batch_size=1000, verbose=0)[1]),
        )
    )
    model.fit(x, y, 30, epochs, callbacks=[measure], verbose=0)
    return {"bce": known, "val_bce": new}


def draw(path: Path, curves: dict[str, dict[str, list[float]]]) -> None:
    """Training and other samples, a panel for each remedy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(curves), 3.2), layout="constrained")
    for axis, (name, curve) in zip(
        figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True
    ):
        axis.plot(curve["bce"], label="training samples")
        axis.plot(curve["val_bce"], linestyle="--", label="other samples")
        axis.set_title(name)
        axis.set_xlabel("epoch")
        axis.set_ylim(0, 1.6)
    figure.axes[0].set_ylabel("cross-entropy")
    figure.axes[0].legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the gap between other and training samples at the end, for each remedy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    remedies = {
        "none": (0.0, 0.0),
        "dropout": (0.6, 0.0),
        "L2": (0.0, 0.02),
        "dropout and L2": (0.5, 0.01),
    }
    epochs = 100 if options.quick else 300
    curves = {name: learn(*how, epochs) for name, how in remedies.items()}
    gaps = {name: float(c["val_bce"][-1] - c["bce"][-1]) for name, c in curves.items()}
    for name, curve in curves.items():
        print(f"{name:15s} training {curve['bce'][-1]:.3f}  others {curve['val_bce'][-1]:.3f}  "
              f"gap {gaps[name]:.3f}")  # fmt: skip
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "overfitting.png", curves)
    return gaps


if __name__ == "__main__":
    main()
