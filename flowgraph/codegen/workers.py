"""Compiling many kernels at once: in worker processes when that pays, else here.

A worker is ``python -m flowgraph.codegen.worker`` (worker.py): kernel texts in, object code
out.  It costs most of a second to start (numba), so a few kernels are compiled in this process.
 Whatever goes wrong with a worker, its kernels are compiled here; results do not depend on who
 made them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flowgraph import config

#: Seconds that a worker takes to start (numba), and that a kernel takes to compile (Cascade Lake).
START, COMPILE = 0.9, 0.045

#: Kernels per worker at least: processor time counts too.
SHARE = 16

#: Seconds that one kernel may take a worker before it is given up.
PATIENCE = 20


def compile_all(texts: Mapping[str, str]) -> dict[str, bytes]:
    """Symbol -> object code, for symbol -> kernel text.

    Raises:
        KernelTextError: see target.lowered.
    """
    made: dict[str, bytes] = {}
    count = min(config.get("NUM_THREADS"), len(texts) // SHARE)
    here = COMPILE * len(texts)
    if count > 1 and START + here / count < here:
        made = _by_workers(texts, count)
    rest = {symbol: text for symbol, text in texts.items() if symbol not in made}
    if rest:
        from flowgraph.codegen.compiler import object_code

        made.update((symbol, object_code(text, symbol)) for symbol, text in rest.items())
    return made


def _by_workers(texts: Mapping[str, str], count: int) -> dict[str, bytes]:
    """What ``count`` processes made of ``texts``: all, or less when something went wrong."""
    symbols = list(texts)
    shares = [{s: texts[s] for s in symbols[n::count]} for n in range(count)]
    running = [(share, process) for share in shares if (process := _start(share)) is not None]
    made: dict[str, bytes] = {}
    for share, process in running:
        try:
            output, _ = process.communicate(timeout=PATIENCE * len(share))
        except (subprocess.TimeoutExpired, OSError, ValueError):
            process.kill()
            process.wait()
            continue
        if process.returncode == 0:
            made.update(unpack(output))
    return {symbol: code for symbol, code in made.items() if symbol in texts}


def _start(share: Mapping[str, str]) -> subprocess.Popen | None:
    """A worker that is already reading its texts."""
    root = str(Path(__file__).parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [root, *filter(None, [environment.get("PYTHONPATH")])]
    )
    try:
        # a file, not a pipe: the worker reads when it has imported, nobody waits for it
        with tempfile.TemporaryFile() as given:
            given.write(json.dumps(share).encode())
            given.seek(0)
            return subprocess.Popen(
                [sys.executable, "-m", "flowgraph.codegen.worker"],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
    except OSError:
        return None


def pack(made: Mapping[str, bytes]) -> bytes:
    """The output of a worker: a line of JSON (symbol -> size), then the object codes."""
    sizes = json.dumps({symbol: len(code) for symbol, code in made.items()})
    return sizes.encode() + b"\n" + b"".join(made.values())


def unpack(output: bytes) -> dict[str, bytes]:
    """The inverse of ``pack``; {} for anything else."""
    head, _, rest = output.partition(b"\n")
    try:
        sizes = json.loads(head)
        total = sum(sizes.values())
    except (ValueError, AttributeError, TypeError):
        return {}
    if total != len(rest):
        return {}
    made, start = {}, 0
    for symbol, size in sizes.items():
        made[symbol] = rest[start : start + size]
        start += size
    return made
