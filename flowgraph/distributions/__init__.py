"""tf.distributions: random variables with densities, samples, moments and divergences.

Read next: base.py (what every distribution can do), normal.py (the shortest one), divergences.py.
"""
