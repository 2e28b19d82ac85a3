"""Plan + State -> Executable: the plan bound to memory, ready to run.

Binding resolves every Pointer and Symbol of the block words to addresses and writes two int64
arrays: the blocks, one after another, and the instruction table of docs/design.md.  A run takes the
feeds in, walks the table in one native call, runs host instructions in between, and copies the
fetches out.

Read next: native.py (the table walk), state.py (variables), reference.py (the NumPy target).
"""

from __future__ import annotations

import ctypes
import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph import config
from flowgraph.codegen.compile import addresses
from flowgraph.optimize.frozen import RESIZES
from flowgraph.plan.memory import DIRECT_NBYTES
from flowgraph.plan.plan import (
    ARENA,
    CONST,
    COUNTER,
    FEED,
    FETCH,
    MOVING,
    OBJECT,
    VARIABLE,
    Instr,
    Jump,
    Operand,
    Plan,
    Pointer,
    Slot,
)
from flowgraph.runtime import blas, faults, host, native
from flowgraph.runtime.intake import DECLINED, FeedRecord, Intake
from flowgraph.runtime.reference import NodeError, run_instr
from flowgraph.runtime.scalars import scalar_type
from flowgraph.runtime.state import State, aligned_empty
from flowgraph.runtime.timing import Timing
from flowgraph.runtime.waiting import give_up_turns

#: Plans that do more than this (flops plus bytes) let other Python threads run meanwhile.
LONG_WORK = 400_000

_HOST_ROW = (1, 0, 0, 0)
_END_ROW = (0, 0, 0, 0)

#: Converts what the user fed into an array of the feed's dtype.
Convert = Callable[[Any], np.ndarray]


