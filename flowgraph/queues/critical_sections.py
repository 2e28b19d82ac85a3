"""tf.CriticalSection: what one run does at a time.

A session runs one thing at a time anyway, but where a run waits others go on; inside a critical
section they do not enter another part of the same one.

Read next: runtime/waiting.py (Turns).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flowgraph.graph.apply import apply_op
from flowgraph.graph.convert import convert_to_tensor
from flowgraph.graph.default import control_dependencies, get_default_graph, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Operation
from flowgraph.graph.opdef import HOST, Call, define, error_sample
from flowgraph.ops.nest import flatten, pack_sequence_as
from flowgraph.ops.rules import scalar_shape
from flowgraph.queues.queue_classes import refuse_eager
from flowgraph.queues.queue_ops import NO_GRADIENT, absent, handle, resource, resource_name
from flowgraph.runtime.state import current_state
from flowgraph.runtime.waiting import Turns


class HostMutex(Turns):
    """The critical section of a session."""

    def __init__(self, name: str) -> None:
        super().__init__("Lock operation")
        self.name = name

    def __str__(self) -> str:
        return f"mutex '{self.name}'"

    def close(self) -> None:
        """The session ends."""


def _mutex(call_: Call) -> Any:
    name = resource_name(call_)
    current_state().resources.setdefault(name, HostMutex(name))
    return handle(name)


def _lock(call_: Call, mutex: Any) -> Any:
    resource(mutex, HostMutex, "Mutex").enter_for_run()
    return mutex


def _unlock(call_: Call, lock: Any) -> tuple[()]:
    resource(lock, HostMutex, "Mutex").leave_in_run()
    return ()


_COMMON: dict[str, Any] = {"grad": NO_GRADIENT, "samples": (), "effect": HOST}

define(
    "MutexV2",
    "-> resource: string",
    container="",
    shared_name="",
    infer=scalar_shape,
    reference=_mutex,
    errors=(error_sample(TypeError, "no_such_attr", no_such_attr=1),),
    doc="The handle of a mutex.",
    **_COMMON,
)
define(
    "MutexLock",
    "mutex: string -> mutex_lock: string",
    infer=scalar_shape,
    reference=_lock,
    errors=(absent(),),
    doc="Locks a mutex until ConsumeMutexLock, or until the run fails.",
    **_COMMON,
)
define(
    "ConsumeMutexLock",
    "mutex_lock: string ->",
    infer=lambda call_: [],
    reference=_unlock,
    errors=(absent(),),
    doc="Unlocks a mutex.",
    **_COMMON,
)


class _Entered(threading.local):
    def __init__(self) -> None:
        self.names: list[Any] = []


_entered = _Entered()


@export("CriticalSection")
class CriticalSection:
    """Runs functions so that no two of its executions overlap, in any thread.

    Args:
        name: of the operation that makes the handle; ``critical_section`` by default.
        shared_name: critical sections of one name are one in a session.
        critical_section_def, import_scope: must be None.

    Raises:
        ValueError: ``critical_section_def`` is given.

    >>> v = tf.Variable(0)
    >>> cs = tf.CriticalSection()
    >>> step = cs.execute(lambda: v.assign_add(1) * 2)
    >>> with tf.Session() as sess:
    ...     sess.run(v.initializer)
    ...     print(sess.run(step), sess.run(step))
    2 4
    """

    def __init__(
        self,
        name: str | None = None,
        shared_name: str | None = None,
        critical_section_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        refuse_eager("tf.CriticalSection")
        if critical_section_def is not None:
            raise ValueError("critical_section_def is not supported.")
        made = apply_op("MutexV2", shared_name=shared_name or "", name=name or "critical_section")
        self._handle, self._key = made, shared_name or made.op
        #: Variables of the executions that want them for themselves, and of all.
        self._exclusive: set[Operation] = set()
        self._used: set[Operation] = set()
        get_default_graph().add_to_collection("critical_sections", self)

    @property
    def name(self) -> str:
        """The name of the operation that makes the handle."""
        return self._handle.op.name

    def execute(
        self, fn: Callable[[], Any], exclusive_resource_access: bool = True, name: str | None = None
    ) -> Any:
        """The results of a function whose operations run inside of the critical section.

        Args:
            fn: makes operations; takes no arguments.
            exclusive_resource_access: no other execution may use variables that this one uses.
            name: of the scope; ``critical_section_execute`` by default.

        Returns:
            What ``fn`` returned: tensors, in any structure.

        Raises:
            ValueError: ``fn`` executes something in this critical section again; another
                execution of another critical section uses the same variables, and one of them
                wants them for itself.
        """
        if not callable(fn):
            raise ValueError("fn must be callable.")
        if self._key in _entered.names:
            raise ValueError(
                f"Attempting to lock a CriticalSection (signature={self.name}) in which we are "
                "already running. This is illegal and may cause deadlocks."
            )
        graph = get_default_graph()
        with name_scope(name, "critical_section_execute", []):
            lock = apply_op("MutexLock", self._handle)
            before = len(graph.get_operations())
            _entered.names.append(self._key)
            try:
                with control_dependencies([lock]):
                    found = fn()
                    flat = [
                        None if item is None
                        else item if isinstance(item, Operation)
                        else convert_to_tensor(item)
                        for item in flatten(found)
                    ]  # fmt: skip
            finally:
                _entered.names.pop()
            made = graph.get_operations()[before:]
            self._check_variables(made, exclusive_resource_access)
            outer = [op for op in made if op.graph is graph]
            with control_dependencies([*outer, *(t for t in flat if t is not None)]):
                unlock = apply_op("ConsumeMutexLock", lock)
            with control_dependencies([unlock]):
                results = [
                    None if t is None
                    else unlock if isinstance(t, Operation)
                    else apply_op("Identity", t)
                    for t in flat
                ]  # fmt: skip
        return pack_sequence_as(found, results)

    def _check_variables(self, made: list[Operation], exclusive: bool) -> None:
        """ValueError when another critical section of the graph uses what these operations use."""
        used = {t.op for op in made for t in op.inputs if t.op.type == "VariableV2"}
        others = get_default_graph().get_collection("critical_sections")
        for other in others:
            if other._key == self._key:
                continue
            shared = used & (other._used if exclusive else other._exclusive)
            if shared:
                raise ValueError(
                    f"CriticalSection {self.name!r} and {other.name!r} both use the variables "
                    f"{sorted(op.name for op in shared)}, and one of them has asked for exclusive "
                    "access (exclusive_resource_access)"
                )
        self._used |= used
        if exclusive:
            self._exclusive |= used
