"""The viewer's page: its model, its text, and (slow) what it does in a headless Chromium."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, find_browser

import flowgraph as tf
from flowgraph import view
from flowgraph.view.model import GROUP_SIZE, MAX_MEMBERS, make_model
from flowgraph.view.page import as_json, to_html

NASTY = '</script><script>alert("1")</script><img src=x onerror=alert(2)>&amp;\u2028'


def small_net(with_gradients: bool = True):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.name_scope("hidden"):
        w = tf.Variable(np.arange(6, dtype=np.float32).reshape(3, 2) / 5, name="w")
        h = tf.tanh(tf.matmul(x, w), name="h")
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.square(h), name="loss")
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss) if with_gradients else None
    return x, w, h, loss, train


def trained(session, *, traced=True):
    """A model, its RunMetadata and a Recording."""
    x, _, _, loss, train = small_net()
    session.run(tf.global_variables_initializer())
    feed = {x: [[1.0, 2.0, 3.0]]}
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    session.run(train, feed, options=options, run_metadata=metadata)
    return metadata, view.record(loss, feed, session=session, gradients_of=loss)


class Checker(HTMLParser):
    """Start and end tags of well-formed HTML meet."""

    VOID = frozenset(("meta", "input", "br", "img", "link", "hr"))

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.targets += [found[key] for key in ("src", "href") if key in found]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


# ------------------------------------------------------------------------------------------- model


def test_the_model_holds_every_operation_and_every_line():
    with tf.Graph().as_default() as graph:
        small_net()
        tf.global_variables_initializer()
        model = make_model(graph, title="net")
    nodes = model["nodes"]
    assert model["operations"] == len(graph.get_operations())
    drawn = [s[0] for s in model["scopes"]]
    assert {"hidden", "loss", "gradients"} <= set(drawn)
    names = []
    for name, scope in zip(nodes["name"], nodes["scope"], strict=True):
        names.append(drawn[scope] + name if name.startswith("/") else name)
    folded = [name for some in nodes["folded"] for name in some]
    assert sorted(names + folded) == sorted(op.name for op in graph.get_operations())
    w, matmul = names.index("hidden/w"), names.index("hidden/MatMul")
    assert nodes["kinds"][nodes["kind"][w]] == "variable"
    assert nodes["roles"][nodes["role"][w]] == "forward"
    assert nodes["specs"][nodes["outputs"][matmul][0]] == "float32[?, 2]"
    place, code = nodes["sites"][nodes["site"][matmul]]
    assert place.startswith("test_html.py:") and "tf.matmul(x, w)" in code
    (line,) = [e for e in model["edges"] if e[:2] == [w, matmul]]
    tensor = model["tensors"][line[2][0]]
    assert tensor[0] == w and tensor[1] == "hidden/w/read:0"
    assert all(parent < i for i, (_, _, parent, _) in enumerate(model["scopes"]))
    assert len(model["steps"]) == len(names)  # in the order they were made: each can run
    assert as_json(model) == as_json(make_model(graph, title="net"))


def test_costs_values_and_steps():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        metadata, recording = trained(session)
        model = make_model(graph, run_metadata=metadata, values=recording)
    nodes = model["nodes"]
    rows = model["costs"]["rows"]
    titles = [nodes["title"][i] or nodes["name"][i] for i, *_ in rows]
    assert any("MatMul" in title for title in titles)
    total = sum(row[1] for row in rows)
    elapsed = metadata.trace.plans[0].times[:-1]
    assert abs(total - float((elapsed[:, 1] - elapsed[:, 0]).sum())) <= len(rows)
    assert model["values"]["backward"]
    values = {i: row for i, *row in model["values"]["rows"]}
    loss = next(i for i, t in enumerate(model["tensors"]) if nodes["name"][t[0]] == "/loss")
    (brief, text, cells), gradient = values[loss]
    assert brief == text and cells == 0 and gradient[1] == "1.0"
    kinds = [nodes["types"][nodes["type"][i]] for i in model["steps"]]
    assert kinds.index("MatMul") < kinds.index("Tanh") < kinds.index("Mean")
    assert "ApplyGradientDescent" not in kinds  # the recording did not run it


def test_numbers_of_small_arrays_are_shown_as_cells():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2, 3], name="x")
        y = tf.exp(x)
        made = view.record(y, {x: [[0, 1, 2], [np.nan, np.inf, -1]]})
        model = make_model(y, values=made)
    json.loads(as_json(model))  # NaN and inf do not spoil it
    by_tensor = dict(model["values"]["rows"])
    at = next(i for i, t in enumerate(model["tensors"]) if model["nodes"]["name"][t[0]] == "x")
    assert by_tensor[at][2] == [2, 3, [0.0, 1.0, 2.0, None, None, -1.0]]


@pytest.mark.parametrize("count", [MAX_MEMBERS, MAX_MEMBERS + 1, 2500])
def test_large_scopes_are_gathered(count):
    with tf.Graph().as_default() as graph:
        h = tf.placeholder(tf.float32, [2], name="start")
        for _ in range(count - 1):
            h = tf.sin(h)
        model = make_model(graph)
    members = [0] * len(model["scopes"])
    for _, _, parent, _ in model["scopes"][1:]:
        members[parent] += 1
    for scope in model["nodes"]["scope"]:
        members[scope] += 1
    limit = MAX_MEMBERS if count <= MAX_MEMBERS else GROUP_SIZE
    assert max(members) <= limit and len(model["nodes"]["name"]) == count
    assert (len(model["scopes"]) == 1) == (count <= MAX_MEMBERS)


# -------------------------------------------------------------------------------------------- page


def test_the_page_is_well_formed_and_loads_nothing(tmp_path):
    with tf.Graph().as_default() as graph:
        small_net()
        page = view.html(tmp_path / "g.html", graph, title="A <net> & more")
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert text == str(page)
    checker = Checker()
    checker.feed(text)
    assert checker.open == [] and checker.targets == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert checker.tags.count("script") == 3
    assert "default-src 'none'" in text
    assert "Copyright (c) 2012-2014 Chris Pettitt" in text  # dagre's licence goes with it
    assert "<title>A &lt;net&gt; &amp; more</title>" in text
    outside = re.sub(r"http://www\.w3\.org/2000/svg", "", text)
    assert "http://" not in outside and "https://" not in outside
    assert "{{" not in text.split("<script", 1)[0]
    assert set(re.findall(r'byId\("([\w-]+)"\)', text)) <= set(checker.ids)


def test_the_users_text_is_escaped():
    graph = tf.Graph()
    with graph.as_default():
        tf.constant(NASTY, name="text")
        graph.create_op("Test", [], [], [], "x", attrs={"note": NASTY})
    model = make_model(graph, title=NASTY)
    page = to_html(model)
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and checker.tags.count("script") == 3
    assert "img" not in checker.tags
    assert json.loads(checker.scripts[0])["title"] == NASTY


def test_scripts_set_text_only():
    """Nothing that the model holds is ever parsed as HTML."""
    folder = Path(view.__file__).parent / "assets"
    for path in folder.glob("*.js"):
        if path.name != "dagre.min.js":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


def test_five_thousand_operations_make_less_than_a_megabyte(tmp_path):
    view.html(tmp_path / "g.html", deep_net(96))
    assert (tmp_path / "g.html").stat().st_size < 1_000_000


def test_notebooks_show_pages_in_a_frame():
    with tf.Graph().as_default():
        page = view.html(None, tf.constant(1.0, name="one"), title='"quoted" <b>')
    checker = Checker()
    checker.feed(page._repr_html_())
    assert checker.tags == ["iframe"] and checker.open == []
    assert 'sandbox="allow-scripts"' in page._repr_html_()
    assert repr(page).startswith("<Page '\"quoted\" <b>' of ")


def deep_net(layers: int) -> tf.Graph:
    """About 52 operations a layer."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 64], name="x")
        for i in range(layers):
            with tf.name_scope(f"block_{i // 8}/layer_{i}"):
                w = tf.Variable(tf.zeros([64, 64]), name="w")
                b = tf.Variable(tf.zeros([64]), name="b")
                x = tf.nn.relu(tf.matmul(x, w) + b) + x
        tf.train.AdamOptimizer(0.1).minimize(tf.reduce_mean(x, name="loss"))
    return graph


