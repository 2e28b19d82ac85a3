"""Profiles: where the time of a ``Session.run`` goes, kernel by kernel.

    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    metadata = tf.RunMetadata()
    sess.run(train_op, feed_dict, options=options, run_metadata=metadata)
    print(tf.profile.table(metadata))                                             tables.py
    tf.profile.Timeline(metadata.step_stats).generate_chrome_trace_format()       timeline.py

The unit is the kernel: operations that were fused into one ran together, and their common time is
never divided, except in sums by scope or line, and then the figure is marked as an estimate.
"""

from flowgraph.profile.run_metadata import RunMetadata
from flowgraph.profile.tables import Row, Table, table
from flowgraph.profile.timeline import Timeline

__all__ = ["Row", "RunMetadata", "Table", "Timeline", "table"]
