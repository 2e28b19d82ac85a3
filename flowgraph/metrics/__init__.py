"""tf.metrics: measures of a whole data set, batch by batch.

Each function gives (value, update): ``update`` adds a batch to local variables and gives the
measure with it, ``value`` reads the measure.

Read next: streaming.py (the variables, mean).
"""
