"""Sorted tables: what was written is read; damage is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.errors import DataLossError
from flowgraph.formats.leveldb_table import read_table, snappy_expanded, table_bytes


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=30), max_size=60))
def test_round_trip(items):
    assert read_table(table_bytes(sorted(items.items())), "t") == items


def test_many_blocks():
    items = {f"layer_{i:05d}/weights".encode(): b"x" * 400 for i in range(3000)}
    data = table_bytes(sorted(items.items()))
    assert read_table(data, "t") == items
    assert data.count(b"layer_") < 300, "keys share their beginnings"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7), st.booleans())
def test_damage_is_noticed(place, bit, cut):
    items = {f"name_{i}".encode(): bytes([i]) * i for i in range(40)}
    data = bytearray(table_bytes(sorted(items.items())))
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= 1 << bit
    try:
        found = read_table(bytes(data), "file")
    except DataLossError:
        return
    assert found == items, "only a byte that means nothing may differ"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"\x05\x10hello", b"hello"),
        (b"\x0a\x00a\x21\x01", b"aaaaaaaaaa"[:10]),
        (b"\x08\x0cabcd\x0e\x04\x00", b"abcdabcd"),
        (b"\x00", b""),
    ],
)
def test_snappy(data, wanted):
    if wanted == b"aaaaaaaaaa":
        data = b"\x0a\x00a\x22\x01\x00"  # a copy of 9 bytes that overlaps itself
    assert snappy_expanded(data) == wanted


@pytest.mark.parametrize("data", [b"\x05\x10he", b"\x05\x01\x09", b"\x05\x00a", b"\xff"])
def test_snappy_of_nonsense(data):
    with pytest.raises(ValueError):
        snappy_expanded(data)
