"""Trainer: compile, fit, evaluate and predict, for every model.

What it finds in a model (network.py): ``inputs`` and ``outputs``, lists of tensors, and
``input_names`` and ``output_names``; ``_feed_inputs``, ``_feed_input_names`` and
``_feed_input_shapes`` of those that data are fed to; ``trainable_weights``, ``losses``,
``updates``, ``state_updates``, ``stateful``, ``uses_learning_phase``; ``_set_inputs(x)``, which
finds inputs and outputs of a model that is not built from the first data.

    training_compile.py   compile, and what follows from it
    training_losses.py    losses, weights and metrics as tensors
    training_data.py      what users give -> arrays in order, checked
    training_steps.py     a batch, or many in one native call
    training_loops.py     epochs over arrays
    training_batches.py   epochs over batches that something makes

Read next: these, in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowgraph.keras.engine import training_batches as batches
from flowgraph.keras.engine import training_data as data
from flowgraph.keras.engine import training_loops as loops
from flowgraph.keras.engine.training_compile import Compiled
from flowgraph.keras.engine.training_steps import as_fed
from flowgraph.keras.utils.generic_utils import unpack_singleton


class Trainer(Compiled):
    """The part of a model that trains it."""

    history: Any = None
    stop_training = False

    # ---------------------------------------------------------------------------------------- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Train for a number of epochs.

        An epoch runs inside the native plan unless a callback wants to see every batch.

        Args:
            x: inputs: an array, a list of them, a dict by names; or what gives batches of inputs
                and targets: a tf.data.Dataset, a Sequence, a generator; or tensors.
            y: targets: an array, a list of them, a dict by names.
            batch_size: samples of a batch; 32 by default.
            epochs: the number of the last epoch.
            verbose: 1 shows a progress bar, 2 a line per epoch, 0 nothing.
            callbacks: a list of callbacks.
            validation_split: share of the samples, the last ones, that are kept for validation.
            validation_data: (inputs, targets) or (inputs, targets, sample weights), or what gives
                batches of them.
            shuffle: whether samples come in another order every epoch; "batch" moves batches.
            class_weight: class -> weight of its samples in the loss; by outputs for several.
            sample_weight: weights of samples, an array; by outputs for several.
            initial_epoch: the number of the first epoch, to go on with an earlier training.
            steps_per_epoch: batches of an epoch, where they are made.
            validation_steps: batches of a validation, where they are made.
            kwargs: ``nb_epoch``, an older name of ``epochs``; ``workers``, ``max_queue_size`` and
                ``use_multiprocessing`` as of ``fit_generator``.

        Returns:
            A History.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: data do not fit the model, or there are none.
        """
        epochs = kwargs.pop("nb_epoch", epochs)
        threads = {k: kwargs.pop(k) for k in ("workers", "max_queue_size") if k in kwargs}
        kwargs.pop("use_multiprocessing", None)
        if kwargs:
            raise TypeError(f"fit: unknown arguments {sorted(kwargs)}")
        if batches.makes_batches(x):
            if y is not None:
                if not data.is_symbolic(x):
                    raise ValueError(f"fit: a {type(x).__name__} gives targets too; leave y out")
                x = (x, y) if sample_weight is None else (x, y, sample_weight)
            if validation_split:
                raise ValueError("fit: validation_split needs arrays; give validation_data")
            return self._fit_batches(
                x, steps_per_epoch, epochs, verbose, callbacks, validation_data, validation_steps,
                class_weight, shuffle=bool(shuffle), initial_epoch=initial_epoch, where="fit",
                **threads,
            )  # fmt: skip
        if x is None and y is None and steps_per_epoch is None:
            raise ValueError(
                "fit: there are no data: give x and y, or steps_per_epoch where inputs are tensors"
            )
        if x is not None:
            self._find_inputs(x)
        size = self._batch_size_of(batch_size)
        inputs, targets, weights = self._standardize(x, y, sample_weight, class_weight, size)
        arrays = [*inputs, *targets, *weights]
        if not inputs and not targets:
            if steps_per_epoch is None:
                raise ValueError("fit: inputs and targets are tensors: give steps_per_epoch")
            weights = self._ones()
        elif steps_per_epoch is not None:
            raise ValueError(
                "fit: steps_per_epoch is for data that are made batch by batch; arrays have "
                "batch_size"
            )
        elif not arrays[0].shape[0]:
            raise ValueError("fit: the data have no samples")
        validation = None
        if validation_data is not None:
            validate, kept = self._validation(validation_data, size, validation_steps)
        elif validation_split:
            if not 0.0 < validation_split < 1.0:
                raise ValueError(f"validation_split lies between 0 and 1, got {validation_split}")
            arrays, validation = data.split(arrays, validation_split)
            validate, kept = self._validate_arrays(validation, size), validation
        else:
            validate = kept = None
        step = self._step("train")
        params = {
            "batch_size": size,
            "steps": steps_per_epoch,
            "samples": arrays[0].shape[0] if arrays and steps_per_epoch is None else None,
        }
        course = loops.Course(
            self, epochs, initial_epoch, verbose, callbacks, params, validate, kept
        )
        if steps_per_epoch is not None:
            return loops.fit_steps(course, step, lambda: weights, steps_per_epoch)
        return loops.fit_arrays(course, step, arrays, size, shuffle)

    def _validation(self, given: Any, batch_size: int, steps: int | None) -> tuple[Any, Any]:
        """A function that validates, and the arrays it does that with, or None."""
        if not isinstance(given, (tuple, list)) and batches.makes_batches(given):
            if hasattr(given, "__next__"):  # goes on from epoch to epoch
                source = batches.source_of(self, given, steps, "validation_data", workers=0)
                return lambda: batches.evaluate_batches(self, source, 0, close=False), None
            return (
                lambda: batches.evaluate_batches(
                    self, batches.source_of(self, given, steps, "validation_data"), 0
                ),
                None,
            )
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            count = f" of {len(given)}" if hasattr(given, "__len__") else ""
            raise ValueError(
                "validation_data must be a tuple (inputs, targets) or (inputs, targets, "
                f"sample_weights), got {type(given).__name__}{count}"
            )
        if data.is_symbolic(given):
            source = batches.source_of(self, tuple(given), steps, "validation_data")
            return lambda: batches.evaluate_batches(self, source, 0), None
        x, y, *weight = given
        parts = self._standardize(x, y, weight[0] if weight else None, None, batch_size)
        arrays = [array for part in parts for array in part]
        return self._validate_arrays(arrays, batch_size), arrays

    def _validate_arrays(self, arrays: Sequence[Any], batch_size: int) -> Any:
        step = self._step("test")
        fed = as_fed(arrays, step.feeds)
        return lambda: loops.evaluate_arrays(self, step, fed, batch_size, 0)

    def _fit_batches(
        self, made: Any, steps_per_epoch: int | None, epochs: int, verbose: int, callbacks: Any,
        validation_data: Any, validation_steps: int | None, class_weight: Any,
        max_queue_size: int = 10, workers: int = 1, *, shuffle: bool, initial_epoch: int,
        where: str,
    ) -> Any:  # fmt: skip
        if not self._is_compiled:
            raise RuntimeError(
                "You must compile a model before training/testing: model.compile(optimizer, loss)"
            )
        source = batches.source_of(
            self, made, steps_per_epoch, where, workers, max_queue_size, shuffle
        )
        try:
            if self.inputs is None:
                first = next(source.epoch(), None)
                if first is None:
                    raise ValueError(f"the {source.kind} has no batches")
                self._find_inputs(batches.parts_of(first, source.kind)[0])
                _put_back(source, first)
            validate, kept = None, None
            if validation_data is not None:
                validate, kept = self._validation(
                    validation_data, self._batch_size_of(None), validation_steps
                )
        except BaseException:
            source.close()
            raise
        params = {"batch_size": None, "steps": source.steps, "samples": None}
        course = loops.Course(
            self, epochs, initial_epoch, verbose, callbacks, params, validate, kept
        )
        return batches.fit_batches(course, source, class_weight)

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> Any:
        """Train with batches that a generator or Sequence makes.

        Args:
            generator: gives (inputs, targets) or (inputs, targets, sample weights), without end.
            steps_per_epoch: batches of an epoch; a Sequence's length by default.
            epochs, verbose, callbacks, class_weight, initial_epoch: as of ``fit``.
            validation_data: as of ``fit``; or a generator or Sequence.
            validation_steps: batches of a validation, for a generator.
            max_queue_size: batches that are made ahead.
            workers: threads that make batches; 0 makes them where they are used.
            use_multiprocessing: accepted: threads are used.
            shuffle: whether a Sequence's batches come in another order every epoch.

        Returns:
            A History.

        Raises:
            ValueError: the generator ends too early, or a batch does not fit the model.
        """
        return self._fit_batches(
            generator, steps_per_epoch, epochs, verbose, callbacks, validation_data,
            validation_steps, class_weight, max_queue_size, workers, shuffle=shuffle,
            initial_epoch=initial_epoch, where="fit_generator",
        )  # fmt: skip

    # -------------------------------------------------------------------------- evaluate, predict

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
    ) -> Any:
        """Loss and metrics over data.

        Args:
            x, y, batch_size, sample_weight: as of ``fit``.
            verbose: 1 shows a progress bar.
            steps: batches, where they are made.

        Returns:
            The loss; with metrics a list, in the order of ``metrics_names``.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: data do not fit the model.
        """
        if batches.makes_batches(x):
            if y is not None:
                x = (x, y) if sample_weight is None else (x, y, sample_weight)
            return self.evaluate_generator(x, steps, verbose=verbose)
        if x is not None:
            self._find_inputs(x)
        size = self._batch_size_of(batch_size)
        inputs, targets, weights = self._standardize(x, y, sample_weight, None, size)
        arrays = [*inputs, *targets, *weights]
        if not inputs and not targets:
            if steps is None:
                raise ValueError("evaluate: inputs and targets are tensors: give steps")
            return self._evaluate_steps(self._ones(), steps)
        if not arrays[0].shape[0]:
            raise ValueError("evaluate: the data have no samples")
        return unpack_singleton(
            loops.evaluate_arrays(self, self._step("test"), arrays, size, verbose)
        )

    def _evaluate_steps(self, weights: list[Any], steps: int) -> Any:
        means = loops.Means(self.metrics_names, self.stateful_metric_names)
        step = self._step("test")
        for at in range(steps):
            means.add(at, np.ones(1), [np.array([value]) for value in step.once(weights)])
        return unpack_singleton(means.values())

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """Loss and metrics over batches that a generator or Sequence makes.

        Args:
            generator, max_queue_size, workers, use_multiprocessing: as of ``fit_generator``.
            steps: batches; a Sequence's length by default.
            verbose: 1 shows a progress bar.

        Returns:
            As ``evaluate``.
        """
        source = batches.source_of(
            self, generator, steps, "evaluate_generator", workers, max_queue_size
        )
        return unpack_singleton(batches.evaluate_batches(self, source, verbose))

    def predict(
        self, x: Any = None, batch_size: int | None = None, verbose: int = 0,
        steps: int | None = None,
    ) -> Any:  # fmt: skip
        """The outputs for data.

        Args:
            x: inputs, as of ``fit``.
            batch_size: samples that are computed at once; 32 by default.
            verbose: 1 shows a progress bar.
            steps: batches, where they are made.

        Returns:
            An array; for several outputs a list.

        Raises:
            ValueError: data do not fit the model.
        """
        if batches.makes_batches(x):
            return self.predict_generator(x, steps, verbose=verbose)
        inputs = self._standardize_inputs(x)
        step = self._step("predict")
        if not inputs:
            if steps is None:
                raise ValueError("predict: inputs are tensors: give steps")
            parts = [step.once([]) for _ in range(steps)]
            outputs = [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]
            return unpack_singleton(outputs)
        size = self._batch_size_of(batch_size)
        samples = inputs[0].shape[0]
        if not samples:
            raise ValueError("predict: the data have no samples")
        if self.stateful and samples > size and samples % size:  # type: ignore[attr-defined]
            raise ValueError(
                f"a stateful model takes batches of one size: the number of samples, {samples}, "
                f"cannot be divided by batch_size={size}"
            )
        return unpack_singleton(loops.predict_arrays(step, inputs, size, verbose))

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The outputs for batches that a generator or Sequence makes.

        Args:
            generator: gives inputs, or tuples whose first item they are.
            steps: batches; a Sequence's length by default.
            max_queue_size, workers, use_multiprocessing: as of ``fit_generator``.
            verbose: 1 shows a progress bar.

        Returns:
            As ``predict``.
        """
        source = batches.source_of(
            self, generator, steps, "predict_generator", workers, max_queue_size
        )
        return unpack_singleton(batches.predict_batches(self, source, verbose))

    # ------------------------------------------------------------------------------- single batches

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None
    ) -> Any:
        """One step with one batch.

        Args:
            x, y, sample_weight, class_weight: as of ``fit``.

        Returns:
            The loss before the step; with metrics a list.
        """
        return unpack_singleton(self._train_on_batch(x, y, sample_weight, class_weight))

    def _train_on_batch(self, x: Any, y: Any, weights: Any, class_weight: Any) -> list[Any]:
        parts = self._standardize(x, y, weights, class_weight)
        return self._step("train").batch([array for part in parts for array in part])

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None) -> Any:
        """Loss and metrics of one batch.

        Args:
            x, y, sample_weight: as of ``fit``.

        Returns:
            The loss; with metrics a list.
        """
        return unpack_singleton(self._test_on_batch(x, y, sample_weight))

    def _test_on_batch(self, x: Any, y: Any, weights: Any) -> list[Any]:
        parts = self._standardize(x, y, weights)
        return self._step("test").batch([array for part in parts for array in part])

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch.

        Args:
            x: inputs, as of ``fit``.

        Returns:
            An array; for several outputs a list.
        """
        return unpack_singleton(self._predict_on_batch(x))

    def _predict_on_batch(self, x: Any) -> list[Any]:
        return list(self._step("predict").once(self._standardize_inputs(x)))


def _put_back(source: Any, batch: Any) -> None:
    """Let the next epoch of ``source`` begin with ``batch``, which was looked at."""
    following = source.epoch

    def epoch() -> Any:
        source.epoch = following
        rest = following()
        if isinstance(source, batches.OfDataset) and source.steps is None:
            return rest  # which begins anew

        def chained() -> Any:
            yield batch
            yield from rest

        joined = chained()
        source.epoch = lambda: joined
        return joined

    source.epoch = epoch
