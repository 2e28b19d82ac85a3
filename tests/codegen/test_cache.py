"""The object-code cache: what it keeps, what it refuses, what it costs."""

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from flowgraph import config
from flowgraph.codegen import cache, compile, workers
from flowgraph.codegen.cache import Cache
from flowgraph.kernel.ir import TextKernel

ROOT = Path(__file__).parents[2]
KEY, OTHER = b"\1" * 32, b"\2" * 32


@pytest.fixture(autouse=True)
def fresh_warning(monkeypatch):
    monkeypatch.setattr(cache, "_warned", False)


def caught(action):
    """The messages of the warnings that ``action`` gives."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        action()
    return [str(w.message) for w in seen]


def entry(directory):
    (file,) = Path(directory).glob("*.o")
    return file


def test_round_trip_in_a_private_directory(tmp_path):
    store = Cache(str(tmp_path / "new" / "place"))
    assert store.get(KEY) is None
    store.put(KEY, b"code")
    assert Cache(str(store.directory)).get(KEY) == b"code"
    assert store.get(OTHER) is None
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert [f.suffix for f in store.directory.iterdir()] == [".o"]


def test_no_directory_is_no_cache():
    for nothing in ("", None):
        store = Cache(nothing)
        store.put(KEY, b"code")
        assert store.get(KEY) is None


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "renamed"])
def test_damaged_entries_are_made_again_with_one_warning(tmp_path, damage):
    store = Cache(str(tmp_path / "c"))
    store.put(KEY, b"code" * 50)
    file = entry(store.directory)
    data = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(data[:-1])
    elif damage == "flipped":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        file.rename(file.with_name(OTHER.hex() + ".o"))
    key = OTHER if damage == "renamed" else KEY
    messages = caught(lambda: [store.get(key) for _ in range(3)])
    assert len(messages) == 1
    assert "damaged" in messages[0]
    store.put(key, b"again")
    assert store.get(key) == b"again"


def test_directory_that_others_may_write_is_not_used(tmp_path):
    place = tmp_path / "open"
    place.mkdir()
    Cache(str(place)).put(KEY, b"code")
    place.chmod(0o777)
    store = Cache(str(place))
    messages = caught(lambda: (store.get(KEY), store.put(OTHER, b"x"), store.get(OTHER)))
    assert len(messages) == 1
    assert "written by other users" in messages[0]
    assert store.get(KEY) is None
    assert len(list(place.iterdir())) == 1


def test_entry_of_another_user_is_not_used(tmp_path, monkeypatch):
    store = Cache(str(tmp_path / "c"))
    store.put(KEY, b"code")
    assert store.get(KEY) == b"code"
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    messages = caught(lambda: store.get(KEY))
    assert "another user" in messages[0]
    assert store.get(KEY) is None


def test_unwritable_directory_is_bypassed_with_one_warning(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    store = Cache(str(blocked / "c"))
    messages = caught(lambda: (store.put(KEY, b"x"), store.put(OTHER, b"y"), store.get(KEY)))
    assert len(messages) == 1
    assert "cannot be" in messages[0]


def test_oldest_entries_go_when_the_cache_outgrows_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MAX_BYTES", 10_000)
    keys = [bytes([n]) * 32 for n in range(1, 13)]
    for age, key in enumerate(keys):
        store = Cache(str(tmp_path / "c"))  # a new process looks at the size once
        store.put(key, b"x" * 1000)
        os.utime(store._path(key), (1e9 + age, 1e9 + age))
    store = Cache(str(tmp_path / "c"))
    store.put(b"\xff" * 32, b"x" * 1000)
    left = [n for n, key in enumerate(keys) if store._path(key).exists()]
    assert left == list(range(12 - len(left), 12))
    assert sum(f.stat().st_size for f in store.directory.iterdir()) <= 10_000


def run_script(script, directory, **environment):
    given = {**os.environ, "FLOWGRAPH_CACHE_DIR": str(directory), "PYTHONPATH": str(ROOT)}
    given.update(environment)
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(script)],
        env=given, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


SCRIPT = """
    import ctypes, sys
    import numpy as np
    from flowgraph.codegen import compile
    from flowgraph.kernel.builder import BodyBuilder
    from flowgraph.kernel.ir import Buffer, TextKernel

    s = BodyBuilder()
    s.store(1, s.exp(s.load(0, "float32")) + s.sin(s.load(0, "float32")))
    kernel = s.build(("map",), (Buffer("float32", "in", ("1",)), Buffer("float32", "out", ("1",))))
    text = TextKernel("t", "def kernel(block, start, stop):\\n    return start + stop\\n")
    first, second = compile.addresses([kernel, text])
    word = ctypes.c_int64
    call = ctypes.CFUNCTYPE(word, word, word, word)
    x, y = np.ones(5, "f4"), np.zeros(5, "f4")
    block = np.array([5, x.ctypes.data, y.ctypes.data])
    assert call(first)(block.ctypes.data, 0, 5) == 0 and call(second)(0, 20, 22) == 42
    print(abs(y - (np.exp(1) + np.sin(1))).max() < 1e-6, "numba" in sys.modules)
