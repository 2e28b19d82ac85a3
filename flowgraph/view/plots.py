"""Plots through matplotlib (an extra): activation curves, learning curves, decision boundaries.

Each function returns a ``matplotlib.figure.Figure`` and writes it where a path is given.  Figures
are made without pyplot, so nothing is kept and no window opens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.graph.apply import call
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.core import Graph
from flowgraph.graph.gradients import gradients
from flowgraph.ops.activations import leaky_relu
from flowgraph.ops.variables import Variable, global_variables_initializer
from flowgraph.profile.tables import table
from flowgraph.session import Session
from flowgraph.view.colours import ROLE_COLOURS
from flowgraph.view.memory import memory_map
from flowgraph.view.roof import Roof, measure_roof

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Told apart by people who see few colours as well (Okabe and Ito, 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_STYLE = {
    "svg.hashsalt": "flowgraph",  # ids in SVG files are the same in every run
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.titlesize": 10,
}


#: Title -> function, of activation_curves.
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": call.Sigmoid,
    "tanh": call.Tanh,
    "ReLU": call.Relu,
    "leaky ReLU  max(0.1 x, x)": lambda x: leaky_relu(x, alpha=0.1),
    "ELU": call.Elu,
    "Maxout  max(x, -0.5 x - 1)": lambda x: call.Maximum(x, -0.5 * x - 1.0),
}


def activation_curves(
    functions: Mapping[str, Callable[[Any], Any]] | None = None,
    span: tuple[float, float] = (-5.0, 5.0),
    points: int = 401,
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Values and derivatives of activation functions.

    Args:
        functions: title -> function of a tensor.  Default: sigmoid, tanh, ReLU, leaky ReLU, ELU and
            a Maxout of two lines.
        span: from where to where.
        points: how many, at equal distances.

    Returns:
        title -> (x, f(x), f'(x)), float64.

    >>> x, y, dy = activation_curves(span=(-1.0, 1.0), points=3)["ReLU"]
    >>> y.tolist(), dy.tolist()
    ([0.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    """
    x = np.linspace(*span, points)
    found = {}
    for title, function in (functions or _ACTIVATIONS).items():
        with Graph().as_default(), Session() as session:
            given = convert_to_tensor(x)
            y = function(given)
            (dy,) = gradients(y, given)
            found[title] = (x, *session.run([y, dy]))
    return found


