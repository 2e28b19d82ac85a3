"""House prices: a regression with 13 features, in the five steps of every Keras program.

Define, compile, fit, evaluate, predict.  The houses are synthetic (``make_houses``): a price made
of the 13 numbers by a formula with products and saturation, and noise of 2,000 around it.

Covers REQUIREMENTS K9 (mse and rmsprop; the loss falls at least tenfold), K2 (13-10-10-1: 261
weights) and R5 (the five steps).  Explains at least 0.9 of the variance of the test prices.

    python examples/house_prices.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.keras import layers

NOISE = 2.0  # in thousands, as the prices


def make_houses(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: 13 standardised features (size, age, ...) and prices in thousands."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 13)).astype(np.float32)
    slopes = np.array([9, 4, -3, 2, -2, 1.5, 1, -1, 0.5, 0, 0, 0, 0])  # four do not matter
    price = 60 + x @ slopes + 6 * np.tanh(2 * x[:, 9]) + 3 * x[:, 0] * x[:, 10]
    return x, (price + NOISE * rng.normal(size=count)).astype(np.float32)


def draw(path: Path, prices: np.ndarray, guesses: np.ndarray) -> None:
    """Predicted prices over true ones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.scatter(prices, guesses, s=9, alpha=0.6)
    ends = [prices.min(), prices.max()]
    axis.plot(ends, ends, color="black", linewidth=1)
    axis.set_xlabel("true price (thousands)")
    axis.set_ylabel("predicted price (thousands)")
    axis.set_title("Houses that training has not seen")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns how far the loss fell (a factor), and R² on the test houses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    (x_train, y_train), (x_test, y_test) = make_houses(2000, 1), make_houses(500, 2)

    model = keras.Sequential()  # 1. define
    model.add(layers.Dense(10, activation="relu", input_shape=(13,)))
    model.add(layers.Dense(10, activation="relu"))
    model.add(layers.Dense(1))
    model.summary()
    model.compile("rmsprop", "mse", metrics=["mae"])  # 2. compile
    epochs = 100 if options.quick else 300
    history = model.fit(x_train, y_train, 16, epochs, verbose=0)  # 3. fit
    mse, mae = model.evaluate(x_test, y_test, verbose=0)  # 4. evaluate
    guesses = model.predict(x_test).flatten()  # 5. predict

    losses = history.history["loss"]
    r2 = 1 - mse / y_test.var()
    print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f} in {epochs} epochs")
    print(f"test: R² {r2:.4f}, mean error {mae:.2f} thousand (noise alone {NOISE * 0.798:.2f})")
    for price, guess in zip(y_test[:3], guesses, strict=False):
        print(f"a house of {price:5.1f} thousand: {guess:5.1f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "house_prices.png", y_test, guesses)
    return {"fall": losses[0] / losses[-1], "r2": float(r2)}


if __name__ == "__main__":
    main()
