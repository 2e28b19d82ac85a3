"""What the functions given to ``map``, ``filter`` and so on become: small graphs with plans.

A function is traced once, when the dataset is made.  Tensors of the surrounding graph that it uses
are inputs of its graph, whose values are those at the initialisation of the iterator.

    lambda x: x * scale     Placeholder x · Placeholder captured_0 (scale) -> Mul

While the pipeline runs, each element is one run of that graph's native plan, by a session of its
own.  Where the function returns a dataset, the run gives the tensors that this dataset is made of.

Read next: steps.py, which has the nodes with functions.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowgraph.data.node import Argument, Bound, Element, Env, Node
from flowgraph.data.structure import Array, Leaf, Nested, component, flatten, pack
from flowgraph.eager.autograph import converted
from flowgraph.eager.func_graph import FuncGraph
from flowgraph.eager.recording import paused
from flowgraph.eager.tensor import EagerTensor
from flowgraph.eager.variables import EagerVariable
from flowgraph.graph.apply import call
from flowgraph.graph.convert import make_constant
from flowgraph.graph.core import Graph
from flowgraph.graph.default import get_default_graph
from flowgraph.graph.node import Operation, Tensor
from flowgraph.graph.opdef import HOST, OPDEFS, RANDOM, WRITE
from flowgraph.graph.report import call_message
from flowgraph.session import BaseSession

_numbers = itertools.count()


def name_in(graph: Graph, name: str) -> str:
    """A name that nothing else in ``graph`` has."""
    return f"{name}_{next(_numbers)}" if graph.executes else graph.unique_name(name)


def _check_arguments(name: str, python: Callable[..., Any], count: int) -> None:
    """TypeError unless ``python`` takes ``count`` arguments by position."""
    try:
        signature = inspect.signature(python)
    except (TypeError, ValueError):
        return  # built-in functions do not say
    try:
        signature.bind(*[None] * count)
    except TypeError:
        text = f"{name}: an element has {count} component(s), the function takes {signature}"
        fix = "give it one argument per component, e.g. lambda image, label: ..."
        raise TypeError(call_message(text, [("function", python)], fix=fix)) from None


class NoVariable(EagerVariable):
    """What tf.Variable makes in a function of a dataset: an error."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ValueError(
            "functions of datasets cannot make variables: they would be other ones in every "
            "element; make them outside, where they are read when the iterator is initialised"
        )


class DataGraph(FuncGraph):
    """The graph of a function of a dataset: it captures tensors of graphs, too."""

    variable_class = NoVariable

    def __init__(self, name: str, outer: Graph) -> None:
        super().__init__(name, outer, may_make_variables=False)
        self.stream_prefix = f"{name}/"

    def capture(self, tensor: Tensor) -> Tensor:
        """What stands for ``tensor`` of outside."""
        known = self.captures.get(id(tensor))
        if known is not None:
            return known[1]
        if isinstance(tensor, EagerTensor):
            return super().capture(tensor)
        if tensor.dtype.is_ref:
            raise ValueError(
                f"{self.name}: the function changes or refers to the variable {tensor.op.name!r}; "
                "functions of datasets can only read variables, and read them when the iterator is "
                "initialised: use its value, as made before the dataset (v.read_value())"
            )
        with self._at_the_top():
            if tensor.op.type == "Const":
                inner = make_constant(tensor.op.attrs["value"])
            else:
                inner = call.Placeholder(
                    dtype=tensor.dtype, shape=tensor.shape, name=f"captured_{len(self.captures)}"
                )
        self.captures[id(tensor)] = tensor, inner
        return inner


