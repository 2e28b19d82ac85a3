"""A prompt for the debugger: ``step``, ``break``, ``print``; and TensorFlow's wrapper of a session.

    (fgdb) break type MatMul
    (fgdb) continue
    7: MatMul 'MatMul'  float32[4, 2]   train.py:8
    (fgdb) print x

Input and output are files, so that a test can type.

Read next: debugger.py.
"""

from __future__ import annotations

import cmd
import operator
import re
import shlex
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from flowgraph.debug.debugger import Breakpoint, Debugger, has_inf_or_nan
from flowgraph.graph.export import export

#: A filter of TensorFlow's debugger: (datum, array) -> bool.
Filter = Callable[[Any, Any], Any]

_COMPARISONS = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "==": operator.eq,
}  # fmt: skip


@export("debug.Shell")
class Shell(cmd.Cmd):
    r"""Commands over a Debugger; ``cmdloop()`` reads them until the run is done or given up.

    Args:
        debugger: the run.
        stdin, stdout: files to read from and write to (default: the process's).
        filters: name -> function (datum, array) for ``run -f name``.

    >>> import io
    >>> import flowgraph as tf
    >>> y = tf.add(tf.constant(1.0, name="a"), 2.0, name="sum")
    >>> typed, written = io.StringIO("break name sum\ncontinue\nfinish\n"), io.StringIO()
    >>> Shell(Debugger(tf.Session(), y), typed, written).cmdloop()
    >>> "Add" in written.getvalue()
    True
    """

    prompt = "(fgdb) "

    def __init__(
        self,
        debugger: Debugger,
        stdin: IO[str] | None = None,
        stdout: IO[str] | None = None,
        filters: dict[str, Filter] | None = None,
    ) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None
        self.debugger = debugger
        self.filters = {"has_inf_or_nan": has_inf_or_nan, **(filters or {})}
        self.watched: list[str] = []
        self.intro = "a run, operation by operation; 'help' lists what can be done"

    def say(self, text: str) -> None:
        """Write a line."""
        self.stdout.write(text + "\n")

    def emptyline(self) -> bool:
        """Enter alone repeats the last command, as in other debuggers."""
        return self.onecmd(self.lastcmd) if self.lastcmd else False

    def default(self, line: str) -> None:
        """A command that is not there."""
        self.say(f"there is no command {line.split(maxsplit=1)[0]!r}; 'help' lists them")

    def do_EOF(self, text: str) -> bool:
        """The end of the input gives the run up, like quit."""
        return self.do_quit(text)

    def onecmd(self, line: str) -> bool:
        """Run one command; what is wrong with it is told."""
        try:
            return bool(super().onecmd(line))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.say(f"! {error.args[0] if error.args else error}")
            return False

    def _after(self) -> bool:
        """Tell where the run stands; True at its end, which ends the loop."""
        if self.debugger.done:
            self.say(f"the run is done: {self.debugger.results!r}")
            return True
        self.say(self.debugger.where())
        for name in self.watched:
            try:
                self.say("  " + self.debugger.print(name))
            except KeyError:
                continue
        return False

    # ---------------------------------------------------------------------------------- going on

    def do_step(self, text: str) -> bool:
        """step [n]: run one operation, or n."""
        self.debugger.step(int(text) if text else 1)
        return self._after()

    def do_next(self, text: str) -> bool:
        """next: run on to the next operation of this loop or branch, not into others."""
        self.debugger.next()
        return self._after()

    def do_out(self, text: str) -> bool:
        """out: run on until this loop or branch is left."""
        self.debugger.out()
        return self._after()

    def do_continue(self, text: str) -> bool:
        """continue: run on to the next breakpoint, or to the end."""
        self.debugger.continue_()
        return self._after()

    def do_finish(self, text: str) -> bool:
        """finish: run to the end, breakpoints or not."""
        self.debugger.finish()
        return self._after()

    def do_run(self, text: str) -> bool:
        """run [-f filter]: run to the end, or until the filter holds for a result."""
        parts = shlex.split(text)
        if not parts:
            return self.do_finish("")
        if len(parts) != 2 or parts[0] not in ("-f", "--till_filter_pass"):
            raise ValueError("run takes nothing, or -f and the name of a filter")
        if parts[1] not in self.filters:
            raise ValueError(f"there is no filter {parts[1]!r}: {', '.join(self.filters)}")
        wanted = self.filters[parts[1]]
        point = self.debugger.break_at(
            when=lambda step: any(bool(wanted(step, array)) for array in step.outputs)
        )
        self.debugger.continue_()
        self.debugger.clear(point)
        return self._after()

    def do_quit(self, text: str) -> bool:
        """quit: give the run up; no variable is changed."""
        self.say("given up: no variable has been changed")
        return True

    # ------------------------------------------------------------------------------------ looking

    def do_where(self, text: str) -> None:
        """where: the last operation, the loops around it, the line of the program."""
        self.say(self.debugger.where())

    def do_print(self, text: str) -> None:
        """print [tensor][indices]: a value: print x, print h:0[0, :3]; alone: the last step."""
        found = re.fullmatch(r"([^\[\]]*)(\[.*\])?", text.strip())
        if found is None or not found[1]:
            self.say(self.debugger.print())
            return
        array = self.debugger.value(found[1].strip())
        if found[2]:
            array = np.asarray(array[_index(found[2])])
        from_text = text.strip()
        self.say(f"{from_text} = {array.dtype.name}{list(array.shape)} {array}")

    def do_list(self, text: str) -> None:
        """list [n]: the last operations that ran, ten or n."""
        count = int(text) if text else 10
        for step in list(self.debugger.recent)[-count:]:
            self.say(str(step))

    def do_watch(self, text: str) -> None:
        """watch [tensor]: show its value at every stop; alone: what is watched."""
        if text:
            self.watched.append(text.strip())
        self.say(f"watched: {', '.join(self.watched) or 'nothing'}")

    # --------------------------------------------------------------------------- where to stop

    def do_break(self, text: str) -> None:
        """break [what]: stop after operations; alone: list the breakpoints.

        what: name h*/MatMul, type MatMul, scope layer1, line train.py:8, nan, or > 10 (a result
        above 10; also <, >=, <=, ==); several with 'and' between them.
        """
        if text.strip():
            self.say(f"breakpoint {self._breakpoint(text)}")
            return
        for point in self.debugger.breakpoints:
            self.say(str(point))

    def _breakpoint(self, text: str) -> Breakpoint:
        given: dict[str, Any] = {}
        for part in re.split(r"\s+and\s+", text.strip()):
            words = part.split(None, 1)
            if part in ("nan", "inf"):
                given["nan"] = True
            elif words[0] in _COMPARISONS and len(words) == 2:
                compare, bound = _COMPARISONS[words[0]], float(words[1])
                test = lambda array, compare=compare, bound=bound: (
                    array.dtype.kind in "fiub" and compare(array, bound)
                )
                test.__name__ = part
                given["value"] = test
            elif words[0] in ("name", "type", "scope", "line") and len(words) == 2:
                given[words[0]] = words[1]
            elif len(words) == 1:
                given["name"] = part
            else:
                raise ValueError(f"break: {part!r} is not understood; 'help break' says how")
        return self.debugger.break_at(**given)

    def do_delete(self, text: str) -> None:
        """delete [n]: forget breakpoint n, or all."""
        self.debugger.clear(int(text) if text else None)

    do_s, do_n, do_c, do_w, do_p = do_step, do_next, do_continue, do_where, do_print
    do_l, do_b, do_d, do_q = do_list, do_break, do_delete, do_quit


