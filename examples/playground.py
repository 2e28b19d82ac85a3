"""A playground: four sets of points in the plane, and networks that separate them.

Each data set is learnt by a network without a hidden layer, by one small hidden layer and by two of
eight units. Harder data needs deeper networks: a straight line does for the two clouds, nothing
less than two hidden layers for the spirals.  The picture shows what each network says everywhere in
the plane.

Covers REQUIREMENTS N20 (circle, xor, gauss, spiral; decision boundaries).  No hidden layer: at most
0.75 on xor; 2 x 8 units: at least 0.95 on the spiral.

    python examples/playground.py [--quick] [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import flowgraph as tf
from flowgraph import keras
from flowgraph.keras import layers

NETWORKS = {"no hidden layer": (), "4 units": (4,), "8 + 8 units": (8, 8)}
COUNT = 400


def make_points(kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: points between -1 and 1, and their classes.

    Args:
        kind: "gauss", "xor", "circle" or "spiral".
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(COUNT) % 2
    if kind == "gauss":
        x = rng.normal(np.where(y, 0.45, -0.45)[:, None], 0.2, (COUNT, 2))
    elif kind == "xor":
        x = rng.uniform(0.05, 1, (COUNT, 2)) * np.where(rng.integers(0, 2, (COUNT, 1)), 1, -1)
        x[:, 1] *= np.where(y, -1, 1)
    elif kind == "circle":
        radius, angle = np.where(y, 0.75, 0) + rng.uniform(0, 0.25, COUNT), rng.uniform(0, 7, COUNT)
        x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    elif kind == "spiral":
        turn = rng.uniform(0.05, 1, COUNT)
        angle = 1.5 * np.pi * turn + np.pi * y
        x = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
        x += 0.02 * rng.normal(size=x.shape)
    else:
        raise ValueError(f"{kind!r}: not gauss, xor, circle or spiral")
    return x.astype(np.float32), y


def learn(kind: str, hidden: tuple[int, ...], epochs: int, seed: int = 1) -> tuple:
    """The trained model, and its accuracy on the points."""
    np.random.seed(seed)  # noqa: NPY002  where Keras takes its seeds from
    x, y = make_points(kind)
    model = keras.Sequential()
    model.add(layers.InputLayer((2,)))
    for units in hidden:
        model.add(layers.Dense(units, activation="tanh"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, 32, epochs, verbose=0)
    return model, float(model.evaluate(x, y, verbose=0)[1])


def draw(path: Path, models: dict[tuple[str, str], tuple]) -> None:
    """All networks on all data sets."""
    from matplotlib.figure import Figure

    kinds, networks = (list(dict.fromkeys(key[i] for key in models)) for i in (0, 1))
    figure = Figure(figsize=(2.6 * len(kinds), 2.7 * len(networks)), layout="constrained")
    axes = figure.subplots(len(networks), len(kinds), squeeze=False)
    ticks = np.linspace(-1.2, 1.2, 80, dtype=np.float32)
    plane = np.stack([g.ravel() for g in np.meshgrid(ticks, ticks)], axis=1)
    for (kind, network), (model, accuracy) in models.items():
        axis = axes[networks.index(network), kinds.index(kind)]
        says = model.predict(plane).reshape(80, 80)
        axis.contourf(ticks, ticks, says, np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.6)
        x, y = make_points(kind)
        axis.scatter(*x.T, c=np.array(["#2166AC", "#B2182B"])[y], s=4)
        axis.set_title(f"{kind}, {network}: {accuracy:.2f}", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> dict[tuple[str, str], float]:
    """Learn everything, draw; returns the accuracy of each network on each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="xor and spiral only")
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    options = parser.parse_args(arguments)
    kinds = ("xor", "spiral") if options.quick else ("gauss", "xor", "circle", "spiral")
    models = {}
    for kind in kinds:
        for network, hidden in NETWORKS.items():
            models[kind, network] = learn(kind, hidden, 150 if kind == "spiral" else 40)
            print(f"{kind:7s} {network:16s} accuracy {models[kind, network][1]:.3f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(options.out / "playground.png", models)
        # While it learns: the same network after more and more epochs.
        for epochs in (5, 20, 80):
            model, accuracy = learn("spiral", (8, 8), epochs)
            tf.view.plot_decision_boundary(
                options.out / f"playground_epoch_{epochs}.png", model, *make_points("spiral"),
                title=f"After {epochs} epochs: {accuracy:.2f}",
            )  # fmt: skip
    return {key: accuracy for key, (_, accuracy) in models.items()}


if __name__ == "__main__":
    main()
