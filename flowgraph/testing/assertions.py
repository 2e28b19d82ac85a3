"""Assertions of tf.test.TestCase about sequences, texts, messages and threads.

Those that TensorFlow's TestCase has from absl, and the names that unittest had until Python 3.11.

Read next: test_case.py (those about arrays and tensors).
"""

# ruff: noqa: PT009, PT027  a TestCase asserts with its own methods

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

from flowgraph.graph.node import Tensor
from flowgraph.protos import text_format

T = TypeVar("T")


class CheckedThread:
    """A thread whose exception is raised by ``join``.

    Args:
        target: what it calls.   args, kwargs: the arguments.
    """

    def __init__(
        self, target: Callable[..., Any], args: Sequence[Any] = (), kwargs: Any = None
    ) -> None:
        self._failed: BaseException | None = None
        self._call = lambda: target(*args, **(kwargs or {}))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001 - raised by join
            self._failed = error

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; what the thread raised is raised here."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()


class Assertions(unittest.TestCase):
    """See the module docstring."""

    __test__ = False

    # ---- sequences and sets

    def assertBetween(self, value: Any, minv: Any, maxv: Any, msg: str | None = None) -> None:
        """``minv <= value <= maxv``."""
        if not minv <= value <= maxv:
            self.fail(f"{msg or ''} {value!r} is not between {minv!r} and {maxv!r}")

    def assertSameElements(self, expected_seq: Any, actual_seq: Any, msg: Any = None) -> None:
        """The same elements, however often, in any order."""
        expected, actual = list(expected_seq), list(actual_seq)
        missing = [x for x in expected if x not in actual]
        extra = [x for x in actual if x not in expected]
        if missing or extra:
            self.fail(f"{msg or ''} missing: {missing!r}, unexpected: {extra!r}")

    def assertNoCommonElements(self, expected_seq: Any, actual_seq: Any, msg: Any = None) -> None:
        """No element is in both."""
        common = [x for x in expected_seq if x in list(actual_seq)]
        if common:
            self.fail(f"{msg or ''} in both: {common!r}")

    def assertContainsSubset(self, expected_subset: Any, actual_set: Any, msg: Any = None) -> None:
        """Every element of ``expected_subset`` is in ``actual_set``."""
        missing = [x for x in expected_subset if x not in actual_set]
        if missing:
            self.fail(f"{msg or ''} missing: {missing!r}")

    def assertContainsSubsequence(
        self, container: Iterable[Any], subsequence: Iterable[Any], msg: Any = None
    ) -> None:
        """The elements occur in this order, others perhaps between them."""
        rest = iter(container)
        for item in subsequence:
            if not any(item == other for other in rest):
                self.fail(f"{msg or ''} {item!r} is missing, or not in that order")

    def assertContainsExactSubsequence(
        self, container: Iterable[Any], subsequence: Iterable[Any], msg: Any = None
    ) -> None:
        """The elements occur one right behind the other."""
        whole, part = list(container), list(subsequence)
        if not any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1)):
            self.fail(f"{msg or ''} {part!r} is no part of {whole!r}")

    def assertContainsInOrder(self, strings: Iterable[str], target: str, msg: Any = None) -> None:
        """The texts occur in ``target``, in this order."""
        place = 0
        for text in strings:
            found = target.find(text, place)
            if found < 0:
                self.fail(f"{msg or ''} {text!r} is missing after character {place}")
            place = found + len(text)

    def assertSequenceAlmostEqual(
        self, expected_seq: Any, actual_seq: Any, places: Any = None, msg: Any = None,
        delta: Any = None,
    ) -> None:  # fmt: skip
        """Equally long, and all pairs almost equal (``assertAlmostEqual``)."""
        self.assertEqual(len(expected_seq), len(actual_seq), msg)
        for one, other in zip(expected_seq, actual_seq, strict=True):
            self.assertAlmostEqual(one, other, places=places, msg=msg, delta=delta)

    def assertDictAlmostEqual(
        self, a: Mapping[Any, Any], b: Mapping[Any, Any], places: Any = None, msg: Any = None,
        delta: Any = None,
    ) -> None:  # fmt: skip
        """The same keys, and all values almost equal (``assertAlmostEqual``)."""
        self.assertEqual(set(a), set(b), msg)
        for key, value in a.items():
            self.assertAlmostEqual(value, b[key], places=places, msg=msg, delta=delta)

    def assertSequenceStartsWith(self, prefix: Any, whole: Any, msg: Any = None) -> None:
        """``whole`` begins with the elements of ``prefix``, or with that element."""
        wanted = list(prefix) if isinstance(prefix, (list, tuple, str)) else [prefix]
        self.assertEqual(wanted, list(whole)[: len(wanted)], msg)

    def assertTotallyOrdered(self, *groups: Sequence[Any], **kwargs: Any) -> None:
        """Elements of one group are equal, and smaller than those of later groups."""
        for number, group in enumerate(groups):
            for one in group:
                self.assertTrue(all(one == other for other in group), kwargs.get("msg"))
                for later in groups[number + 1 :]:
                    self.assertTrue(all(one < other for other in later), kwargs.get("msg"))

    def assertSameStructure(
        self, a: Any, b: Any, aname: str = "a", bname: str = "b", msg: Any = None
    ) -> None:
        """Nested lists and dicts are equal; says where they are not."""

        def compare(one: Any, other: Any, place: str) -> None:
            if isinstance(one, Mapping) and isinstance(other, Mapping):
                self.assertEqual(set(one), set(other), f"{msg or ''} {place}: keys")
                for key, value in one.items():
                    compare(value, other[key], f"{place}[{key!r}]")
            elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
                self.assertEqual(len(one), len(other), f"{msg or ''} {place}: length")
                for i, (x, y) in enumerate(zip(one, other, strict=True)):
                    compare(x, y, f"{place}[{i}]")
            else:
                self.assertEqual(one, other, f"{msg or ''} {place}")

        compare(a, b, f"{aname} and {bname}")

    def assertIsSubclass(self, cls: type, superclass: Any, msg: Any = None) -> None:
        """``issubclass(cls, superclass)``."""
        self.assertTrue(issubclass(cls, superclass), msg)

    def assertNotIsSubclass(self, cls: type, superclass: Any, msg: Any = None) -> None:
        """Not ``issubclass(cls, superclass)``."""
        self.assertFalse(issubclass(cls, superclass), msg)

    # ---- texts and messages

    def assertEndsWith(self, actual: str, expected_end: str, msg: Any = None) -> None:
        """The text ends with ``expected_end``."""
        self.assertTrue(actual.endswith(expected_end), msg or f"{actual!r}: {expected_end!r}")

    def assertNotEndsWith(self, actual: str, unexpected_end: str, msg: Any = None) -> None:
        """The text does not end with ``unexpected_end``."""
        self.assertFalse(actual.endswith(unexpected_end), msg or f"{actual!r}")

    def assertNotStartsWith(self, actual: str, unexpected_start: str, msg: Any = None) -> None:
        """The text does not begin with ``unexpected_start``."""
        self.assertFalse(actual.startswith(unexpected_start), msg or f"{actual!r}")

    def assertRegexMatch(self, actual_str: str, regexes: Any, message: Any = None) -> None:
        """One of the regular expressions matches the text, or a line of it."""
        one = isinstance(regexes, (str, bytes))
        wanted = [regexes] if one else list(regexes)
        if not any(re.search(regex, actual_str, re.MULTILINE) for regex in wanted):
            self.fail(message or f"{actual_str!r} does not match any of {wanted!r}")

    def assertJsonEqual(self, first: str, second: str, msg: Any = None) -> None:
        """Both texts are the same JSON."""
        self.assertEqual(json.loads(first), json.loads(second), msg)

    def assertProtoEquals(
        self, expected_message_maybe_ascii: Any, validate_message: Any, msg: Any = None,
        relative_tolerance: Any = None,
    ) -> None:  # fmt: skip
        """A message equals another one, or a text that describes it.

        Args:
            expected_message_maybe_ascii: a message of the same kind, or its text form.
            validate_message: the message.
            msg: put in front of the error.
            relative_tolerance: accepted; numbers must be equal.
        """
        expected = expected_message_maybe_ascii
        if isinstance(expected, (str, bytes)):
            expected = text_format.Parse(expected, type(validate_message)())
        self.assertIs(type(expected), type(validate_message), msg)
        self.assertMultiLineEqual(str(expected), str(validate_message), msg)

    def assertRaisesWithLiteralMatch(
        self, expected_exception: Any, expected_exception_message: str,
        callable_obj: Callable[..., Any] | None = None, *args: Any, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """The block, or the call, raises an exception with exactly this text."""
        block = self._literally(expected_exception, expected_exception_message)
        if callable_obj is None:
            return block
        with block:
            callable_obj(*args, **kwargs)
        return None

    @contextmanager
    def _literally(self, kind: Any, text: str) -> Iterator[None]:
        with self.assertRaises(kind) as caught:
            yield
        self.assertEqual(str(caught.exception), text)

    # ---- files, threads, contexts

    def checkedThread(
        self, target: Callable[..., Any], args: Sequence[Any] | None = None, kwargs: Any = None
    ) -> CheckedThread:
        """A thread whose exception ``join`` raises.

        Args:
            target: what it calls.   args, kwargs: the arguments.
        """
        return CheckedThread(target, args or (), kwargs)

    def enter_context(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context that is left when the test ends.

        Args:
            manager: the context.
        """
        stack = ExitStack()
        self.addCleanup(stack.close)
        return stack.enter_context(manager)

    def create_tempfile(
        self, file_path: str | None = None, content: Any = None, mode: str = "w",
        encoding: str = "utf8", errors: str = "strict",
    ) -> Any:  # fmt: skip
        """A file that is removed when the test ends; its ``full_path`` is the path.

        Args:
            file_path: name within a new directory.
            content: text or bytes to write.
            mode, encoding, errors: as of ``open``.
        """
        path = os.path.join(self.create_tempdir().full_path, file_path or "file")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, bytes):
            mode = "wb"
        how = {} if "b" in mode else {"encoding": encoding, "errors": errors}
        with open(path, mode, **how) as file:  # type: ignore[call-overload]
            if content is not None:
                file.write(content)
        return _Path(path)

    def create_tempdir(self, name: str | None = None) -> Any:
        """A directory that is removed when the test ends; its ``full_path`` is the path.

        Args:
            name: of the directory, within a new one.
        """
        folder = tempfile.TemporaryDirectory(prefix="flowgraph_test_")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, name) if name else folder.name
        os.makedirs(path, exist_ok=True)
        return _Path(path)

    def evaluate_if_both_tensors(self, a: Any, b: Any) -> Any:
        """Both values, computed where both are tensors."""
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return self.evaluate([a, b])  # type: ignore[attr-defined]
        return a, b


#: Names that unittest had until Python 3.11.
_OLDER = {
    "assertEquals": "assertEqual", "assertNotEquals": "assertNotEqual",
    "assertAlmostEquals": "assertAlmostEqual", "assertNotAlmostEquals": "assertNotAlmostEqual",
    "assertRegexpMatches": "assertRegex", "assertNotRegexpMatches": "assertNotRegex",
    "assertRaisesRegexp": "assertRaisesRegex", "assert_": "assertTrue", "failUnless": "assertTrue",
    "failIf": "assertFalse", "failUnlessEqual": "assertEqual", "failIfEqual": "assertNotEqual",
    "failUnlessRaises": "assertRaises", "failUnlessAlmostEqual": "assertAlmostEqual",
    "failIfAlmostEqual": "assertNotAlmostEqual",
}  # fmt: skip
for _old, _new in _OLDER.items():
    setattr(Assertions, _old, getattr(unittest.TestCase, _new))


class _Path(str):
    """A path with the attribute that absl's has."""

    __slots__ = ()

    @property
    def full_path(self) -> str:
        """The path."""
        return str(self)
