"""The benchmark: flowgraph beside TensorFlow, JAX, PyTorch and PyTensor, in one run, as ratios.

    python -m tools.bench --peers /path/to/python --rows L1,T1 --quick

    rows/*.py     a row: one computation, written once per library, with a NumPy reference
      │ worker.py   one process per (row, library), pinned to one core: builds, checks, times
      ▼ runner.py   asks the workers in turn (A B C A B C ...), so that a slow minute hits all
    report.py     a Markdown table: ratio to the best peer, figure to reach; JSON lines

Nothing is timed before its results agree with the row's NumPy reference.

Read next: row.py (what a row declares), rows/l1.py (the smallest), docs/performance.md (results).
"""
