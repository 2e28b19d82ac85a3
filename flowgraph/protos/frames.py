"""GraphDefs with loops as TensorFlow 1 writes them, in frames, made functional.

    x -> Enter -> Merge -> Switch -> Exit                       While(x, captures)
                   ^  |      |   (p)                  =>          cond: Merge, captures -> p
                   |  p      body                                 body: Merge, captures -> next
              NextIteration <-

Frames are taken from the inside out.  Nodes in a loop keep their names, in the functions; an Exit
becomes an Identity.

Read next: bodies.py (what becomes of functional loops).
"""

from __future__ import annotations

from collections.abc import Iterable

from flowgraph.protos.functions import ARG_NAME, OURS
from flowgraph.protos.graphs import AttrValue, FunctionDef, NameAttrList, NodeDef, OpDef

#: The names of the frames around a node, from the outside in.
Frames = tuple[str, ...]

_ENTER = {"Enter", "RefEnter"}
_EXIT = {"Exit", "RefExit"}
_NEXT = {"NextIteration", "RefNextIteration"}


def has_frames(nodes: Iterable[NodeDef]) -> bool:
    """Whether there are loops."""
    types = {node.op for node in nodes if node.input}
    return "LoopCond" in types and not types.isdisjoint(_ENTER)


def without_frames(nodes: list[NodeDef]) -> tuple[list[NodeDef], list[FunctionDef]]:
    """``nodes`` with loops made functional, and the functions of these.

    Raises:
        ValueError: a loop is not complete.
    """
    return _Frames(nodes).run()


def _name(text: str) -> str:
    return text.removeprefix("^").partition(":")[0]


def _data(node: NodeDef) -> list[str]:
    return [text for text in node.input if not text.startswith("^")]


