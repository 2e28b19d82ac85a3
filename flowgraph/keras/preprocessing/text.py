"""Texts as sequences of word numbers, and as rows of a matrix."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

#: Characters that separate words.
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    text: str, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text.

    Args:
        text: the text.
        filters: characters that are taken as ``split``.
        lower: whether words are in lower case.
        split: what stands between words.

    >>> text_to_word_sequence("The cat, the dog.")
    ['the', 'cat', 'the', 'dog']
    """
    if lower:
        text = text.lower()
    text = text.translate({ord(character): split for character in filters})
    return [word for word in text.split(split) if word]


def one_hot(
    text: str, n: int, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[int]:
    """The words as numbers from 1 to n - 1, by Python's ``hash``.

    Args:
        text, filters, lower, split: as in text_to_word_sequence.
        n: size of the space of numbers.

    NB: ``hash`` differs from process to process; ``hashing_trick`` with "md5" does not.
    """
    return hashing_trick(text, n, hash, filters, lower, split)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """The words as numbers from 1 to n - 1; different words may have the same number.

    Args:
        text, filters, lower, split: as in text_to_word_sequence.
        n: size of the space of numbers.
        hash_function: from a word to an int; None for ``hash``, "md5" for one that is the same in
            every process.
    """
    function: Callable[[str], int] = hash_function or hash
    if hash_function == "md5":
        function = _md5
    return [
        function(word) % (n - 1) + 1 for word in text_to_word_sequence(text, filters, lower, split)
    ]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """A vocabulary, learned from texts, and texts in its numbers.

    The most frequent word is 1, the next 2; 0 is no word.

    Args:
        num_words: only numbers below it are used; all by default.
        filters: characters that separate words.
        lower: whether words are in lower case.
        split: what stands between words.
        char_level: every character is a word.
        oov_token: the word that takes the place of unknown ones, with number 1; without it they
            are left out.
        document_count: texts seen so far.

    Attributes:
        word_counts, word_docs: how often each word was seen, and in how many texts.
        word_index, index_word: numbers of words, and words of numbers.
        index_docs: in how many texts each number was seen.

    >>> tokenizer = Tokenizer()
    >>> tokenizer.fit_on_texts(["the cat saw the dog", "The dog!"])
    >>> tokenizer.texts_to_sequences(["the dog saw a cat"])
    [[1, 2, 4, 3]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
    ) -> None:
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token = char_level, oov_token
        self.document_count = document_count
        self.word_counts: Counter[str] = Counter()
        self.word_docs: Counter[str] = Counter()
        self.index_docs: Counter[int] = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    # ------------------------------------------------------------------------------- learning

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Count the words of more texts, and number all words seen so far.

        Args:
            texts: strings, or lists of words.
        """
        for text in texts:
            words = self._words(text)
            self.document_count += 1
            self.word_counts.update(words)
            self.word_docs.update(set(words))
        known = [word for word, _ in self.word_counts.most_common()]  # ties: as first seen
        if self.oov_token is not None:
            known = [self.oov_token, *(word for word in known if word != self.oov_token)]
        self.word_index = {word: number for number, word in enumerate(known, 1)}
        self.index_word = dict(enumerate(known, 1))
        self.index_docs = Counter({self.word_index[w]: n for w, n in self.word_docs.items()})

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Count in how many sequences each number is; for tf-idf without texts.

        Args:
            sequences: lists of word numbers.
        """
        for sequence in sequences:
            self.document_count += 1
            self.index_docs.update(set(sequence))

    # -------------------------------------------------------------------------------- applying

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The word numbers of every text.

        Args:
            texts: strings, or lists of words.
        """
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """As ``texts_to_sequences``, one text after the other.

        Args:
            texts: strings, or lists of words.
        """
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for text in texts:
            numbers = (self.word_index.get(word) for word in self._words(text))
            known = (unknown if self._is_beyond(number) else number for number in numbers)
            yield [number for number in known if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words of every sequence, with blanks between them.

        Args:
            sequences: lists of word numbers.
        """
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """As ``sequences_to_texts``, one sequence after the other.

        Args:
            sequences: lists of word numbers.
        """
        for sequence in sequences:
            words = (
                self.oov_token if self._is_beyond(n) else self.index_word.get(n, self.oov_token)
                for n in sequence
            )
            yield " ".join(word for word in words if word is not None)

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """A row per text, a column per word number.

        Args:
            texts: strings, or lists of words.
            mode: as in sequences_to_matrix.
        """
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """A row per sequence, a column per word number.

        Args:
            sequences: lists of word numbers; those beyond the last column are left out.
            mode: "binary" (1 where the word is there), "count", "freq" (count / length) or
                "tfidf" ((1 + log count) log(1 + texts / (1 + texts with the word))).

        Raises:
            ValueError: the number of columns is not known, the mode is not, or "tfidf" is
                wanted and nothing was learned.
        """
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"Unknown vectorization mode: {mode!r}")
        if not self.num_words and not self.word_index:
            raise ValueError("give num_words, or fit the tokenizer on texts first")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("fit the tokenizer on some data before using tfidf mode")
        columns = self.num_words or len(self.word_index) + 1
        rows = [list(sequence) for sequence in sequences]
        matrix = np.zeros((len(rows), columns))
        for row, numbers in zip(matrix, rows, strict=True):
            for number, count in Counter(n for n in numbers if n < columns).items():
                row[number] = self._entry(number, count, len(numbers), mode)
        return matrix

    def _entry(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            idf = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
            return (1 + np.log(count)) * idf
        return {"binary": 1.0, "count": count, "freq": count / length}[mode]

    def _is_beyond(self, number: int | None) -> bool:
        return number is None or bool(self.num_words and number >= self.num_words)

    def _words(self, text: Any) -> list[str]:
        if self.char_level or not isinstance(text, str):
            return [word.lower() for word in text] if self.lower else list(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    # ------------------------------------------------------------------------- as plain data

    def get_config(self) -> dict[str, Any]:
        """The arguments and what was learned, as plain values."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            "word_counts": dict(self.word_counts),
            "word_docs": dict(self.word_docs),
            "index_docs": dict(self.index_docs),
            "word_index": dict(self.word_index),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer of plain values.

        Args:
            config: as ``get_config`` gives it, also after JSON has made strings of its keys.
        """
        learned = ("word_counts", "word_docs", "index_docs", "word_index")
        tokenizer = cls(**{name: v for name, v in config.items() if name not in learned})
        tokenizer.word_counts = Counter(config["word_counts"])
        tokenizer.word_docs = Counter(config["word_docs"])
        tokenizer.index_docs = Counter({int(i): n for i, n in config["index_docs"].items()})
        tokenizer.word_index = dict(config["word_index"])
        tokenizer.index_word = {number: word for word, number in tokenizer.word_index.items()}
        return tokenizer
