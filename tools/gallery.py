"""Draws every kind of picture into docs/gallery/, and writes docs/gallery.md around them.

    python -m tools.gallery [--out FOLDER] [--only NAME] [--screenshots]

Pictures of graphs are drawn by graphviz-pure, so that they are the same everywhere.  Times in them
are not measured but modelled from flops and bytes, for the same reason.  Screenshots of the page
need Chromium (tests/support/browser.py) and Pillow, and are made only when asked for.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph import config
from flowgraph.profile.run_metadata import PlanTrace, Trace

ROOT = Path(__file__).parents[1]
PURE = str(Path(sysconfig.get_path("scripts")) / "graphviz-pure")
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests" / "support")]


@dataclass(frozen=True)
class Entry:
    """A picture: its file, what it shows, and the call that makes it, for the page."""

    file: str
    title: str
    text: str
    code: str
    make: Callable[[Path], Any]


ENTRIES: list[tuple[str, list[Entry]]] = []


def section(title: str) -> None:
    """Begin a section of the page."""
    ENTRIES.append((title, []))


def picture(file: str, title: str, text: str, code: str) -> Callable[[Any], Any]:
    """Decorator: the function draws ``file``."""

    def note(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        ENTRIES[-1][1].append(Entry(file, title, text, code, make))
        return make

    return note


def in_new_graph(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Decorator: the function builds a graph of its own and has a session."""

    def made(path: Path) -> Any:
        with tf.Graph().as_default(), tf.Session():
            tf.set_random_seed(1)
            return make(path)

    return made


# ------------------------------------------------------------------------------------------ models


def digits() -> Any:
    """The model of examples/digits_mlp.py, initialised."""
    import digits_mlp

    model = digits_mlp.Classifier()
    session = tf.get_default_session()
    session.run(tf.global_variables_initializer())
    return model


def digits_feed(model: Any, count: int = 32) -> dict[Any, Any]:
    """A batch of images and labels."""
    (images, labels), _ = tf.datasets.digits.load_data()
    return model.feed(images[:count], labels[:count])


def modelled(fetches: Any, feed: dict[Any, Any]) -> Any:
    """A RunMetadata with times by a simple machine: 40 Gflop/s, 20 GB/s, 5 ns a kernel."""
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    tf.get_default_session().run(fetches, feed, options=options, run_metadata=metadata)
    parts = []
    for part in metadata.trace.plans:
        elapsed = [5 + i.flops / 40 + i.bytes_moved / 20 for i in part.plan.instrs]
        ends = np.cumsum(elapsed).astype(np.int64)
        starts = np.concatenate([[0], ends[:-1]])
        times = np.stack([np.append(starts, 0), np.append(ends, ends[-1])], 1)
        parts.append(PlanTrace(part.plan, times))
    metadata.set_trace(Trace(parts))
    return metadata


def deep(layers: int = 24) -> Any:
    """A residual network whose layers are alike; its graph."""
    x = tf.placeholder(tf.float32, [None, 64], name="x")
    h = x
    for i in range(layers):
        with tf.name_scope(f"layer_{i}"):
            w = tf.Variable(tf.zeros([64, 64]), name="w")
            h = tf.nn.relu(tf.matmul(h, w)) + h
    return tf.reduce_mean(h, name="loss")


XOR_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR_Y = np.array([[0], [1], [1], [0]], np.float32)


def trained_xor(units: int = 4) -> tuple[Any, Any, Any, list[float]]:
    """Placeholder, hidden and output tensors of a trained network, and its losses."""
    random = np.random.default_rng(5)
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    w1 = tf.Variable(random.normal(size=(2, units)).astype(np.float32), name="w1")
    w2 = tf.Variable(random.normal(size=(units, 1)).astype(np.float32), name="w2")
    b1 = tf.Variable(tf.zeros([units]), name="b1")
    hidden = tf.tanh(tf.matmul(x, w1) + b1, name="hidden")
    y = tf.sigmoid(tf.matmul(hidden, w2) + tf.Variable(tf.zeros([1]), name="b2"), name="y")
    target = tf.placeholder(tf.float32, [None, 1], name="target")
    loss = tf.reduce_mean(tf.square(y - target))
    train = tf.train.GradientDescentOptimizer(2.0).minimize(loss)
    session = tf.get_default_session()
    session.run(tf.global_variables_initializer())
    feed = {x: XOR_X, target: XOR_Y}
    losses = [float(session.run([loss, train], feed)[0]) for _ in range(400)]
    return x, hidden, y, losses


# ------------------------------------------------------------------------------------------ graphs

section("Graphs")