def _index(text: str) -> Any:
    """``[0, :3, ...]`` as an index."""
    parts: list[Any] = []
    for part in text[1:-1].split(","):
        part = part.strip()
        if part == "...":
            parts.append(...)
        elif ":" in part:
            parts.append(slice(*(int(p) if p.strip() else None for p in part.split(":"))))
        else:
            parts.append(int(part))
    return tuple(parts)


@export("debug.LocalCLIDebugWrapperSession")
class LocalCLIDebugWrapperSession:
    """A session whose every ``run`` is stepped through at a prompt.

    ``run`` at the prompt runs to the end, ``run -f has_inf_or_nan`` to the first NaN; ``help``
    lists the rest.

    Args:
        sess: the session.
        dump_root, thread_name_filter: accepted.
        log_usage, ui_type: accepted; there is one kind of prompt.
        stdin, stdout: files to read from and write to (default: the process's).
    """

    def __init__(
        self,
        sess: Any,
        dump_root: Any = None,
        log_usage: bool = True,
        ui_type: str = "readline",
        thread_name_filter: Any = None,
        stdin: IO[str] | None = None,
        stdout: IO[str] | None = None,
    ) -> None:
        self._sess, self._stdin, self._stdout = sess, stdin, stdout
        self._filters: dict[str, Filter] = {}

    def add_tensor_filter(self, filter_name: str, tensor_filter: Filter) -> None:
        """Let ``run -f filter_name`` stop where ``tensor_filter(datum, array)`` holds.

        Args:
            filter_name: its name at the prompt.
            tensor_filter: a function of a Step and the array of one of its results.
        """
        self._filters[filter_name] = tensor_filter

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """Step through the run at the prompt; what ``Session.run`` would have returned.

        Args:
            fetches, feed_dict: as of ``Session.run``.   options, run_metadata: accepted.

        Raises:
            KeyboardInterrupt: the run was given up.
        """
        debugger = Debugger(self._sess, fetches, feed_dict)
        Shell(debugger, self._stdin, self._stdout, self._filters).cmdloop()
        if not debugger.done:
            raise KeyboardInterrupt("the run was given up at the debugger's prompt")
        return debugger.results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sess, name)

    def __enter__(self) -> LocalCLIDebugWrapperSession:
        self._sess.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._sess.__exit__(*exc_info)
