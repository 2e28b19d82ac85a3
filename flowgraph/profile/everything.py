"""FLOWGRAPH_PROFILE=1: every run of the process is timed, and a table is printed when it ends.

    $ FLOWGRAPH_PROFILE=1 python train.py
    ...
    kernel  ops  calls  us  us/call  share  of roof  flops  GFLOP/s  bytes  GB/s  line

Read next: profiler.py.
"""

from __future__ import annotations

import atexit
import sys
import threading

from flowgraph.profile.profiler import Profile

#: Rows of the printed table; the others are summed up in one.
ROW_LIMIT = 40

_lock = threading.Lock()
_profile: Profile | None = None


def start() -> None:
    """Watch all runs from now on, and print what they took when the process ends."""
    global _profile
    with _lock:
        if _profile is None:
            _profile = Profile(keep=0)
            _profile.start()
            atexit.register(_print, _profile)


def _print(profile: Profile) -> None:
    profile.stop()
    if profile.runs:
        sys.stderr.write(f"\n{profile.table(row_limit=ROW_LIMIT)}")
