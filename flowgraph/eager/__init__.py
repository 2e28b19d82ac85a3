"""Evaluation at once: operations compute their results when they are called, without a session.

tensor.py     EagerTensor: a tensor that has its value
context.py    which mode a program is in; the "graph" that computes instead of collecting
engine.py     one operation -> a plan made once per kinds of inputs, and run from then on
program.py    a plan whose variables lie elsewhere
variables.py  tf.Variable with its value in it; writing.py: operations that write it
tape.py       tf.GradientTape: notes operations (recording.py) and goes back along them
function.py   tf.function: a Python function, traced (func_graph.py) once per signature
              (concrete_function.py)
autograph.py  Python's statements on tensors, rewritten (autograph_rewrite.py)
flow.py       tf.cond and tf.while_loop, executed
specs.py      tf.TensorSpec and its kin
"""
