"""ConfigProto, RunOptions and the records inside them, as plain Python objects.

Programs fill them in and hand them to a Session.  Fields, enum values and errors are those of
TensorFlow 1.15's protocol buffers; most settings speak of things that flowgraph decides by itself,
and are only kept.

Read next: profile/run_metadata.py (the records that come back), session.py (who reads them).
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, ClassVar

from flowgraph.graph.export import export


class Message:
    """A record with the fields that its class lists.

    FIELDS: field name -> default: a number, text or flag; a Message class for a record inside the
    record; ``list`` or ``dict`` for repeated fields and maps.  Fields not set read as their
    default.

    Raises:
        ValueError: a keyword that is no field.
        AttributeError: reading or setting what is no field.
        TypeError: a value of another type than the field's.
    """

    FIELDS: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            if name not in self.FIELDS:
                raise ValueError(self._no_field(name))
            if value is None:
                continue
            default: Any = self.FIELDS[name]
            if not isinstance(default, type):
                setattr(self, name, value)
            elif default in (list, dict) or isinstance(value, Mapping):
                vars(self)[name] = default(value) if default in (list, dict) else default(**value)
            else:
                getattr(self, name).CopyFrom(value)

    @classmethod
    def _no_field(cls, name: str) -> str:
        return f'Protocol message {cls.__name__} has no "{name}" field.'

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not in __dict__: fields that are not set.
        if name not in self.FIELDS:
            raise AttributeError(self._no_field(name))
        default = self.FIELDS[name]
        if isinstance(default, type):
            made = vars(self)[name] = self._make(name, default)
            return made
        return default

    def _make(self, name: str, kind: type) -> Any:
        """The value of a field that is a record, list or map, when it is first read."""
        return kind()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.FIELDS:
            raise AttributeError(self._no_field(name))
        default = self.FIELDS[name]
        if isinstance(default, type):
            raise AttributeError(
                f'Assignment not allowed to message field "{name}" in protocol message object.'
            )
        vars(self)[name] = _as_kind_of(default, value, name)

    def HasField(self, name: str) -> bool:
        """True when ``name`` holds something else than its default."""
        value = getattr(self, name)
        if isinstance(value, Message):
            return bool(value.ListFields())
        return self._differs(name, value)

    def ListFields(self) -> list[tuple[str, Any]]:
        """(name, value) of the fields that differ from their default."""
        return [(name, getattr(self, name)) for name in self.FIELDS if self.HasField(name)]

    def _differs(self, name: str, value: Any) -> bool:
        default = self.FIELDS[name]
        return bool(value) if isinstance(default, type) else value != default

    def Clear(self) -> None:
        """Set every field to its default."""
        vars(self).clear()

    def CopyFrom(self, other: Any) -> None:
        """Take over every field of ``other``.

        Raises:
            TypeError: ``other`` is of another class.
        """
        if type(other) is not type(self):
            raise TypeError(
                f"{type(self).__name__}.CopyFrom takes a {type(self).__name__}, got {other!r}"
            )
        if other is not self:
            self.Clear()
            self.MergeFrom(other)

    def MergeFrom(self, other: Message) -> None:
        """Set the fields that ``other`` has set; lists and maps grow."""
        for name, value in other.ListFields():
            if isinstance(value, Message):
                getattr(self, name).MergeFrom(value)
            elif isinstance(value, list):
                getattr(self, name).extend(value)
            elif isinstance(value, dict):
                getattr(self, name).update(value)
            else:
                setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.ListFields() == self.ListFields()

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        """The text form of protocol buffers, nested two spaces a level."""
        lines = []
        for name, value in self.ListFields():
            items: Any = value.items() if isinstance(value, dict) else value
            for item in items if isinstance(value, (list, dict)) else [value]:
                if isinstance(item, tuple):
                    lines.append(f"{name} {{ key: {_text(item[0])} value: {_text(item[1])} }}")
                elif isinstance(item, Message):
                    inner = str(item).rstrip("\n").replace("\n", "\n  ")
                    lines.append(f"{name} {{\n  {inner}\n}}" if inner else f"{name} {{\n}}")
                else:
                    lines.append(f"{name}: {_text(item)}")
        return "".join(line + "\n" for line in lines)

    __repr__ = __str__


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"' + value.replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)


def _as_kind_of(default: Any, value: Any, name: str) -> Any:
    """``value`` as the type of ``default``, refusing what loses information."""
    if isinstance(default, str):
        if not isinstance(value, str):
            raise TypeError(f"{name} takes text, got {value!r}")
        return value
    if isinstance(default, float):
        if isinstance(value, str):
            raise TypeError(f"{name} takes a number, got {value!r}")
        return float(value)
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name}: {type(value).__name__!r} object cannot be interpreted as an integer"
        ) from None
    return bool(number) if isinstance(default, bool) else number


class Recorded(Message):
    """A record that keeps whatever is set in it: experimental settings without meaning here."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        vars(self).update(fields)

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)[name] = value

    def ListFields(self) -> list[tuple[str, Any]]:
        """(name, value) of everything set."""
        return sorted(vars(self).items())


