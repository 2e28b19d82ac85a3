"""The rules by which weights change: SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam.

``g`` is the gradient, ``w`` a weight and ``t`` the number of the step, from 1.
"""

from __future__ import annotations

from typing import Any

import flowgraph as tf
from flowgraph.keras.optimizers.base import Stepper, StepperWithEpsilon, slot, variable


class SGD(Stepper):
    """Gradient descent, with momentum.

        v <- momentum * v - lr * g
        w <- w + v,   with Nesterov's momentum  w + momentum * v - lr * g

    Args:
        lr: rate.
        momentum: how much of the last step is kept.
        decay: of the rate.
        nesterov: whether to look ahead.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    momentum: Any

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(lr, decay, {"momentum": momentum}, **kwargs)
        self.nesterov = nesterov

    def _make_slots(self, p: Any) -> list[Any]:
        return [slot(p, "momentum")]

    def _before(self, rate: Any, t: Any) -> tuple[list[Any], list[Any]]:
        return [rate, self.momentum], []

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        rate, momentum = shared
        v = momentum * slots[0] - rate * g
        return (p + momentum * v - rate * g if self.nesterov else p + v), v

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of, as they are now."""
        return self._config(nesterov=self.nesterov)


class RMSprop(StepperWithEpsilon):
    """Steps divided by a moving mean of the gradients' size.

        a <- rho * a + (1 - rho) * g^2
        w <- w - lr * g / (sqrt(a) + epsilon)

    Args:
        lr: rate.
        rho: how much of the mean is kept.
        epsilon: a small number; ``K.epsilon()`` by default.
        decay: of the rate.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    rho: Any

    def __init__(
        self,
        lr: float = 0.001,
        rho: float = 0.9,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(lr, epsilon, decay, {"rho": rho}, **kwargs)

    def _make_slots(self, p: Any) -> list[Any]:
        return [slot(p, "rms")]

    def _before(self, rate: Any, t: Any) -> tuple[list[Any], list[Any]]:
        return [rate, self.rho], []

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        rate, rho = shared
        a = rho * slots[0] + (1.0 - rho) * tf.square(g)
        return p - rate * g / (tf.sqrt(a) + self.epsilon), a


class Adagrad(StepperWithEpsilon):
    """Steps divided by the size of all gradients so far.

        a <- a + g^2
        w <- w - lr * g / (sqrt(a) + epsilon)

    Args:
        lr: rate.
        epsilon: a small number; ``K.epsilon()`` by default.
        decay: of the rate.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    def __init__(
        self, lr: float = 0.01, epsilon: float | None = None, decay: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(lr, epsilon, decay, {}, **kwargs)

    def _make_slots(self, p: Any) -> list[Any]:
        return [slot(p, "accumulator")]

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        a = slots[0] + tf.square(g)
        return p - shared[0] * g / (tf.sqrt(a) + self.epsilon), a


class Adadelta(StepperWithEpsilon):
    """Steps of the size of the last ones, divided by the size of the last gradients.

        a <- rho * a + (1 - rho) * g^2
        u  = g * sqrt(d + epsilon) / sqrt(a + epsilon)
        w <- w - lr * u
        d <- rho * d + (1 - rho) * u^2

    Args:
        lr: rate, best left at 1.
        rho: how much of the means is kept.
        epsilon: a small number; ``K.epsilon()`` by default.
        decay: of the rate.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    def __init__(
        self,
        lr: float = 1.0,
        rho: float = 0.95,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(lr, epsilon, decay, {}, **kwargs)
        self.rho = rho

    def _make_slots(self, p: Any) -> list[Any]:
        return [slot(p, "accumulator"), slot(p, "delta")]

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        before, delta = slots
        a = self.rho * before + (1.0 - self.rho) * tf.square(g)
        u = g * tf.sqrt(delta + self.epsilon) / tf.sqrt(a + self.epsilon)
        return p - shared[0] * u, a, self.rho * delta + (1.0 - self.rho) * tf.square(u)

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of, as they are now."""
        return self._config(rho=self.rho, epsilon=self.epsilon)


class Adam(StepperWithEpsilon):
    """Steps along a moving mean of the gradients, divided by their size.

        m <- beta_1 * m + (1 - beta_1) * g
        v <- beta_2 * v + (1 - beta_2) * g^2
        w <- w - lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    Args:
        lr: rate.
        beta_1: how much of the mean of gradients is kept.
        beta_2: how much of the mean of their squares is kept.
        epsilon: a small number; ``K.epsilon()`` by default.
        decay: of the rate.
        amsgrad: divide by the largest v so far.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    beta_1: Any
    beta_2: Any

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(lr, epsilon, decay, {"beta_1": beta_1, "beta_2": beta_2}, **kwargs)
        self.amsgrad = amsgrad

    def _make_slots(self, p: Any) -> list[Any]:
        # NB: Keras stores a third slot of one element where amsgrad is off; files have it.
        return [slot(p, "m"), slot(p, "v"), slot(p, "vhat", None if self.amsgrad else [1])]

    def _before(self, rate: Any, t: Any) -> tuple[list[Any], list[Any]]:
        rate *= tf.sqrt(1.0 - tf.pow(self.beta_2, t)) / (1.0 - tf.pow(self.beta_1, t))
        return [rate, self.beta_1, self.beta_2], []

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        rate, beta_1, beta_2 = shared
        m = beta_1 * slots[0] + (1.0 - beta_1) * g
        v = beta_2 * slots[1] + (1.0 - beta_2) * tf.square(g)
        if self.amsgrad:
            largest = tf.maximum(slots[2], v)
            return p - rate * m / (tf.sqrt(largest) + self.epsilon), m, v, largest
        return p - rate * m / (tf.sqrt(v) + self.epsilon), m, v, slots[2]

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of, as they are now."""
        return self._config(epsilon=self.epsilon, amsgrad=self.amsgrad)


class Adamax(StepperWithEpsilon):
    """Adam with the largest gradient in place of their mean size.

        m <- beta_1 * m + (1 - beta_1) * g
        u <- max(beta_2 * u, |g|)
        w <- w - lr / (1 - beta_1^t) * m / (u + epsilon)

    Args:
        lr: rate.
        beta_1: how much of the mean of gradients is kept.
        beta_2: how much of the largest gradient is kept.
        epsilon: a small number; ``K.epsilon()`` by default.
        decay: of the rate.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    beta_1: Any
    beta_2: Any

    def __init__(
        self,
        lr: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(lr, epsilon, decay, {"beta_1": beta_1, "beta_2": beta_2}, **kwargs)

    def _make_slots(self, p: Any) -> list[Any]:
        return [slot(p, "m"), slot(p, "u")]

    def _before(self, rate: Any, t: Any) -> tuple[list[Any], list[Any]]:
        return [rate / (1.0 - tf.pow(self.beta_1, t)), self.beta_1, self.beta_2], []

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        rate, beta_1, beta_2 = shared
        m = beta_1 * slots[0] + (1.0 - beta_1) * g
        u = tf.maximum(beta_2 * slots[1], tf.abs(g))
        return p - rate * m / (u + self.epsilon), m, u


class Nadam(StepperWithEpsilon):
    """Adam with Nesterov's momentum, which grows along a schedule.

        c_t = beta_1 * (1 - 0.96^(t * schedule_decay) / 2),   s_t = c_1 * c_2 * ... * c_t
        m  <- beta_1 * m + (1 - beta_1) * g
        v  <- beta_2 * v + (1 - beta_2) * g^2
        n   = (1 - c_t) * g / (1 - s_t) + c_(t+1) * m / (1 - s_(t+1))
        w  <- w - lr * n / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Args:
        lr: rate.
        beta_1: how much of the mean of gradients is kept.
        beta_2: how much of the mean of their squares is kept.
        epsilon: a small number; ``K.epsilon()`` by default.
        schedule_decay: how quickly the schedule goes.
        kwargs: ``clipnorm``, ``clipvalue``; ``learning_rate``, another name of ``lr``.
    """

    beta_1: Any
    beta_2: Any

    def __init__(
        self,
        lr: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        schedule_decay: float = 0.004,
        **kwargs: Any,
    ) -> None:
        super().__init__(lr, epsilon, 0.0, {"beta_1": beta_1, "beta_2": beta_2}, **kwargs)
        self.schedule_decay = schedule_decay
        with tf.name_scope(type(self).__name__), tf.control_dependencies(None):
            self.m_schedule = variable(1.0, None, "m_schedule")

    def _counters(self) -> list[Any]:
        return [self.iterations, self.m_schedule]

    def _make_slots(self, p: Any) -> list[Any]:
        return [slot(p, "m"), slot(p, "v")]

    def _before(self, rate: Any, t: Any) -> tuple[list[Any], list[Any]]:
        now, following = (
            self.beta_1 * (1.0 - 0.5 * tf.pow(0.96, at * self.schedule_decay))
            for at in (t, t + 1.0)
        )
        reached = self.m_schedule * now
        shared = [
            rate, self.beta_1, self.beta_2, now, following, 1.0 - reached,
            1.0 - reached * following, 1.0 - tf.pow(self.beta_2, t),
        ]  # fmt: skip
        return shared, [(self.m_schedule, reached)]

    def _step(self, p: Any, g: Any, slots: list[Any], *shared: Any) -> tuple[Any, ...]:
        rate, beta_1, beta_2, now, following, rest, next_rest, scale = shared
        m = beta_1 * slots[0] + (1.0 - beta_1) * g
        v = beta_2 * slots[1] + (1.0 - beta_2) * tf.square(g)
        n = (1.0 - now) * (g / rest) + following * (m / next_rest)
        return p - rate * n / (tf.sqrt(v / scale) + self.epsilon), m, v

    def get_config(self) -> dict[str, Any]:
        """The numbers that the optimizer is made of, as they are now."""
        config = self._config(epsilon=self.epsilon, schedule_decay=self.schedule_decay)
        del config["decay"]
        return config

    def _may_lack(self) -> tuple[int, ...]:
        return (0,)  # NB: without m_schedule the state is not one that can go on