class Function:
    """A user's function, traced.

    Args:
        python: the function.
        structure: of the elements it is called with; a tuple's parts are its arguments.
        name: of the transformation, for messages.
        single: the element is one argument, also when it is a tuple.

    Attributes:
        result: the structure it returns, of Leafs and Nested.
        captured: tensors of the surrounding graph that it uses.
    """

    def __init__(
        self, python: Callable[..., Any], structure: Any, name: str, single: bool = False
    ) -> None:
        if not callable(python):
            raise TypeError(f"{name}: a function is needed, not {python!r}")
        outer = get_default_graph()
        self.name = name
        self.graph = DataGraph(name_in(outer, name), outer)
        self._arguments: list[Tensor | Argument] = []
        with self.graph.as_default(), paused():
            symbols = pack(structure, [self._symbol(leaf) for leaf in flatten(structure)])
            several = isinstance(structure, tuple) and not hasattr(structure, "_fields")
            function = converted(python)
            count = len(symbols) if several and not single else 1
            _check_arguments(name, python, count)
            returned = function(*symbols) if several and not single else function(symbols)
            self._take(returned)
            self._operations = self.graph.effects(0)
        for op in self._operations:
            if OPDEFS[op.type].effect == WRITE:
                raise ValueError(
                    f"{name}: operation {op.name!r} changes a variable; functions of datasets "
                    "cannot"
                )
        self._inputs = [a for a in self._arguments if isinstance(a, Tensor)]
        pairs = [p for p in self.graph.captures.values() if p[1].op.type == "Placeholder"]
        self._captures = pairs
        self.captured = [t for t, _ in pairs if not isinstance(t, EagerTensor)]

    def _symbol(self, leaf: Any) -> Any:
        if isinstance(leaf, Nested):
            argument = Argument(leaf.structure)
            self._arguments.append(argument)
            return DATASET[0](argument)
        tensor = call.Placeholder(dtype=leaf.dtype, shape=leaf.dims, name="arg")
        self._arguments.append(tensor)
        return tensor

    def _take(self, returned: Any) -> None:
        """Note what the function returned: leaves, and the tensors to compute."""
        if isinstance(returned, list):
            returned = tuple(returned)
        if returned is None or isinstance(returned, Operation):
            raise TypeError(f"{self.name}: the function must return tensors, not {returned!r}")
        self._fetches: list[Tensor] = []
        #: Per leaf returned: a place among the fetches, or (node, ids of its tensors, places).
        self._leaves: list[int | tuple[Node, list[int], list[int]]] = []
        leaves: list[Any] = []
        for item in flatten(returned):
            node = getattr(item, "_node", None)
            if isinstance(node, Node):
                tensors = node.tensors()
                places = [self._fetched(t) for t in tensors]
                self._leaves.append((node, [id(t) for t in tensors], places))
                leaves.append(Nested(node.structure))
                continue
            found = component(item)
            tensor = found.value if isinstance(found.value, Tensor) else make_constant(found.value)
            place = self._fetched(tensor)
            self._leaves.append(place)
            leaves.append(Leaf(found.dtype, found.dims))
        self.result = pack(returned, leaves)

    def _fetched(self, tensor: Tensor) -> int:
        if tensor.graph is not self.graph:
            tensor = self.graph.capture(tensor)
        for place, known in enumerate(self._fetches):
            if known is tensor:
                return place
        self._fetches.append(tensor)
        return len(self._fetches) - 1

    @property
    def is_pure(self) -> bool:
        """True when the order of its calls does not matter."""
        return all(
            OPDEFS[op.type].effect not in (RANDOM, HOST, WRITE)
            for op in self.graph.get_operations()
        )

    def start(self) -> BaseSession:
        """A session for it, with variables as they are now."""
        session = BaseSession(graph=self.graph)
        refs = self.graph.refs.items()
        session._set_variables({ref.op.name: v._storage.array for v, ref in refs})
        return session


class BoundFunction:
    """A Function with the values of what it captured: called for each element."""

    def __init__(self, function: Function, env: Env, number: int = 0) -> None:
        lasting = env.shared.lasting
        key = (function, number)
        found = lasting.get(key)
        if found is None:
            session = function.start()
            feeds = [*function._inputs, *(inner for _, inner in function._captures)]
            run = session.make_callable([*function._fetches, *function._operations], feeds)
            found = lasting[key] = session, run
        session = found[0]
        self._run: Callable[..., Any] = found[1]
        if key not in env.shared.started:
            env.shared.started.add(key)
            _begin_anew(function.graph, session)
        self._function, self._env = function, env
        self._given = [
            t._array if isinstance(t, EagerTensor) else env.values[id(t)]
            for t, _ in function._captures
        ]
        self._dtypes = [t.dtype.np for t in function._fetches]
        self._is_plain = len(function._arguments) == len(function._inputs)
        self._is_direct = self._is_plain and function._leaves == list(range(len(function._fetches)))

    def __call__(self, element: Element) -> Element:
        """The flat result for a flat element."""
        arrays = element if self._is_plain else [a for a in element if not isinstance(a, Bound)]
        results = self._run(*arrays, *self._given)
        values = tuple(map(_array, results, self._dtypes))
        if self._is_direct:
            return values
        return self._packed(element, values)

    def _packed(self, element: Element, values: Sequence[Array]) -> Element:
        function = self._function
        datasets: dict[Node, Bound] = {
            a: value
            for a, value in zip(function._arguments, element, strict=True)
            if isinstance(a, Argument)
        }
        out: list[Any] = []
        for leaf in function._leaves:
            if isinstance(leaf, int):
                out.append(values[leaf])
                continue
            node, ids, places = leaf
            known = {key: values[place] for key, place in zip(ids, places, strict=True)}
            nested = {**self._env.datasets, **datasets}
            out.append(Bound(node, Env(known, self._env.shared, nested)))
        return tuple(out)


def _array(value: Any, dtype: Any) -> Array:
    """A fetched value as an array; strings are bytes, which NumPy must not look into."""
    if type(value) is np.ndarray:
        return value
    array = np.empty((), dtype)
    array[()] = value
    return array


def _begin_anew(graph: Graph, session: BaseSession) -> None:
    """Start streams with a seed of the user from the beginning; the others go on."""
    counters = session._state.counters
    for op in graph.get_operations():
        if OPDEFS[op.type].effect == RANDOM and op.name in counters and is_seeded(op):
            counters[op.name][...] = 0


def is_seeded(op: Operation) -> bool:
    """True when the user gave a random operation a seed: others have 63 bits (random_seeds.py)."""
    return int(op.attrs.get("seed2", 0)) < 1 << 31


#: The class of datasets, which dataset.py puts here: functions of datasets get and return them.
DATASET: list[Any] = []
