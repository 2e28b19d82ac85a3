"""The operations: one file per family, each op one record next to its public function.

Files are loaded when a type or public name of theirs is first used (graph/families.py).
Read next: elementwise.py.
"""
