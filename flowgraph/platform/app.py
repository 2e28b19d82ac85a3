"""tf.app.run: the usual last line of a program with flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from flowgraph.graph.export import export
from flowgraph.platform import flags


@export("app.run")
def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> None:
    """Parse the flags, call ``main`` and exit with what it returns.

    Args:
        main: takes the list of arguments that are no flags, the program's name first; the function
            ``main`` of the program by default.
        argv: the arguments; ``sys.argv`` by default.  Flags that are not defined are left to
            ``main``.
    """
    rest = flags.FLAGS(list(sys.argv if argv is None else argv), known_only=True)
    function = main or sys.modules["__main__"].main
    sys.exit(function(rest))
