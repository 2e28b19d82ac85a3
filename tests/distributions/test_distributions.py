"""tf.distributions against scipy.stats; samples with seeds are TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import flowgraph as tf

D = tf.distributions


def run(*fetches: Any, feeds: Any = None) -> Any:
    values = tf.Session().run(list(fetches), feeds)
    return values[0] if len(values) == 1 else values


def f64(*values: Any) -> Any:
    return tf.constant(np.array(values, np.float64))


#: name -> (distribution of float64, the one of SciPy, values)
CONTINUOUS: dict[str, tuple[Any, Any, list[float]]] = {
    "Normal": (
        lambda: D.Normal(f64(0, 1, -3), f64(1, 2, 0.5)),
        stats.norm([0, 1, -3], [1, 2, 0.5]), [-40.0, -2.0, 0.3, 9.0],
    ),
    "Uniform": (
        lambda: D.Uniform(f64(0, -1), f64(1, 3)), stats.uniform([0, -1], [1, 4]), [-2.0, 0.5, 4.0],
    ),
    "Laplace": (
        lambda: D.Laplace(f64(0, 1), f64(1, 0.5)),
        stats.laplace([0, 1], [1, 0.5]), [-30.0, -1.0, 0.5, 60.0],
    ),
    "StudentT": (
        lambda: D.StudentT(f64(2.5, 5), f64(0, 1), f64(1, 0.5)),
        stats.t([2.5, 5], [0, 1], [1, 0.5]), [-4.0, 0.5, 1.0, 7.0],
    ),
    "Gamma": (
        lambda: D.Gamma(f64(0.5, 2, 9), f64(1, 0.5, 3)),
        stats.gamma([0.5, 2, 9], scale=1 / np.array([1, 0.5, 3])), [0.1, 1.0, 5.0],
    ),
    "Exponential": (
        lambda: D.Exponential(f64(0.5, 2)), stats.expon(scale=[2, 0.5]), [0.0, 0.1, 5.0],
    ),
    "Beta": (
        lambda: D.Beta(f64(0.5, 2), f64(3, 2)), stats.beta([0.5, 2], [3, 2]), [0.1, 0.5, 0.99],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_and_moments(name: str) -> None:
    make, oracle, values = CONTINUOUS[name]
    x, v = make(), np.array(values)[:, None]
    for method, expected in (
        ("prob", oracle.pdf), ("log_prob", oracle.logpdf), ("cdf", oracle.cdf),
        ("survival_function", oracle.sf),
    ):  # fmt: skip
        found = run(getattr(x, method)(v))
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(found, expected(v), rtol=1e-9, atol=1e-12, err_msg=method)
    np.testing.assert_allclose(run(x.mean()), oracle.mean(), rtol=1e-9)
    np.testing.assert_allclose(run(x.stddev()), oracle.std(), rtol=1e-9)
    np.testing.assert_allclose(run(x.variance()), oracle.var(), rtol=1e-9)
    np.testing.assert_allclose(run(x.entropy()), oracle.entropy(), rtol=1e-9)
    assert x.reparameterization_type is D.FULLY_REPARAMETERIZED
    assert x.dtype is tf.float64


@pytest.mark.parametrize("name", ["Normal", "Laplace"])
def test_far_out(name: str) -> None:
    make, oracle, _ = CONTINUOUS[name]
    x = make()
    v = tf.constant(np.array([[-700.0], [-30.0], [-8.0], [0.0], [8.0], [200.0]]))
    for method, expected in (
        ("log_cdf", oracle.logcdf), ("log_survival_function", oracle.logsf),
    ):  # fmt: skip
        y = getattr(x, method)(v)
        value, slope = run(y, tf.gradients(y, v)[0])
        wanted = expected(run(v))
        wanted = np.where(np.isfinite(wanted), wanted, value)  # SciPy's Laplace underflows
        np.testing.assert_allclose(value, wanted, rtol=1e-8, atol=1e-300)
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_samples_follow_the_distribution(name: str) -> None:
    make, oracle, _ = CONTINUOUS[name]
    x = make()
    samples = x.sample([2, 1000], seed=3)
    assert samples.shape.as_list() == [2, 1000, *x.batch_shape.as_list()]
    values = run(samples).reshape(2000, -1)
    # uniform if the distribution is right
    ranks = oracle.cdf(values)
    for column in ranks.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    one = x.sample()
    assert one.shape == x.batch_shape


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if n != "Uniform"])
def test_densities_have_gradients(name: str) -> None:
    make, oracle, values = CONTINUOUS[name]
    x = make()
    v = tf.placeholder(tf.float64, [])
    slope = tf.gradients(tf.reduce_sum(x.log_prob(v)), v)[0]
    at, step = values[1] + 0.01, 1e-6
    ends = [oracle.logpdf(at + sign * step).sum() for sign in (1, -1)]
    found = run(slope, feeds={v: at})
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-5)


def test_samples_pass_gradients() -> None:
    a, b = tf.constant([0.5, 2.0]), tf.constant([1.0, 3.0])
    for x in (D.Normal(a, b), D.Uniform(-a, b), D.Laplace(a, b), D.Gamma(a, b), D.Beta(a, b),
              D.Exponential(a + b), D.StudentT(a + 3, b, b)):  # fmt: skip
        slopes = run(*tf.gradients(tf.reduce_sum(x.sample(7)), [a, b]))
        assert all(np.isfinite(s).all() and (s != 0).any() for s in slopes)
    loc = tf.constant(1.0)
    assert run(tf.gradients(D.Normal(loc, 2.0).sample(3), loc)[0]) == 3


def test_seeds_give_tensorflows_samples() -> None:
    tf.set_random_seed(7)
    expected = [
        (D.Normal(0.0, 1.0), [0.00727805, 0.53435814, 0.18353333]),
        (D.Uniform(), [0.8669311, 0.00216758, 0.91945195]),
        (D.Bernoulli(0.5), [0, 1, 0]),
        (D.Categorical(probs=[0.3, 0.3, 0.4]), [2, 1, 1]),
        (D.Laplace(0.0, 1.0), [1.3237412, -5.440982]),
        (D.Gamma(2.0, 1.0), [1.3927172, 1.46354]),
        (D.Beta(2.0, 1.0), [0.8868601, 0.8216329]),
        (D.Exponential(2.0), [0.0713979, 3.0670714]),
        (D.StudentT(3.0, 0.0, 1.0), [0.01629731, 0.9716723]),
        (D.Dirichlet([1.0, 2.0]), [[0.16434547, 0.83565456], [0.70505846, 0.29494157]]),
        (D.Multinomial(4.0, probs=[0.2, 0.3, 0.5]), [[0, 2, 2], [0, 0, 4]]),
        (D.DirichletMultinomial(4.0, [1.0, 2.0, 3.0]), [[0, 1, 3], [0, 0, 4]]),
    ]
    for x, values in expected:
        found = run(x.sample(len(values) if x.dtype is not tf.int32 else 6, seed=5))
        np.testing.assert_allclose(found[: len(values)], values, rtol=2e-5, err_msg=str(x))


# ----------------------------------------------------------------------------------- discrete ones


@settings(deadline=None, max_examples=15)
@given(st.floats(0.02, 0.98), st.booleans())
def test_bernoulli(p: float, by_logits: bool) -> None:
    logits = np.log(p / (1 - p))
    x = D.Bernoulli(logits=f64(logits)) if by_logits else D.Bernoulli(probs=f64(p))
    oracle = stats.bernoulli(p)
    found = run(x.prob([0, 1]), x.log_prob([0, 1]), x.mean(), x.variance(), x.entropy(), x.mode())
    np.testing.assert_allclose(found[0], oracle.pmf([0, 1]), rtol=1e-9)
    np.testing.assert_allclose(found[1], oracle.logpmf([0, 1]), rtol=1e-9)
    np.testing.assert_allclose(found[2:4], [[p], [p * (1 - p)]], rtol=1e-9)
    np.testing.assert_allclose(found[4], oracle.entropy(), rtol=1e-9)
    assert found[5] == int(p > 0.5)
    np.testing.assert_allclose(run(x.logits), logits, rtol=1e-9, atol=1e-12)


def test_categorical() -> None:
    p = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
    x = D.Categorical(probs=tf.constant(p))
    assert (x.dtype, x.batch_shape.as_list(), x.event_shape.as_list()) == (tf.int32, [2], [])
    found = run(x.prob([[0], [1], [2]]), x.entropy(), x.mode(), x.event_size, x.cdf([1, 2]))
    np.testing.assert_allclose(found[0], p.T, rtol=1e-9)
    np.testing.assert_allclose(found[1], stats.entropy(p.T), rtol=1e-9)
    assert found[2].tolist() == [2, 2]
    assert found[3] == 3
    np.testing.assert_allclose(found[4], [0.2, 0.2], rtol=1e-9)
    samples = x.sample([5, 400], seed=1)
    assert (samples.dtype, samples.shape.as_list()) == (tf.int32, [5, 400, 2])
    values = run(samples).reshape(-1, 2)
    for b in range(2):
        counts = np.bincount(values[:, b], minlength=3)
        assert stats.chisquare(counts, p[b] * len(values)).pvalue > 1e-3
    with pytest.raises(NotImplementedError, match="mean is not implemented: Categorical"):
        x.mean()
    zero = D.Categorical(probs=[0.0, 1.0])
    assert run(zero.entropy(), D.kl_divergence(zero, D.Categorical(probs=[0.5, 0.5]))) == [
        0.0, pytest.approx(np.log(2), rel=1e-6)]  # fmt: skip


def test_multinomial() -> None:
    p = np.array([0.2, 0.3, 0.5])
    x = D.Multinomial(f64(4, 9), probs=tf.constant(p))
    for n, counts in ((4, [1, 1, 2]), (9, [4, 0, 5])):
        one = D.Multinomial(tf.constant(float(n), tf.float64), probs=p)
        oracle = stats.multinomial(n, p)
        found = run(one.prob(np.array(counts, float)), one.mean(), one.covariance(), one.variance())
        np.testing.assert_allclose(found[0], oracle.pmf(counts), rtol=1e-9)
        np.testing.assert_allclose(found[1], n * p, rtol=1e-9)
        np.testing.assert_allclose(found[2], oracle.cov(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found[3], np.diag(oracle.cov()), rtol=1e-9)
    samples = x.sample(500, seed=2)
    assert samples.shape.as_list() == [500, 2, 3]
    values = run(samples)
    assert (values.sum(-1) == [4, 9]).all()
    np.testing.assert_allclose(values.mean(0), [4 * p, 9 * p], atol=0.3)
    fed = tf.placeholder(tf.float32, [])
    counts = run(D.Multinomial(fed, logits=[0.0, 0.0]).sample(5), feeds={fed: 3.0})
    assert (counts.sum(-1) == 3).all()


def test_dirichlet() -> None:
    a = np.array([1.5, 2.0, 3.0])
    x, oracle = D.Dirichlet(tf.constant(a)), stats.dirichlet(a)
    v = np.array([0.2, 0.3, 0.5])
    found = run(x.prob(v), x.mean(), x.variance(), x.entropy(), x.covariance(), x.mode())
    expected = (oracle.pdf(v), oracle.mean(), oracle.var(), oracle.entropy(), oracle.cov())
    for mine, theirs in zip(found, expected, strict=False):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    np.testing.assert_allclose(found[5], (a - 1) / (a.sum() - 3))
    assert np.isnan(run(D.Dirichlet([0.5, 2.0]).mode())).all()
    samples = run(x.sample(4000, seed=2))
    np.testing.assert_allclose(samples.sum(-1), 1)
    np.testing.assert_allclose(samples.mean(0), oracle.mean(), atol=0.02)
    np.testing.assert_allclose(np.cov(samples.T), oracle.cov(), atol=0.005)
    with pytest.raises(ValueError, match="at least one axis"):
        D.Dirichlet(1.0)


def test_dirichlet_multinomial() -> None:
    a, n = np.array([1.0, 2.0, 3.0]), 5
    x = D.DirichletMultinomial(tf.constant(float(n), tf.float64), tf.constant(a))
    oracle = stats.dirichlet_multinomial(a, n)
    for counts in ([1, 2, 2], [0, 0, 5]):
        v = np.array(counts, float)
        np.testing.assert_allclose(run(x.log_prob(v)), oracle.logpmf(counts), rtol=1e-9)
    found = run(x.mean(), x.variance(), x.covariance())
    for mine, theirs in zip(found, (oracle.mean(), oracle.var(), oracle.cov()), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    batch = D.DirichletMultinomial([4.0, 9.0], [[1.0, 2.0, 3.0], [9.0, 1.0, 1.0]])
    assert [s.as_list() for s in (batch.batch_shape, batch.event_shape)] == [[2], [3]]
    values = run(batch.sample([3, 200], seed=4))
    assert values.shape == (3, 200, 2, 3)
    assert (values.sum(-1) == [4, 9]).all()
    np.testing.assert_allclose(values.mean((0, 1)), run(batch.mean()), atol=0.35)


# ------------------------------------------------------------------------------------- divergences


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (lambda: D.Normal(0.5, 2.0), lambda: D.Normal([1.0, 0.5], [1.0, 2.0])),
        (lambda: D.Gamma(2.0, 3.0), lambda: D.Gamma([1.0, 2.0], [0.5, 3.0])),
        (lambda: D.Exponential(2.0), lambda: D.Gamma([1.0, 2.0], 3.0)),
        (lambda: D.Beta(2.0, 3.0), lambda: D.Beta([1.0, 2.0], [0.5, 3.0])),
        (lambda: D.Bernoulli(probs=0.3), lambda: D.Bernoulli(probs=[0.3, 0.9])),
        (lambda: D.Categorical(probs=[0.2, 0.8]), lambda: D.Categorical(logits=[[0.0, 1], [1, 0]])),
        (lambda: D.Dirichlet([1.0, 2.0]), lambda: D.Dirichlet([[1.0, 2.0], [3.0, 1.0]])),
    ],
)
def test_divergences_are_means_of_the_difference(a: Any, b: Any) -> None:
    one, other = a(), b()
    samples = one.sample(40000, seed=11)
    if one.batch_shape.ndims == 0:
        shape = [40000, 1, *one.event_shape.as_list()]
        samples = tf.reshape(samples, shape)
    measured = tf.reduce_mean(one.log_prob(samples) - other.log_prob(samples), 0)
    exact, average, cross = run(
        D.kl_divergence(one, other), measured, one.cross_entropy(other) - one.entropy()
    )
    np.testing.assert_allclose(exact, average, atol=0.05)
    np.testing.assert_allclose(cross, exact, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run(one.kl_divergence(one)), 0, atol=1e-6)


def test_registering_a_divergence() -> None:
    class Mine(D.Normal):
        pass

    class Other(D.Normal):
        pass

    mine, other = Mine(0.0, 1.0), Other(0.0, 1.0)
    assert run(D.kl_divergence(mine, other)) == 0  # that of Normal

    @D.RegisterKL(Mine, Other)
    def special(a: Any, b: Any, name: str | None = None) -> Any:
        return tf.constant(7.0)

    assert run(D.kl_divergence(mine, other)) == 7
    with pytest.raises(ValueError, match="have a divergence already"):
        D.RegisterKL(Mine, Other)(special)
    with pytest.raises(TypeError, match="must be a function"):
        D.RegisterKL(Mine, Mine)(3)
    with pytest.raises(NotImplementedError, match="RegisterKL"):
        D.kl_divergence(mine, D.Bernoulli(0.5))
    nan = D.Normal(float("nan"), 1.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN"):
        run(D.kl_divergence(nan, mine, allow_nan_stats=False))


# --------------------------------------------------------------------------------- the base class


def test_what_a_distribution_says_of_itself() -> None:
    x = D.Normal([0.0, 1.0], 2.0)
    assert repr(x) == (
        "<tf.distributions.Normal 'Normal/' batch_shape=(2,) event_shape=() dtype=float32>"
    )
    assert x.parameters == {
        "loc": [0.0, 1.0], "scale": 2.0, "validate_args": False, "allow_nan_stats": True,
        "name": "Normal",
    }  # fmt: skip
    assert (x.loc.name, x.scale.name, x.prob(1.0).name) == (
        "Normal/loc:0", "Normal/scale:0", "Normal/prob/Exp:0"
    )  # fmt: skip
    assert x.copy(loc=3.0).parameters["loc"] == 3.0
    assert D.Normal.param_static_shapes([3]) == {
        "loc": tf.TensorShape([3]), "scale": tf.TensorShape([3])
    }  # fmt: skip
    assert run(D.Normal.param_shapes([3])["loc"]).tolist() == [3]
    assert run(x.is_scalar_batch(), x.is_scalar_event()) == [False, True]
    assert repr(D.FULLY_REPARAMETERIZED) == "<Reparameterization Type: FULLY_REPARAMETERIZED>"
    e = D.Exponential(2.0)
    assert e.parameters == {
        "rate": 2.0, "validate_args": False, "allow_nan_stats": True, "name": "Exponential"
    }  # fmt: skip
    assert run(e.copy(rate=4.0).mean()) == 0.25


def test_unknown_shapes() -> None:
    loc, count = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [None])
    x = D.Normal(loc, 1.0)
    y = x.sample(count)
    assert y.shape.ndims is None
    value, batch = run(y, x.batch_shape_tensor(), feeds={loc: [0, 1, 2], count: [4, 2]})
    assert value.shape == (4, 2, 3)
    assert batch.tolist() == [3]
    weights = tf.placeholder(tf.float32, [None, None])
    for z in (D.Categorical(logits=weights), D.Dirichlet(weights), D.Multinomial(2.0, weights)):
        shapes = [z.sample(5), z.batch_shape_tensor(), z.event_shape_tensor()]
        value, batch, event = run(*shapes, feeds={weights: np.ones((3, 4))})
        assert value.shape == (5, *batch, *event)


def test_a_distribution_of_ones_own() -> None:
    class Triangle(D.Distribution):
        def __init__(self) -> None:
            super().__init__(tf.float32, D.NOT_REPARAMETERIZED, False, True, {}, name="Triangle")

        def _batch_shape(self) -> Any:
            return tf.TensorShape([])

        def _event_shape(self) -> Any:
            return tf.TensorShape([])

        def _prob(self, x: Any) -> Any:
            return 2 * x

        def _sample_n(self, n: Any, seed: Any = None) -> Any:
            return tf.sqrt(tf.random_uniform([n], seed=seed))

    x = Triangle()
    assert run(x.prob(0.5)) == 1
    assert run(x.log_prob(0.5)) == 0
    assert x.sample([2, 3]).shape.as_list() == [2, 3]
    for missing in ("mean", "stddev", "entropy", "covariance"):
        with pytest.raises(NotImplementedError, match="is not implemented: Triangle"):
            getattr(x, missing)()
    with pytest.raises(NotImplementedError, match="survival_function is not implemented"):
        x.survival_function(0.5)
    with pytest.raises(ValueError, match=r"graph_parents\[0\] is no tensor"):
        D.Distribution(tf.float32, D.NOT_REPARAMETERIZED, False, True, graph_parents=[3])


def test_moments_that_do_not_exist() -> None:
    df = [0.5, 1.0, 1.5, 2.0, 3.0]
    x = D.StudentT(df, 1.0, 2.0)
    mean, variance = run(x.mean(), x.variance())
    np.testing.assert_array_equal(mean, [np.nan, np.nan, 1, 1, 1])
    np.testing.assert_array_equal(variance, [np.nan, np.nan, np.inf, np.inf, 12])
    strict = D.StudentT(df, 1.0, 2.0, allow_nan_stats=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mean not defined"):
        run(strict.mean())
    np.testing.assert_array_equal(run(D.Gamma([1.0, 3.0], 2.0).mode()), [np.nan, 1])
    np.testing.assert_array_equal(run(D.Beta([1.0, 3.0], 2.0).mode()), [np.nan, np.float32(2 / 3)])


def test_wrong_parameters() -> None:
    for wrong in (
        lambda: D.Normal(0, 1), lambda: D.Gamma(1, 2), lambda: D.Normal(0.0, f64(1)),
        lambda: D.Bernoulli(), lambda: D.Bernoulli(logits=1.0, probs=0.5), lambda: D.Categorical(),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="one float dtype|one of logits and probs"):
            wrong()
    check = {"validate_args": True}
    for made in (
        lambda: D.Normal(0.0, -1.0, **check).mean(), lambda: D.Uniform(3.0, 1.0, **check).mean(),
        lambda: D.Bernoulli(probs=1.5, **check).mean(), lambda: D.Beta(-1.0, 1.0, **check).mean(),
        lambda: D.Bernoulli(probs=0.5, **check).prob(2), lambda: D.Beta(**check).prob(1.5),
        lambda: D.Multinomial(4.0, probs=[0.5, 0.5], **check).prob([1.0, 1.0]),
        lambda: D.Categorical(probs=[0.5, 0.4], **check).mode(),
        lambda: D.Categorical(probs=[0.5, 0.5], **check).prob(2),
        lambda: D.Dirichlet([1.0, 2.0], **check).prob([0.5, 0.4]),
        lambda: D.Dirichlet([1.0], **check).mean(),
        lambda: D.Gamma(1.0, 1.0, **check).prob(-1.0),
    ):  # fmt: skip
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(made())