"""


def test_second_process_does_not_import_numba(tmp_path):
    first = run_script(SCRIPT, tmp_path / "c")
    assert first.stdout.split() == ["True", "True"], first.stderr
    second = run_script(SCRIPT, tmp_path / "c")
    assert second.stdout.split() == ["True", "False"], second.stderr
    assert "warning" not in (first.stderr + second.stderr).lower()


def test_process_survives_damage_and_says_so_once(tmp_path):
    run_script(SCRIPT, tmp_path / "c")
    for file in (tmp_path / "c").glob("*.o"):
        file.write_bytes(file.read_bytes()[:-9])
    result = run_script(SCRIPT, tmp_path / "c")
    assert result.stdout.split()[0] == "True", result.stderr
    assert result.stderr.count("RuntimeWarning") == 1
    assert run_script(SCRIPT, tmp_path / "c").stdout.split() == ["True", "False"]


def test_two_processes_may_fill_the_cache_together(tmp_path):
    given = {**os.environ, "FLOWGRAPH_CACHE_DIR": str(tmp_path / "c"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    running = [
        subprocess.Popen(command, env=given, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in running:
        assert process.communicate(timeout=120)[0].startswith("True")
    assert len(list((tmp_path / "c").glob("*.o"))) == 2


def test_key_depends_on_text_and_machine(monkeypatch):
    assert cache.key_of("a") == cache.key_of("a") != cache.key_of("b")
    before = cache.key_of("a")
    from flowgraph.codegen import compiler

    cache.fingerprint.cache_clear()
    monkeypatch.setattr(compiler, "host", lambda: ("triple", "other-cpu", "+sse2"))
    try:
        assert cache.key_of("a") != before
    finally:
        cache.fingerprint.cache_clear()


def kernel_text(number):
    return f"def kernel(block, start, stop):\n    return start * {number}\n"


def test_worker_processes_make_the_same_code():
    from flowgraph.codegen.compiler import object_code

    texts = {f"k{n}": kernel_text(n) for n in range(5)}
    by_workers = workers._by_workers(texts, 2)
    assert by_workers == {symbol: object_code(text, symbol) for symbol, text in texts.items()}


def test_broken_workers_are_replaced_by_this_process(monkeypatch):
    monkeypatch.setattr(workers, "START", 0)
    monkeypatch.setattr(workers, "SHARE", 1)
    monkeypatch.setitem(config._values, "NUM_THREADS", 2)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    texts = {f"k{n}": kernel_text(n) for n in range(3)}
    assert sorted(workers.compile_all(texts)) == ["k0", "k1", "k2"]
    assert workers.unpack(b"garbage") == {}
    assert workers.unpack(b'{"a": 5}\nxx') == {}


def test_addresses_are_shared_by_equal_kernels_and_threads():
    from concurrent.futures import ThreadPoolExecutor

    kernels = [TextKernel(f"name{n}", kernel_text(n % 3)) for n in range(9)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(compile.addresses, [kernels] * 8))
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0])) == 3
