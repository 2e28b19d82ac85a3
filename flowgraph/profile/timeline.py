"""Chrome trace events: a StepStats as JSON that Perfetto, chrome://tracing and speedscope open.

    {"traceEvents": [{"ph": "X", "name": "Mul+Add", "ts": ..., "dur": ..., "args": {...}}, ...]}

The entries are those of TensorFlow 1.15's ``timeline.Timeline``: one process per device, one event
per kernel, and arrows where one kernel reads what another one wrote.  Time starts with the first
kernel: microseconds since 1970 in a JSON number leave no room for nanoseconds.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LABEL = re.compile(
    r"(?P<name>.*?) = (?P<type>[^(]*)\((?P<inputs>.*?)\)(?: with (?P<others>.*))?$", re.DOTALL
)


class Timeline:
    """The Chrome trace of a step.

    Args:
        step_stats: ``run_metadata.step_stats``.
        graph: accepted; the records name their operations themselves.

    >>> from flowgraph.profile.run_metadata import StepStats
    >>> Timeline(StepStats()).generate_chrome_trace_format()
    '{"traceEvents": []}'
    """

    def __init__(self, step_stats: Any, graph: Any = None) -> None:
        self._step_stats = step_stats

    def generate_chrome_trace_format(
        self, show_dataflow: bool = True, show_memory: bool = False
    ) -> str:
        """The trace as JSON text.

        Args:
            show_dataflow: draw an arrow from each kernel to those that read its results.
            show_memory: add a curve of the bytes in use, where the records tell them.
        """
        events: list[dict[str, Any]] = []
        base = min(
            (_start_nanos(r) for d in self._step_stats.dev_stats for r in d.node_stats), default=0
        )
        for pid, device in enumerate(self._step_stats.dev_stats):
            events.append(
                {
                    "ph": "M", "name": "process_name", "pid": pid,
                    "args": {"name": f"{device.device} Compute"},
                }
            )  # fmt: skip
            events.extend(_device_events(device.node_stats, pid, base, show_dataflow))
            if show_memory:
                events.extend(_memory_events(device.node_stats, pid, base))
        return json.dumps({"traceEvents": events})


def _device_events(stats: Any, pid: int, base: int, show_dataflow: bool) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    made_by: dict[str, dict[str, Any]] = {}
    arrows = 0
    for record in stats:
        name, kind, inputs, others = _parse(record)
        args = {"name": name, "op": kind}
        if others:
            args["with"] = ", ".join(others)
        args.update({f"input{i}": text for i, text in enumerate(inputs)})
        start = (_start_nanos(record) - base) / 1000
        duration = (record.all_end_rel_nanos or record.all_end_rel_micros * 1000) / 1000
        event = {
            "ph": "X", "cat": "Op", "name": kind, "pid": pid, "tid": record.thread_id,
            "ts": start, "dur": duration, "args": args,
        }  # fmt: skip
        events.append(event)
        if show_dataflow:
            for source in dict.fromkeys(inputs):
                before = made_by.get(source)
                if before is not None:
                    end = before["ts"] + before["dur"]
                    arrow = {"cat": "DataFlow", "name": source, "id": arrows, "pid": pid}
                    events.append({**arrow, "ph": "s", "tid": before["tid"], "ts": end})
                    events.append({**arrow, "ph": "t", "tid": event["tid"], "ts": start})
                    arrows += 1
        made_by.update(dict.fromkeys([name, *others], event))
    return events


def _memory_events(stats: Any, pid: int, base: int) -> list[dict[str, Any]]:
    """Bytes in use when each kernel runs."""
    events = []
    for record in stats:
        used = getattr(record, "in_use_bytes", 0)
        if used:
            events.append(
                {
                    "ph": "C", "name": "memory in use", "pid": pid,
                    "ts": (_start_nanos(record) - base) / 1000, "args": {"bytes": used},
                }
            )  # fmt: skip
    return events


def _start_nanos(record: Any) -> int:
    """When the record starts; records of other makers may have microseconds only."""
    return record.all_start_nanos or record.all_start_micros * 1000


def _parse(record: Any) -> tuple[str, str, list[str], list[str]]:
    """Name, op type, inputs and further operations, as the label tells them."""
    found = _LABEL.match(record.timeline_label)
    if found is None:
        return record.node_name, record.timeline_label or record.node_name, [], []
    inputs, others = (
        [text for text in (found[part] or "").split(", ") if text] for part in ("inputs", "others")
    )
    return found["name"], found["type"], inputs, others
