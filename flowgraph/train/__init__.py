"""tf.train: optimizers, learning rates, moving averages, written with the public ops.

optimizer.py          minimize, compute_gradients, apply_gradients; slots.py: variables of variables
gradient_descent.py   the shortest optimizer; then momentum, adagrad, adadelta, rmsprop, adam, ftrl
decays.py             learning rates that decay with the global step (step_counter.py)
moving_averages.py    ExponentialMovingAverage

Read next: optimizer.py.
"""
