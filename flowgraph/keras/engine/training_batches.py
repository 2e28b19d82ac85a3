"""Training with batches that something makes: generators, Sequences, data sets, tensors.

A Source gives the batches of every epoch; what follows is the same for all.

Read next: utils/enqueuers.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import flowgraph as tf
from flowgraph.keras.engine import training_data as data
from flowgraph.keras.engine.training_loops import Course, Means
from flowgraph.keras.utils.data_utils import Sequence
from flowgraph.keras.utils.enqueuers import GeneratorEnqueuer, OrderedEnqueuer
from flowgraph.keras.utils.generic_utils import Progbar


class Source:
    """Gives batches.

    Attributes:
        steps: batches of an epoch; None for as many as there are.
        kind: what it is, for messages.
        forgiving: whether the end of the data ends the training with a warning, not an error.
    """

    steps: int | None
    kind = "generator"
    forgiving = False

    def epoch(self) -> Iterator[Any]:
        """The batches from here on."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back threads."""


class Made(Source):
    """Batches of a Sequence or a generator.

    Args:
        made: the Sequence, generator or iterator.
        steps: of an epoch; None for the length of a Sequence.
        workers: number of threads; 0 makes batches where they are used.
        max_queue_size: batches that may be made ahead.
        shuffle: whether a Sequence's batches come in a random order.
        where: name of the method, for messages.
    """

    def __init__(
        self, made: Any, steps: int | None, workers: int, max_queue_size: int, shuffle: bool,
        where: str,
    ) -> None:  # fmt: skip
        self.steps = steps
        is_sequence = isinstance(made, Sequence) or (
            hasattr(made, "__getitem__") and hasattr(made, "__len__")
        )
        if is_sequence:
            self.kind = type(made).__name__
            if steps is None:
                self.steps = len(made)
            if not len(made):
                raise ValueError(f"{where}: the {self.kind} has no batches (its len is 0)")
        elif steps is None:
            raise ValueError(
                f"{where}: a generator has no length: give the number of batches of an epoch "
                f"({'steps_per_epoch' if 'fit' in where else 'steps'}), or use a "
                "keras.utils.Sequence"
            )
        elif not hasattr(made, "__next__"):
            if not hasattr(made, "__iter__"):
                raise TypeError(f"{where}: {made!r:.80} is neither a generator nor a Sequence")
            made = iter(made)
        self._enqueuer: Any = None
        if workers > 0:
            self._enqueuer = (
                OrderedEnqueuer(made, shuffle=shuffle) if is_sequence else GeneratorEnqueuer(made)
            )
            self._enqueuer.start(workers, max_queue_size)
            self._batches = self._enqueuer.get()
        else:
            self._batches = _endless(made, shuffle) if is_sequence else made

    def epoch(self) -> Iterator[Any]:
        """The batches from here on."""
        return self._batches

    def close(self) -> None:
        """Stop the threads."""
        if self._enqueuer is not None:
            self._enqueuer.stop()


def _endless(sequence: Any, shuffle: bool) -> Iterator[Any]:
    enqueuer = OrderedEnqueuer(sequence, shuffle=shuffle)
    enqueuer.start(1, 1)
    try:
        yield from enqueuer.get()
    finally:
        enqueuer.stop()


class OfDataset(Source):
    """Batches of a tf.data.Dataset, of an iterator of one, or of tensors.

    Args:
        model: the model; its graph gets the iterator.
        given: a Dataset, an Iterator, or tensors.
        steps: of an epoch; None for as many as a Dataset has.
        where: name of the method, for messages.
    """

    kind = "data set"
    forgiving = True

    def __init__(self, model: Any, given: Any, steps: int | None, where: str) -> None:
        self.steps = steps
        self._start: Any = None
        self._model = model
        self._running: Iterator[Any] | None = None
        if tf.executing_eagerly():
            self._next, self._start = given, True if is_dataset(given) else None
            return
        with model._training_graph().as_default():
            if is_dataset(given):
                kept = vars(model).setdefault("_iterators", {})
                # NB: the data set is kept too, so that no other gets its id
                if id(given) not in kept:
                    iterator = tf.data.make_initializable_iterator(given)
                    kept[id(given)] = given, iterator, iterator.get_next()
                _, iterator, self._next = kept[id(given)]
                self._start = iterator.initializer
            else:
                self._next = given.get_next() if isinstance(given, tf.data.Iterator) else given
                if steps is None:
                    raise ValueError(
                        f"{where}: {self.kind if given is not self._next else 'tensors'} without a "
                        "known end: give the number of batches"
                    )

    def epoch(self) -> Iterator[Any]:
        """The batches from here on: from the first one, where an epoch is the whole data set."""
        if self._running is None or (self.steps is None and self._start is not None):
            self._running = self._batches()
        return self._running

    def _batches(self) -> Iterator[Any]:
        if tf.executing_eagerly():
            yield from self._batches_at_once()
            return
        session = self._model._session()
        if self._start is not None:
            session.run(self._start)
        while True:
            try:
                batch = session.run(self._next)
            except tf.errors.OutOfRangeError:
                return
            yield batch

    def _batches_at_once(self) -> Iterator[Any]:
        for batch in self._next:
            yield tuple(map(data.of_tensors, batch)) if isinstance(batch, tuple) else batch


def is_dataset(x: Any) -> bool:
    """Whether ``x`` is a tf.data.Dataset."""
    return isinstance(x, tf.data.Dataset)


