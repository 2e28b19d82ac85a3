"""A compiling process: JSON of symbol -> kernel text on stdin, workers.pack() of object code on
stdout.

Started by workers.py.  A text that does not compile is left out; the parent meets its error itself.
"""

from __future__ import annotations

import json
import os
import sys

from flowgraph.codegen.compiler import object_code
from flowgraph.codegen.intrinsics import KernelTextError
from flowgraph.codegen.workers import pack


def main() -> None:
    """Compile what stdin holds."""
    # stdout is the answer: nothing else may write to it
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    made = {}
    for symbol, text in json.load(sys.stdin).items():
        try:
            made[symbol] = object_code(text, symbol)
        except KernelTextError:
            continue
    answer.write(pack(made))
    answer.close()


if __name__ == "__main__":
    main()
