"""Steps of the optimizers: ApplyMomentum, SparseApplyMomentum and their kin.

Every formula is written once; step_rules.py makes of it the dense and the sparse operation, their
kernels and their oracle.  Names of arguments are TensorFlow's; capital letters in the comments are
what the papers call them.

Read next: train/ (the optimizers that make these operations).
"""

from __future__ import annotations

from typing import Any

from flowgraph.graph.opdef import Call
from flowgraph.ops.step_rules import define_step

# ------------------------------------------------------------------------------- gradient descent


def _descent(s: Any, call_: Call, var: Any, alpha: Any, delta: Any) -> Any:
    return (var - alpha * delta,)


define_step(
    "GradientDescent",
    "var& alpha delta",
    _descent,
    "var <- var - alpha * delta.",
    numbers={"alpha": 0.1},
    sparse=False,
)


def _shrunk(s: Any, x: Any, by: Any) -> Any:
    """``x`` moved towards 0 by ``by``, not beyond it."""
    return s.sign(x) * s.max(s.abs(x) - by, 0.0)


def _proximal(s: Any, x: Any, rate: Any, l1: Any, l2: Any) -> Any:
    """The proximal step of ``l1 |x| + l2 x**2 / 2`` at ``rate`` (Duchi and Singer 2009)."""
    # NB: without l1 the sign stays, also of zeros.
    return s.select(s.gt(l1, 0.0), _shrunk(s, x, rate * l1), x) / (rate * l2 + 1.0)


def _proximal_descent(
    s: Any, call_: Call, var: Any, alpha: Any, l1: Any, l2: Any, delta: Any
) -> Any:
    return (_proximal(s, var - alpha * delta, alpha, l1, l2),)


define_step(
    "ProximalGradientDescent",
    "var& alpha l1 l2 delta",
    _proximal_descent,
    "x = var - alpha * delta;  var <- sign(x) max(|x| - alpha l1, 0) / (1 + alpha l2).",
    numbers={"alpha": 0.1, "l1": 2.5, "l2": 0.3},
)


def _momentum(s: Any, call_: Call, var: Any, accum: Any, lr: Any, grad: Any, momentum: Any) -> Any:
    accum = accum * momentum + grad
    if call_.attrs["use_nesterov"]:
        return var - (grad * lr + accum * momentum * lr), accum
    return var - accum * lr, accum


define_step(
    "Momentum",
    "var& accum& lr grad momentum",
    _momentum,
    "accum <- momentum * accum + grad;  var <- var - lr * accum (Nesterov: - lr * (grad + "
    "momentum * accum)).",
    numbers={"lr": 0.1, "momentum": 0.9},
    use_nesterov=False,
)

# ---------------------------------------------------------------------- rates of each element's own


def _adagrad(s: Any, call_: Call, var: Any, accum: Any, lr: Any, grad: Any) -> Any:
    if call_.attrs["update_slots"]:
        accum = accum + grad * grad
    return var - lr * grad * s.rsqrt(accum), accum


define_step(
    "Adagrad",
    "var& accum& lr grad",
    _adagrad,
    "accum <- accum + grad**2;  var <- var - lr * grad / sqrt(accum) (Duchi, Hazan and Singer "
    "2011).  update_slots=False leaves accum as it is.",
    numbers={"lr": 0.1},
    positive=("accum",),
    update_slots=True,
)


def _adagrad_with_epsilon(
    s: Any, call_: Call, var: Any, accum: Any, lr: Any, epsilon: Any, grad: Any
) -> Any:
    if call_.attrs["update_slots"]:
        accum = accum + grad * grad
    return var - lr * grad / (s.sqrt(accum) + epsilon), accum


define_step(
    "AdagradV2",
    "var& accum& lr epsilon grad",
    _adagrad_with_epsilon,
    "accum <- accum + grad**2;  var <- var - lr * grad / (sqrt(accum) + epsilon).",
    numbers={"lr": 0.1, "epsilon": 0.01},
    positive=("accum",),
    update_slots=True,
)


def _proximal_adagrad(
    s: Any, call_: Call, var: Any, accum: Any, lr: Any, l1: Any, l2: Any, grad: Any
) -> Any:
    accum = accum + grad * grad
    rate = lr * s.rsqrt(accum)
    return _proximal(s, var - grad * rate, rate, l1, l2), accum


define_step(
    "ProximalAdagrad",
    "var& accum& lr l1 l2 grad",
    _proximal_adagrad,
    "accum <- accum + grad**2;  rate = lr / sqrt(accum);  x = var - rate * grad;  "
    "var <- sign(x) max(|x| - rate l1, 0) / (1 + rate l2).",
    numbers={"lr": 0.1, "l1": 2.5, "l2": 0.3},
    positive=("accum",),
)