def makes_batches(x: Any) -> bool:
    """Whether ``x`` gives batches: a data set, iterator, generator, Sequence or tensors."""
    if isinstance(x, (Sequence, tf.data.Dataset, tf.data.Iterator)) or hasattr(x, "__next__"):
        return True
    return data.is_symbolic(x)


def source_of(
    model: Any,
    given: Any,
    steps: int | None,
    where: str,
    workers: int = 1,
    max_queue_size: int = 10,
    shuffle: bool = False,
) -> Source:
    """The Source of ``given``.

    Args:
        model: the model.
        given: what ``makes_batches``.
        steps: of an epoch.
        where: name of the method, for messages.
        workers, max_queue_size, shuffle: as of Made.
    """
    if isinstance(given, (tf.data.Dataset, tf.data.Iterator)) or data.is_symbolic(given):
        return OfDataset(model, given, steps, where)
    return Made(given, steps, workers, max_queue_size, shuffle, where)


def parts_of(batch: Any, kind: str) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a batch.

    Raises:
        ValueError: it is no tuple of two or three.
    """
    if isinstance(batch, (tuple, list)) and len(batch) in (2, 3):
        x, y, *weights = batch
        return x, y, weights[0] if weights else None
    found = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else repr(batch)
    raise ValueError(
        f"a batch of the {kind} must be a tuple (inputs, targets) or (inputs, targets, "
        f"sample_weights), got {found}"
    )


def size_of(x: Any) -> int:
    """How many samples the inputs of a batch have."""
    while isinstance(x, (list, tuple, dict)):
        if not x:
            return 1
        x = next(iter(x.values())) if isinstance(x, dict) else x[0]
    return np.shape(x)[0] if np.ndim(x) else 1


def fit_batches(course: Course, source: Source, class_weight: Any) -> Any:
    """Train with the batches of ``source``.

    Args:
        course: the frame.
        source: of the batches.
        class_weight: as of ``fit``.
    """
    model = course.model
    course.begin("steps")
    names = model.metrics_names
    try:
        for epoch in range(course.initial_epoch, course.epochs):
            course.epoch_begins(epoch)
            batches, at, ended = source.epoch(), 0, False
            while source.steps is None or at < source.steps:
                batch = next(batches, None)
                if batch is None:
                    ended = _check_end(source, at, epoch, course.epochs)
                    break
                x, y, weights = parts_of(batch, source.kind)
                logs: dict[str, Any] = {"batch": at, "size": size_of(x)}
                course.listed.on_batch_begin(at, logs)
                results = model._train_on_batch(x, y, weights, class_weight)
                logs.update(zip(names, results, strict=True))
                course.listed.on_batch_end(at, logs)
                at += 1
                if course.stopped:
                    break
            complete = not course.stopped and not ended
            course.epoch_ends(epoch, complete)
            if course.stopped or ended:
                break
    finally:
        source.close()
    return course.end()


def _check_end(source: Source, at: int, epoch: int, epochs: int) -> bool:
    """The data have ended after ``at`` batches: whether that ends the training."""
    if source.steps is None:
        if not at:
            raise ValueError(f"the {source.kind} has no batches")
        return False
    needed = f"{epochs} epochs of {source.steps} batches were to come"
    message = f"the {source.kind} ended in epoch {epoch + 1} after {at} batches, but {needed}"
    if not source.forgiving:
        raise ValueError(f"{message}; let it go on without end, or give fewer steps_per_epoch")
    warnings.warn(f"{message}: the training ends (repeat() the data set)", stacklevel=4)
    return True


def evaluate_batches(
    model: Any, source: Source, verbose: int, *, close: bool = True
) -> list[float]:
    """Loss and metrics over the batches of an epoch of ``source``.

    Args:
        model: the model.
        source: of the batches.
        verbose: 1 shows a progress bar.
        close: whether the source is not used again.
    """
    for metric in model.stateful_metric_functions:
        metric.reset_states()
    means = Means(model.metrics_names, model.stateful_metric_names)
    bar = Progbar(source.steps) if verbose == 1 else None
    try:
        at = 0
        for at, batch in _epoch_of(source):
            x, y, weights = parts_of(batch, source.kind)
            results = model._test_on_batch(x, y, weights)
            means.add(at, np.array([size_of(x)], np.float64), [np.array([r]) for r in results])
            if bar is not None:
                bar.update(at + 1)
    finally:
        if close:
            source.close()
    return means.values()


def predict_batches(model: Any, source: Source, verbose: int) -> list[np.ndarray]:
    """The outputs for the batches of an epoch of ``source``.

    Args:
        model: the model.
        source: of the batches; their targets, if there are some, are not used.
        verbose: 1 shows a progress bar.
    """
    bar = Progbar(source.steps) if verbose == 1 else None
    parts: list[list[np.ndarray]] = []
    try:
        for at, batch in _epoch_of(source):
            x = batch[0] if isinstance(batch, tuple) and len(batch) in (2, 3) else batch
            parts.append(model._predict_on_batch(x))
            if bar is not None:
                bar.update(at + 1)
    finally:
        source.close()
    return [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]


def _epoch_of(source: Source) -> Iterator[tuple[int, Any]]:
    """The batches of one epoch, numbered.

    Raises:
        ValueError: there are fewer than there should be.
    """
    batches, at = source.epoch(), 0
    while source.steps is None or at < source.steps:
        batch = next(batches, None)
        if batch is None:
            if source.steps is None and at:
                return
            wanted = "" if source.steps is None else f", but {source.steps} were to come"
            raise ValueError(f"the {source.kind} ended after {at} batches{wanted}")
        yield at, batch
        at += 1
