"""keras.preprocessing.image: transforms, files, iterators and ImageDataGenerator."""

from __future__ import annotations

import builtins
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy import ndimage

from flowgraph import keras
from flowgraph.keras.preprocessing import image as images
from flowgraph.keras.preprocessing.image.resampling import FILL_MODES, affine

RNG = np.random.default_rng(0)
SQUARE = np.arange(16.0, dtype=np.float32).reshape(4, 4, 1)


def draws(seed):
    return np.random.RandomState(seed)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    st.lists(st.floats(-12, 12), min_size=2, max_size=2),
    st.sampled_from(FILL_MODES),
    st.sampled_from(["float32", "float64", "uint8", "int16"]),
)
def test_affine_equals_scipy(shape, matrix, offset, mode, dtype):
    image = (RNG.random(shape) * 200 - (50 if dtype != "uint8" else 0)).astype(dtype)
    m, o = np.reshape(matrix, (2, 2)), np.array(offset)
    got = affine(image, m, o, mode, 7.0)
    wanted = np.stack(
        [
            ndimage.affine_transform(image[:, :, c], m, o, order=1, mode=mode, cval=7.0)
            for c in range(shape[2])
        ],
        axis=2,
    )
    assert got.dtype == image.dtype and got.shape == shape
    if dtype.startswith("float"):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    else:  # a half may be rounded either way
        assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.parametrize("mode", FILL_MODES)
@pytest.mark.parametrize("shift", [-9, -4, -3, -1, -0.5, 0, 0.25, 3, 4, 7.5, 8])
def test_affine_far_outside_and_on_borders(mode, shift):
    line = RNG.random((5, 1, 1))
    got = affine(line, np.eye(2), np.array([shift, 0.0]), mode, -1.0)[:, 0, 0]
    wanted = ndimage.affine_transform(
        line[:, :, 0], np.eye(2), [shift, 0], order=1, mode=mode, cval=-1.0
    )
    np.testing.assert_allclose(got, wanted[:, 0], rtol=1e-12)


def test_the_signs_of_the_transforms():
    """A quarter turn, moves by rows and columns, halves: about the centre of the image."""
    move, x = images.apply_affine_transform, SQUARE
    assert move(x) is x
    np.testing.assert_allclose(move(x, theta=90), np.rot90(x, -1), atol=1e-4)
    np.testing.assert_array_equal(move(x, tx=1)[:3], x[1:])
    np.testing.assert_array_equal(move(x, ty=-1, fill_mode="constant", cval=9)[:, 0], [[9]] * 4)
    np.testing.assert_array_equal(move(x, zx=-1), x[::-1])
    np.testing.assert_allclose(move(x, zx=0.5, zy=1.5)[0].ravel(), [3, 3.75, 5.25, 6], atol=1e-5)
    first = move(x.transpose(2, 0, 1), 30, row_axis=1, col_axis=2, channel_axis=0)
    np.testing.assert_array_equal(first[0], move(x, 30)[:, :, 0])
    for bad in ({"fill_mode": "edge"}, {"x": x[0]}):
        with pytest.raises(ValueError, match=r"fill_mode|3 axes"):
            move(**{"x": x, "theta": 3, **bad})


def test_random_transforms_draw_from_numpy():
    x = RNG.random((3, 6, 5)).astype(np.float32)
    axes = {"row_axis": 1, "col_axis": 2, "channel_axis": 0}
    fixed, z = images.apply_affine_transform, draws(3).uniform(0.5, 2, 2)
    u = draws(3).uniform(-1, 1, 2)
    cases = [
        (images.random_rotation, (40,), {"theta": 40 * u[0]}),
        (images.random_shift, (0.2, 0.4), {"tx": 0.4 * u[0] * 6, "ty": 0.2 * u[1] * 5}),
        (images.random_shear, (20,), {"shear": 20 * u[0]}),
        (images.random_zoom, ((0.5, 2),), {"zx": z[0], "zy": z[1]}),
    ]
    for function, arguments, amounts in cases:
        np.random.seed(3)
        got = function(x, *arguments, fill_mode="reflect")
        np.testing.assert_allclose(got, fixed(x, **amounts, **axes, fill_mode="reflect"), rtol=1e-5)
    np.random.seed(3)
    shifted = images.random_channel_shift(x, 0.5)
    np.testing.assert_allclose(shifted, np.clip(x + u[0] / 2, x.min(), x.max()), rtol=1e-5)
    assert images.random_zoom(x, (1, 1)) is x
    for function in (images.random_zoom, images.random_brightness):
        with pytest.raises(ValueError, match="pair"):
            function(x, 0.5)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("factor", [0.0, 0.3, 0.77, 1.0, 1.9])
