"""Messages from files, in bytes or in text; whatever is wrong with a file is one clear error.

Read next: text_format.py, wire.py.
"""

from __future__ import annotations

from typing import Any, TypeVar

from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.protos import text_format
from flowgraph.protos.message import Message
from flowgraph.protos.wire import DecodeError

M = TypeVar("M", bound=Message)

#: Bytes that texts do not have, but messages nearly always do.
_NOT_OF_TEXTS = frozenset(range(32)) - {9, 10, 13}


def read_message(place: Any, cls: type[M]) -> M:
    """The message that a file holds.

    Args:
        place: the path.  ``.pbtxt`` says that it is text; other names leave it to the content.
        cls: the class of the message.

    Raises:
        NotFoundError: there is no such file.
        DecodeError: it holds no message of this class; a ValueError.
    """
    path = path_of(place)
    with file_errors(path), open(path, "rb") as file:
        data = file.read()
    return parsed(data, cls, path, is_text=path.endswith(".pbtxt"))


def parsed(data: bytes, cls: type[M], path: str, is_text: bool = False) -> M:
    """The message of ``cls`` in ``data``, text or bytes; ``path`` is for the error.

    Raises:
        DecodeError: there is none.
    """
    try:
        if is_text or (data and not _NOT_OF_TEXTS.intersection(data[:4096])):
            return text_format.Parse(data, cls(), allow_unknown_field=True)
        return cls.FromString(data)
    except RecursionError:
        why = "records inside one another without end"
    except ValueError as error:
        why = str(error)
    raise DecodeError(f"{path!r} holds no {cls.__name__}: {why}")
