"""Input pipelines: ``tf.data``.

    Dataset       what users hold: a node, and methods that put another node on top (dataset.py)
    Node          one step of a pipeline, without state (node.py, sources.py, steps.py, ...)
    Env           what one running iterator knows: values, random positions, threads (node.py)
    Function      what the user's functions become: a small graph with a plan (functions.py)
    Iterator      the operations that give a pipeline's elements to a graph (iterators.py)

Public names stand next to their functions (graph/export.py).  Read next: node.py.
"""