@export("OptimizerOptions")
class OptimizerOptions(Message):
    """What a graph optimizer may do; kept, without effect: FLOWGRAPH_DISABLE turns passes off."""

    L1, L0 = 0, -1
    DEFAULT, OFF, ON_1, ON_2 = 0, -1, 1, 2
    FIELDS = {
        "do_common_subexpression_elimination": False,
        "do_constant_folding": False,
        "max_folded_constant_in_bytes": 0,
        "do_function_inlining": False,
        "opt_level": 0,
        "global_jit_level": 0,
        "cpu_global_jit": False,
    }


@export("GraphOptions")
class GraphOptions(Message):
    """Settings of graph execution; kept, without effect."""

    FIELDS = {
        "enable_recv_scheduling": False,
        "optimizer_options": OptimizerOptions,
        "build_cost_model": 0,
        "build_cost_model_after": 0,
        "infer_shapes": False,
        "place_pruned_graph": False,
        "enable_bfloat16_sendrecv": False,
        "timeline_step": 0,
        "rewrite_options": Recorded,
    }


@export("GPUOptions")
class GPUOptions(Message):
    """Settings of GPU memory; kept, without effect on the CPU."""

    FIELDS = {
        "per_process_gpu_memory_fraction": 0.0,
        "allow_growth": False,
        "allocator_type": "",
        "deferred_deletion_bytes": 0,
        "visible_device_list": "",
        "polling_active_delay_usecs": 0,
        "polling_inactive_delay_msecs": 0,
        "force_gpu_compatible": False,
        "experimental": Recorded,
    }


@export("ConfigProto")
class ConfigProto(Message):
    """Settings of a Session: ``tf.Session(config=tf.ConfigProto(allow_soft_placement=True))``.

    >>> config = ConfigProto(device_count={"CPU": 1})
    >>> config.gpu_options.allow_growth = True
    >>> print(config, end="")
    device_count { key: "CPU" value: 1 }
    gpu_options {
      allow_growth: true
    }
    """

    FIELDS = {
        "device_count": dict,
        "intra_op_parallelism_threads": 0,
        "inter_op_parallelism_threads": 0,
        "use_per_session_threads": False,
        "session_inter_op_thread_pool": list,
        "placement_period": 0,
        "device_filters": list,
        "gpu_options": GPUOptions,
        "allow_soft_placement": False,
        "log_device_placement": False,
        "graph_options": GraphOptions,
        "operation_timeout_in_ms": 0,
        "rpc_options": Recorded,
        "cluster_def": Recorded,
        "isolate_session_state": False,
        "share_cluster_devices_in_session": False,
        "experimental": Recorded,
        "auto_init": False,  # not in TensorFlow: variables initialise themselves
        "check_numerics": False,  # not in TensorFlow; see docs/debugging.md
    }


@export("RunOptions")
class RunOptions(Message):
    """Settings of one ``Session.run``.

    ``RunOptions(trace_level=RunOptions.FULL_TRACE)`` together with a RunMetadata times every
    kernel; any level above NO_TRACE does.
    """

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = 0, 1, 2, 3
    FIELDS = {
        "trace_level": 0,
        "timeout_in_ms": 0,
        "inter_op_thread_pool": 0,
        "output_partition_graphs": False,
        "debug_options": Recorded,
        "report_tensor_allocations_upon_oom": False,
        "experimental": Recorded,
    }