@picture(
    "overview.svg",
    "A training graph at a glance",
    "The forward part is open, gradients and updates are a box each. Point at a node for its line.",
    "tf.view.save(path, graph, overview=True)",
)
@in_new_graph
def _(path: Path) -> None:
    digits()
    tf.view.save(path, overview=True, title="Digits")


@picture(
    "closed.svg",
    "Closed to the top level",
    "Bundles of tensors between the scopes, thicker for more.",
    "tf.view.save(path, graph, depth=0, direction='LR')",
)
@in_new_graph
def _(path: Path) -> None:
    digits()
    tf.view.save(path, depth=0, direction="LR")


@picture(
    "blocks.svg",
    "Repeated blocks, once",
    "24 layers that are alike are drawn as one, and so are their gradients and updates.",
    "tf.view.save(path, graph, depth=1, fold_blocks=True)",
)
@in_new_graph
def _(path: Path) -> None:
    loss = deep()
    tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    tf.view.save(path, depth=1, fold_blocks=True)


@picture(
    "everything.svg",
    "Every operation",
    "Nothing folded: each operation is a node and each input a line.",
    "tf.view.save(path, graph, math.inf, fold=False)",
)
@in_new_graph
def _(path: Path) -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.name_scope("layer"):
        w = tf.Variable(tf.ones([3, 2]), name="w")
        tf.tanh(tf.matmul(x, w) * 2.0, name="y")
    tf.global_variables_initializer()
    tf.view.save(path, depth=float("inf"), fold=False)


@picture(
    "loop.svg",
    "A loop with a branch inside",
    "Conditions, bodies and branches have frames of their own; results flow into While and If.",
    "tf.view.save(path, y)",
)
@in_new_graph
def _(path: Path) -> None:
    x = tf.placeholder(tf.float32, [3], name="x")

    def body(i: Any, h: Any) -> Any:
        return i + 1, tf.cond(h[0] > 0, lambda: tf.tanh(h) * x, lambda: h)

    _, y = tf.while_loop(lambda i, h: i < 5, body, [0, x])
    tf.view.save(path, y, depth=9)


section("Colours")


