"""``tf.nest``: lists, tuples, named tuples and dicts of tensors, taken apart and put together.

    {"b": 1, "a": [2, (3, 4)]}  --flatten-->  [2, 3, 4, 1]  --pack_sequence_as-->  what it was

Dicts are taken in the order of their sorted keys.  Everything else is a leaf: strings, arrays,
tensors, IndexedSlices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flowgraph.graph.export import export


@export("nest.is_nested", "contrib.framework.nest.is_sequence")
def is_nested(seq: Any) -> bool:
    """True when ``seq`` is a list, tuple or dict (or a subclass), which ``flatten`` takes apart.

    >>> [tf.nest.is_nested(x) for x in ([1], (), {"a": 1}, "text", 1)]
    [True, True, True, False, False]
    """
    return isinstance(seq, (list, tuple, Mapping))


def _sorted_keys(mapping: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        raise TypeError(f"nest: the keys of {mapping!r} cannot be sorted") from None


def _children(structure: Any) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        return (structure[key] for key in _sorted_keys(structure))
    return iter(structure)


@export("nest.flatten", "contrib.framework.nest.flatten")
def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves of nested lists, tuples and dicts, in order (dicts by sorted key).

    Args:
        structure: anything; what is not nested is a single leaf.
        expand_composites: accepted; composite tensors stay leaves.

    >>> tf.nest.flatten({"b": 1, "a": [2, (3, 4)]})
    [2, 3, 4, 1]
    """
    if not is_nested(structure):
        return [structure]
    leaves: list[Any] = []
    for child in _children(structure):
        leaves.extend(flatten(child))
    return leaves


def _like(structure: Any, children: Sequence[Any]) -> Any:
    """A container like ``structure`` with other children (dicts: in the order of sorted keys)."""
    kind: Any = type(structure)
    if isinstance(structure, Mapping):
        new = dict(zip(_sorted_keys(structure), children, strict=True))
        if hasattr(structure, "default_factory"):
            return kind(structure.default_factory, {key: new[key] for key in structure})
        return kind((key, new[key]) for key in structure)
    if hasattr(structure, "_fields"):
        return kind(*children)
    return kind(children)


@export("nest.pack_sequence_as", "contrib.framework.nest.pack_sequence_as")
def pack_sequence_as(
    structure: Any, flat_sequence: Sequence[Any], expand_composites: bool = False
) -> Any:
    """``flat_sequence`` in the structure of ``structure``: what ``flatten`` undoes.

    Args:
        structure: says which containers; its leaves are not looked at.
        flat_sequence: a list with one item per leaf.
        expand_composites: accepted.

    Raises:
        TypeError: ``flat_sequence`` is no list or tuple.
        ValueError: it has another number of items.

    >>> tf.nest.pack_sequence_as({"b": 1, "a": [2, (3, 4)]}, [5, 6, 7, 8])
    {'b': 8, 'a': [5, (6, 7)]}
    """
    if not isinstance(flat_sequence, (list, tuple)):
        raise TypeError(f"pack_sequence_as: flat_sequence must be a list, got {flat_sequence!r}")
    count = len(flatten(structure))
    if count != len(flat_sequence):
        raise ValueError(
            f"pack_sequence_as: the structure {structure!r} has {count} leaves, {flat_sequence!r} "
            f"has {len(flat_sequence)} items"
        )
    items = iter(flat_sequence)

    def pack(part: Any) -> Any:
        return _like(part, [pack(c) for c in _children(part)]) if is_nested(part) else next(items)

    return pack(structure)


@export("nest.assert_same_structure", "contrib.framework.nest.assert_same_structure")
def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Nothing, when both have the same containers with the same numbers of children.

    Args:
        nest1, nest2: anything.
        check_types: False lets a list match a tuple.
        expand_composites: accepted.

    Raises:
        ValueError: the numbers of children or the keys of dicts differ.
        TypeError: the types of containers differ.
    """
    if is_nested(nest1) != is_nested(nest2):
        raise ValueError(f"nest: {nest1!r} and {nest2!r} have not the same structure")
    if not is_nested(nest1):
        return
    dicts = [isinstance(nest, Mapping) for nest in (nest1, nest2)]
    if dicts[0] != dicts[1] or (check_types and not all(dicts) and type(nest1) is not type(nest2)):
        raise TypeError(
            f"nest: {nest1!r} is a {type(nest1).__name__}, {nest2!r} a {type(nest2).__name__}"
        )
    if all(dicts) and set(nest1) != set(nest2):
        raise ValueError(f"nest: {nest1!r} and {nest2!r} have not the same keys")
    if len(nest1) != len(nest2):
        raise ValueError(
            f"nest: {nest1!r} and {nest2!r} have not the same number of elements: {len(nest1)} and "
            f"{len(nest2)}"
        )
    for one, other in zip(_children(nest1), _children(nest2), strict=True):
        assert_same_structure(one, other, check_types)


@export("nest.map_structure", "contrib.framework.nest.map_structure")
def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """``func`` applied to the leaves of one or more equal structures.

    Args:
        func: takes one leaf of each structure.
        structure: one or more, of equal structure.
        check_types: as for ``assert_same_structure``.
        expand_composites: accepted.

    Returns:
        The results in the structure of the first.

    >>> tf.nest.map_structure(lambda x, y: x + y, {"a": [1, 2]}, {"a": [10, 20]})
    {'a': [11, 22]}
    """
    check_types = kwargs.pop("check_types", True)
    kwargs.pop("expand_composites", None)
    if kwargs:
        raise ValueError(f"map_structure: unknown keyword arguments {list(kwargs)}")
    if not callable(func):
        raise TypeError(f"map_structure: func must be callable, got {func!r}")
    if not structure:
        raise ValueError("map_structure: there must be at least one structure")
    first, *others = structure
    for other in others:
        assert_same_structure(first, other, check_types)
    columns = zip(*(flatten(one) for one in structure), strict=True)
    return pack_sequence_as(first, [func(*leaves) for leaves in columns])
