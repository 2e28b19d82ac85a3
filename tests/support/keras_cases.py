"""Layers of Keras with arguments and inputs: plain data, read here and by a worker with tf_keras.

A Case is a class name, its arguments, and the shapes of its inputs with the samples' axis.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """One call of one layer."""

    kind: str
    kwargs: dict[str, Any] = {}
    shapes: tuple[tuple[int, ...], ...] = ((2, 5),)
    #: Integers below this instead of normal numbers.
    integers: int = 0
    training: bool = False
    #: Values of the mask of the input, or None.
    mask: Any = None
    #: tf_keras computes channels_last on transposed arrays: it has no channels_first on the CPU.
    transposed: bool = False
    #: tf_keras takes no such argument, or means something else by it: the test says what.
    peer: bool = True
    #: Layers inside, by the name of the argument: Case or list of them.
    inner: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """For test ids."""
        parts = [c for v in self.inner.values() for c in (v if isinstance(v, list) else [v])]
        inside = "".join(f"-{c.label}" for c in parts)
        given = "-".join(f"{k}={v}" for k, v in self.kwargs.items())
        extra = "-training" * self.training + "-masked" * (self.mask is not None)
        plain = self.shapes == ((2, 5),)
        shapes = "" if plain else "-".join("x".join(map(str, s)) for s in self.shapes)
        return f"{self.kind}{inside}-{given}{extra}-{shapes}".replace(" ", "")


def make(layers: Any, case: Case) -> Any:
    """The layer of a case, of the module ``layers``."""
    inner = {
        key: [make(layers, c) for c in value] if isinstance(value, list) else make(layers, value)
        for key, value in case.inner.items()
    }
    return getattr(layers, case.kind)(**case.kwargs, **inner)


def inputs_of(case: Case) -> list[np.ndarray]:
    """The arrays that the layer is called with."""
    rng = np.random.default_rng(7)
    if case.integers:
        return [rng.integers(0, case.integers, shape).astype(np.int32) for shape in case.shapes]
    return [rng.normal(size=shape).astype(np.float32) for shape in case.shapes]


def weights_of(shapes: list[tuple[int, ...]], names: list[str]) -> list[np.ndarray]:
    """Values for weights of these shapes; those of variances are positive."""
    arrays = []
    for i, (shape, name) in enumerate(zip(shapes, names, strict=True)):
        values = np.random.default_rng(i + 1).normal(scale=0.4, size=shape).astype(np.float32)
        arrays.append(np.abs(values) + 0.5 if "variance" in name else values)
    return arrays


def coefficients(shape: tuple[int, ...]) -> np.ndarray:
    """The loss is the sum of the outputs' sines times these."""
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


SEQUENCE, IMAGE, VOLUME = (2, 7, 3), (2, 7, 6, 3), (2, 5, 4, 6, 2)
FIRST_IMAGE, FIRST_VOLUME = (2, 3, 7, 6), (2, 2, 5, 4, 6)


