"""tf.test.Benchmark: how long an operation takes; tf.test.StubOutForTesting: other attributes for
the time of a test.

Read next: test_case.py.
"""

from __future__ import annotations

import inspect
import sys
import time
from typing import Any

import numpy as np

from flowgraph.client_config import ConfigProto, RunOptions
from flowgraph.graph.export import EXPORTS, export
from flowgraph.session import Session


@export("test.benchmark_config")
def benchmark_config() -> ConfigProto:
    """The ConfigProto of a Session that is measured."""
    return ConfigProto()


@export("test.Benchmark")
class Benchmark:
    """Measures the methods named ``benchmark...`` of a subclass.

    ``run_op_benchmark`` runs an operation often and reports how long it took.
    """

    @classmethod
    def is_abstract(cls) -> bool:
        """Whether this is not a class of benchmarks but a base of such."""
        return cls is Benchmark

    def _name(self, given: str | None) -> str:
        """``Class.method`` of the benchmark that is running."""
        for frame in inspect.stack():
            if frame.function.startswith("benchmark") and frame.frame.f_locals.get("self") is self:
                method = frame.function
                break
        else:
            method = "benchmark"
        return f"{type(self).__name__}.{given or method}"

    def report_benchmark(
        self,
        iters: int | None = None,
        cpu_time: float | None = None,
        wall_time: float | None = None,
        throughput: float | None = None,
        extras: dict[str, Any] | None = None,
        name: str | None = None,
        metrics: list[dict[str, Any]] | None = None,
    ) -> None:
        """Write one line of results to standard error.

        Args:
            iters: how often it ran.
            cpu_time, wall_time: seconds a run.
            throughput: megabytes a second.
            extras, metrics: further values.
            name: of the benchmark; ``Class.method`` by default.
        """
        given = {"iters": iters, "cpu_time": cpu_time, "wall_time": wall_time,
                 "throughput": throughput, "extras": extras, "metrics": metrics}  # fmt: skip
        shown = [f"{key}: {value}" for key, value in given.items() if value]
        sys.stderr.write(f"entry {{ name: {self._name(name)!r} {', '.join(shown)} }}\n")

    def run_op_benchmark(
        self,
        sess: Session,
        op_or_tensor: Any,
        feed_dict: Any = None,
        burn_iters: int = 2,
        min_iters: int = 10,
        store_trace: bool = False,
        store_memory_usage: bool = True,
        name: str | None = None,
        extras: dict[str, Any] | None = None,
        mbs: float = 0,
    ) -> dict[str, Any]:
        """Run something often and report the median time.

        Args:
            sess: the Session.
            op_or_tensor: what to run; its value is not fetched.
            feed_dict: of ``Session.run``.
            burn_iters: how often to run before measuring.
            min_iters: how often to run.
            store_trace: put a profile of one run, by kernels, into the results.
            store_memory_usage: kept, without effect.
            name: of the benchmark.
            extras: further values to report.
            mbs: megabytes that one run reads and writes, for the throughput.

        Returns:
            A dict: ``iters``, ``wall_time`` (the median, in seconds), ``extras``, ``name``,
            ``throughput``.
        """
        target = getattr(op_or_tensor, "op", op_or_tensor)
        for _ in range(burn_iters):
            sess.run(target, feed_dict=feed_dict)
        times = np.empty(max(min_iters, 1))
        for k in range(len(times)):
            start = time.perf_counter()
            sess.run(target, feed_dict=feed_dict)
            times[k] = time.perf_counter() - start
        more = dict(extras or {})
        if store_trace:
            metadata = EXPORTS["RunMetadata"]()
            options = RunOptions(trace_level=RunOptions.FULL_TRACE)
            sess.run(target, feed_dict=feed_dict, options=options, run_metadata=metadata)
            more["full_trace_chrome_format"] = str(metadata)
        median = float(np.median(times))
        more |= {
            "wall_time_mean": float(times.mean()), "wall_time_stdev": float(times.std()),
            "wall_time_min": float(times.min()), "wall_time_max": float(times.max()),
        }  # fmt: skip
        throughput = mbs / median if mbs else 0.0
        results = {
            "iters": len(times), "wall_time": median, "extras": more, "name": self._name(name),
            "throughput": throughput,
        }  # fmt: skip
        self.report_benchmark(
            iters=len(times), wall_time=median, throughput=throughput, extras=more,
            name=name,
        )  # fmt: skip
        return results

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, in a Session of its own."""
        with Session() as session:
            return session.run(tensors)


@export("test.StubOutForTesting")
class StubOutForTesting:
    """Sets attributes for the time of a test, and what they were afterwards.

    >>> stubs = StubOutForTesting()
    >>> stubs.Set(np, "pi", 3)
    >>> np.pi
    3
    >>> stubs.UnsetAll()
    >>> round(np.pi, 2)
    3.14
    """

    def __init__(self) -> None:
        self._set: list[tuple[Any, str, Any]] = []
        self._smart: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> StubOutForTesting:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.CleanUp()

    def __del__(self) -> None:
        self.CleanUp()

    def Set(self, parent: Any, child_name: str, new_child: Any) -> None:
        """Set the attribute ``child_name`` of ``parent`` to ``new_child``.

        Raises:
            AttributeError: it has none of that name.
        """
        self._set.append((parent, child_name, _own(parent, child_name)))
        setattr(parent, child_name, new_child)

    def UnsetAll(self) -> None:
        """What ``Set`` has set is as it was, the last first."""
        while self._set:
            setattr(*self._set.pop())

    def SmartSet(self, obj: Any, attr_name: str, new_attr: Any) -> None:
        """As ``Set``, where the attribute is defined: in a class, perhaps in one it inherits from.

        Raises:
            AttributeError: it has none of that name.
        """
        owner = obj
        if inspect.isclass(obj):
            owner = next((c for c in inspect.getmro(obj) if attr_name in vars(c)), obj)
        elif not inspect.ismodule(obj) and attr_name not in getattr(obj, "__dict__", {}):
            owner = next((c for c in type(obj).__mro__ if attr_name in vars(c)), obj)
        self._smart.append((owner, attr_name, _own(owner, attr_name)))
        setattr(owner, attr_name, new_attr)

    def SmartUnsetAll(self) -> None:
        """What ``SmartSet`` has set is as it was, the last first."""
        while self._smart:
            setattr(*self._smart.pop())

    def CleanUp(self) -> None:
        """Undo everything."""
        self.SmartUnsetAll()
        self.UnsetAll()


def _own(parent: Any, name: str) -> Any:
    """The attribute as it stands there: a staticmethod stays one."""
    found = getattr(parent, "__dict__", {}).get(name)
    return getattr(parent, name) if found is None else found