class Executable:
    """A plan bound to a session's memory.  Not thread-safe: the session runs one at a time.

    Args:
        plan: offsets assigned; its fetch slots marked (``mark_fetch_slots``).
        state: the session's variables.
        target: ``cpu`` or ``reference``.
        converts: per feed, how to make an array of a value that is not one already.
    """

    def __init__(self, plan: Plan, state: State, target: str, converts: Sequence[Convert]) -> None:
        self.plan, self.state, self.target = plan, state, target
        #: Memory of each slot as bytes; late-bound ones are set anew in every run.
        self.memory: dict[Slot, np.ndarray] = {}
        self.objects: dict[Slot, np.ndarray] = {}
        #: Late-bound slots: block words to fill, and bytes to add to the address.
        self.late: dict[Slot, list[tuple[int, int]]] = {}
        #: Host instructions that ran, by row.
        self.host_rows: dict[int, host.Bound] = {}
        #: Arrays that results of host instructions lie in, by their slots.
        self.adopted: dict[Slot, np.ndarray] = {}
        #: Whether rows may run more than once.
        self.has_loops = any(
            i.jump is not None and i.jump.target <= row for row, i in enumerate(plan.instrs)
        )
        #: True while a host instruction runs: it may call the session again.
        self.in_host = False
        #: Runs a bound host instruction, where a run is recorded or repeated (debug/rows.py).
        self.host_hook: Callable[[Executable, Instr, host.Bound], None] | None = None
        #: Variables whose initialisation is not yet known to have happened.
        self.to_check = frozenset(plan.reads) | frozenset(plan.writes)
        for name, operand in plan.variables.items():
            if name in plan.reads or name in plan.writes:
                state.variable(name, operand.dtype.np, operand.shape)
        for slot in plan.slots:
            self._bind_slot(slot)
        self.generation = state.generation
        self._bind_feeds(converts)
        if target == "cpu":
            self._bind_table()
        self._bind_fetches()
        self.checks = Checker(self) if target == "cpu" and config.get("CHECK") else None
        self._bind_intake()

    # -------------------------------------------------------------------------------- binding

    def _bind_slot(self, slot: Slot) -> None:
        memory = None
        if slot.kind == CONST:
            assert slot.array is not None
            memory = aligned_empty(slot.nbytes)
            memory[:] = slot.array.reshape(-1).view(np.uint8)
        elif slot.kind == COUNTER:
            memory = self.state.counter(slot.name).view(np.uint8)
        elif slot.kind == VARIABLE:
            array = self.state.variables.get(slot.name)
            # One without a value is only asked whether it has one; strings are found by ``window``.
            if array is not None and not array.dtype.hasobject:
                memory = array.reshape(-1).view(np.uint8)
        elif slot.kind == FEED and slot.nbytes < DIRECT_NBYTES:
            memory = aligned_empty(slot.nbytes)
        elif slot.kind == OBJECT and slot.array is not None:
            self.objects[slot] = slot.array
        if memory is not None:
            self.memory[slot] = memory
        elif slot.kind == MOVING and self.target != "cpu":
            self.memory[slot] = aligned_empty(slot.nbytes)  # references copy
        elif slot.kind in (FEED, FETCH, MOVING):
            self.late[slot] = []

    def _bind_feeds(self, converts: Sequence[Convert]) -> None:
        arena = aligned_empty(self.plan.arena_nbytes)
        for slot in self.plan.slots:
            if slot.kind == ARENA:
                self.memory[slot] = arena[slot.offset : slot.offset + slot.nbytes]
        #: Per feed: view of its memory or None, dtype, shape, slot, conversion.
        self.feeders = []
        for operand, convert in zip(self.plan.feeds, converts, strict=True):
            view = self.window(operand) if operand.slot in self.memory else None
            # Arrays of objects may hold str and must hold bytes: all are converted.
            dtype: Any = None if operand.slot.kind == OBJECT else operand.dtype.np
            self.feeders.append((view, dtype, operand.shape, operand.slot, convert))

    def _bind_table(self) -> None:
        instrs = self.plan.instrs
        address_of = iter(addresses([i.kernel for i in instrs if i.kernel is not None]))
        base = {slot: a.ctypes.data for slot, a in self.memory.items()}
        words: list[int] = []
        rows: list[tuple[int, int, int, int]] = []
        #: Moving slot -> the first word of the instruction that sets it.
        self.points: dict[Slot, int] = {}
        for instr in instrs:
            if instr.jump is not None:
                rows.append(self._jump_row(instr.jump))
                continue
            if instr.kernel is None:
                rows.append(_HOST_ROW)
                continue
            rows.append((next(address_of), 8 * len(words), 0, instr.stop))
            if instr.points is not None:
                self.points[instr.points] = len(words)
            for word in instr.words:
                if isinstance(word, int):
                    words.append(word)
                elif not isinstance(word, Pointer):
                    words.append(blas.address(word.name))
                elif word.slot in base:
                    words.append(base[word.slot] + word.nbytes)
                else:
                    self.late[word.slot].append((len(words), word.nbytes))
                    words.append(0)
        rows.append(_END_ROW)
        self.blocks = np.array(words or [0], np.int64)
        self.table = np.array(rows, np.int64)
        self.table[self.table[:, 0] > 3, 1] += self.blocks.ctypes.data
        self.table_address = self.table.ctypes.data
        self._bind_moving_slots()

    def _bind_moving_slots(self) -> None:
        """Tell each instruction that sets a moving slot which words point there."""
        #: The lists, which the blocks refer to.
        self.moved: list[np.ndarray] = []
        start = self.blocks.ctypes.data
        for slot, first in self.points.items():
            words = [(start + 8 * word, nbytes) for word, nbytes in self.late[slot]]
            self.moved.append(np.array(words, np.int64).reshape(-1))
            self.blocks[first + 5] = self.moved[-1].ctypes.data
            self.blocks[first + 6] = len(words)

    def _jump_row(self, jump: Jump) -> tuple[int, int, int, int]:
        if jump.condition is None:
            return (2, 0, jump.target, 0)
        memory = self.memory[jump.condition.slot]
        return (3, memory.ctypes.data + jump.condition.offset, jump.target, int(jump.when))

    def _bind_intake(self) -> None:
        """The native intake, where the plan and the platform allow it."""
        self.intake: Intake | None = None
        #: For a short plan with one scalar fetch: a call that also makes the result.
        self.scalar_intake: Intake | None = None
        self.has_fetch_slots = any(slot.kind == FETCH for slot in self.late)
        #: Whether the table runs in a call of its own, which lets other threads run meanwhile.
        work = sum(i.flops + i.bytes_moved for i in self.plan.instrs)
        self.is_long = work > LONG_WORK or any(i.jump is not None for i in self.plan.instrs)
        if self.target != "cpu" or self.checks is not None or not native.has_usual_objects():
            return
        seen_by_python = {o.slot for o in self.plan.fetches}
        for instr in self.plan.instrs:
            if instr.is_host:
                seen_by_python.update(instr.reads())
        records = []
        for view, dtype, shape, slot, _ in self.feeders:
            if view is None and (slot.kind != FEED or slot in seen_by_python):
                return
            start = self.blocks.ctypes.data
            patches = tuple((start + 8 * word, n) for word, n in self.late.get(slot, ()))
            records.append(FeedRecord(dtype, shape, view, patches))
        table = 0 if self.is_long else self.table_address
        self.intake = Intake(records, table)
        has_host = any(i.is_host for i in self.plan.instrs)
        if len(self.plan.fetches) == 1 and table and not self.has_fetch_slots and not has_host:
            operand = self.plan.fetches[0]
            kind = scalar_type(operand.dtype.np)
            if kind is not None and not operand.shape and operand.slot in self.memory:
                self.scalar_intake = Intake(records, table, (kind, self.window(operand)))

    def _bind_fetches(self) -> None:
        #: Per fetch: a function without arguments that makes the result.
        self.fetchers: list[Callable[[], Any]] = []
        for operand in self.plan.fetches:
            if operand.slot.kind in (FETCH, OBJECT) or operand.slot not in self.memory:
                self.fetchers.append(_late_fetch(self, operand))
                continue
            view = self.window(operand)
            if view.ndim:
                self.fetchers.append(view.copy)
            else:
                self.fetchers.append(_scalar_fetch(view))

    def window(self, operand: Operand) -> np.ndarray:
        """The array that views ``operand``'s memory."""
        if operand.slot in self.objects:
            return self.objects[operand.slot]
        dtype = operand.dtype.np
        if dtype.hasobject:
            return self.state.variables[operand.slot.name]
        if not operand.size:
            return np.empty(operand.shape, dtype)  # NumPy refuses offsets into empty memory
        return np.ndarray(
            operand.shape,
            dtype,
            self._memory_of(operand.slot),
            operand.offset * dtype.itemsize,
            tuple(s * dtype.itemsize for s in operand.strides),
        )

    def _memory_of(self, slot: Slot) -> Any:
        """The bytes of a slot; of a moving one, where it is now."""
        if slot.kind != MOVING or slot in self.memory:
            return self.memory[slot]
        place = int(self.blocks[self.points[slot] + 4])
        return (ctypes.c_uint8 * slot.nbytes).from_address(place)

    # -------------------------------------------------------------------------------- running

    def load(self, values: Sequence[Any]) -> bool:
        """Take the feeds in; False when a shape is not the plan's, or the plan is running."""
        if self.in_host:
            return False
        for (view, dtype, shape, slot, convert), value in zip(self.feeders, values, strict=True):
            kind = type(value)
            if kind is np.ndarray and value.dtype is dtype:
                if value.shape != shape:
                    return False
            elif not (view is not None and (kind is float or kind is int) and not shape):
                value = convert(value)
                if value.shape != shape:
                    return False
            if view is not None:
                view[...] = value
            else:
                self._point_at(slot, value)
        return True

    def _point_at(self, slot: Slot, array: np.ndarray) -> None:
        """Let a late-bound slot be ``array``'s memory."""
        if slot.kind == OBJECT:
            self.objects[slot] = array
            return
        if not (array.flags.c_contiguous and array.flags.aligned):
            array = np.ascontiguousarray(array)
        self.memory[slot] = array.reshape(-1).view(np.uint8)
        if self.late[slot]:
            address = array.ctypes.data
            for word, nbytes in self.late[slot]:
                self.blocks[word] = address + nbytes

    def adopt(self, slot: Slot, array: np.ndarray) -> None:
        """Let a slot be the memory of a result that nobody changes."""
        self._point_at(slot, array)
        self.adopted[slot] = array

    def hand_over(self, values: list[np.ndarray]) -> None:
        """``load`` with arrays of a plan that ran before; the list is emptied."""
        self.load(values)
        for view, _, _, slot, _ in reversed(self.feeders):
            value = values.pop()
            if view is None and slot.kind == FEED:
                self.adopted[slot] = value
            del value  # so that ``adopted`` is the only one that holds it

    def keep_results(self, kept: Sequence[bool]) -> None:
        """Do not copy the fetches marked in ``kept``: another plan is going to read them."""
        for place, (operand, is_kept) in enumerate(zip(self.plan.fetches, kept, strict=True)):
            if is_kept and operand.slot.kind == OBJECT:
                self.fetchers[place] = functools.partial(self.objects.pop, operand.slot)

    def attempt(self, values: tuple) -> list[Any] | None:
        """``load`` and ``run`` in one native call; None when that cannot be (nothing ran)."""
        intake = self.intake
        if intake is None or self.to_check or self.in_host:
            return None
        if self.has_fetch_slots:
            self._make_fetch_memory()
        if intake.call(values) is not None:
            code = intake.code()
            return None if code == DECLINED else self.resume(code, values)
        if self.is_long:
            self._walk(0)
        return [fetch() for fetch in self.fetchers]

    def resume(self, code: int, values: tuple) -> list[Any]:
        """Continue a run on ``values`` that stopped with ``code``; the fetched values."""
        for (view, _, _, slot, _), value in zip(self.feeders, values, strict=True):
            if view is None:  # so far only kernels know where it is
                self.memory[slot] = value.reshape(-1).view(np.uint8)
        self._walk(self._stopped_at(code) + 1)
        return [fetch() for fetch in self.fetchers]

    def _walk(self, row: int) -> None:
        """Run the table from ``row`` to its end, host instructions included."""
        while True:
            while row in self.host_rows:  # one behind the other, without a native call in between
                self._run_host_row(row)
                row += 1
            code = native.execute(self.table_address, row)
            if code == -1:
                return
            row = self._stopped_at(code) + 1

    def run(self) -> list[Any]:
        """Run with the loaded feeds; the fetched values."""
        if self.to_check:
            self._check_initialized()
        if self.has_fetch_slots:
            self._make_fetch_memory()
        if self.checks is not None:
            self.checks.run()
        elif self.target == "cpu":
            self._walk(0)
        else:
            row = 0
            while row < len(self.plan.instrs):
                row = self._run_by_reference(row, self.plan.instrs[row])
        self._note_initialized()
        return [fetch() for fetch in self.fetchers]

    def run_timed(self, timing: Timing) -> list[Any]:
        """``run`` that measures each instruction."""
        timing.begin()
        if self.to_check:
            self._check_initialized()
        if self.has_fetch_slots:
            self._make_fetch_memory()
        row = 0
        while row < len(self.plan.instrs):
            if self.target != "cpu":
                start = time.perf_counter_ns()
                following = self._run_by_reference(row, self.plan.instrs[row])
                timing.add(row, start)
                row = following
                continue
            code = native.execute_timed(self.table_address, row, timing.address)
            if code == -1:
                break
            start = time.perf_counter_ns()
            row = self._stopped_at(code) + 1
            if not code % 256:  # a host instruction, not a pause
                timing.add(row - 1, start)
        self._note_initialized()
        results = [fetch() for fetch in self.fetchers]
        timing.end()
        return results

    def _note_initialized(self) -> None:
        if self.to_check:
            self.state.initialized.update(self.plan.writes)
            self.to_check = frozenset()

    def _make_fetch_memory(self) -> None:
        for slot in self.late:
            if slot.kind == FETCH:
                old = self.memory.get(slot)
                # Nobody else holds the array returned last: its pages are warm, use it again.
                if old is None or sys.getrefcount(old.base) > 2:
                    self._point_at(slot, aligned_empty(slot.nbytes))

    def _check_initialized(self) -> None:
        missing = set(self.plan.reads) - self.state.initialized
        if missing and self.state.initialize(missing):
            missing -= self.state.initialized
        if missing:
            raise faults.uninitialized(self.plan.variable_ops, missing)

    def _stopped_at(self, code: int) -> int:
        """Handle a stop of the table walk; the row it stopped at."""
        row, status = divmod(code, 256)
        if status == native.PAUSED:
            return row - 1  # KeyboardInterrupt was raised on the way here, if there was one
        if status:
            give_up_turns()
            raise faults.kernel_error(self.plan, row, status, self._reference_complaint(row))
        self._run_host_row(row)
        return row

    def _reference_complaint(self, row: int) -> NodeError | None:
        """What the reference says of the inputs at which a kernel stopped: which index, say."""
        try:
            run_instr(self.plan.instrs[row], self.window)
        except NodeError as complaint:
            return complaint
        return None

    def _run_host_row(self, row: int) -> None:
        run = self.host_rows.get(row)
        if run is None:
            run = self.host_rows[row] = host.bind(self.plan.instrs[row], self)
        waits = self.state.waits
        self.in_host = True
        try:
            if self.host_hook is None:
                run()
            else:
                self.host_hook(self, self.plan.instrs[row], run)
        except Exception as error:
            give_up_turns()
            raise faults.host_error(self.plan, row, error) from error
        except BaseException:  # Ctrl-C
            give_up_turns()
            raise
        finally:
            self.in_host = False
        if self.state.waits != waits and self.state.generation != self.generation:
            self._check_variables(row)

    def _check_variables(self, row: int) -> None:
        """After a wait in which other runs changed the size of variables: not those used here."""
        resized = {
            w for i in self.plan.instrs for n in i.nodes if n.attrs.get(RESIZES) for w in n.writes
        }
        for slot, memory in self.memory.items():
            if slot.kind == VARIABLE and slot.name not in resized:
                now = self.state.variables.get(slot.name)
                if now is None or now.ctypes.data != memory.ctypes.data:
                    raise faults.host_error(self.plan, row, faults.resized_meanwhile(slot.name))

    def _after_jump(self, row: int, jump: Jump) -> int:
        """The row after a jump."""
        taken = jump.condition is None or bool(self.window(jump.condition)) == jump.when
        return jump.target if taken else row + 1

    def _run_by_reference(self, row: int, instr: Instr) -> int:
        """Run one row; the row to go on with."""
        if instr.jump is not None:
            return self._after_jump(row, instr.jump)
        if instr.kernel is None:
            self._run_host_row(row)
            return row + 1
        try:
            results = run_instr(instr, self.window)
        except NodeError as complaint:
            error = complaint.error
            raise faults.host_error(self.plan, row, error, complaint.node) from error
        self.deliver(instr, results)
        return row + 1

    def deliver(self, instr: Instr, results: dict) -> None:
        """Put the results of an instruction where they belong."""
        for value, operand in instr.outputs.items():
            array = results[value]
            if operand.slot.kind == OBJECT:
                self.objects[operand.slot] = array
            else:
                self.window(operand)[...] = array


