"""Byte formats of files: checksums and tables.

Read next: crc32c.py.
"""