@pytest.mark.slow
def test_keras_models_are_drawn():
    keras = tf.keras
    model = keras.models.Sequential([keras.layers.Dense(4, input_shape=(3,), activation="relu")])
    assert "Relu" in as_json(make_model(model))
    assert "float32[?, 4]" in view.dot(model).source
    assert view.units(model).source.count(" -> ") == 12


# ----------------------------------------------------------------------------------------- browser

needs_browser = pytest.mark.skipif(
    find_browser() is None,
    reason="no Chromium on the PATH: install one, or say where in FLOWGRAPH_CHROMIUM",
)


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path / "profile") as found:
        yield found
        assert found.problems == []


def item(name: str) -> str:
    return f'[aria-label^="{name}"]'


@pytest.mark.slow
@needs_browser
def test_in_a_browser(browser, tmp_path):
    """Scopes, details, search, colours, steps, keys."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        metadata, recording = trained(session)
        path = tmp_path / "g.html"
        view.html(path, graph, run_metadata=metadata, values=recording, title=NASTY)
    browser.open(path.as_uri(), "document.documentElement.dataset.drawn")
    count = browser.evaluate("document.querySelectorAll('.item').length")
    assert browser.evaluate("document.getElementById('title').textContent") == NASTY
    # the forward scopes are open at first, the gradients closed
    assert browser.evaluate(f"!!document.querySelector('{item('MatMul hidden/MatMul')}')")
    closed = item("scope gradients")
    assert browser.evaluate(f"document.querySelector('{closed}').ariaExpanded") == "false"
    browser.click(closed, 2)
    browser.wait(f"document.querySelector('{closed}').ariaExpanded == 'true'")
    assert browser.evaluate("document.querySelectorAll('.item').length") > count
    # pointing tells
    browser.press("f")
    x, y = browser.evaluate(
        f"(() => {{ const b = document.querySelector('{item('Tanh hidden/h')}')"
        ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    browser.move_to(x, y)
    tip = browser.evaluate("document.getElementById('tip').innerText")
    for word in ("hidden/h", "Tanh", "float32[?, 2]", "test_html.py:"):
        assert word in tip
    # choosing shows the panel
    browser.click_at(x, y)
    panel = browser.evaluate("document.getElementById('details').innerText").lower()
    for word in ("value and gradient", "inputs (1)", "hidden/matmul"):
        assert word in panel
    browser.click("#details .row button")  # what it needs: the loss does not belong to that
    faded = "[...document.querySelectorAll('.later')].map(e => e.getAttribute('aria-label'))"
    assert any("loss/loss" in label for label in browser.evaluate(faded))
    assert not any("hidden/MatMul" in label for label in browser.evaluate(faded))
    browser.press("Escape")
    assert browser.evaluate(faded) == []
    assert browser.evaluate("document.getElementById('right').hidden")
    # search
    browser.press("/")
    for letter in "tanh":
        browser.press(letter)
    found = browser.evaluate("document.getElementById('found').innerText")
    assert "hidden/h" in found and "loss" not in found.replace("hidden/h", "")
    browser.press("Enter")
    assert browser.evaluate("document.querySelector('#details h3').textContent") == "hidden/h"
    browser.press("Escape")
    browser.press("Escape")
    # steps forward and back, with values
    total = int(browser.evaluate("document.getElementById('slider').max"))
    seen = []
    for _ in range(total):
        browser.press("]")
        seen.append(browser.evaluate("document.getElementById('step').innerText"))
    assert any("forward" in text and "hidden/h" in text for text in seen)
    assert "backward" in seen[-1] and "\u2190" in seen[-1]
    assert seen[0].startswith(f"1 of {total}")
    # the slowest
    browser.click("#slow button")
    assert browser.evaluate("document.querySelector('#details').innerText").count("time")
    browser.evaluate(
        "(() => { const c = document.getElementById('colour');"
        "for (const o of c.options) {"
        "c.value = o.value; c.dispatchEvent(new Event('change')); } })()"
    )
    for key in ("ArrowUp", "ArrowLeft", "Enter", "Backspace", "o", "c", "+", "-", "f", "Escape"):
        browser.press(key)
    browser.click("#theme")
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.slow
@needs_browser
def test_large_graphs_in_a_browser(browser, tmp_path):
    path = tmp_path / "g.html"
    view.html(path, deep_net(96))
    browser.open(path.as_uri(), "document.documentElement.dataset.drawn")
    assert float(browser.evaluate("document.documentElement.dataset.drawn")) < 2000
    browser.press("o")
    browser.press("o")
    assert browser.evaluate("document.querySelectorAll('.item').length") > 400
