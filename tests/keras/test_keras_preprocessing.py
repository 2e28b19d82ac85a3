"""keras.preprocessing: sequences and texts."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.keras.preprocessing import sequence, text

ROWS = st.lists(st.lists(st.integers(1, 99), max_size=6), max_size=5)


@given(ROWS, st.integers(0, 7), st.sampled_from(["pre", "post"]), st.sampled_from(["pre", "post"]))
def test_pad_sequences(rows, length, padding, truncating):
    got = sequence.pad_sequences(rows, length, padding=padding, truncating=truncating, value=-1)
    assert got.shape == (len(rows), length) and got.dtype == np.int32
    for row, padded in zip(rows, got.tolist(), strict=True):
        kept = row[max(0, len(row) - length) :] if truncating == "pre" else row[:length]
        fill = [-1] * (length - len(kept))
        assert padded == (fill + kept if padding == "pre" else kept + fill)


def test_pad_sequences_of_other_things():
    assert sequence.pad_sequences([[1], [2, 3]]).tolist() == [[0, 1], [2, 3]]
    vectors = sequence.pad_sequences([[[1.0, 2.0]], []], maxlen=2, dtype="float32", padding="post")
    assert vectors.tolist() == [[[1, 2], [0, 0]], [[0, 0], [0, 0]]]
    words = sequence.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-")
    assert words.tolist() == [["-", "a"], ["b", "c"]]
    for bad in (
        {"sequences": [1]}, {"sequences": [[1]], "padding": "left"},
        {"sequences": [[1]], "truncating": "left"}, {"sequences": [[1]], "value": "x"},
        {"sequences": [[[1, 2]], [[1, 2, 3]]]},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="pad_sequences"):
            sequence.pad_sequences(**bad)


def test_sampling_table():  # the figures of Keras
    table = sequence.make_sampling_table(5)
    wanted = [0.00315225, 0.00315225, 0.00547597, 0.00741556, 0.00912817]
    np.testing.assert_allclose(table, wanted, rtol=1e-5)
    assert sequence.make_sampling_table(3, 10.0).max() == 1


def test_skipgrams():
    pairs, labels = sequence.skipgrams([1, 2, 0, 3], 4, 1, 0.0, shuffle=False)
    assert pairs == [[1, 2], [2, 1]] and labels == [1, 1]
    pairs, labels = sequence.skipgrams(range(1, 6), 9, 2, 2.0, categorical=True, seed=4)
    true = {(a, b) for a in range(1, 6) for b in range(1, 6) if 0 < abs(a - b) <= 2}
    assert {tuple(p) for p, label in zip(pairs, labels, strict=True) if label == [0, 1]} == true
    assert labels.count([1, 0]) == 2 * len(true)
    assert all(1 <= b < 9 for _, b in pairs)
    random.seed(1)
    assert sequence.skipgrams([1, 2], 3, sampling_table=[0, 0, 0]) == ([], [])
    random.seed(5)
    once = sequence.skipgrams([1, 2, 3], 4)
    random.seed(5)
    assert sequence.skipgrams([1, 2, 3], 4) == once


def test_time_series():
    data, targets = np.arange(50).reshape(50, 1), np.arange(50)
    batches = sequence.TimeseriesGenerator(data, targets, 10, sampling_rate=2, batch_size=2)
    x, y = batches[0]
    assert len(batches) == 20
    assert x[..., 0].tolist() == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]] and y.tolist() == [10, 11]
    x, y = sequence.TimeseriesGenerator(data, targets, 3, reverse=True, stride=4, batch_size=100)[0]
    assert x[0, :, 0].tolist() == [2, 1, 0] and y.tolist() == list(range(3, 50, 4))
    part = sequence.TimeseriesGenerator(data, targets, 3, start_index=5, end_index=9, batch_size=1)
    assert [int(part[i][1][0]) for i in range(len(part))] == [8, 9]
    again = sequence.TimeseriesGenerator(**json.loads(json.dumps(part.get_config())))
    assert np.array_equal(again[1][0], part[1][0])
    mixed = sequence.TimeseriesGenerator(data, targets, 3, shuffle=True, batch_size=7)[0]
    assert np.array_equal(mixed[0][:, -1, 0] + 1, mixed[1])
    with pytest.raises(ValueError, match="targets"):
        sequence.TimeseriesGenerator(data, targets[1:], 3)
    with pytest.raises(ValueError, match="no window"):
        sequence.TimeseriesGenerator(data, targets, 50)


def test_words():
    assert text.text_to_word_sequence("Don't  stop-me\tnow!") == ["don't", "stop", "me", "now"]
    assert text.text_to_word_sequence("a,B", lower=False) == ["a", "B"]
    assert text.text_to_word_sequence("a-b_c", filters="-", split="_") == ["a", "b", "c"]
    assert text.text_to_word_sequence("가 나, 다") == ["가", "나", "다"]
    assert text.hashing_trick("a b a", 10, len) == [2, 2, 2]
    once = text.hashing_trick("the cat saw the dog", 50, "md5")
    assert once[0] == once[3] and all(1 <= n < 50 for n in once)
    assert text.one_hot("x y", 9) == text.hashing_trick("x y", 9)


def test_tokenizer():
    t = text.Tokenizer(num_words=4)
    t.fit_on_texts(["the cat saw the dog", ["The", "dog"]])
    assert t.word_index == {"the": 1, "dog": 2, "cat": 3, "saw": 4}
    assert t.word_counts["the"] == 3 and t.word_docs["the"] == 2 and t.index_docs[2] == 2
    assert t.texts_to_sequences(["the dog saw a cat"]) == [[1, 2, 3]]
    assert t.sequences_to_texts([[1, 3, 4]]) == ["the cat"]
    again = text.Tokenizer.from_config(json.loads(json.dumps(t.get_config())))
    assert vars(again) == vars(t)
    oov = text.Tokenizer(num_words=4, oov_token="?")
    oov.fit_on_texts(["the cat saw the dog", "the dog"])
    assert oov.texts_to_sequences(["the dog saw a cat"]) == [[2, 3, 1, 1, 1]]
    assert oov.sequences_to_texts([[2, 9]]) == ["the ?"]
    letters = text.Tokenizer(char_level=True)
    letters.fit_on_texts(["Aab"])
    assert letters.texts_to_sequences(["ba"]) == [[2, 1]]


def test_tokenizer_matrices():
    t = text.Tokenizer()
    t.fit_on_texts(["a a b", "b c"])
    assert t.texts_to_matrix(["a b a", "c"], "binary").tolist() == [[0, 1, 1, 0], [0, 0, 0, 1]]
    assert t.texts_to_matrix(["a b a"], "count").tolist() == [[0, 2, 1, 0]]
    np.testing.assert_allclose(t.texts_to_matrix(["a b a"], "freq"), [[0, 2 / 3, 1 / 3, 0]])
    tfidf = [[0, (1 + np.log(2)) * np.log(1 + 2 / 2), np.log(1 + 2 / 3), 0]]
    np.testing.assert_allclose(t.texts_to_matrix(["a b a"], "tfidf"), tfidf)
    for mode, tokenizer in (
        ("x", t), ("count", text.Tokenizer()), ("tfidf", text.Tokenizer(num_words=3)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"mode|num_words"):
            tokenizer.texts_to_matrix(["a"], mode)
    numbers = text.Tokenizer(num_words=3)
    numbers.fit_on_sequences([[1, 2], [2]])
    np.testing.assert_allclose(numbers.sequences_to_matrix([[2, 7]], "tfidf")[0, 2], np.log(5 / 3))
