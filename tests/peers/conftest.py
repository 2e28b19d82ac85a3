"""Lets the comparisons use the cases of tests/ops."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
