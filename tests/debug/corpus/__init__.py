"""Deliberately wrong programs."""
