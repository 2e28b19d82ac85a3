"""TensorBoard itself reads what FileWriter wrote: through its protos, its HTTP API and its page.

FLOWGRAPH_TENSORBOARD names an interpreter with the package ``tensorboard``; it needs no TensorFlow.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, find_browser

import flowgraph as tf
from flowgraph.formats.tfrecord import tf_record_iterator
from flowgraph.protos.graphs import GraphDef
from flowgraph.protos.summaries import Event
from flowgraph.summary.encoding import RunMetadata

STEPS = 3


def interpreter() -> str | None:
    for python in (os.environ.get("FLOWGRAPH_TENSORBOARD"), sys.executable):
        if python:
            found = subprocess.run([python, "-c", "import tensorboard.compat.proto"], check=False,
                                   capture_output=True)  # fmt: skip
            if found.returncode == 0:
                return python
    return None


@pytest.fixture(scope="module")
def python():
    found = interpreter()
    if found is None:
        pytest.skip("no TensorBoard: name an interpreter that has it in FLOWGRAPH_TENSORBOARD")
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of events: a graph, and for some steps a trace, scalars, histograms and an image."""
    folder = tmp_path_factory.mktemp("logs")
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        with tf.name_scope("layer"), tf.device("/cpu:0"):
            w = tf.Variable(tf.ones([3, 2]), name="w")
            h = tf.nn.relu(tf.matmul(x, w), name="h")
        loss = tf.reduce_mean(h, name="mean")
        train = tf.train.AdamOptimizer(0.1).minimize(loss)
        tf.summary.scalar("loss", loss)
        tf.summary.histogram("weights", w)
        tf.summary.image("picture", tf.reshape(tf.range(48.0), [1, 4, 4, 3]))
        tf.summary.text("words", tf.constant("some *words*"))
        merged = tf.summary.merge_all()
        session.run(tf.global_variables_initializer())
        losses = []
        with tf.summary.FileWriter(str(folder), graph) as writer:
            for step in range(STEPS):
                metadata = tf.RunMetadata()
                summary, value, _ = session.run(
                    [merged, loss, train], {x: np.full((2, 3), step + 1, np.float32)},
                    options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE),
                    run_metadata=metadata,
                )  # fmt: skip
                losses.append(float(value))
                writer.add_summary(summary, step)
                writer.add_run_metadata(metadata, f"step{step:03d}", step)
    return folder, graph, losses


@pytest.fixture(scope="module")
def server(python, written):
    """The address of a TensorBoard on this machine that reads the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--logdir", str(written[0]), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [python, "-m", "tensorboard.main", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                if get(address, "data/runs"):
                    break
            except (urllib.error.URLError, ConnectionError):
                pass
            assert process.poll() is None, "TensorBoard ended"
            assert time.monotonic() < end, "TensorBoard has found no run"
            time.sleep(0.3)
        yield address
    finally:
        process.kill()
        process.wait()


def get(address: str, path: str, **query: str):
    url = f"{address}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    with urllib.request.urlopen(url, timeout=20) as answer:
        data = answer.read()
        kind = answer.headers["Content-Type"]
    return json.loads(data) if kind.startswith("application/json") else data


pytestmark = [pytest.mark.peers, pytest.mark.slow]


def test_its_protos_know_every_field(python, written):
    """Parsed by TensorBoard's protos and written again, every event is the same."""
    (path,) = written[0].iterdir()
    worker = Path(__file__).with_name("tensorboard_worker.py")
    done = subprocess.run([python, worker, path], capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    ours = [Event.FromString(record) for record in tf_record_iterator(str(path))]
    assert len(rows) == len(ours)
    kinds = {row["kind"] for row in rows}
    assert {"graph_def", "summary", "tagged_run_metadata", "file_version"} <= kinds
    for row, event in zip(rows, ours, strict=True):
        assert row["unknown"] == []
        assert Event.FromString(bytes.fromhex(row["bytes"])) == event
        for inner in row["inner"]:
            data = bytes.fromhex(inner)
            if row["kind"] == "graph_def":
                assert GraphDef.FromString(data) == GraphDef.FromString(event.graph_def)
            else:
                run = event.tagged_run_metadata.run_metadata
                assert RunMetadata.FromString(data) == RunMetadata.FromString(run)


def test_graphs_and_traces(server, written):
    _, graph, _ = written
    (info,) = get(server, "data/plugin/graphs/info").values()
    assert info["run_graph"]
    assert sorted(info["tags"]) == [f"step{step:03d}" for step in range(STEPS)]
    assert all(tag["profile"] for tag in info["tags"].values())
    text = get(server, "data/plugin/graphs/graph", run=".").decode()
    for op in graph.get_operations():
        assert f'name: "{op.name}"' in text
    assert "_output_shapes" in text and 'device: "/device:CPU:0"' in text
    trace = get(server, "data/plugin/graphs/run_metadata", run=".", tag="step001").decode()
    assert 'node_name: "layer/MatMul"' in trace
    for field in ("all_start_micros", "op_end_rel_micros", "tensor_description", "total_bytes: 16"):
        assert field in trace


def test_scalars_histograms_and_images(server, written):
    _, _, losses = written
    found = get(server, "data/plugin/scalars/scalars", run=".", tag="loss")
    assert [step for _, step, _ in found] == list(range(STEPS))
    np.testing.assert_allclose([value for *_, value in found], losses, rtol=1e-6)
    assert list(get(server, "data/plugin/histograms/tags")["."]) == ["weights"]
    (_, step, bins), *_ = get(server, "data/plugin/histograms/histograms", run=".", tag="weights")
    assert step == 0 and sum(count for _, _, count in bins) == 6
    (tag,) = get(server, "data/plugin/images/tags")["."]
    assert tag.startswith("picture/image")
    images = get(server, "data/plugin/images/images", run=".", tag=tag, sample="0")
    assert [image["step"] for image in images] == list(range(STEPS))
    png = get(server, f"data/plugin/images/individualImage?{images[0]['query']}")
    assert png.startswith(b"\x89PNG") and png[16:24] == bytes([0, 0, 0, 4, 0, 0, 0, 4])


@pytest.mark.skipif(find_browser() is None, reason="no Chromium: see tests/support/browser.py")
def test_its_page_draws_the_graph(server, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(f"{server}/#graphs")
        browser.wait(
            # The parts of the page are in shadow trees.
            "(function inside(root) { return [...root.querySelectorAll('*')].some(e =>"
            " (e.textContent.startsWith('layer') && e.localName === 'text') || "
            "(e.shadowRoot && inside(e.shadowRoot))); })(document)"
        )