class _Frames:
    def __init__(self, nodes: list[NodeDef]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._frames: dict[str, Frames] = {}
        self._functions: list[FunctionDef] = []
        for name in list(self._nodes):
            self._find_frames(name)

    def _find_frames(self, first: str) -> None:
        waiting = [first]
        while waiting:
            name = waiting[-1]
            node = self._nodes.get(name)
            if node is None or name in self._frames:
                waiting.pop()
                continue
            if node.op in _NEXT:  # where the circle is cut
                sources = []
            else:
                sources = [_name(text) for text in node.input]
                sources = [s for s in sources if s in self._nodes]
                sources = [s for s in sources if self._nodes[s].op not in _NEXT]
            missing = [s for s in sources if s not in self._frames]
            if missing:
                if any(s in waiting for s in missing):
                    raise ValueError(f"import_graph_def: node {name!r} is its own input")
                waiting.extend(missing)
                continue
            frames = max((self._after(s) for s in sources), key=len, default=())
            if node.op in _ENTER:
                frames = (*frames, node.attr["frame_name"].s.decode())
            self._frames[name] = frames
            waiting.pop()

    def _after(self, name: str) -> Frames:
        frames = self._frames[name]
        return frames[:-1] if self._nodes[name].op in _EXIT else frames

    def run(self) -> tuple[list[NodeDef], list[FunctionDef]]:
        """All frames, the innermost first."""
        for frames in sorted(set(self._frames.values()), key=lambda f: (-len(f), f)):
            if frames:
                self._loop(frames)
        return list(self._nodes.values()), self._functions

    def _loop(self, frames: Frames) -> None:
        inside = [n for name, n in self._nodes.items() if self._frames.get(name) == frames]
        # the frame of a NextIteration is that of what it is given
        steps = {
            name: node
            for name, node in self._nodes.items()
            if node.op in _NEXT and self._after(_name(node.input[0])) == frames
        }
        merges = [
            node for node in inside
            if node.op in ("Merge", "RefMerge") and any(_name(t) in steps for t in node.input)
        ]  # fmt: skip
        conds = [node for node in inside if node.op == "LoopCond"]
        if len(conds) != 1 or not merges:
            raise ValueError(
                f"import_graph_def: the loop {frames[-1]!r} has {len(conds)} conditions (LoopCond) "
                f"and {len(merges)} variables (Merge of Enter and NextIteration)"
            )
        starts, nexts = [], []
        for merge in merges:
            first, second = _data(merge)[:2]
            if _name(first) in steps:
                first, second = second, first
            starts.append(self._nodes[_name(first)])
            nexts.append(_data(steps[_name(second)])[0])
        places = {merge.name: k for k, merge in enumerate(merges)}
        switches: dict[str, str] = {}
        for node in inside:
            if node.op in ("Switch", "RefSwitch") and _name(node.input[0]) in places:
                if _name(node.input[1]) == conds[0].name:
                    switches[node.name] = _name(node.input[0])
        taken = {start.name for start in starts}
        captures = [n for n in inside if n.op in _ENTER and n.name not in taken]
        arguments = [*(m.name for m in merges), *(c.name for c in captures)]
        lead = conds[0].name.rpartition("/")[0]
        name = f"{lead}/While" if lead else "While"
        while name in self._nodes:
            name += "_"
        loop = NodeDef(name=name, op="While", device=conds[0].device)
        loop.attr[OURS].b = True
        controls: dict[str, None] = {}
        for enter in (*starts, *captures):
            loop.input.append(_data(enter)[0])
            controls.update((text, None) for text in enter.input if text.startswith("^"))
        loop.input.extend(controls)
        results = {"cond": [_data(conds[0])[0]],
                   "body": [*nexts, *(c.name for c in captures)]}  # fmt: skip
        for key, texts in results.items():
            function = self._function(f"{name}/{key}", arguments, texts, switches)
            loop.attr[key].CopyFrom(AttrValue(func=NameAttrList(name=function.signature.name)))
            self._functions.append(function)
        exits = [n for n in self._nodes.values()
                 if n.op in _EXIT and _name(n.input[0]) in switches]  # fmt: skip
        made = {name: loop}
        for leave in exits:
            new = NodeDef(name=leave.name, op="Identity", device=leave.device)
            new.input.append(f"{name}:{places[switches[_name(leave.input[0])]]}")
            new.input.extend(text for text in leave.input if text.startswith("^"))
            if "T" in leave.attr:
                new.attr["T"].CopyFrom(leave.attr["T"])
            made[leave.name] = new
        gone = {node.name for node in inside} | set(steps) | set(made)
        self._nodes = {key: n for key, n in self._nodes.items() if key not in gone}
        self._nodes.update(made)
        self._frames.update(dict.fromkeys(made, frames[:-1]))

    def _function(
        self, name: str, arguments: list[str], results: list[str], switches: dict[str, str]
    ) -> FunctionDef:
        """The function of what ``results`` need; its nodes are named as in the graph."""
        made = FunctionDef(signature=OpDef(name=name))
        for k, argument in enumerate(arguments):
            made.signature.input_arg.append(OpDef.ArgDef(name=argument))
            made.arg_attr[k].attr[ARG_NAME].s = argument.encode()

        def direct(text: str) -> str:
            return switches.get(_name(text), text)

        known = set(arguments)
        needed: set[str] = set()
        waiting = [_name(direct(text)) for text in results]
        while waiting:
            at = waiting.pop()
            if at in needed or at in known or at in switches or at not in self._nodes:
                continue
            needed.add(at)
            waiting.extend(_name(direct(text)) for text in self._nodes[at].input)
        for node in self._nodes.values():
            if node.name not in needed:
                continue
            new = NodeDef()
            new.CopyFrom(node)
            data = [direct(text) for text in _data(node)]
            # what a node waits for at the start of an iteration is there
            others = [text for text in node.input if text.startswith("^") and text[1:] in needed]
            new.input[:] = [*data, *others]
            made.node_def.append(new)
        for k, text in enumerate(results):
            made.signature.output_arg.append(OpDef.ArgDef(name=f"output_{k}"))
            made.ret[f"output_{k}"] = direct(text)
        return made
