"""tf.DeviceSpec, tf.errors' status block, tf.test.Benchmark and StubOutForTesting."""

from __future__ import annotations

import math
from typing import Any

import pytest

import flowgraph as tf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/job:ps/replica:1/task:2/device:GPU:0", "/job:ps/replica:1/task:2/device:GPU:0"),
        ("/cpu:0", "/device:CPU:0"), ("/gpu:*", "/device:GPU:*"), ("/job:a", "/job:a"), ("", ""),
        ("/device:gpu:3", "/device:GPU:3"),
    ],
)  # fmt: skip
def test_device_strings(text: str, expected: str) -> None:
    assert tf.DeviceSpec.from_string(text).to_string() == expected
    assert tf.DeviceSpec().parse_from_string(text).to_string() == expected


def test_device_specs() -> None:
    spec = tf.DeviceSpec(job="w", device_type="cpu", device_index=0)
    assert (spec.device_type, spec.task, tf.DeviceSpec(task="1").task) == ("CPU", None, 1)
    spec.merge_from(tf.DeviceSpec(device_type="GPU", device_index=1, task=3))
    assert spec.to_string() == "/job:w/task:3/device:GPU:1"
    assert spec.replace(task=4).to_string() == "/job:w/task:4/device:GPU:1"
    merged = tf.DeviceSpec(job="a").make_merged_spec(tf.DeviceSpec(device_type="CPU"))
    assert merged.to_string() == "/job:a/device:CPU:*"
    assert len({tf.DeviceSpec(job="a"), tf.DeviceSpec(job="a")}) == 1
    with pytest.raises(ValueError, match="invalid literal"):
        tf.DeviceSpec(task="x")
    with tf.device(tf.DeviceSpec(job="a")), tf.device("/cpu:0"):
        assert tf.constant(1).device == "/job:a/device:CPU:0"


def test_status_blocks() -> None:
    with tf.errors.raise_exception_on_not_ok_status() as status:
        assert status.code == tf.errors.OK
    with pytest.raises(tf.errors.DataLossError, match="gone"):
        with tf.errors.raise_exception_on_not_ok_status() as status:
            status.code, status.message = tf.errors.DATA_LOSS, "gone"


class Measured(tf.test.Benchmark):
    def benchmark_sum(self, **attrs: Any) -> dict[str, Any]:
        with tf.Session() as session:
            return self.run_op_benchmark(session, tf.reduce_sum(tf.ones([10])), **attrs)


def test_benchmarks(capfd: pytest.CaptureFixture[str]) -> None:
    found = Measured().benchmark_sum(min_iters=3, mbs=1.0, extras={"a": 1}, store_trace=True)
    assert (found["iters"], found["name"]) == (3, "Measured.benchmark_sum")
    assert 0 < found["wall_time"] < 60 and found["extras"]["a"] == 1
    assert found["extras"]["full_trace_chrome_format"]
    assert math.isclose(found["throughput"], 1 / found["wall_time"])
    assert "entry { name: 'Measured.benchmark_sum' iters: 3" in capfd.readouterr().err
    assert tf.test.Benchmark.is_abstract() and not Measured.is_abstract()
    assert isinstance(tf.test.benchmark_config(), tf.ConfigProto)
    assert Measured().evaluate(tf.constant(3)) == 3


class Base:
    attribute = 1


class Derived(Base):
    pass


def test_stubs() -> None:
    with tf.test.StubOutForTesting() as stubs:
        stubs.Set(Base, "attribute", 2)
        stubs.SmartSet(Derived, "attribute", 3)
        assert (Base.attribute, Derived.attribute) == (3, 3)
    assert (Base.attribute, "attribute" in vars(Derived)) == (1, False)
    with pytest.raises(AttributeError):
        tf.test.StubOutForTesting().Set(Base, "nothing", 2)


def test_versions() -> None:
    assert tf.GRAPH_DEF_VERSION == tf.version.GRAPH_DEF_VERSION > 100
    assert tf.COMPILER_VERSION == tf.version.COMPILER_VERSION