def test_brightness_equals_pillow(channels, factor):
    x = RNG.integers(0, 256, (16, 17, channels)).astype(np.float32)
    enhanced = ImageEnhance.Brightness(images.array_to_img(x, scale=False)).enhance(factor)
    got = images.apply_brightness_shift(x, factor, scale=False)
    np.testing.assert_array_equal(got, images.img_to_array(enhanced))
    small = images.apply_brightness_shift(x / 300 - 0.1, 1.0, scale=False)
    np.testing.assert_allclose(small, x / 300 - 0.1, atol=1 / 255)


def test_files(tmp_path):
    x = RNG.integers(0, 256, (6, 9, 3)).astype(np.float32)
    x[0, 0, 0] = 255  # so that scaling changes nothing
    path = tmp_path / "a.png"
    images.save_img(path, x)
    np.testing.assert_array_equal(images.img_to_array(images.load_img(path)), x)
    first = images.img_to_array(images.load_img(path), "channels_first", dtype="uint8")
    np.testing.assert_array_equal(first, x.transpose(2, 0, 1))
    np.testing.assert_array_equal(np.asarray(images.array_to_img(first, "channels_first")), x)
    gray = images.load_img(path, color_mode="grayscale", target_size=(3, 4), interpolation="box")
    assert images.img_to_array(gray).shape == (3, 4, 1)
    assert images.img_to_array(images.load_img(path, color_mode="rgba")).shape == (6, 9, 4)
    with pytest.warns(UserWarning, match="color_mode"):
        assert images.load_img(path, grayscale=True).mode == "L"
    with pytest.warns(UserWarning, match="opacity"):
        images.save_img(tmp_path / "b.jpg", RNG.random((4, 4, 4)))
    assert images.load_img(tmp_path / "b.jpg").size == (4, 4)
    deep = Image.fromarray(np.array([[5, 60000]], np.uint16))
    deep.save(tmp_path / "c.png")
    kept = images.load_img(tmp_path / "c.png", color_mode="grayscale")
    assert images.img_to_array(kept).ravel().tolist() == [5, 60000]
    found = images.list_pictures(tmp_path)
    assert [name[-5:] for name in found] == ["a.png", "b.jpg", "c.png"]
    assert len(images.list_pictures(tmp_path, "jpg|bmp")) == 1
    stretched = np.asarray(images.array_to_img([[[-1.0], [0.0], [3.0]]]))
    assert stretched.tolist() == [[0, 63, 255]]
    assert np.asarray(images.array_to_img([[[300.0]]], scale=False)).tolist() == [[300]]
    for bad in (
        lambda: images.load_img(path, color_mode="cmyk"),
        lambda: images.load_img(path, interpolation="spline"),
        lambda: images.img_to_array(np.zeros(3)),
        lambda: images.array_to_img(np.zeros((2, 2, 2))),
        lambda: images.array_to_img(np.zeros((2, 2))),
    ):
        with pytest.raises(ValueError, match=r"color_mode|interpolation|axes|channels"):
            bad()


def test_without_pillow(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"flowgraph\[image\]"):
        images.load_img("x.png")
    x = RNG.random((4, 5, 5, 3))
    flow = images.ImageDataGenerator(rotation_range=9, brightness_range=(0.5, 1)).flow(x)
    assert flow[0].shape == x.shape  # arrays need no Pillow


