"""A trace of one step, written for Chrome."""

import json
import os
import tempfile

import tensorflow as tf
from tensorflow.python.client import timeline

a = tf.random_normal([200, 200], seed=1)
b = tf.random_normal([200, 200], seed=2)
res = tf.matmul(tf.tanh(a), b)
with tf.Session() as sess:
    run_options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    run_metadata = tf.RunMetadata()
    sess.run(res, options=run_options, run_metadata=run_metadata)
    tl = timeline.Timeline(run_metadata.step_stats)
    ctf = tl.generate_chrome_trace_format()
path = os.path.join(tempfile.mkdtemp(), 'timeline.json')
with open(path, 'w') as f:
    f.write(ctf)
events = json.load(open(path))["traceEvents"]
print(len(events), "events")
assert any(event.get("ph") == "X" for event in events)
