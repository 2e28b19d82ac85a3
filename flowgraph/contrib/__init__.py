"""tf.contrib: the part of it that programs used, written with the public ops and layers.

Read next: regularizers.py.
"""
