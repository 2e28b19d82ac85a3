"""tf.contrib.stateless: random numbers that a seed alone decides, under their first names."""

from flowgraph.graph.export import export_value
from flowgraph.ops import random_stateless as now

_SPACE = "contrib.stateless."
export_value(now.stateless_random_uniform, _SPACE + "stateless_random_uniform")
export_value(now.stateless_random_normal, _SPACE + "stateless_random_normal")
export_value(now.stateless_truncated_normal, _SPACE + "stateless_truncated_normal")