class Checker:
    """FLOWGRAPH_CHECK=1: runs a plan row by row and compares every kernel with its reference."""

    #: Largest difference, relative to the largest magnitude of the result.
    TOLERANCE = {"float32": 1e-4, "float64": 1e-10, "complex64": 1e-4, "complex128": 1e-10}

    def __init__(self, executable: Executable) -> None:
        self.executable = executable
        self.table = np.zeros((2, 4), np.int64)

    def run(self) -> None:
        """Run the loaded plan; InternalError at the first kernel that differs."""
        executable = self.executable
        row = -1
        while row + 1 < len(executable.plan.instrs):
            row += 1
            instr = executable.plan.instrs[row]
            if instr.jump is not None:
                row = executable._after_jump(row, instr.jump) - 1
                continue
            if instr.kernel is None:
                executable._run_host_row(row)
                continue
            counters = [
                executable.window(o) for o in instr.inputs.values() if o.slot.kind == COUNTER
            ]
            before = [counter.copy() for counter in counters]
            try:
                expected = run_instr(instr, executable.window)
            except NodeError as complaint:
                error = complaint.error
                raise faults.host_error(executable.plan, row, error, complaint.node) from error
            for counter, start in zip(counters, before, strict=True):
                counter[...] = start  # the kernel advances it too
            self.table[0] = executable.table[row]
            code = native.execute(self.table.ctypes.data, 0)
            if code != -1:
                raise faults.kernel_error(executable.plan, row, code % 256)
            for value, operand in instr.outputs.items():
                self._compare(row, instr, expected[value], executable.window(operand))

    def _compare(self, row: int, instr: Instr, expected: np.ndarray, found: np.ndarray) -> None:
        tolerance = self.TOLERANCE.get(expected.dtype.name, 0)
        finite = np.abs(expected[np.isfinite(expected)]) if expected.dtype.kind in "fc" else ()
        bound = tolerance * max(1.0, float(np.max(finite, initial=0.0)))
        if not np.allclose(found, expected, rtol=tolerance, atol=bound, equal_nan=True):
            raise faults.wrong_kernel(instr, row, expected, found)


def _scalar_fetch(view: np.ndarray) -> Callable[[], Any]:
    kind = scalar_type(view.dtype)
    if kind is None:
        return lambda: view[()]
    return lambda: kind(view)


def _late_fetch(executable: Executable, operand: Operand) -> Callable[[], Any]:
    slot = operand.slot
    is_whole = operand.is_contiguous() and not operand.offset
    if slot.kind == OBJECT and slot.array is None:
        held, more = executable.objects, 0
    else:
        held, more = executable.adopted, 1  # ``memory`` has a view of it

    def fetch() -> Any:
        own = host.given_away(held, slot, more)
        if own is not None and is_whole and own.shape == (operand.shape or own.shape):
            return own
        own = None
        array = executable.window(operand)
        if slot.kind == FETCH:
            return array
        if array.ndim:
            return array.copy()
        kind = scalar_type(array.dtype)
        return array[()] if kind is None else kind(array)

    return fetch
