"""Which checkpoint is the latest: the file ``checkpoint`` of a directory, and what it names.

    model_checkpoint_path: "model.ckpt-200"
    all_model_checkpoint_paths: "model.ckpt-100"
    all_model_checkpoint_paths: "model.ckpt-200"

Read next: saver.py, which writes it.
"""

from __future__ import annotations

import contextlib
import glob
import os
import time
from collections.abc import Callable, Iterable, Iterator

from flowgraph.errors import NotFoundError
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.file_io import path_of
from flowgraph.protos import text_format
from flowgraph.protos.message import Message, declare
from flowgraph.saving import bundle, first_format, safetensors_file
from flowgraph.saving.files import read_whole, write_whole


@export("train.CheckpointState")
class CheckpointState(Message):
    """What the file ``checkpoint`` says: the newest path, and all that are kept."""

    FIELDS = declare("""
        model_checkpoint_path           1 string
        all_model_checkpoint_paths      2 repeated string
        all_model_checkpoint_timestamps 3 repeated double
        last_preserved_timestamp        4 double
        """)


def _state_path(directory: str, latest_filename: str | None) -> str:
    return os.path.join(directory, latest_filename or "checkpoint")


@export("train.generate_checkpoint_state_proto")
def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Iterable[str] | None = None,
    all_model_checkpoint_timestamps: Iterable[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> CheckpointState:
    """The CheckpointState of a directory.

    Args:
        save_dir: the directory; relative paths become relative to it.
        model_checkpoint_path: the newest checkpoint.
        all_model_checkpoint_paths: all that are kept, oldest first; the newest is added.
        all_model_checkpoint_timestamps: when each was made, in seconds.
        last_preserved_timestamp: when the last one that stays for ever was made.

    Raises:
        ValueError: there are not as many times as paths.
    """
    paths = list(all_model_checkpoint_paths or [])
    if not paths or paths[-1] != model_checkpoint_path:
        paths.append(model_checkpoint_path)
    times = list(all_model_checkpoint_timestamps or [])
    if times and len(times) != len(paths):
        raise ValueError(f"{len(times)} times for {len(paths)} checkpoints")

    def seen_from_there(path: str) -> str:
        relative = not os.path.isabs(save_dir) and not os.path.isabs(path)
        return os.path.relpath(path, save_dir or ".") if relative else path

    state = CheckpointState(model_checkpoint_path=seen_from_there(model_checkpoint_path))
    state.all_model_checkpoint_paths.extend(map(seen_from_there, paths))
    state.all_model_checkpoint_timestamps.extend(times)
    if last_preserved_timestamp is not None:
        state.last_preserved_timestamp = last_preserved_timestamp
    return state


@export("train.update_checkpoint_state")
def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Iterable[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Iterable[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the file ``checkpoint`` of ``save_dir``, at once.

    Args:
        save_dir: the directory.
        latest_filename: name of the file; ``checkpoint`` by default.
        model_checkpoint_path, all_model_checkpoint_paths, all_model_checkpoint_timestamps,
            last_preserved_timestamp: as in ``generate_checkpoint_state_proto``.

    Raises:
        RuntimeError: the file would replace a checkpoint of the same name.
    """
    path = _state_path(save_dir, latest_filename)
    if path == model_checkpoint_path:
        raise RuntimeError(
            f"the checkpoint {path!r} has the name of the file that lists checkpoints; save under "
            "another name"
        )
    state = generate_checkpoint_state_proto(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )
    write_whole(path, [str(state).encode()])


@export("train.get_checkpoint_state")
def get_checkpoint_state(
    checkpoint_dir: str, latest_filename: str | None = None
) -> CheckpointState | None:
    """What the file ``checkpoint`` of a directory says; None when there is none to be read.

    Args:
        checkpoint_dir: the directory.
        latest_filename: name of the file; ``checkpoint`` by default.

    Returns:
        A CheckpointState whose paths begin with ``checkpoint_dir`` where they were relative.
    """
    try:
        text = read_whole(_state_path(checkpoint_dir, latest_filename))
    except NotFoundError:
        return None
    try:
        state = text_format.Parse(text, CheckpointState(), allow_unknown_field=True)
    except text_format.ParseError as error:
        logging.warning("%s: %s", _state_path(checkpoint_dir, latest_filename), error)
        return None
    if not state.model_checkpoint_path:
        return None

    def whole(path: str) -> str:
        return path if os.path.isabs(path) else os.path.join(checkpoint_dir, path)

    state.model_checkpoint_path = whole(state.model_checkpoint_path)
    paths = [whole(path) for path in state.all_model_checkpoint_paths]
    state.ClearField("all_model_checkpoint_paths")
    state.all_model_checkpoint_paths.extend(paths)
    return state


@export("train.latest_checkpoint")
def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """The path of the newest checkpoint of a directory; None when there is none.

    Args:
        checkpoint_dir: the directory.
        latest_filename: name of the file that lists them; ``checkpoint`` by default.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is not None and checkpoint_exists(state.model_checkpoint_path):
        return state.model_checkpoint_path
    return None


@export("train.checkpoint_exists")
def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Whether there is a checkpoint of this path (without ``.index`` and the like).

    Args:
        checkpoint_prefix: what ``Saver.save`` returned.
    """
    path = path_of(checkpoint_prefix)
    is_safe = path.endswith(safetensors_file.EXTENSION)
    return bundle.exists(path) or (
        os.path.isfile(path) if is_safe else bool(first_format.files_of(path))
    )


@export("train.get_checkpoint_mtimes")
def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[str]) -> list[float]:
    """When each checkpoint that exists was last written, in seconds.

    Args:
        checkpoint_prefixes: paths as ``Saver.save`` returned them.
    """
    return [
        os.path.getmtime(
            f"{prefix}.index"
            if bundle.exists(prefix)
            else (first_format.files_of(prefix) or [prefix])[0]
        )
        for prefix in checkpoint_prefixes
        if checkpoint_exists(prefix)
    ]


@export("train.remove_checkpoint")
def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = 2, meta_graph_suffix: str = "meta"
) -> None:
    """Remove the files of a checkpoint; missing ones do not matter.

    Args:
        checkpoint_prefix: its path.
        checkpoint_format_version: accepted; the files say themselves.
        meta_graph_suffix: of the file with the graph.
    """
    escaped = glob.escape(checkpoint_prefix)
    paths = [f"{checkpoint_prefix}.index", f"{checkpoint_prefix}.{meta_graph_suffix}"]
    if checkpoint_prefix.endswith(safetensors_file.EXTENSION):
        paths.append(checkpoint_prefix)
    paths += first_format.files_of(checkpoint_prefix)
    # The index first: without it the rest is no checkpoint.
    for path in [*paths, *glob.glob(f"{escaped}.data-?????-of-?????")]:
        with contextlib.suppress(OSError):
            os.remove(path)


@export("train.checkpoints_iterator")
def checkpoints_iterator(
    checkpoint_dir: str,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Yield the path of every newest checkpoint, as they appear.

    Args:
        checkpoint_dir: the directory.
        min_interval_secs: seconds between two of them, at least.
        timeout: seconds to wait for a new one; None for ever.
        timeout_fn: called after ``timeout``; True ends the iteration, which it does without it.
    """
    last: str | None = None
    while True:
        began = time.time()
        path = latest_checkpoint(checkpoint_dir)
        while path is None or path == last:
            if timeout is not None and time.time() - began >= timeout:
                break
            time.sleep(min(1.0, timeout or 1.0))
            path = latest_checkpoint(checkpoint_dir)
        if path is None or path == last:
            if timeout_fn is None or timeout_fn():
                return
            continue
        last = path
        yield path
        time.sleep(max(0.0, began + min_interval_secs - time.time()))