@picture(
    "time.svg",
    "By time",
    "Which part of a training step takes long; amounts of fused operations are estimates.",
    'tf.view.save(path, graph, overview=True, colour_by="time", run_metadata=metadata)',
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    metadata = modelled(model.train, digits_feed(model))
    tf.view.save(path, overview=True, colour_by="time", run_metadata=metadata)


@picture(
    "types.svg",
    "By operation type",
    "The commonest types have a colour each.",
    'tf.view.save(path, loss, colour_by="type")',
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    tf.view.save(path, model.loss, colour_by="type")


@picture(
    "devices.svg",
    "By device",
    "What was asked for with tf.device.",
    'tf.view.save(path, y, colour_by="device", direction="LR")',
)
@in_new_graph
def _(path: Path) -> None:
    x = tf.placeholder(tf.float32, [None, 8], name="x")
    halves = []
    for number, half in enumerate(tf.split(x, 2, axis=1)):
        with tf.device(f"/gpu:{number}"), tf.name_scope(f"tower_{number}"):
            halves.append(tf.nn.relu(tf.matmul(half, tf.ones([4, 3]))))
    with tf.device("/cpu:0"):
        y = tf.add_n(halves, name="sum")
    tf.view.save(path, y, colour_by="device", direction="LR")


section("Values and gradients")


@picture(
    "product.svg",
    "Backpropagation through a product",
    "Values (green), and what flows back (red): 1.3 arrives, each factor gets 1.3 times the other.",
    "recording = tf.view.record(y, gradients_of=True, grad_ys=1.3)\n"
    'tf.view.save(path, y, values=recording, direction="LR")',
)
@in_new_graph
def _(path: Path) -> None:
    y = tf.multiply(tf.constant(10.0, name="a"), tf.constant(5.0, name="b"), name="product")
    made = tf.view.record(y, gradients_of=True, grad_ys=1.3)
    tf.view.save(path, y, values=made, direction="LR")


@picture(
    "sum.svg",
    "And through a sum",
    "A sum hands on what arrives.",
    "tf.view.save(path, y, values=recording, direction='LR')",
)
@in_new_graph
def _(path: Path) -> None:
    y = tf.add(tf.constant(10.0, name="a"), tf.constant(5.0, name="b"), name="sum")
    made = tf.view.record(y, gradients_of=True, grad_ys=1.3)
    tf.view.save(path, y, values=made, direction="LR")


@picture(
    "neuron.svg",
    "A neuron",
    "sigmoid(w x + b): with y its output, y (1 - y) flows back through the sigmoid.",
    "tf.view.save(path, y, values=recording, direction='LR')",
)
@in_new_graph
def _(path: Path) -> None:
    x = tf.placeholder(tf.float32, [2, 1], name="x")
    w, b = tf.Variable([[2.0, -3.0]], name="w"), tf.Variable([[-3.0]], name="b")
    y = tf.sigmoid(tf.matmul(w, x) + b, name="y")
    tf.get_default_session().run(tf.global_variables_initializer())
    made = tf.view.record(y, {x: [[-1.0], [-2.0]]}, gradients_of=True)
    tf.view.save(path, y, values=made, direction="LR")


section("What the compiler made")


@picture(
    "kernels.svg",
    "The optimised graph",
    "A frame around the operations that run as one kernel.",
    "tf.view.save(path, tf.view.optimized(loss, feed))",
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    tf.view.save(path, tf.view.optimized(model.loss, digits_feed(model)))


@picture(
    "step.svg",
    "A training step, kernel by kernel",
    "The same of a traced run, with times.",
    'tf.view.save(path, tf.view.optimized(metadata, colour_by="time"))',
)
@in_new_graph
def _(path: Path) -> None:
    x, _, y, _ = trained_xor()
    target = tf.get_default_graph().get_tensor_by_name("target:0")
    train = tf.get_default_graph().get_operation_by_name("GradientDescent")
    metadata = modelled([y, train], {x: XOR_X, target: XOR_Y})
    tf.view.save(path, tf.view.optimized(metadata, colour_by="time"))


@picture(
    "plan.svg",
    "The plan",
    "Instructions from top to bottom, the memory that they hand on, and its place in the arena.",
    "tf.view.save(path, tf.view.plan(loss, feed))",
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    tf.view.save(path, tf.view.plan(model.loss, digits_feed(model)))


@picture(
    "jumps.svg",
    "The plan of a loop and a branch",
    "Dashed red: the jumps.",
    "tf.view.save(path, tf.view.plan(y, {x: [1, 2, 3]}))",
)
@in_new_graph
def _(path: Path) -> None:
    x = tf.placeholder(tf.float32, [3], name="x")
    _, r = tf.while_loop(lambda i, h: i < 5, lambda i, h: (i + 1, tf.tanh(h) * x), [0, x])
    y = tf.cond(r[0] > 0, lambda: tf.exp(r), lambda: r)
    tf.view.save(path, tf.view.plan(y, {x: [1.0, 2.0, 3.0]}))


@picture(
    "memory.svg",
    "Its memory",
    "Above, the bytes alive at each instruction of a training step; below, who lies where.",
    "tf.view.plot_memory(path, [loss, train], feed)",
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    tf.view.plot_memory(path, [model.loss, model.train], digits_feed(model))


@picture(
    "roofline.svg",
    "How near to the machine's roof",
    "Kernels by flops per byte and by speed, against what the machine can do (given here, measured "
    "by default).",
    "tf.view.plot_roofline(path, metadata)",
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    metadata = modelled([model.loss, model.train], digits_feed(model))
    tf.view.plot_roofline(path, metadata, roof=tf.view.Roof(60.0, 18.0, 60.0))


section("Small networks, unit by unit")


@picture("units.svg", "Sizes alone", "Three inputs, four units: twelve weights.",
         "tf.view.save(path, tf.view.units([3, 4]))")  # fmt: skip
def _(path: Path) -> None:
    tf.view.save(path, tf.view.units([3, 4]))


@picture(
    "xor.svg",
    "By hand: XOR",
    "Blue above zero, orange below; biases in the circles.",
    "tf.view.save(path, tf.view.units([(W1, b1), (W2, b2)]))",
)
def _(path: Path) -> None:
    first = (np.array([[20.0, -20.0], [20.0, -20.0]]), [-10.0, 30.0])
    tf.view.save(path, tf.view.units([first, (np.array([[20.0], [20.0]]), [-30.0])]))


@picture(
    "mlp.svg",
    "A trained network",
    "The weights of a tensor's own network; layers above ten abridged.",
    "tf.view.save(path, tf.view.units(y, session=session, max_units=10))",
)
@in_new_graph
def _(path: Path) -> None:
    _, _, y, _ = trained_xor(12)
    drawing = tf.view.units(y, session=tf.get_default_session(), max_units=10)
    tf.view.save(path, drawing)


section("Plots")


@picture(
    "activations.svg",
    "Activation functions",
    "And their derivatives, dashed.",
    "tf.view.plot_activations(path)",
)
def _(path: Path) -> None:
    tf.view.plot_activations(path)


@picture(
    "learning.svg",
    "Learning curves",
    "Whatever fit returns, or lists of numbers.",
    "tf.view.plot_history(path, history)",
)
@in_new_graph
def _(path: Path) -> None:
    *_, losses = trained_xor()
    tf.view.plot_history(path, {"loss": losses}, title="XOR")


@picture(
    "boundary.png",
    "A decision boundary",
    "What the network says everywhere.",
    "tf.view.plot_decision_boundary(path, predict, x, y)",
)
@in_new_graph
def _(path: Path) -> None:
    x, _, y, _ = trained_xor()
    session = tf.get_default_session()
    tf.view.plot_decision_boundary(
        path, lambda points: session.run(y, {x: points}), XOR_X, XOR_Y, margin=0.3
    )


@picture(
    "optimizers.svg",
    "Ways down a valley",
    "Six optimizers on x²/2 + 10 y²/2.",
    "paths = tf.view.trajectories(f, optimizers, start=(-8.0, 2.0), steps=40)\n"
    "tf.view.plot_trajectories(path, f, paths)",
)
def _(path: Path) -> None:
    def valley(x: Any, y: Any) -> Any:
        return x * x * 0.5 + y * y * 5.0

    train = tf.train
    optimizers = {
        "gradient descent": train.GradientDescentOptimizer(0.17),
        "momentum": train.MomentumOptimizer(0.02, 0.9),
        "Nesterov": train.MomentumOptimizer(0.02, 0.9, use_nesterov=True),
        "Adagrad": train.AdagradOptimizer(1.5),
        "RMSprop": train.RMSPropOptimizer(0.3),
        "Adam": train.AdamOptimizer(0.5),
    }
    paths = tf.view.trajectories(valley, optimizers, (-8.0, 2.0), 40)
    tf.view.plot_trajectories(path, valley, paths)


section("The page")


@picture(
    "digits.html",
    "The page itself",
    "One file to open in a browser: scopes open and close, with search, heat map and steps.",
    "tf.view.html(path, graph, run_metadata=metadata, values=recording)",
)
@in_new_graph
def _(path: Path) -> None:
    model = digits()
    feed = digits_feed(model, 8)
    made = tf.view.record(model.loss, feed, gradients_of=model.loss)
    metadata = modelled(model.train, feed)
    tf.view.html(path, run_metadata=metadata, values=made, title="Digits, a training step")


#: File -> (title, keys pressed before the picture is taken, dark, name of what is chosen).
SCREENSHOTS = {
    "page_heat.png": ("Coloured by time, with the slowest operation chosen", "", False, True),
    "page_steps.png": ("Stepping through, with values and gradients", "]" * 12, False, False),
    "page_dark.png": ("In the dark, with every scope open", "o", True, False),
}


def screenshots(out: Path) -> None:
    """Pictures of digits.html in Chromium."""
    from browser import Browser
    from PIL import Image

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Browser(Path(folder), 1200, 760) as browser,
    ):
        for file, (_, keys, dark, choose) in SCREENSHOTS.items():
            page = (out / "digits.html").resolve().as_uri()
            browser.open(page, "document.documentElement.dataset.drawn")
            if dark:
                browser.click("#theme")
            for key in keys:
                browser.press(key)
            if choose:
                browser.click("#slow button")
            browser.evaluate("document.activeElement.blur()")
            browser.screenshot(out / file)
            image = Image.open(out / file).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            image.save(out / file, optimize=True)
        assert browser.problems == []


# -------------------------------------------------------------------------------------------- page


def text_of_page() -> str:
    """docs/gallery.md."""
    lines = [
        "# Gallery",
        "",
        "Every kind of picture, with the call that makes it. All of it is written by",
        "`python -m tools.gallery --screenshots`; times are modelled, not measured, so that the",
        "pictures are the same everywhere. How to read them: [pictures.md](pictures.md).",
    ]
    for title, entries in ENTRIES:
        lines += ["", f"## {title}"]
        for entry in entries:
            lines += [
                "",
                f"### {entry.title}",
                "",
                entry.text,
                "",
                "```python",
                entry.code,
                "```",
                "",
            ]
            if entry.file.endswith(".html"):
                lines.append(
                    f"[Open it](gallery/{entry.file}) (save it first, where it is shown as text)."
                )
            else:
                lines.append(f"![{entry.title}](gallery/{entry.file})")
    for file, (title, *_) in SCREENSHOTS.items():
        lines += ["", f"{title}:", "", f"![{title}](gallery/{file})"]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Draw; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "gallery")
    parser.add_argument("--only", help="a part of the names of the files to draw")
    parser.add_argument("--screenshots", action="store_true", help="of the page, in Chromium")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with config.override(DOT=PURE):
        for _, entries in ENTRIES:
            for entry in entries:
                if options.only is None or options.only in entry.file:
                    entry.make(options.out / entry.file)
                    size = (options.out / entry.file).stat().st_size
                    print(f"{entry.file:20} {size / 1000:8.1f} kB")
    if options.screenshots:
        screenshots(options.out)
    if options.only is None:
        (options.out.parent / "gallery.md").write_text(text_of_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
