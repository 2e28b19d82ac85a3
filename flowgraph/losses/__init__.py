"""tf.losses: from predictions and labels to the scalar that training makes small.

Read next: weighted.py (weights, reductions, collections), functions.py (the losses).
"""
