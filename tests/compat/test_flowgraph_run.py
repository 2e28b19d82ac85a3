"""``flowgraph run``: programs as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowgraph as fg
from flowgraph import cli

ROOT = Path(fg.__file__).parent.parent


def flowgraph(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "flowgraph", *arguments], capture_output=True, text=True,
        check=False, env=env, cwd=cwd,
    )  # fmt: skip


PROGRAM = """
import sys, os
import helper
import tensorflow as tf
print(sys.argv, __name__, os.path.basename(__file__), helper.tf is tf)
assert sys.modules["__main__"].tf is tf
if "fail" in sys.argv:
    with tf.Session() as sess:
        sess.run(tf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3])))
if "exit" in sys.argv:
    sys.exit(7)
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "train.py").write_text(PROGRAM)
    (tmp_path / "programs" / "helper.py").write_text("import tensorflow as tf\n")
    (tmp_path / "programs" / "__init__.py").write_text("")
    return tmp_path


def test_a_script_sees_what_it_would_without_us(place):
    done = flowgraph("run", "programs/train.py", "--lr=0.1", "-x", cwd=place)
    expected = "['programs/train.py', '--lr=0.1', '-x'] __main__ train.py True\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_exit_status_and_tracebacks_are_the_scripts(place):
    assert flowgraph("run", "programs/train.py", "exit", cwd=place).returncode == 7
    done = flowgraph("run", "programs/train.py", "fail", cwd=place)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and lines[0] == "Traceback (most recent call last):"
    assert 'programs/train.py", line 9, in <module>' in lines[1]
    assert "cli/run.py" not in done.stderr and "runpy" not in done.stderr
    assert "ValueError: MatMul" in done.stderr


def test_a_missing_name_ends_at_the_line_that_uses_it(place):
    (place / "a.py").write_text("import tensorflow as tf\n\ntf.contrib.crf.crf_log_likelihood(1)\n")
    done = flowgraph("run", "a.py", cwd=place)
    lines = done.stderr.splitlines()
    assert 'a.py", line 3' in lines[1] and lines[2].strip().startswith("tf.contrib.crf")
    assert "flowgraph has no tf.contrib.crf; instead: " in lines[-1]
    assert "export.py" not in done.stderr


def test_modules(place):
    (place / "package").mkdir()
    (place / "package" / "__init__.py").write_text("")
    (place / "package" / "__main__.py").write_text(
        "import sys, tensorflow as tf\nprint(__package__, sys.argv[1:], tf.__version__[:4])\n"
    )
    done = flowgraph("run", "-m", "package", "a", cwd=place)
    assert done.stdout == "package ['a'] 1.15\n", done.stderr
    done = flowgraph("run", "-m", "nope", cwd=place)
    assert done.returncode == 1 and "nope" in done.stderr
    done = flowgraph("run", "package", cwd=place)
    assert done.stdout == " [] 1.15\n", done.stderr


def test_notebooks(place):
    cells = [
        ["%matplotlib inline\n", "import tensorflow as tf\n", "!pip install nothing"],
        ["%%bash\n", "exit 1"],
        ["x = tf.constant(3.0) * 2.0\n", "text = '''\n", "% no magic'''\n"],
        ["with tf.Session() as sess:\n", "    print(sess.run(x), text.strip(), __name__)"],
        ["if True:\n", "    %time 1 / 0\n", "tf.nn.nope"],
    ]
    content = {"cells": [{"cell_type": "markdown", "source": ["# Title"]}]
               + [{"cell_type": "code", "source": c} for c in cells], "nbformat": 4}  # fmt: skip
    (place / "a.ipynb").write_text(json.dumps(content))
    done = flowgraph("run", "a.ipynb", cwd=place)
    assert done.stdout == "6.0 % no magic __main__\n", done.stderr
    assert "cell 1: left out %matplotlib inline" in done.stderr
    assert "cell 2: left out %%bash" in done.stderr and done.returncode == 1
    lines = done.stderr.splitlines()
    assert '  File "a.ipynb, cell 5", line 3, in <module>' in lines
    assert "    tf.nn.nope" in lines
    (place / "b.ipynb").write_text("[1]")
    done = flowgraph("run", "b.ipynb", cwd=place)
    assert "b.ipynb is no notebook" in done.stderr and done.returncode == 1


def test_commands_that_make_no_sense(place, capsys):
    assert cli.main(["rnu"]) == 2 and "did you mean 'run'" in capsys.readouterr().err
    assert cli.main([]) == 2 and cli.main(["--help"]) == 0
    assert cli.main(["run"]) == 2 and cli.main(["run", "--help"]) == 0
    assert cli.main(["run", "--nope", "x.py"]) == 2 and cli.main(["run", "-m"]) == 2
    capsys.readouterr()
    assert cli.main(["run", str(place / "nope.py")]) == 2
    assert "cannot read" in capsys.readouterr().err
    assert cli.main(["--version"]) == 0 and "flowgraph 1.15" in capsys.readouterr().out
    (place / "bad.py").write_text("def (:\n")
    assert cli.main(["run", str(place / "bad.py")]) == 1
    assert "SyntaxError" in capsys.readouterr().err
    assert all(command.does for command in cli.COMMANDS.values())
