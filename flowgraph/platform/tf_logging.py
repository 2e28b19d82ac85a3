"""tf.logging: the logger named ``tensorflow``, with TensorFlow's functions and its format.

INFO:tensorflow:Restoring parameters from model.ckpt
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from typing import Any, TextIO

from flowgraph.graph.export import export, export_value

DEBUG, INFO, WARN, ERROR, FATAL = (
    logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.FATAL,
)  # fmt: skip

for _name in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL"):
    export_value(globals()[_name], f"logging.{_name}")

#: How often log_every_n and its like were reached, by caller.
_reached: Counter[tuple[str, int]] = Counter()
_lock = threading.Lock()
_logger: logging.Logger | None = None


class _ToStandardError(logging.StreamHandler):
    """Writes to what ``sys.stderr`` is at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The standard error of now."""
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        raise AttributeError("stream")


@export("get_logger")
def get_logger() -> logging.Logger:
    """The logger of this library: Python's logger named ``tensorflow``.

    It writes to standard error, from level WARN on, unless the program has set up logging itself.
    """
    global _logger
    with _lock:
        if _logger is None:
            logger = logging.getLogger("tensorflow")
            if logger.level == logging.NOTSET:
                logger.setLevel(WARN)
            if not logging.getLogger().handlers and not logger.handlers:
                handler = _ToStandardError()
                handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
                logger.addHandler(handler)
            _logger = logger
        return _logger


@export("logging.log")
def log(level: int, msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at ``level``.

    Args:
        level: one of tf.logging's, or any number of Python's logging.
        msg: the message.   args: what it formats.   kwargs: of Python's logging.
    """
    get_logger().log(level, msg, *args, **kwargs)


@export("logging.debug")
def debug(msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at level DEBUG."""
    get_logger().debug(msg, *args, **kwargs)


@export("logging.info")
def info(msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at level INFO."""
    get_logger().info(msg, *args, **kwargs)


@export("logging.warning")
def warning(msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at level WARN."""
    get_logger().warning(msg, *args, **kwargs)


@export("logging.warn")
def warn(msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at level WARN."""
    get_logger().warning(msg, *args, **kwargs)


@export("logging.error")
def error(msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at level ERROR."""
    get_logger().error(msg, *args, **kwargs)


@export("logging.fatal")
def fatal(msg: str, *args: Any, **kwargs: Any) -> None:
    """Log ``msg % args`` at level FATAL; the program goes on."""
    get_logger().fatal(msg, *args, **kwargs)


@export("logging.vlog")
def vlog(level: int, msg: str, *args: Any, **kwargs: Any) -> None:
    """Same as ``log``."""
    get_logger().log(level, msg, *args, **kwargs)


def _count_of_caller() -> int:
    """How often the caller's caller's line was here before."""
    frame = sys._getframe(2)
    key = (frame.f_code.co_filename, frame.f_lineno)
    with _lock:
        _reached[key] += 1
        return _reached[key] - 1


@export("logging.log_every_n")
def log_every_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Log the first of every ``n`` calls from the same line of the program."""
    if _count_of_caller() % n == 0:
        log(level, msg, *args)


@export("logging.log_first_n")
def log_first_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Log the first ``n`` calls from the same line of the program."""
    if _count_of_caller() < n:
        log(level, msg, *args)


@export("logging.log_if")
def log_if(level: int, msg: str, condition: Any, *args: Any) -> None:
    """Log when ``condition`` holds."""
    if condition:
        log(level, msg, *args)


@export("logging.TaskLevelStatusMessage")
def TaskLevelStatusMessage(msg: str) -> None:
    """Log ``msg`` at level ERROR."""
    error(msg)


@export("logging.flush")
def flush() -> None:
    """Have everything written that was logged."""
    for handler in get_logger().handlers:
        handler.flush()


@export("logging.get_verbosity")
def get_verbosity() -> int:
    """The lowest level that is logged."""
    return get_logger().getEffectiveLevel()


@export("logging.set_verbosity")
def set_verbosity(v: int) -> None:
    """Log from level ``v`` on.

    Args:
        v: tf.logging.DEBUG, INFO, WARN (at the start), ERROR or FATAL.
    """
    get_logger().setLevel(v)
