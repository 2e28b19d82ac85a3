"""tf.DeviceSpec: a device string as an object with parts.

    tf.DeviceSpec(job="ps", task=1, device_type="CPU", device_index=0).to_string()
    '/job:ps/task:1/device:CPU:0'

Read next: graph/devices.py, which reads and merges the strings of ``tf.device``.
"""

from __future__ import annotations

from typing import Any, Self

from flowgraph.graph.devices import parse_device
from flowgraph.graph.export import export


def _number(value: Any) -> int | None:
    return None if value in (None, "") else int(value)


@export("DeviceSpec")
class DeviceSpec:
    """The parts of a device string; None where nothing is said.

    Args:
        job: a name.   replica, task, device_index: numbers.   device_type: ``"CPU"``, ``"GPU"``.

    >>> spec = DeviceSpec(job="ps", device_type="GPU", device_index=0)
    >>> spec.to_string()
    '/job:ps/device:GPU:0'
    >>> DeviceSpec.from_string("/cpu:1").device_index
    1
    """

    def __init__(
        self,
        job: str | None = None,
        replica: int | None = None,
        task: int | None = None,
        device_type: str | None = None,
        device_index: int | None = None,
    ) -> None:
        self._parts: dict[str, Any] = {}
        self.job, self.replica, self.task = job, replica, task
        self.device_type, self.device_index = device_type, device_index

    @property
    def job(self) -> str | None:
        """The name of the job."""
        return self._parts["job"]

    @job.setter
    def job(self, value: Any) -> None:
        self._parts["job"] = None if value is None else str(value)

    @property
    def replica(self) -> int | None:
        """The number of the replica."""
        return self._parts["replica"]

    @replica.setter
    def replica(self, value: Any) -> None:
        self._parts["replica"] = _number(value)

    @property
    def task(self) -> int | None:
        """The number of the task."""
        return self._parts["task"]

    @task.setter
    def task(self, value: Any) -> None:
        self._parts["task"] = _number(value)

    @property
    def device_type(self) -> str | None:
        """``"CPU"`` or ``"GPU"``."""
        return self._parts["device_type"]

    @device_type.setter
    def device_type(self, value: Any) -> None:
        kind = None if value is None else str(value)
        self._parts["device_type"] = (
            kind.upper() if kind and kind.lower() in ("cpu", "gpu") else kind
        )

    @property
    def device_index(self) -> int | None:
        """The number of the device; None: any."""
        return self._parts["device_index"]

    @device_index.setter
    def device_index(self, value: Any) -> None:
        self._parts["device_index"] = _number(value)

    def to_string(self) -> str:
        """The device string, for ``tf.device``."""
        text = "".join(
            f"/{part}:{self._parts[part]}"
            for part in ("job", "replica", "task")
            if self._parts[part] is not None
        )
        if self.device_type is not None:
            index = "*" if self.device_index is None else self.device_index
            text += f"/device:{self.device_type}:{index}"
        return text

    def parse_from_string(self, spec: str) -> Self:
        """Become what a device string says, and return this object.

        Raises:
            ValueError: the string is no device.
        """
        found = parse_device(spec)
        self.job, self.device_type = found.job or None, found.device_type or None
        self.replica, self.task = _number(found.replica), _number(found.task)
        self.device_index = _number(found.device_index)
        return self

    @classmethod
    def from_string(cls, spec: str) -> Self:
        """The DeviceSpec of a device string.

        Raises:
            ValueError: the string is no device.
        """
        return cls().parse_from_string(spec)

    def merge_from(self, dev: DeviceSpec) -> None:
        """Take over every part that ``dev`` says."""
        self._parts.update({k: v for k, v in dev._parts.items() if v is not None})

    def make_merged_spec(self, dev: DeviceSpec) -> Self:
        """A new DeviceSpec: this one with every part that ``dev`` says."""
        made = type(self)(**self._parts)
        made.merge_from(dev)
        return made

    def replace(self, **kwargs: Any) -> Self:
        """A new DeviceSpec with other values of the parts named."""
        return type(self)(**{**self._parts, **kwargs})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and other._parts == self._parts

    def __hash__(self) -> int:
        return hash(self.to_string())

    def __repr__(self) -> str:
        return f"DeviceSpec({self.to_string()!r})"