def test_parameters_of_a_seed_are_those_of_keras():
    """Drawn in Keras's order, so equal seeds mean equal transforms."""
    generator = images.ImageDataGenerator(
        rotation_range=20, width_shift_range=0.25, height_shift_range=3.0, shear_range=5,
        zoom_range=0.5, channel_shift_range=10, brightness_range=(0.5, 1.5), horizontal_flip=True,
    )  # fmt: skip
    got = generator.get_random_transform((8, 12, 3), seed=5)
    draw = draws(5)
    wanted = {
        "theta": draw.uniform(-20, 20), "tx": draw.uniform(-3, 3),
        "ty": draw.uniform(-0.25, 0.25) * 12, "shear": draw.uniform(-5, 5),
    }  # fmt: skip
    wanted["zx"], wanted["zy"] = draw.uniform(0.5, 1.5, 2)
    wanted["flip_horizontal"] = draw.random_sample() < 0.5
    draw.random_sample()
    wanted["flip_vertical"] = False
    wanted["channel_shift_intensity"] = draw.uniform(-10, 10)
    wanted["brightness"] = draw.uniform(0.5, 1.5)
    assert got == wanted
    pixels = images.ImageDataGenerator(width_shift_range=[2, 3], height_shift_range=2)
    ways = [pixels.get_random_transform((8, 8, 1), seed) for seed in range(40)]
    assert {abs(way["ty"]) for way in ways} == {2, 3}
    assert {way["tx"] for way in ways} == {-1, 0, 1}