def _adagrad_da(
    s: Any, call_: Call, var: Any, gradients: Any, squares: Any, grad: Any, lr: Any, l1: Any,
    l2: Any, global_step: Any,
) -> Any:  # fmt: skip
    steps = s.cast(global_step, lr.dtype)
    gradients = gradients + grad
    squares = squares + grad * grad
    total = s.select(s.gt(l1, 0.0), _shrunk(s, gradients, l1 * steps), gradients)
    return -(lr * total) / (l2 * steps * lr + s.sqrt(squares)), gradients, squares


define_step(
    "AdagradDA",
    "var& gradient_accumulator& gradient_squared_accumulator& grad lr l1 l2 global_step",
    _adagrad_da,
    "Adagrad by dual averaging: G <- G + grad;  Q <- Q + grad**2;  "
    "var <- -lr sign(G) max(|G| - l1 t, 0) / (l2 t lr + sqrt(Q)), t the global step.",
    numbers={"lr": 0.1, "l1": 0.2, "l2": 0.3, "global_step": 3},
    positive=("gradient_squared_accumulator",),
)


def _adadelta(
    s: Any, call_: Call, var: Any, accum: Any, accum_update: Any, lr: Any, rho: Any, epsilon: Any,
    grad: Any,
) -> Any:  # fmt: skip
    accum = accum * rho + grad * grad * (1.0 - rho)
    update = s.sqrt(accum_update + epsilon) * s.rsqrt(accum + epsilon) * grad
    return var - update * lr, accum, accum_update * rho + update * update * (1.0 - rho)


define_step(
    "Adadelta",
    "var& accum& accum_update& lr rho epsilon grad",
    _adadelta,
    "accum <- rho accum + (1 - rho) grad**2;  u = sqrt(accum_update + epsilon) / sqrt(accum + "
    "epsilon) grad;  accum_update <- rho accum_update + (1 - rho) u**2;  var <- var - lr u "
    "(Zeiler 2012).",
    numbers={"lr": 0.5, "rho": 0.9, "epsilon": 0.01},
    positive=("accum", "accum_update"),
)


def _rmsprop(
    s: Any, call_: Call, var: Any, ms: Any, mom: Any, lr: Any, rho: Any, momentum: Any,
    epsilon: Any, grad: Any,
) -> Any:  # fmt: skip
    ms = ms + (grad * grad - ms) * (1.0 - rho)
    mom = mom * momentum + grad * lr * s.rsqrt(ms + epsilon)
    return var - mom, ms, mom


define_step(
    "RMSProp",
    "var& ms& mom& lr rho momentum epsilon grad",
    _rmsprop,
    "ms <- rho ms + (1 - rho) grad**2;  mom <- momentum mom + lr grad / sqrt(ms + epsilon);  "
    "var <- var - mom (Tieleman and Hinton 2012).",
    numbers={"lr": 0.1, "rho": 0.9, "momentum": 0.5, "epsilon": 0.01},
    positive=("ms",),
)


def _centered_rmsprop(
    s: Any, call_: Call, var: Any, mg: Any, ms: Any, mom: Any, lr: Any, rho: Any, momentum: Any,
    epsilon: Any, grad: Any,
) -> Any:  # fmt: skip
    ms = ms + (grad * grad - ms) * (1.0 - rho)
    mg = mg + (grad - mg) * (1.0 - rho)
    mom = mom * momentum + grad * lr * s.rsqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


define_step(
    "CenteredRMSProp",
    "var& mg& ms& mom& lr rho momentum epsilon grad",
    _centered_rmsprop,
    "As RMSProp, with the variance of the gradient: mg <- rho mg + (1 - rho) grad;  "
    "mom <- momentum mom + lr grad / sqrt(ms - mg**2 + epsilon).",
    numbers={"lr": 0.1, "rho": 0.9, "momentum": 0.5, "epsilon": 5.0},
    positive=("ms",),
)


def _adam(
    s: Any, call_: Call, var: Any, m: Any, v: Any, power1: Any, power2: Any, lr: Any, beta1: Any,
    beta2: Any, epsilon: Any, grad: Any,
) -> Any:  # fmt: skip
    rate = lr * s.sqrt(1.0 - power2) / (1.0 - power1)
    m = m + (grad - m) * (1.0 - beta1)
    v = v + (grad * grad - v) * (1.0 - beta2)
    if call_.attrs["use_nesterov"]:
        return var - (grad * (1.0 - beta1) + beta1 * m) * rate / (epsilon + s.sqrt(v)), m, v
    return var - m * rate / (s.sqrt(v) + epsilon), m, v


define_step(
    "Adam",
    "var& m& v& beta1_power beta2_power lr beta1 beta2 epsilon grad",
    _adam,
    "One step of Adam (Kingma and Ba 2015) with the bias correction in the rate: "
    "lr_t = lr * sqrt(1 - beta2_power) / (1 - beta1_power);  m <- m + (grad - m)(1 - beta1);  "
    "v <- v + (grad**2 - v)(1 - beta2);  var <- var - lr_t * m / (sqrt(v) + epsilon).",
    numbers={
        "beta1_power": 0.9, "beta2_power": 0.999, "lr": 0.001, "beta1": 0.9, "beta2": 0.999,
        "epsilon": 1e-8,
    },
    positive=("v",),
    sparse=False,
    use_nesterov=False,
)  # fmt: skip


