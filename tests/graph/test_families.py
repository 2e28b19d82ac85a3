"""Names load the file that defines them, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str, cache: Path | str) -> str:
    env = {**os.environ, "FLOWGRAPH_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = "import sys; print(sorted(m for m in sys.modules if m.startswith('flowgraph.ops.')))"


def test_a_name_loads_its_file(tmp_path):
    run("import flowgraph", tmp_path)
    before = run(f"import flowgraph; {LOADED}", tmp_path)
    after = run(f"import flowgraph as tf; tf.cumsum; {LOADED}", tmp_path)
    assert "scans" not in before
    assert "scans" in after and "sequences" not in after


def test_op_types_load_their_file(tmp_path):
    code = "from flowgraph.graph.opdef import OPDEFS; print(OPDEFS['Cumsum'].type)"
    run("import flowgraph", tmp_path)
    assert run(code, tmp_path) == "Cumsum"
    assert run(code, "") == "Cumsum"


ALL_NAMES = (
    "import flowgraph as tf\n"
    "from flowgraph.graph.export import EXPORTS\n"
    "from flowgraph.graph.opdef import OPDEFS\n"
    "print(sorted(EXPORTS.known()), sorted(OPDEFS.known()), sorted(dir(tf.nn)))"
)


def test_the_note_knows_what_loading_everything_finds(tmp_path):
    everything = run(ALL_NAMES, "")
    assert run(ALL_NAMES, tmp_path) == everything
    assert run(ALL_NAMES, tmp_path) == everything


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", '{"stamp": "other", "index": {}}'],
)
def test_a_note_that_is_not_sound_is_made_again(tmp_path, text):
    run("import flowgraph", tmp_path)
    (note,) = tmp_path.glob("families-*.json")
    sound = note.read_text()
    note.write_text(text)
    assert run("import flowgraph as tf; print(tf.cumsum.__name__)", tmp_path) == "cumsum"
    assert note.read_text() == sound


def test_a_note_cannot_name_other_modules(tmp_path):
    run("import flowgraph", tmp_path)
    (note,) = tmp_path.glob("families-*.json")
    told = json.loads(note.read_text())
    told["index"]["names"]["cumsum"] = "antigravity"
    note.write_text(json.dumps(told))
    code = "import sys, flowgraph as tf; tf.cumsum; print('antigravity' in sys.modules)"
    assert run(code, tmp_path) == "False"


def test_a_directory_that_cannot_be_written_does_no_harm(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    assert run("import flowgraph as tf; print(tf.cumsum.__name__)", place) == "cumsum"
