"""``python -m tools.bench`` or ``python tools/bench``."""

import sys
from pathlib import Path

if not __package__:  # started as a directory: its parent's parent is the repository
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.bench.cli import main

sys.exit(main())