def test_standardize_and_fit():
    x = RNG.random((20, 4, 4, 3)).astype(np.float32) * 9
    generator = images.ImageDataGenerator(featurewise_std_normalization=True)
    with pytest.warns(UserWarning, match="fit"):
        generator.standardize(x[0].copy())
    generator.fit(x)
    batch = generator.flow(x, batch_size=20)[0]
    np.testing.assert_allclose(batch.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(batch.std((0, 1, 2)), 1, atol=1e-4)
    one = images.ImageDataGenerator(samplewise_std_normalization=True, rescale=2.0)
    batch = one.flow(x, batch_size=20)[0]
    np.testing.assert_allclose(batch.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(batch.std((1, 2, 3)), 1, atol=1e-4)
    white = images.ImageDataGenerator(zca_whitening=True, zca_epsilon=1e-9, dtype="float64")
    many = RNG.random((400, 2, 3, 1))
    white.fit(many)
    flat = white.flow(many, batch_size=400)[0].reshape(400, -1)
    np.testing.assert_allclose(flat.T @ flat / 400, np.eye(6), atol=1e-5)
    with pytest.warns(UserWarning, match="left out"):
        images.ImageDataGenerator(zca_whitening=True, featurewise_std_normalization=True)
    turned = images.ImageDataGenerator(featurewise_center=True, rotation_range=90)
    turned.fit(x, augment=True, rounds=2, seed=1)
    assert turned.mean.shape == (1, 1, 3)
    first = images.ImageDataGenerator(featurewise_center=True, data_format="channels_first")
    first.fit(x.transpose(0, 3, 1, 2))
    assert first.mean.shape == (3, 1, 1)
    np.testing.assert_array_equal(
        one.standardize(np.array([[[1, 3]]], np.uint8)).round(3), [[[-1, 1]]]
    )
    with pytest.raises(ValueError, match="4 axes"):
        generator.fit(x[0])


@pytest.mark.parametrize(
    "bad", [{"fill_mode": "edge"}, {"validation_split": 1.5}, {"zoom_range": [1, 2, 3]},
            {"brightness_range": 0.5}, {"data_format": "rows"}],
)  # fmt: skip
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        images.ImageDataGenerator(**bad)


def test_flow_from_arrays():
    x = np.arange(7 * 4, dtype=np.float32).reshape(7, 2, 2, 1)
    y, weights = np.arange(7), np.arange(7) / 7
    generator = images.ImageDataGenerator(validation_split=0.3)
    flow = generator.flow(x, y, batch_size=3, shuffle=False, sample_weight=weights)
    assert isinstance(flow, keras.utils.Sequence) and len(flow) == 3
    for a, b in zip(flow[2], (x[6:], y[6:], weights[6:]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [next(flow)[1].tolist() for _ in range(4)] == [[0, 1, 2], [3, 4, 5], [6], [0, 1, 2]]
    flow.reset()
    assert flow.next()[1].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="no batch 3"):
        flow[3]
    parts = {s: generator.flow(x, y, subset=s, shuffle=False)[0][1].tolist()
             for s in ("training", "validation")}  # fmt: skip
    assert parts == {"training": [2, 3, 4, 5, 6], "validation": [0, 1]}
    several = generator.flow((x, [y, weights]), y, batch_size=2, shuffle=False)[1]
    assert [part.shape for part in several[0]] == [(2, 2, 2, 1), (2,), (2,)]
    for arguments in ({"x": x, "y": y[:3]}, {"x": x[0]}, {"x": x, "subset": "test"},
                      {"x": x, "batch_size": 0}):  # fmt: skip
        with pytest.raises(ValueError, match=r"rows of y|4 axes|subset|batch_size"):
            generator.flow(**arguments)
    with pytest.warns(UserWarning, match="channels"):
        generator.flow(np.zeros((2, 2, 2, 5)))


def test_a_seed_gives_equal_batches_in_threads_too():
    x, y = RNG.random((23, 6, 6, 3)).astype(np.float32), np.arange(23)
    generator = images.ImageDataGenerator(
        rotation_range=90, horizontal_flip=True,
        preprocessing_function=lambda one: images.random_channel_shift(one, 3),
    )  # fmt: skip

    def epochs(make):
        flow, result = generator.flow(x, y, batch_size=4, seed=9), []
        for _ in range(3):
            result += make(flow)
            flow.on_epoch_end()
        return result

    before = np.random.get_state()[1].tolist()
    in_order = epochs(lambda flow: [flow[i] for i in range(len(flow))])
    assert before == np.random.get_state()[1].tolist()  # a stream of its own
    with ThreadPoolExecutor(4) as pool:
        threaded = epochs(lambda flow: list(pool.map(flow.__getitem__, range(len(flow)))))
    backwards = epochs(lambda flow: [flow[i] for i in reversed(range(len(flow)))][::-1])
    for got in (threaded, backwards):
        for a, b in zip(in_order, got, strict=True):
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_array_equal(a[1], b[1])
    assert sorted(np.concatenate([b[1] for b in in_order[:6]])) == list(range(23))
    assert in_order[0][1].tolist() == draws(9).permutation(23)[:4].tolist()


def folder(tmp_path, per_class=(3, 5)):
    for name, count in zip("ab", per_class, strict=True):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for i in range(count):
            where = tmp_path / name / "deeper" if i == 0 else tmp_path / name
            Image.new("RGB", (5, 4), (i * 10, 0, 100 * (name == "b"))).save(where / f"{i}.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    return tmp_path


def test_flow_from_directory(tmp_path, capsys):
    generator = images.ImageDataGenerator(rescale=1 / 255, validation_split=0.4)
    flow = generator.flow_from_directory(
        folder(tmp_path / "in"), target_size=(8, 6), batch_size=5, shuffle=False
    )
    assert capsys.readouterr().out == "Found 8 images belonging to 2 classes.\n"
    assert flow.class_indices == {"a": 0, "b": 1} and flow.samples == 8 and flow.num_classes == 2
    assert flow.classes.tolist() == [0] * 3 + [1] * 5 and len(flow) == 2
    assert flow.filenames[:3] == ["a/1.png", "a/2.png", "a/deeper/0.png"]
    x, y = flow[0]
    assert x.shape == (5, 8, 6, 3) and x.dtype == np.float32
    np.testing.assert_allclose(x[:, 0, 0, 2], [0, 0, 0, 100 / 255, 100 / 255])
    assert y.tolist() == [[1, 0]] * 3 + [[0, 1]] * 2

    def batch(**more):
        arguments = {"target_size": (4, 5), "shuffle": False, **more}
        return generator.flow_from_directory(tmp_path / "in", **arguments)[0]

    assert batch(class_mode="binary")[1].dtype == np.float32
    assert batch(class_mode="sparse", classes=["b", "a"])[1].tolist() == [0] * 5 + [1] * 3
    same = batch(class_mode="input")
    np.testing.assert_array_equal(*same)
    assert batch(class_mode=None, color_mode="grayscale").shape == (8, 4, 5, 1)
    assert len(batch(subset="validation")[0]) == 3 and len(batch(subset="training")[0]) == 5
    out = tmp_path / "out"
    out.mkdir()
    batch(save_to_dir=out, save_prefix="p", save_format="jpg", seed=1)
    assert len(list(out.glob("p_*.jpg"))) == 8
    for bad in ({"class_mode": "other"}, {"classes": ["z"]}, {"color_mode": "x"}, {"subset": "x"}):
        with pytest.raises(ValueError, match=r"class_mode|no directory|color_mode|subset"):
            batch(**bad)


def test_flow_from_a_table(tmp_path, capsys):
    generator = images.ImageDataGenerator(validation_split=0.4)
    top = folder(tmp_path)
    table = {
        "filename": ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png"],
        "class": ["cat", "cat", "dog", "dog", "emu"],
        "u": [1.0, 2.0, 3.0, 4.0, 5.0], "v": [5, 4, 3, 2, 1],
    }  # fmt: skip

    class Frame(dict):  # as much of pandas as there is need of
        def __getitem__(self, name):
            return types.SimpleNamespace(to_numpy=lambda: np.array(self.get(name)))

    def flow(given=None, **more):
        arguments = {"target_size": (4, 5), "shuffle": False, **more}
        return generator.flow_from_dataframe(given or table, top, **arguments)

    made = flow()
    assert capsys.readouterr().out == "Found 5 images belonging to 3 classes.\n"
    assert made.class_indices == {"cat": 0, "dog": 1, "emu": 2}
    np.testing.assert_array_equal(made[0][1], np.eye(3)[[0, 0, 1, 1, 2]])
    assert made[0][0][:, 0, 0, 2].tolist() == [0, 0, 100, 100, 100]
    assert flow(Frame(table), class_mode="sparse")[0][1].tolist() == [0, 0, 1, 1, 2]
    binary = flow(class_mode="binary", classes=["dog", "cat"])
    assert binary[0][1].tolist() == [1, 1, 0, 0] and binary.samples == 4
    assert flow(class_mode="other", y_col="u")[0][1].tolist() == table["u"]
    assert flow(class_mode="raw", y_col=["u", "v"])[0][1].shape == (5, 2)
    u, v = flow(class_mode="multi_output", y_col=["u", "v"])[0][1]
    assert (u.tolist(), v.tolist()) == (table["u"], table["v"])
    assert flow(class_mode="sparse", weight_col="v")[0][2].tolist() == table["v"]
    assert flow(class_mode=None)[0].shape == (5, 4, 5, 3)
    np.testing.assert_array_equal(*flow(class_mode="input")[0])
    assert flow(subset="validation").filenames == ["a/1.png", "a/2.png"]
    several = flow({**table, "class": [["cat", "dog"], "dog", "dog", [], ["cat"]]})
    assert several[0][1].tolist() == [[1, 1], [0, 1], [0, 1], [1, 0]]
    stems = {**table, "filename": [name[:-4] for name in table["filename"]]}
    assert flow(stems, has_ext=False).filepaths == made.filepaths
    whole = {**table, "filename": made.filepaths}
    assert generator.flow_from_dataframe(whole, target_size=(4, 5))[0][0].shape[0] == 5
    with pytest.warns(UserWarning, match="left out"):
        assert flow({**table, "filename": ["a/1.png"] + ["no.png"] * 4}).samples == 1
    for bad in ({"class_mode": "x"}, {"y_col": "w"}, {"class_mode": "binary"}):
        with pytest.raises(ValueError, match=r"class_mode|no column"):
            flow(**bad)


def test_training_with_a_generator():
    """By fit_generator, with one thread or several, and by fit: the same losses."""
    x = RNG.random((40, 6, 6, 1)).astype(np.float32)
    y = (x.mean((1, 2, 3)) > 0.5).astype(np.float32)[:, None]
    generator = images.ImageDataGenerator(horizontal_flip=True, featurewise_center=True)
    generator.fit(x)

    def losses(method, **more):
        keras.backend.clear_session()
        model = keras.Sequential([keras.layers.Flatten(input_shape=(6, 6, 1))])
        model.add(keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros"))
        model.compile("sgd", "binary_crossentropy")
        flow = generator.flow(x, y, batch_size=8, seed=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            history = getattr(model, method)(
                flow, epochs=3, shuffle=False, verbose=0, validation_data=generator.flow(x, y),
                **more,
            )  # fmt: skip
        assert np.isfinite(model.evaluate_generator(flow, verbose=0))
        assert model.predict_generator(generator.flow(x, batch_size=7)).shape == (40, 1)
        return history.history["loss"]

    one = losses("fit_generator", workers=1)
    assert len(one) == 3 and one[-1] < one[0]
    assert losses("fit_generator", workers=3) == losses("fit") == one


def test_iterators_of_ones_own():
    class Numbers(images.Iterator):
        def _get_batches_of_transformed_samples(self, index_array):
            return index_array * 10

    numbers = Numbers(5, 2, False, None)
    assert [numbers[i].tolist() for i in range(3)] == [[0, 10], [20, 30], [40]]
    assert next(iter(numbers)).tolist() == [0, 10]
    with pytest.raises(NotImplementedError, match="Iterator"):
        images.Iterator(5, 2, False, None)[0]
