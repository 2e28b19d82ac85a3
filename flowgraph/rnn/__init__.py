"""Recurrent networks: cells, the loops that run them over sequences, and decoders.

Read next: cells.py, loops.py.
"""
