"""tf.layers: layers with variables, as classes and as functions.

Read next: base.py (Layer), core.py (Dense, Dropout, Flatten).
"""
