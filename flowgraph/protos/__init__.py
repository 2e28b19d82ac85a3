"""TensorFlow's protocol buffers: examples, tensors, graphs, summaries, as plain Python classes.

Same bytes, same fields, same methods as the classes that Google's compiler makes; no package is
needed for them.

Read next: wire.py, message.py, example.py.
"""
