"""Device strings: ``/job:worker/replica:0/task:1/device:GPU:0`` and how nested scopes merge.

Devices are recorded on operations; what they mean is decided by the session's target.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from flowgraph.errors import format_message
from flowgraph.graph.site import find_site, format_site


class DeviceSpec(NamedTuple):
    """The parts of a device string; "" where nothing is said."""

    job: str = ""
    replica: str = ""
    task: str = ""
    device_type: str = ""
    device_index: str = ""

    def to_string(self) -> str:
        """The canonical string.

        >>> parse_device("/gpu:0").to_string()
        '/device:GPU:0'
        """
        text = "".join(
            f"/{part}:{value}"
            for part, value in zip(self._fields[:3], self[:3], strict=True)
            if value
        )
        if self.device_type:
            text += f"/device:{self.device_type}:{self.device_index or '*'}"
        return text

    def merged_with_inner(self, inner: DeviceSpec) -> DeviceSpec:
        """This outer spec where ``inner`` says nothing; the device type and index go together."""
        job, replica, task = (b or a for a, b in zip(self[:3], inner[:3], strict=True))
        if inner.device_type:
            return DeviceSpec(job, replica, task, inner.device_type, inner.device_index)
        return DeviceSpec(job, replica, task, self.device_type, self.device_index)


@lru_cache(maxsize=256)
def parse_device(text: str) -> DeviceSpec:
    """The parts of a device string: ``"/cpu:0"``, ``"/job:ps/task:1/device:GPU:0"``.

    Raises:
        ValueError: a part is unknown or not a number.
    """
    parts = {"job": "", "replica": "", "task": "", "device_type": "", "device_index": ""}
    for item in filter(None, text.split("/")):
        words = item.split(":")
        key = words[0].lower()
        if key == "job" and len(words) == 2:
            parts["job"] = words[1]
        elif key in ("replica", "task") and len(words) == 2 and words[1].isdigit():
            parts[key] = words[1]
        elif key == "device" and 2 <= len(words) <= 3:
            parts["device_type"] = words[1].upper()
            parts["device_index"] = words[2] if len(words) == 3 else ""
        elif key in ("cpu", "gpu") and len(words) <= 2:
            parts["device_type"] = key.upper()
            parts["device_index"] = words[1] if len(words) == 2 else ""
        else:
            raise ValueError(
                format_message(
                    f"device {text!r}: part {item!r} is not understood",
                    op=("", format_site(find_site())),
                    fix="write '/cpu:0', '/gpu:0' or '/job:worker/replica:0/task:0/device:GPU:0'",
                )
            )
        index = parts["device_index"]
        if index not in ("", "*") and not index.isdigit():
            raise ValueError(f"device {text!r}: device number {index!r} is not a number")
    if parts["device_index"] == "*":
        parts["device_index"] = ""
    return DeviceSpec(**parts)


@lru_cache(maxsize=256)
def merge_devices(outer: str, inner: str) -> str:
    """The canonical device of scope ``inner`` inside scope ``outer``.

    >>> merge_devices("/job:ps/cpu:0", "/gpu:1")
    '/job:ps/device:GPU:1'
    """
    return parse_device(outer).merged_with_inner(parse_device(inner)).to_string()
