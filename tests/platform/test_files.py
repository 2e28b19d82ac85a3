"""tf.gfile and tf.io.gfile.  The expectations are TensorFlow's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import flowgraph as tf

errors, gfile = tf.errors, tf.gfile


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name, text in {
        "a.txt": "héllo\nworld\n", ".hid": "x", "a2": "y", "sub/b.txt": "b", "sub/deep/c.txt": "c",
    }.items():  # fmt: skip
        with gfile.GFile(name, "w") as file:
            file.write(text)
    return tmp_path


def test_reading(folder: Path) -> None:
    assert gfile.GFile("a.txt").read() == "héllo\nworld\n"
    assert gfile.Open("a.txt", "rb").read() == "héllo\nworld\n".encode()
    assert gfile.FastGFile(b"a.txt").readlines() == ["héllo\n", "world\n"]
    file = tf.io.gfile.GFile(folder / "a.txt")
    assert (file.name, file.mode, file.size(), file.seekable()) == (folder / "a.txt", "r", 13, True)
    assert list(file) == ["héllo\n", "world\n"] and file.read() == ""
    file.close()
    assert file.next() == "héllo\n" and file.readline() == "world\n" and file.readline() == ""
    file.seek(0)
    assert file.read(1) == "h" and file.tell() == 1
    file.seek(-2, 2)
    assert file.read() == "d\n"
    file.seek(position=3)
    assert file.read(2) == "ll"
    with pytest.raises(UnicodeDecodeError):
        gfile.GFile("a.txt").read(2)


def test_writing(folder: Path) -> None:
    with gfile.GFile("n", "w") as file:
        file.write("é")
        file.write(b"\xff")
        assert file.size() == 3
    assert (folder / "n").read_bytes() == b"\xc3\xa9\xff"
    with gfile.GFile("n", "ab") as file:
        file.write("x")
    assert gfile.GFile("n", "rb").read() == b"\xc3\xa9\xffx"
    with gfile.GFile("n", "r+") as file:
        file.write("ab")
        assert file.tell() == 2
        file.flush()
        assert (folder / "n").read_bytes() == b"ab\xffx"
    with gfile.GFile("m", "w"):
        pass
    assert gfile.Exists("m")
    with pytest.raises(TypeError):
        gfile.GFile("m", "w").write(3)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: gfile.GFile("none").read(), errors.NotFoundError),
        (lambda: gfile.GFile("a2", "q"), errors.InvalidArgumentError),
        (lambda: gfile.GFile("a2").write("x"), errors.PermissionDeniedError),
        (lambda: gfile.GFile("x", "w").read(), errors.PermissionDeniedError),
        (lambda: gfile.GFile("no/x", "w").write("a"), errors.NotFoundError),
        (lambda: gfile.GFile("sub").read(), errors.FailedPreconditionError),
        (lambda: gfile.GFile("a2").seek(-1), errors.InvalidArgumentError),
        (lambda: gfile.GFile("a2").seek(9), errors.OutOfRangeError),
        (lambda: gfile.GFile("a2").seek(0, 5), errors.InvalidArgumentError),
        (lambda: gfile.GFile("a2").seek(), TypeError),
        (lambda: gfile.GFile("gs://a/b"), errors.UnimplementedError),
        (lambda: gfile.ListDirectory("none"), errors.NotFoundError),
        (lambda: gfile.ListDirectory("a2"), errors.NotFoundError),
        (lambda: gfile.MkDir("q/r"), errors.NotFoundError),
        (lambda: gfile.MakeDirs("a2/x"), errors.FailedPreconditionError),
        (lambda: gfile.MakeDirs("a2"), errors.FailedPreconditionError),
        (lambda: gfile.Remove("none"), errors.NotFoundError),
        (lambda: gfile.Remove("sub"), errors.FailedPreconditionError),
        (lambda: gfile.DeleteRecursively("none"), errors.NotFoundError),
        (lambda: gfile.Rename("none", "y"), errors.NotFoundError),
        (lambda: gfile.Rename("a.txt", "a2"), errors.AlreadyExistsError),
        (lambda: gfile.Copy("a.txt", "a2"), errors.AlreadyExistsError),
        (lambda: gfile.Copy("none", "y"), errors.NotFoundError),
        (lambda: gfile.Copy("sub", "y"), errors.InvalidArgumentError),
        (lambda: gfile.Stat("none"), errors.NotFoundError),
        (lambda: gfile.Exists(3), TypeError),
    ],
)
def test_errors_are_tensorflows(folder: Path, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()


def test_directories(folder: Path) -> None:
    assert gfile.ListDirectory(".") == [".hid", "a.txt", "a2", "sub"]
    assert gfile.IsDirectory("sub") and not gfile.IsDirectory("a2")
    assert gfile.Exists("file://" + str(folder / "a2")) and not gfile.Exists("none")
    gfile.MakeDirs("x/y/z")
    tf.io.gfile.makedirs("x/y/z")
    gfile.MkDir("x")
    assert [list(gfile.Walk("sub")), list(gfile.Walk("none"))] == [
        [("sub", ["deep"], ["b.txt"]), ("sub/deep", [], ["c.txt"])], [],
    ]  # fmt: skip
    assert [path for path, _, _ in gfile.Walk("sub", in_order=False)] == ["sub/deep", "sub"]
    seen: list[Exception] = []
    assert list(tf.io.gfile.walk("none", onerror=seen.append)) == []
    assert isinstance(seen[0], errors.NotFoundError)
    gfile.DeleteRecursively("x")
    assert not gfile.Exists("x")


def test_moving(folder: Path) -> None:
    tf.io.gfile.copy("a.txt", "b")
    gfile.Copy("a2", "b", overwrite=True)
    gfile.Rename("b", "a.txt", overwrite=True)
    assert gfile.GFile("a.txt").read() == "y" and not gfile.Exists("b")
    found = gfile.Stat("a.txt")
    assert (found.length, found.is_directory) == (1, False) and found.mtime_nsec > 10**18
    assert tf.io.gfile.stat("sub").is_directory
    tf.io.gfile.rename("sub", "other")
    tf.io.gfile.remove("a2")
    assert tf.io.gfile.listdir(folder) == [".hid", "a.txt", "other"]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*", ["./.hid", "./a.txt", "./a2", "./sub"]), ("*.txt", ["./a.txt"]), ("a2", ["a2"]),
        ("sub/*", ["sub/b.txt", "sub/deep"]), ("*/*", ["./sub/b.txt", "./sub/deep"]),
        ("sub/**/*", ["sub/deep/c.txt"]), ("a?", ["./a2"]), ("[!a.]*", ["./sub"]),
        ("[^a.]*", ["./sub"]), ("[a-b]2", ["./a2"]), (r"a\.txt", ["./a.txt"]), ("none", []),
        ("none/x*", []), ("{a,b}*", []), ("sub/", ["sub/"]),
        (["a*", "sub"], ["./a.txt", "./a2", "sub"]),
    ],
)  # fmt: skip
def test_patterns(folder: Path, pattern: Any, paths: list[str]) -> None:
    assert gfile.Glob(pattern) == paths == tf.io.gfile.glob(pattern)


def test_joining() -> None:
    assert tf.io.gfile.join("a", "b", "/c") == "/c" and tf.io.gfile.join("a", b"b") == "a/b"
    assert "file" in tf.io.gfile.get_registered_schemes()


# --------------------------------------------------------------------------- files inside the graph


def test_files_in_the_graph(folder: Path) -> None:
    name = tf.placeholder(tf.string, [])
    wrote = tf.write_file(name, "text")
    with tf.control_dependencies([wrote]):
        back = tf.io.read_file(name)
    names = tf.matching_files([str(folder / "new" / "*"), str(folder / "a2")])
    with tf.Session() as session:
        path = str(folder / "new" / "x")
        assert session.run(back, {name: path}) == b"text"
        assert session.run(names).tolist() == [str(folder / "a2").encode(), path.encode()]
        (folder / "new" / "x").write_bytes(b"other")
        assert session.run(tf.read_file(path)) == b"other"
        with pytest.raises(errors.NotFoundError, match="No such file"):
            session.run(tf.read_file("none"))
    assert (back.name, wrote.name, names.name) == ("ReadFile:0", "WriteFile", "MatchingFiles:0")
    assert back.shape == [] and names.shape.as_list() == [None]
