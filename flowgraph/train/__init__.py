"""tf.train: optimizers, written with the public ops.

Read next: optimizer.py.
"""
