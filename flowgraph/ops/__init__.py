"""The operations: one file per family, each op one record next to its public function.

``import flowgraph`` imports every file here, which fills the op table (graph.opdef.OPDEFS) and the
public names (graph.export).  Read next: elementwise.py.
"""
