"""Debugging: why a gradient is None, where a NaN was born, what differs, and step by step.

- ``tf.why_no_gradient(loss, variable)``: the path, and the operation that cuts it (causes.py)
- ``tf.ConfigProto(check_numerics=True)``: what made the first NaN (guard.py, blame.py)
- ``tf.debugging.diff("cpu", "plain", fetches)``: the first operation that differs (diff.py)
- ``tf.debug.Debugger(sess, fetches)``: a run, operation by operation (debugger.py, shell.py)
- warnings about programs that run, but seldom do what is meant (lints.py)
"""