def plot_activations(
    path: Any = None,
    functions: Mapping[str, Callable[[Any], Any]] | None = None,
    *,
    span: tuple[float, float] = (-5.0, 5.0),
    derivatives: bool = True,
) -> Figure:
    """Activation functions, a panel each, with their derivatives dashed.

    Args:
        path: the file to write (``.svg``, ``.png``, ``.pdf``), or None.
        functions: as of ``activation_curves``; default: the six usual ones.
        span: from where to where.
        derivatives: draw them.

    Returns:
        The Figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    curves = activation_curves(functions, span)
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = _figure(rows, columns, 2.6, 2.1)
    for axis, (title, (x, y, dy)) in zip(axes, curves.items(), strict=False):
        axis.axhline(0, color="#888888", linewidth=0.6)
        axis.axvline(0, color="#888888", linewidth=0.6)
        axis.plot(x, y, color=PALETTE[0], linewidth=1.8, label="f")
        if derivatives:
            axis.plot(x, dy, color=PALETTE[1], linewidth=1.2, linestyle="--", label="f\u2032")
            axis.legend(frameon=False, loc="upper left")
        axis.set_title(title)
    for axis in axes[len(curves) :]:
        axis.set_visible(False)
    return _done(figure, path)


def plot_history(path: Any = None, history: Any = None, *, title: str | None = None) -> Figure:
    """Learning curves: a panel per metric, training solid and validation dashed.

    Args:
        path: the file to write, or None.
        history: name -> a number per epoch; or what ``fit`` returns; or a list of losses.  A name
            ``val_x`` goes into the panel of ``x``.
        title: a heading.

    Returns:
        The Figure.

    Raises:
        ValueError: there is nothing to draw.
    """
    found = getattr(history, "history", history)
    if isinstance(found, (Sequence, np.ndarray)):
        found = {"loss": found}
    if not found:
        raise ValueError("plot_history: the history is empty")
    panels: dict[str, dict[str, Any]] = {}
    for name, numbers in found.items():
        metric = name.removeprefix("val_")
        panels.setdefault(metric, {})["validation" if name != metric else "training"] = numbers
    columns = min(3, len(panels))
    figure, axes = _figure(-(-len(panels) // columns), columns, 3.4, 2.5)
    for axis, (metric, lines) in zip(axes, panels.items(), strict=False):
        for label, numbers in lines.items():
            style = {"color": PALETTE[1], "linestyle": "--"} if label == "validation" else {}
            epochs = np.arange(1, len(numbers) + 1)
            axis.plot(epochs, numbers, label=label, **{"color": PALETTE[0], **style})
        axis.set_title(metric)
        axis.set_xlabel("epoch")
        if len(lines) > 1:
            axis.legend(frameon=False)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    if title:
        figure.suptitle(title)
    return _done(figure, path)


def plot_decision_boundary(
    path: Any = None,
    predict: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    resolution: int = 160,
    margin: float = 0.15,
    title: str | None = None,
) -> Figure:
    """What a classifier of points in the plane says everywhere, and the points.

    Args:
        path: the file to write, or None.
        predict: a function (n, 2) -> (n,) or (n, 1), the probability of class 1 (or its number), or
            (n, classes); or a model with ``predict``.
        x: points, (n, 2).   y: their classes, (n,) or (n, 1), or one-hot (n, classes).
        resolution: how many points in each direction are asked for.
        margin: how far beyond the points, as a part of their range.
        title: a heading.

    Returns:
        The Figure.

    Raises:
        ValueError: ``x`` has other than two columns.
    """
    x, y = np.asarray(x, float), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"plot_decision_boundary: x has shape (n, 2), got {x.shape}")
    classes = (y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)).astype(int)
    low, high = x.min(0), x.max(0)
    low, high = low - margin * (high - low), high + margin * (high - low)
    across, up = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    grid = np.stack([g.ravel() for g in np.meshgrid(across, up)], 1)
    ask = getattr(predict, "predict", predict)
    answer = np.asarray(ask(grid.astype(np.float32)), float)
    answer = answer.reshape(len(grid), -1)
    figure, (axis,) = _figure(1, 1, 4.0, 3.6)
    axis.grid(visible=False)
    if answer.shape[1] == 1:
        shown = answer.reshape(resolution, resolution)
        steps = np.linspace(0, 1, 11) if answer.min() >= 0 and answer.max() <= 1 else 10
        areas = axis.contourf(across, up, shown, steps, cmap="RdBu_r", alpha=0.6)
        figure.colorbar(areas, ax=axis, label="probability of class 1")
        if answer.min() < 0.5 < answer.max():
            axis.contour(across, up, shown, [0.5], colors="black", linewidths=1)
    else:
        best = answer.argmax(1).reshape(resolution, resolution)
        edges = np.arange(-0.5, answer.shape[1])
        axis.contourf(across, up, best, edges, colors=PALETTE[: answer.shape[1]], alpha=0.3)
    for number in np.unique(classes):
        at = x[classes == number]
        colour = ("#2166AC", "#B2182B")[number] if answer.shape[1] == 1 else PALETTE[number % 7]
        axis.scatter(
            *at.T, s=14, color=colour, edgecolors="white", linewidths=0.5, label=str(number)
        )
    figure.legend(loc="outside upper center", ncols=8, title="class", frameon=False)
    if title:
        axis.set_title(title)
    return _done(figure, path)


def plot_memory(
    path: Any = None,
    what: Any = None,
    feed_dict: dict[Any, Any] | None = None,
    *,
    session: Any = None,
    title: str | None = None,
) -> Figure:
    """The memory of a run over its instructions: bytes alive, and who lies where in the arena.

    Args:
        path: the file to write, or None.
        what, feed_dict, session: as of ``tf.view.memory_map``.
        title: a heading.

    Returns:
        The Figure.  The largest buffers at the peak are named.
    """
    found = memory_map(what, feed_dict, session=session)
    figure, (above, below) = _figure(2, 1, 6.4, 2.3)
    unit, name = next((u, n) for u, n in _UNITS if found.arena_nbytes >= u or u == 1)
    rows = np.arange(len(found.live) + 1) - 0.5
    above.stairs(found.live / unit, rows, fill=True, color="#A9CCE8", edgecolor=PALETTE[0])
    peak = found.peak
    above.axvline(peak, color=PALETTE[1], linewidth=1, linestyle="--")
    above.set_title(f"alive: at most {found.live.max(initial=0) / unit:.3g} {name}, at {peak}")
    above.set_ylabel(name)
    for buffer in found.buffers:
        fill, line = ROLE_COLOURS[buffer.role]
        corner = (buffer.first - 0.5, buffer.offset / unit)
        width = min(buffer.last, len(found.live)) - buffer.first + 1
        patch = _matplotlib().patches.Rectangle(
            corner, width, buffer.nbytes / unit, facecolor=fill, edgecolor=line, linewidth=0.8
        )
        below.add_patch(patch)
    for buffer in found.owners()[:6]:
        if buffer.nbytes > 0.04 * found.arena_nbytes:
            middle = (buffer.offset + buffer.nbytes / 2) / unit
            below.annotate(
                buffer.name.split("/", 1)[-1] if len(buffer.name) > 24 else buffer.name,
                (buffer.first - 0.4, middle), fontsize=6.5, verticalalignment="center",
            )  # fmt: skip
    below.axvline(peak, color=PALETTE[1], linewidth=1, linestyle="--")
    below.set_xlim(-0.5, max(len(found.live) - 0.5, 0.5))
    below.set_ylim(0, max(found.arena_nbytes / unit, 1e-9))
    above.set_xlim(below.get_xlim())
    below.set_xlabel("instruction")
    below.set_ylabel(f"place in the arena, {name}")
    if title:
        figure.suptitle(title)
    return _done(figure, path)


def plot_roofline(
    path: Any = None,
    run_metadata: Any = None,
    *,
    roof: Roof | None = None,
    labelled: int = 8,
    title: str | None = None,
) -> Figure:
    """How near the kernels of a run come to what the machine can do.

    A point is a kernel, as large as its part of the time: flops per byte to the right, flops per
    second upward.  Below the slope memory is the limit (dashed: the cache), below the flat line
    arithmetic.  The percentages are parts of what the machine can do.

    Args:
        path: the file to write, or None.
        run_metadata: of a traced run, or several, which are summed up.
        roof: of the machine; default: measured, once a process, in half a second.
        labelled: how many of the kernels that take longest are named.
        title: a heading.

    Returns:
        The Figure.

    Raises:
        ValueError: nothing was traced, or no kernel computes anything.
    """
    rows = [row for row in table(run_metadata).rows if row.flops and row.bytes and row.ns]
    if not rows:
        raise ValueError("plot_roofline: no kernel of this run does arithmetic")
    limit = roof or measure_roof()
    figure, (axis,) = _figure(1, 1, 6.0, 4.2)
    intensity = np.array([row.flops / row.bytes for row in rows])
    speed = np.array([row.gflops for row in rows])
    times = np.array([row.ns for row in rows])
    low = min(intensity.min(), limit.ridge) / 3
    high = max(intensity.max(), limit.ridge) * 3
    span = np.geomspace(low, high, 200)
    axis.loglog(span, [limit.at(i) for i in span], color="black", linewidth=1.4)
    cached = [limit.at(i, 0) for i in span]
    axis.loglog(span, cached, color="black", linewidth=1, linestyle="--")
    axis.axvline(limit.ridge, color="#9AA6B6", linewidth=0.8, linestyle=":")
    roofs = f"{limit.gbytes:.3g} GB/s, {limit.cached_gbytes:.3g} GB/s in cache"
    text = f"roof: {limit.gflops:.3g} Gflop/s, {roofs}"
    axis.text(0.98, 0.03, text, transform=axis.transAxes, ha="right", fontsize=8)
    sizes = 12 + 380 * times / times.sum()
    axis.scatter(intensity, speed, s=sizes, color=PALETTE[0], alpha=0.55, edgecolors="white")
    named: list[np.ndarray] = []
    for i in np.argsort(-times):
        at = np.log10([intensity[i], speed[i]])
        if len(named) < labelled and all(np.abs(at - other).max() > 0.12 for other in named):
            named.append(at)
            share = speed[i] / limit.at(float(intensity[i]), rows[i].bytes / rows[i].calls)
            label = rows[i].label
            text = f"{label if len(label) < 28 else label[:26] + '…'}  {share:.0%}"
            axis.annotate(
                text, (intensity[i], speed[i]), xytext=(6, -2), textcoords="offset points",
                fontsize=7,
            )  # fmt: skip
    axis.set_xlabel("flops per byte moved")
    axis.set_ylabel("Gflop/s")
    if title:
        axis.set_title(title)
    return _done(figure, path)


#: Of bytes, on axes.
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


def plot_trajectories(
    path: Any = None,
    function: Callable[[Any, Any], Any] | None = None,
    trajectories: Mapping[str, Any] | None = None,
    *,
    levels: int = 18,
    margin: float = 0.25,
    logarithmic: bool = False,
    title: str | None = None,
) -> Figure:
    """Ways down a surface: contours of a function of two numbers, and the paths of optimizers.

    Args:
        path: the file to write, or None.
        function: f(x, y) for NumPy arrays.
        trajectories: name -> points (steps, 2), as of ``tf.view.trajectories``.
        levels: number of contours.
        margin: how far beyond the points, as a part of their range.
        logarithmic: space the contours by powers, for steep valleys; the function is above zero.
        title: a heading.

    Returns:
        The Figure.

    Raises:
        ValueError: there is no function or no trajectory, or points have other than two numbers.
    """
    found = {name: np.asarray(points, float) for name, points in (trajectories or {}).items()}
    if function is None or not found:
        raise ValueError("plot_trajectories: give a function and trajectories")
    for name, points in found.items():
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"plot_trajectories: {name!r} has shape {points.shape}, not (n, 2)")
    everything = np.concatenate(list(found.values()))
    low, high = everything.min(0), everything.max(0)
    room = np.maximum(margin * (high - low), 1e-3)
    low, high = low - room, high + room
    x, y = np.meshgrid(np.linspace(low[0], high[0], 160), np.linspace(low[1], high[1], 160))
    z = np.asarray(function(x, y), float)
    figure, (axis,) = _figure(1, 1, 5.0, 4.0)
    axis.grid(visible=False)
    steps: Any = levels
    if logarithmic:
        z = np.maximum(z, 1e-12)
        steps = np.geomspace(z.min(), z.max(), levels)
    axis.contour(x, y, z, steps, colors="#9AA6B6", linewidths=0.6)
    for (name, points), colour in zip(found.items(), _cycle(len(found)), strict=True):
        axis.plot(*points.T, color=colour, linewidth=1.2, marker="o", markersize=2, label=name)
    start = next(iter(found.values()))[0]
    axis.plot(*start, marker="o", color="black", markersize=6)
    axis.legend(frameon=True, fontsize=8)
    if title:
        axis.set_title(title)
    return _done(figure, path)


def _cycle(count: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(count)]


def trajectories(
    function: Callable[[Any, Any], Any],
    optimizers: Mapping[str, Any],
    start: tuple[float, float],
    steps: int = 60,
) -> dict[str, np.ndarray]:
    """The points that optimizers visit on their way down f(x, y).

    Args:
        function: f(x, y) of two scalar tensors, giving a scalar.
        optimizers: name -> a ``tf.train`` optimizer.
        start: where all begin.
        steps: how many each takes.

    Returns:
        name -> points (steps + 1, 2), float64; the same in every run.

    >>> down = {"gradient descent": tf.train.GradientDescentOptimizer(0.25)}
    >>> trajectories(lambda x, y: x * x + y * y, down, (1.0, 2.0), 2)["gradient descent"].tolist()
    [[1.0, 2.0], [0.5, 1.0], [0.25, 0.5]]
    """
    found = {}
    for name, optimizer in optimizers.items():
        with Graph().as_default(), Session() as session:
            x, y = (Variable(np.float64(number)) for number in start)
            train = optimizer.minimize(function(x.read_value(), y.read_value()))
            session.run(global_variables_initializer())
            points = [session.run([x, y])]
            for _ in range(steps):
                session.run(train)
                points.append(session.run([x, y]))
            found[name] = np.asarray(points, np.float64)
    return found


# ----------------------------------------------------------------------------------------- figures


def _matplotlib() -> Any:
    try:
        import matplotlib.figure
        import matplotlib.patches
    except ImportError:
        raise ImportError("plots need matplotlib\n  fix: pip install 'flowgraph[plot]'") from None
    return matplotlib


def _figure(rows: int, columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    matplotlib = _matplotlib()
    with matplotlib.rc_context(_STYLE):
        figure = matplotlib.figure.Figure(
            figsize=(columns * width, rows * height), layout="constrained"
        )
        return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _done(figure: Any, path: Any) -> Any:
    if path is not None:
        path = Path(path)
        # Without the date a picture of the same data is the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        with _matplotlib().rc_context(_STYLE):
            figure.savefig(path, metadata=metadata, dpi=120)
    return figure
