"""The graph: operations and tensors, what op types are, gradients, printing and checking.

Reading order: node.py, core.py, opdef.py, apply.py, gradients.py; then scopes and conversions as
needed.
"""
