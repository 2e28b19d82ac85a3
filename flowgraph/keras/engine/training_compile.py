"""Compiled: ``compile``, the steps it makes possible, and data as these steps take them.

Read next: training_losses.py, training_steps.py.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras import backend as K  # noqa: N812  the name everybody knows
from flowgraph.keras import optimizers
from flowgraph.keras.engine import training_data as data
from flowgraph.keras.engine.training_losses import (
    Objective,
    build_objective,
    find_outputs,
    make_targets,
)
from flowgraph.keras.engine.training_steps import Step
from flowgraph.keras.utils.generic_utils import unpack_singleton

_BATCH = 32


class Compiled:
    """The part of a model that compile makes: losses, steps, and what data they take."""

    name: str
    inputs: Any
    outputs: Any
    built: bool
    input_names: list[str]
    output_names: list[str]
    _is_compiled: bool
    optimizer: Any = None
    #: What compile was given, what it built, and the steps that were made of that.
    _compile_arguments: Any = None
    _objective_: Objective | None = None
    _steps: Any = None
    _known_inputs: Any = None

    # ----------------------------------------------------------------------------------- compile

    def compile(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        **kwargs: Any,
    ) -> None:
        """Say how the model is trained.

        Args:
            optimizer: a name, an optimizer of Keras, or one of ``tf.train``.
            loss: a name or function of (targets, outputs); for several outputs also a list, or a
                dict by their names.  An output without one is not trained.
            metrics: a list of names, functions or metrics; for several outputs also a list of
                lists, or a dict by their names.  "accuracy" means what fits loss and output.
            loss_weights: factors of the outputs' losses, a list or a dict; 1 by default.
            sample_weight_mode: "temporal" for one weight per time step; a list or a dict.
            weighted_metrics: as ``metrics``, of which samples count by their weights.
            target_tensors: tensors that are the targets, instead of what ``fit`` is given.
            kwargs: arguments of later releases, not used.

        Raises:
            ValueError: a name means nothing, or the numbers of outputs do not agree.
        """
        self.optimizer = optimizers.get(optimizer)
        self.loss = [] if loss is None else loss
        self.metrics, self.loss_weights = metrics or [], loss_weights
        self.sample_weight_mode, self.weighted_metrics = sample_weight_mode, weighted_metrics
        self._compile_arguments = (
            loss, metrics, loss_weights, sample_weight_mode, weighted_metrics, target_tensors,
        )  # fmt: skip
        self._objective_, self._steps = None, {}
        self._is_compiled = True
        if self.inputs is not None:
            self._build_objective()

    def _build_objective(self) -> Objective:
        """Make targets, losses and metrics; they wait for a model without known inputs."""
        loss, metrics, loss_weights, mode, weighted, target_tensors = self._compile_arguments
        graph = self._training_graph()
        with graph.as_default(), tf.control_dependencies(None):
            outputs = find_outputs(self, loss, loss_weights, mode)
            make_targets(outputs, target_tensors)
            self._objective_ = build_objective(self, outputs, metrics, weighted)
        self._collected_trainable_weights = list(self.trainable_weights)  # type: ignore[attr-defined]
        return self._objective_

    @property
    def _objective(self) -> Objective:
        if not self._is_compiled:
            raise RuntimeError(
                "You must compile a model before training/testing: model.compile(optimizer, loss)"
            )
        if self._objective_ is None:
            if self.inputs is None:
                raise RuntimeError(
                    f"the inputs of model {self.name!r} are not known yet: give the first layer an "
                    "input_shape, or call fit"
                )
            return self._build_objective()
        return self._objective_

    def _training_graph(self) -> Any:
        return self.inputs[0].graph if self.inputs else tf.get_default_graph()

    def _session(self) -> Any:
        with self._training_graph().as_default():
            return K.get_session()

    @property
    def total_loss(self) -> Any:
        """The loss that is minimised, a scalar tensor."""
        return self._objective.total_loss

    @property
    def metrics_names(self) -> list[str]:
        """What ``evaluate`` returns: "loss", losses of several outputs, metrics."""
        if not self._is_compiled or (self._objective_ is None and self.inputs is None):
            return ["loss"]
        return list(self._objective.names)

    @property
    def metrics_tensors(self) -> list[Any]:
        """The tensors of ``metrics_names`` without the first."""
        return list(self._objective.tensors)

    @property
    def stateful_metric_names(self) -> list[str]:
        """The names of metrics whose state goes on from batch to batch."""
        return list(self._objective.stateful)

    @property
    def stateful_metric_functions(self) -> list[Any]:
        """Metrics whose state goes on from batch to batch."""
        return list(self._objective.stateful.values())

    @property
    def targets(self) -> list[Any]:
        """The targets of the outputs that are trained."""
        return [output.target for output in self._objective.trained]

    @property
    def sample_weights(self) -> list[Any]:
        """The placeholders of the samples' weights."""
        return [output.weights for output in self._objective.trained]

    # ------------------------------------------------------------------------------------- steps

    def _step(self, kind: str) -> Step:
        """What a batch runs: "train", "test" or "predict"."""
        if self._steps is None:
            self._steps = {}
        step = self._steps.get(kind)
        if step is None:
            graph = self._training_graph()
            with graph.as_default(), tf.control_dependencies(None):
                step = self._steps[kind] = getattr(self, f"_make_{kind}_step")(graph)
        return step

    def _make_train_step(self, graph: Any) -> Step:
        self._warn_about_trainable()
        objective = self._objective
        updates = list(self.updates)  # type: ignore[attr-defined]
        with tf.name_scope("training"), tf.name_scope(type(self.optimizer).__name__):
            weights = self._collected_trainable_weights
            updates += self.optimizer.get_updates(objective.total_loss, weights)
        fetches = [objective.total_loss, *objective.tensors]
        return Step(graph, self._feeds(), fetches, [*updates, *objective.updates], training=True)

    def _make_test_step(self, graph: Any) -> Step:
        objective = self._objective
        updates = [*self.state_updates, *objective.updates]  # type: ignore[attr-defined]
        return Step(graph, self._feeds(), [objective.total_loss, *objective.tensors], updates)

    def _make_predict_step(self, graph: Any) -> Step:
        updates = list(self.state_updates)  # type: ignore[attr-defined]
        return Step(graph, self._feed_inputs, self.outputs, updates)  # type: ignore[attr-defined]

    def _make_train_function(self) -> None:
        """Make the optimizer's slots and the training step, if they are not there."""
        self._step("train")

    def _feeds(self) -> list[Any]:
        objective = self._objective
        targets = [output.target for output in objective.fed]
        return [*self._feed_inputs, *targets, *self.sample_weights]  # type: ignore[attr-defined]

    def _ones(self) -> list[Any]:
        """Weights for samples of which nobody knows how many there are: ones that broadcast."""
        return [
            np.ones([1] * (K.ndim(weights) or 0), K.floatx()) for weights in self.sample_weights
        ]

    def _warn_about_trainable(self) -> None:
        if set(self._collected_trainable_weights) != set(self.trainable_weights):  # type: ignore[attr-defined]
            warnings.warn(
                "`trainable` of a layer was changed after compile: what is trained is what was "
                "trainable then; compile again to change it",
                stacklevel=4,
            )

    # --------------------------------------------------------------------------------------- data

    def _standardize_inputs(self, x: Any) -> list[Any]:
        self._find_inputs(x)
        names, shapes = self._fed()
        arrays = data.standardize(x, names, shapes, "input")
        data.check_lengths(arrays, [], [], names)
        return arrays

    def _fed(self) -> tuple[list[str], list[Any]]:
        """Names and shapes of the inputs that data are fed to."""
        inputs, names, shapes = self._known_inputs or (None, [], [])
        if inputs is not self.inputs:
            names = self._feed_input_names  # type: ignore[attr-defined]
            shapes = self._feed_input_shapes  # type: ignore[attr-defined]
            self._known_inputs = self.inputs, names, shapes
        return names, shapes

    def _find_inputs(self, x: Any) -> None:
        """Let a model that is not built learn its inputs from the first data."""
        if self.inputs is None:
            if x is None:
                raise ValueError(
                    f"the inputs of model {self.name!r} are not known, and no data are"
                )
            arrays = x if isinstance(x, (list, tuple, dict)) else [x]
            if isinstance(arrays, (list, tuple)) and not all(map(data.is_array, arrays)):
                nested = all(isinstance(item, (list, tuple)) for item in arrays)
                arrays = [np.asarray(x)] if nested or np.isscalar(arrays[0]) else arrays
            if isinstance(arrays, (list, tuple)):
                arrays = [a[:, None] if getattr(a, "ndim", 2) == 1 else a for a in arrays]
                arrays = unpack_singleton(list(arrays))
            self._set_inputs(arrays)  # type: ignore[attr-defined]

    def _standardize(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
        batch_size: int | None = None,
    ) -> tuple[list[Any], list[Any], list[Any]]:  # fmt: skip
        """Inputs, targets and weights of samples, one for each placeholder.

        Raises:
            ValueError: they do not fit the model.
        """
        if not self._is_compiled:
            raise RuntimeError(
                "You must compile a model before training/testing: model.compile(optimizer, loss)"
            )
        self._find_inputs(x)
        objective = self._objective
        inputs = self._standardize_inputs(x)
        fed, trained = objective.fed, objective.trained
        names = [output.name for output in fed]
        if isinstance(y, dict):
            # outputs without loss need none, and their targets may be there
            y = {k: v for k, v in y.items() if k in names or k not in self.output_names}
        elif isinstance(y, list) and len(y) == len(objective.outputs) != len(fed):
            y = [v for v, output in zip(y, objective.outputs, strict=True) if output in fed]
        targets = data.standardize(y, names, [output.target_shape for output in fed], "target")
        all_names = [output.name for output in trained]
        some = data.by_outputs(sample_weight, all_names, "sample_weight")
        classes = data.by_outputs(class_weight, all_names, "class_weight")
        by_name = dict(zip(names, targets, strict=True))
        weights = []
        for output, weight, of_classes in zip(trained, some, classes, strict=True):
            # targets that are tensors are as many as the inputs are
            like = by_name.get(output.name, inputs[0] if inputs else None)
            if like is None:
                like = np.empty(int(batch_size or 1))
            if output.temporal and len(np.shape(like)) < 2:
                raise ValueError(f"target {output.name!r} has no axis of time")
            weights.append(data.weights_of(like, weight, of_classes, output.temporal, output.name))
        check_names = [*self._fed()[0], *names, *(f"weights of {n}" for n in all_names)]
        data.check_lengths(inputs, targets, weights, check_names)
        data.check_targets(targets, [o.function for o in fed], [o.shape for o in fed], names)
        if batch_size and self.stateful and inputs and inputs[0].shape[0] % batch_size:  # type: ignore[attr-defined]
            raise ValueError(
                "a stateful model takes batches of one size: the number of samples, "
                f"{inputs[0].shape[0]}, cannot be divided by batch_size={batch_size}"
            )
        return inputs, targets, weights

    def _batch_size_of(self, batch_size: int | None) -> int:
        """``batch_size``, or what the model was made for, or 32."""
        if batch_size is None:
            shapes = [shape for shape in self._fed()[1] if shape]
            return next((s[0] for s in shapes if s[0]), _BATCH)
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
            raise TypeError(f"batch_size must be an integer, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}")
        return int(batch_size)
