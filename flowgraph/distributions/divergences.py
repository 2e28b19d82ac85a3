"""The Kullback-Leibler divergence: kl_divergence, and RegisterKL for new pairs of distributions.

Read next: base.py (which function is taken), normal.py (one that is registered).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowgraph.distributions.base import DIVERGENCES, Distribution, divergence
from flowgraph.graph.default import name_scope
from flowgraph.graph.export import export
from flowgraph.graph.node import Tensor


@export("distributions.kl_divergence")
def kl_divergence(
    distribution_a: Distribution,
    distribution_b: Distribution,
    allow_nan_stats: bool = True,
    name: str | None = None,
) -> Tensor:
    """KL(a || b) = E[log p(X) - log q(X)] with X of a, p the density of a and q that of b.

    Args:
        distribution_a, distribution_b: distributions of types that are registered together, or
            whose base classes are.
        allow_nan_stats: False: a NaN in the result is an error when run.
        name: of the scope of its operations.

    Returns:
        A tensor of the broadcast batch shape.

    Raises:
        NotImplementedError: no divergence between the two types is registered.

    Gradient: to the parameters.

    >>> a, b = tf.distributions.Normal(0.0, 1.0), tf.distributions.Normal(2.0, 1.0)
    >>> tf.Session().run(tf.distributions.kl_divergence(a, b))
    2.0
    """
    with name_scope(name, "kl_divergence"):
        return divergence(distribution_a, distribution_b, allow_nan_stats, name)


@export("distributions.RegisterKL")
class RegisterKL:
    """Decorator: registers the divergence between two types of distributions.

    The function is called as ``f(a, b, name=None)``; it also serves subclasses, unless a nearer
    pair is registered.

    Args:
        dist_cls_a, dist_cls_b: classes.
    """

    def __init__(self, dist_cls_a: type, dist_cls_b: type) -> None:
        self._key = dist_cls_a, dist_cls_b

    def __call__(self, kl_fn: Callable[..., Any]) -> Callable[..., Any]:
        """Register ``kl_fn`` and return it.

        Raises:
            TypeError: it is no function.
            ValueError: the pair has one already.
        """
        if not callable(kl_fn):
            raise TypeError(f"RegisterKL: kl_fn must be a function, not {kl_fn!r}")
        if self._key in DIVERGENCES:
            names = " and ".join(c.__name__ for c in self._key)
            raise ValueError(f"RegisterKL: {names} have a divergence already")
        DIVERGENCES[self._key] = kl_fn
        return kl_fn
