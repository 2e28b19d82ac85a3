"""Profiles: where the time of a program goes, kernel by kernel.

    with tf.profile() as prof:                                                    profiler.py
        sess.run(train_op, feed_dict)
    print(prof)

or, as in TensorFlow, of single runs::

    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    metadata = tf.RunMetadata()
    sess.run(train_op, feed_dict, options=options, run_metadata=metadata)
    print(tf.profile.table(metadata))                                             tables.py
    tf.profile.Timeline(metadata.step_stats).generate_chrome_trace_format()       timeline.py
    print(tf.profile.memory(metadata))                                            memory_timeline.py

The unit is the kernel: operations that were fused into one ran together, and their common time is
never divided, except in sums by scope or line, and then the figure is marked as an estimate.
"""

import importlib as _importlib
import sys as _sys
import types as _types
from typing import Any as _Any

from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.profile.tables import Row, Table, table
from flowgraph.profile.timeline import Timeline

__all__ = [
    "MemoryTimeline",
    "Profile",
    "Row",
    "RunMetadata",
    "Table",
    "Timeline",
    "memory",
    "table",
]

#: Name -> module: what brings the compiler with it is loaded when it is used.
_LATER = {
    "MemoryTimeline": "memory_timeline", "Profile": "profiler", "memory": "memory_timeline",
}  # fmt: skip


class _Package(_types.ModuleType):
    """``tf.profile`` is a package and, called, the class Profile."""

    def __call__(self, keep: int = 1) -> _Any:
        return self.Profile(keep)

    def __getattr__(self, name: str) -> _Any:
        if name not in _LATER:
            raise AttributeError(f"module 'flowgraph.profile' has no attribute {name!r}")
        module = _importlib.import_module(f"flowgraph.profile.{_LATER[name]}")
        value = vars(self)[name] = getattr(module, name)
        return value


_sys.modules[__name__].__class__ = _Package
