"""tf.contrib: the part of it that programs used, written with the public ops and layers.

Read next: dense_layers.py (fully_connected, conv2d), arg_scopes.py, regularizers.py.
"""
