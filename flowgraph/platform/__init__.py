"""What programs use around the graph: command line flags, logging, text of bytes.

Read next: app.py, flags.py.
"""
