"""DOT text -> SVG, PNG or PDF bytes, by whichever Graphviz is there.

This is the only module that knows which program draws.  The order of choice: the environment
variable FLOWGRAPH_DOT, a ``dot`` on the PATH, the executable of the graphviz-pure wheel, which pip
installs with flowgraph.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from flowgraph import config

#: Dots per inch of raster images: Graphviz's own 96 look blurred on today's screens.
PNG_DPI = 144


class RendererNotFoundError(RuntimeError):
    """No Graphviz program was found; the text says where it was looked for."""


def find_renderer() -> str:
    """The path of the program that draws.

    Raises:
        RendererNotFoundError: FLOWGRAPH_DOT names no program, or there is none.
    """
    chosen = config.get("DOT")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise RendererNotFoundError(
                f"FLOWGRAPH_DOT={chosen!r} in the environment: there is no such program\n"
                "  fix: name a program that takes Graphviz's options, or unset it"
            )
        return found
    # NB: `dot` is looked for on the PATH alone: a virtual environment's folder may hold anything.
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    found = shutil.which("dot") or shutil.which("graphviz-pure", path=scripts)
    if found is None:
        raise RendererNotFoundError(
            "no Graphviz program was found: neither `dot` on the PATH nor `graphviz-pure` in "
            f"{sysconfig.get_path('scripts')}\n"
            "  fix: pip install graphviz-pure, or install your system's graphviz package, or set "
            "FLOWGRAPH_DOT; the .dot text can be saved without"
        )
    return found


def draw(source: str, file_format: str) -> bytes:
    """The picture of the DOT text ``source``.

    Args:
        source: DOT text.   file_format: ``svg``, ``png``, ``pdf`` ... what the program offers.

    Raises:
        RendererNotFoundError: there is no program.
        RuntimeError: it refused; the text is the program's.
    """
    command = [find_renderer(), "-Kdot", f"-T{file_format}"]
    if file_format == "png":
        command.append(f"-Gdpi={PNG_DPI}")
    done = _run(command, source)
    if b"init_rank" in done.stderr:
        # Frames that depend on each other both ways can be too much for the usual ranking, which
        # otherwise keeps frames smaller.
        done = _run([*command, "-Gnewrank=true"], source)
    if done.returncode != 0 or not done.stdout:
        what = done.stderr.decode(errors="replace").strip() or "no output"
        raise RuntimeError(f"{Path(command[0]).name} could not draw {file_format}: {what}")
    return done.stdout


def _run(command: list[str], source: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603  the program is the user's own choice
        command, input=source.encode(), capture_output=True, check=False
    )


def use_in_graphviz_package() -> None:
    """Let the ``graphviz`` package draw with the same program.

    ``Digraph.render``, ``pipe`` and the notebook display then work without a system Graphviz.
    Nothing
    is changed when there is no program: the package then reports it in its own words.
    """
    from graphviz.backend import dot_command

    if str(dot_command.DOT_BINARY) == "dot":  # the user has not chosen another
        try:
            dot_command.DOT_BINARY = Path(find_renderer())
        except RendererNotFoundError:
            return
