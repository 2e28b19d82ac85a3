"""tf.compat, and what lets programs that import tensorflow or keras run on flowgraph.

    import flowgraph.compat.tensorflow      # from here on ``import tensorflow`` gives flowgraph

Read next: tensorflow.py (the switch), finder.py (how imports find flowgraph), modules.py (the
table: which path of TensorFlow's or Keras's leads to which public names).
"""