def _spatial() -> list[Case]:
    cases = []
    for kwargs in (
        {}, {"strides": 2}, {"padding": "same"}, {"padding": "same", "strides": 2},
        {"padding": "causal"}, {"padding": "causal", "dilation_rate": 2}, {"dilation_rate": 2},
        {"use_bias": False, "activation": "relu"},
    ):  # fmt: skip
        given = {"filters": 4, "kernel_size": 3, **kwargs}
        cases.append(Case("Conv1D", given, (SEQUENCE,)))
        if kwargs.get("padding") != "causal" or "dilation_rate" not in kwargs:
            cases.append(Case("SeparableConv1D", {**given, "depth_multiplier": 2}, (SEQUENCE,)))
    for kwargs in (
        {}, {"strides": (2, 3)}, {"padding": "same"}, {"padding": "same", "strides": (3, 2)},
        {"dilation_rate": (2, 1)}, {"padding": "same", "dilation_rate": 2},
        {"use_bias": False, "activation": "tanh"},
    ):  # fmt: skip
        given = {"filters": 4, "kernel_size": (3, 2), **kwargs}
        cases.append(Case("Conv2D", given, (IMAGE,)))
        first = {**given, "data_format": "channels_first"}
        cases.append(Case("Conv2D", first, (FIRST_IMAGE,), transposed=True))
        cases.append(Case("Conv3D", {"filters": 3, "kernel_size": 2, "strides": 2}, (VOLUME,)))
    for kwargs in ({}, {"strides": 2}, {"padding": "same", "strides": 2}, {"dilation_rate": 2}):
        given = {"filters": 4, "kernel_size": 3, "depth_multiplier": 2, **kwargs}
        cases.append(Case("SeparableConv2D", given, (IMAGE,)))
        given = {key: value for key, value in given.items() if key != "filters"}
        if "dilation_rate" not in kwargs:
            cases.append(Case("DepthwiseConv2D", given, (IMAGE,)))
        first = {**given, "data_format": "channels_first"}
        cases.append(Case("DepthwiseConv2D", first, (FIRST_IMAGE,), transposed=True))
    for kwargs in (
        {}, {"strides": 2}, {"padding": "same", "strides": 2}, {"padding": "same"},
        {"strides": 3, "output_padding": 2}, {"padding": "same", "strides": 2, "output_padding": 1},
    ):  # fmt: skip
        given = {"filters": 2, "kernel_size": 3, **kwargs}
        cases.append(Case("Conv2DTranspose", given, (IMAGE,)))
        cases.append(Case("Conv3DTranspose", given, ((1, 3, 2, 3, 2),)))
        first = {**given, "data_format": "channels_first"}
        cases.append(Case("Conv2DTranspose", first, (FIRST_IMAGE,), transposed=True))
    given = {"filters": 2, "kernel_size": 2, "dilation_rate": 2}
    cases.append(Case("Conv2DTranspose", given, (IMAGE,)))
    return list({case.label: case for case in cases}.values())


def _places() -> list[Case]:
    cases = []
    shapes = {1: (2, 9, 3), 2: (2, 7, 6, 3), 3: (2, 5, 4, 6, 2)}
    for axes, shape in shapes.items():
        first = (shape[0], shape[-1], *shape[1:-1])
        for mode in ("Max", "Average"):
            for kwargs in (
                {}, {"pool_size": 3, "strides": 2}, {"pool_size": 3, "padding": "same"},
                {"pool_size": 2, "strides": 3, "padding": "same"},
            ):  # fmt: skip
                kind = f"{mode}Pooling{axes}D"
                cases.append(Case(kind, kwargs, (shape,)))
                given = {**kwargs, "data_format": "channels_first"}
                cases.append(Case(kind, given, (first,), transposed=True))
            kind = f"Global{mode}Pooling{axes}D"
            cases.append(Case(kind, {}, (shape,)))
            given = {"data_format": "channels_first"}
            cases.append(Case(kind, given, (first,), transposed=True))
    mask = [[1, 1, 0], [0, 1, 1]]
    cases += [
        Case("GlobalAveragePooling1D", {}, ((2, 3, 4),), mask=mask),
        Case("ZeroPadding1D", {"padding": 2}, (SEQUENCE,)),
        Case("ZeroPadding1D", {"padding": (0, 2)}, (SEQUENCE,)),
        Case("ZeroPadding2D", {"padding": 2}, (IMAGE,)),
        Case("ZeroPadding2D", {"padding": (1, 2)}, (IMAGE,)),
        Case("ZeroPadding2D", {"padding": ((0, 1), (2, 3)), "data_format": "channels_first"},
             (FIRST_IMAGE,)),
        Case("ZeroPadding3D", {"padding": ((0, 1), (2, 3), (1, 1))}, (VOLUME,)),
        Case("Cropping1D", {"cropping": 2}, (SEQUENCE,)),
        Case("Cropping1D", {"cropping": (0, 2)}, (SEQUENCE,)),
        Case("Cropping2D", {"cropping": ((0, 1), (2, 0))}, (IMAGE,)),
        Case("Cropping2D", {"cropping": (1, 2), "data_format": "channels_first"}, (FIRST_IMAGE,)),
        Case("Cropping3D", {}, (VOLUME,)),
        Case("UpSampling1D", {"size": 3}, (SEQUENCE,)),
        Case("UpSampling2D", {"size": (2, 3)}, (IMAGE,)),
        Case("UpSampling2D", {"size": 2, "data_format": "channels_first"}, (FIRST_IMAGE,)),
        Case("UpSampling3D", {"size": (1, 2, 3)}, (VOLUME,)),
        Case("UpSampling3D", {"data_format": "channels_first"}, (FIRST_VOLUME,)),
        Case("LocallyConnected1D", {"filters": 4, "kernel_size": 3}, (SEQUENCE,)),
        Case("LocallyConnected1D", {"filters": 4, "kernel_size": 2, "strides": 2,
             "use_bias": False, "activation": "tanh"}, (SEQUENCE,)),
        Case("LocallyConnected1D", {"filters": 4, "kernel_size": 3,
             "data_format": "channels_first", "use_bias": False}, ((2, 3, 7),)),
        Case("LocallyConnected2D", {"filters": 4, "kernel_size": (3, 2)}, (IMAGE,)),
        Case("LocallyConnected2D", {"filters": 4, "kernel_size": 3, "strides": (2, 1),
             "activation": "sigmoid"}, (IMAGE,)),
        Case("LocallyConnected2D", {"filters": 2, "kernel_size": (3, 2),
             "data_format": "channels_first", "use_bias": False}, (FIRST_IMAGE,)),
    ]  # fmt: skip
    return cases


