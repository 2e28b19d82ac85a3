"""What tf.version says about the release beside ``VERSION``.

Read next: flowgraph/__init__.py (``VERSION`` itself).
"""

from __future__ import annotations

import platform

from flowgraph.graph.export import export_value

#: Versions of GraphDef: the one written, and the oldest reader and writer that it agrees with.
GRAPH_DEF_VERSION, GRAPH_DEF_VERSION_MIN_CONSUMER, GRAPH_DEF_VERSION_MIN_PRODUCER = 134, 0, 0

for _name, _value in (
    ("GRAPH_DEF_VERSION", GRAPH_DEF_VERSION),
    ("GRAPH_DEF_VERSION_MIN_CONSUMER", GRAPH_DEF_VERSION_MIN_CONSUMER),
    ("GRAPH_DEF_VERSION_MIN_PRODUCER", GRAPH_DEF_VERSION_MIN_PRODUCER),
    ("COMPILER_VERSION", platform.python_compiler()),
    ("GIT_VERSION", "unknown"),
):
    export_value(_value, _name, f"version.{_name}")
#: Flags of builds of C++; there is none here.
export_value(0, "CXX11_ABI_FLAG", "MONOLITHIC_BUILD", "sysconfig.CXX11_ABI_FLAG",
             "sysconfig.MONOLITHIC_BUILD")  # fmt: skip