def _adamax(
    s: Any, call_: Call, var: Any, m: Any, v: Any, power1: Any, lr: Any, beta1: Any, beta2: Any,
    epsilon: Any, grad: Any,
) -> Any:  # fmt: skip
    m = m + (grad - m) * (1.0 - beta1)
    v = s.max(beta2 * v, s.abs(grad))
    return var - lr / (1.0 - power1) * (m / (v + epsilon)), m, v


define_step(
    "AdaMax",
    "var& m& v& beta1_power lr beta1 beta2 epsilon grad",
    _adamax,
    "Adam by the maximum norm: m <- m + (grad - m)(1 - beta1);  v <- max(beta2 v, |grad|);  "
    "var <- var - lr / (1 - beta1_power) * m / (v + epsilon).",
    numbers={"beta1_power": 0.9, "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 0.01},
    positive=("v",),
    sparse=False,
)

# ------------------------------------------------------------------------------- signs agree or not


def _agreement(s: Any, m: Any, grad: Any) -> Any:
    return s.sign(grad) * s.sign(m)


def _add_sign(
    s: Any, call_: Call, var: Any, m: Any, lr: Any, alpha: Any, sign_decay: Any, beta: Any,
    grad: Any,
) -> Any:  # fmt: skip
    m = m * beta + grad * (1.0 - beta)
    return var - lr * (alpha + sign_decay * _agreement(s, m, grad)) * grad, m


define_step(
    "AddSign",
    "var& m& lr alpha sign_decay beta grad",
    _add_sign,
    "m <- beta m + (1 - beta) grad;  var <- var - lr (alpha + sign_decay sign(grad) sign(m)) grad "
    "(Bello et al. 2017).",
    numbers={"lr": 0.1, "alpha": 1.0, "sign_decay": 0.9, "beta": 0.8},
    sparse=False,
)


def _power_sign(
    s: Any, call_: Call, var: Any, m: Any, lr: Any, logbase: Any, sign_decay: Any, beta: Any,
    grad: Any,
) -> Any:  # fmt: skip
    m = m * beta + grad * (1.0 - beta)
    return var - lr * s.exp(logbase * sign_decay * _agreement(s, m, grad)) * grad, m


define_step(
    "PowerSign",
    "var& m& lr logbase sign_decay beta grad",
    _power_sign,
    "m <- beta m + (1 - beta) grad;  var <- var - lr exp(logbase sign_decay sign(grad) sign(m)) "
    "grad (Bello et al. 2017).",
    numbers={"lr": 0.1, "logbase": 1.0, "sign_decay": 0.9, "beta": 0.8},
    sparse=False,
)

# ------------------------------------------------------------------ follow the regularized leader


def _ftrl(
    s: Any, call_: Call, var: Any, accum: Any, linear: Any, grad: Any, lr: Any, l1: Any, l2: Any,
    *rest: Any,
) -> Any:  # fmt: skip
    lr_power = rest[-1]
    shrunk = grad + 2.0 * rest[0] * var if len(rest) == 2 else grad
    known = call_.value(len(call_.shapes) - 1)

    def power(x: Any) -> Any:
        """``x ** -lr_power``, of which the usual case is the root."""
        if known is not None and known == -0.5:
            return s.sqrt(x)
        return s.select(s.eq(lr_power, -0.5), s.sqrt(x), s.pow(x, -lr_power))

    squares = accum + grad * grad
    new = power(squares)
    linear = linear + shrunk - (new - power(accum)) / lr * var
    shrinking = l1 * s.sign(linear) - linear
    moved = shrinking / (new / lr + 2.0 * l2)
    return s.select(s.gt(s.abs(linear), l1), moved, 0.0), squares, linear


_FTRL = (
    "a = accum + grad**2;  linear <- linear + grad - (a**-p - accum**-p) / lr var, p = lr_power;  "
    "var <- (l1 sign(linear) - linear) / (a**-p / lr + 2 l2) where |linear| > l1, else 0;  "
    "accum <- a (McMahan et al. 2013)."
)
_FTRL_NUMBERS = {"lr": 0.5, "l1": 0.3, "l2": 0.2, "lr_power": -0.5}

define_step(
    "Ftrl",
    "var& accum& linear& grad lr l1 l2 lr_power",
    _ftrl,
    _FTRL,
    numbers=_FTRL_NUMBERS,
    positive=("accum",),
)

define_step(
    "FtrlV2",
    "var& accum& linear& grad lr l1 l2 l2_shrinkage lr_power",
    _ftrl,
    _FTRL + "  The gradient that moves linear is grad + 2 l2_shrinkage var.",
    numbers={**_FTRL_NUMBERS, "l2_shrinkage": 0.1, "lr_power": -0.7},
    positive=("accum",),
)