CORE = [
    Case("Dense", {"units": 4}),
    Case("Dense", {"units": 4, "activation": "softmax", "use_bias": False}),
    Case("Dense", {"units": 4, "activation": "tanh"}, ((2, 3, 5),)),
    Case("Activation", {"activation": "sigmoid"}),
    Case("Activation", {"activation": "softmax"}, ((2, 3, 5),)),
    *(Case("Activation", {"activation": name})
      for name in ("elu", "selu", "softplus", "softsign", "relu", "tanh", "hard_sigmoid",
                   "exponential", "linear")),
    Case("Masking", {"mask_value": 0.5}, ((2, 3, 4),)),
    Case("Dropout", {"rate": 0.5}),
    Case("SpatialDropout1D", {"rate": 0.5}, (SEQUENCE,)),
    Case("SpatialDropout2D", {"rate": 0.5}, (IMAGE,)),
    Case("SpatialDropout3D", {"rate": 0.5, "data_format": "channels_first"}, (FIRST_VOLUME,)),
    Case("Flatten", {}, (IMAGE,)),
    Case("Flatten", {"data_format": "channels_first"}, (FIRST_IMAGE,)),
    Case("Reshape", {"target_shape": (5, 2)}, ((2, 10),)),
    Case("Reshape", {"target_shape": (2, -1, 1)}, ((2, 3, 4),)),
    Case("Permute", {"dims": (2, 1)}, ((2, 3, 4),)),
    Case("Permute", {"dims": (3, 1, 2)}, ((2, 3, 4, 5),)),
    Case("RepeatVector", {"n": 3}),
    Case("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, ((1, 5),)),
    Case("Embedding", {"input_dim": 9, "output_dim": 4}, ((2, 5),), integers=9),
    Case("Embedding", {"input_dim": 9, "output_dim": 4, "mask_zero": True}, ((2, 5),), integers=9),
    Case("Embedding", {"input_dim": 9, "output_dim": 4, "input_length": 5}, ((2, 5),), integers=9),
    *(Case(kind, {}, ((2, 3, 4), (2, 3, 4), (2, 3, 4)))
      for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")),
    Case("Subtract", {}, ((2, 3, 4), (2, 3, 4))),
    Case("Add", {}, ((2, 3, 4), (2, 1, 4))),
    Case("Multiply", {}, ((2, 3, 4), (2, 4))),
    Case("Concatenate", {"axis": 1}, ((2, 3, 4), (2, 2, 4))),
    Case("Dot", {"axes": 1}, ((2, 4), (2, 4))),
    Case("Dot", {"axes": (2, 1)}, ((2, 3, 4), (2, 4, 5))),
    Case("Dot", {"axes": -1, "normalize": True}, ((2, 3, 4), (2, 5, 4))),
    Case("Dot", {"axes": (1, 2)}, ((2, 4, 3), (2, 5, 4))),
    Case("LeakyReLU", {}),
    Case("LeakyReLU", {"alpha": 0.1}),
    Case("PReLU", {}, ((2, 3, 4),)),
    Case("PReLU", {"shared_axes": [1, 2]}, (IMAGE,)),
    Case("ELU", {}),
    Case("ELU", {"alpha": 0.5}),
    Case("ThresholdedReLU", {"theta": 0.3}),
    Case("Softmax", {}),
    Case("Softmax", {"axis": 1}, ((2, 3, 4),)),
    Case("ReLU", {}),
    Case("ReLU", {"max_value": 0.5, "negative_slope": 0.2, "threshold": 0.1}),
    Case("BatchNormalization", {}),
    Case("BatchNormalization", {"scale": False, "epsilon": 0.1}, (IMAGE,)),
    Case("BatchNormalization", {"axis": 1, "center": False}, (FIRST_IMAGE,)),
    Case("BatchNormalization", {"momentum": 0.8}, ((6, 5),), training=True),
    Case("BatchNormalization", {}, (IMAGE,), training=True),
    Case("BatchNormalization", {"axis": 1}, ((3, 4, 5),), training=True),
    Case("BatchNormalization", {"axis": 2, "scale": False}, ((3, 4, 5),), training=True),
    Case("LayerNormalization", {}),
    Case("LayerNormalization", {"axis": [1, 2], "scale": False, "epsilon": 0.1}, (IMAGE,)),
    Case("LayerNormalization", {"axis": 1, "center": False}, ((2, 3, 4),)),
    Case("Attention", {"use_scale": True}, ((2, 3, 4), (2, 5, 6), (2, 5, 4))),
    Case("Attention", {}, ((2, 3, 4), (2, 5, 4))),
    Case("AdditiveAttention", {}, ((2, 3, 4), (2, 5, 4))),
    Case("AdditiveAttention", {"use_scale": False}, ((2, 3, 4), (2, 5, 4), (2, 5, 4))),
    Case("Attention", {"causal": True}, ((2, 5, 4), (2, 5, 4)), peer=False),
    Case("GaussianNoise", {"stddev": 0.5}),
    Case("GaussianDropout", {"rate": 0.5}),
    Case("AlphaDropout", {"rate": 0.5}),
    Case("MaxoutDense", {"output_dim": 3, "nb_feature": 2}, peer=False),
    Case("Highway", {"activation": "tanh"}, peer=False),
]  # fmt: skip


def _recurrent() -> list[Case]:
    cases = []
    mask = [[0, 1, 1, 0, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    shape = (3, 5, 2)
    for kind, more in (
        ("SimpleRNN", {}),
        ("GRU", {"recurrent_activation": "hard_sigmoid", "reset_after": False}),
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
    ):
        for kwargs in (
            {}, {"return_sequences": True}, {"return_sequences": True, "go_backwards": True},
            {"return_state": True, "return_sequences": True}, {"return_state": True},
            {"unroll": True, "return_sequences": True}, {"unroll": True, "go_backwards": True},
            {"use_bias": False, "activation": "relu"}, {"implementation": 2},
        ):  # fmt: skip
            if kind == "SimpleRNN" and "implementation" in kwargs:
                continue
            given = {"units": 4, **more, **kwargs}
            cases.append(Case(kind, given, (shape,)))
            if "use_bias" not in kwargs and "implementation" not in kwargs:
                cases.append(Case(kind, given, (shape,), mask=mask))
        states = ((3, 4),) * (2 if kind == "LSTM" else 1)
        cases.append(Case(kind, {"units": 4, "return_sequences": True, **more}, (shape, *states)))
    for kwargs in ({}, {"recurrent_activation": "sigmoid"}, {"use_bias": False}):
        given = {"units": 4, "reset_after": True, "recurrent_activation": "hard_sigmoid", **kwargs}
        cases.append(Case("GRU", given, (shape,)))
    lstm = Case("LSTMCell", {"units": 4, "recurrent_activation": "hard_sigmoid"})
    gru = Case("GRUCell", {"units": 3, "recurrent_activation": "sigmoid", "reset_after": False})
    simple = Case("SimpleRNNCell", {"units": 2})
    for inner in (lstm, gru, simple, [lstm, gru], [simple, gru, lstm]):
        for kwargs in ({}, {"return_sequences": True}):
            cases.append(Case("RNN", kwargs, (shape,), inner={"cell": inner}))
            cases.append(Case("RNN", kwargs, (shape,), mask=mask, inner={"cell": inner}))
    cases.append(Case("RNN", {"return_state": True}, (shape,), inner={"cell": [lstm, gru]},
                      peer=False))  # fmt: skip
    for kind, bias in (("CuDNNGRU", {}), ("CuDNNLSTM", {}), ("CuDNNLSTM", {"return_state": True})):
        cases.append(Case(kind, {"units": 4, **bias}, (shape,), peer=False))
    plain = Case("LSTM", {"units": 4, "recurrent_activation": "hard_sigmoid"})
    whole = plain._replace(kwargs={**plain.kwargs, "return_sequences": True})
    states = plain._replace(kwargs={**whole.kwargs, "return_state": True})
    for mode in ("concat", "sum", "ave", "mul", None):
        for inner in (plain, whole):
            cases.append(Case("Bidirectional", {"merge_mode": mode}, (shape,),
                              inner={"layer": inner}))  # fmt: skip
    cases += [
        Case("Bidirectional", {}, (shape,), inner={"layer": plain}, mask=mask),
        # later releases give zeros at steps that are masked
        Case("Bidirectional", {}, (shape,), inner={"layer": whole}, mask=mask, peer=False),
        Case("Bidirectional", {}, (shape,), inner={"layer": states}),
        Case("Bidirectional", {}, (shape, *((3, 4),) * 4), inner={"layer": whole}),
        Case("TimeDistributed", {}, (shape,), inner={"layer": Case("Dense", {"units": 4})}),
        Case("TimeDistributed", {}, (shape,), inner={"layer": Case("Dense", {"units": 4})},
             mask=mask),
        Case("TimeDistributed", {}, ((2, 3, 6, 5, 2),),
             inner={"layer": Case("Conv2D", {"filters": 3, "kernel_size": 2})}),
        Case("TimeDistributed", {}, ((2, 3, 4, 2),), inner={"layer": Case("Flatten")}),
        Case("TimeDistributed", {}, ((2, 3, 4, 2),), inner={"layer": plain}),
    ]  # fmt: skip
    movie = (2, 3, 6, 5, 2)
    for kwargs in (
        {}, {"return_sequences": True, "padding": "same"}, {"strides": 2, "return_state": True},
        {"go_backwards": True, "use_bias": False, "activation": "relu"},
    ):  # fmt: skip
        given = {
            "filters": 3, "kernel_size": (3, 2), "recurrent_activation": "hard_sigmoid", **kwargs
        }  # fmt: skip
        cases.append(Case("ConvLSTM2D", given, (movie,)))
    cases.append(Case("ConvLSTM2D", {**given, "data_format": "channels_first"},
                      ((2, 3, 2, 6, 5),), peer=False))  # fmt: skip
    return cases


CASES: list[Case] = [*CORE, *_spatial(), *_places(), *_recurrent()]
