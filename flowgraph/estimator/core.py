"""Estimator: a model function with a directory, trained, evaluated and asked.

Each call makes a graph and a monitored session of its own; what lasts are the checkpoints in the
directory::

    train      input_fn, model_fn("train")   MonitoredTrainingSession until a hook stops it
    evaluate   input_fn, model_fn("eval")    updates of the metrics until the data end, then values
    predict    input_fn, model_fn("infer")   a generator

Read next: exporting.py; training_loop/monitored_session.py.
"""

from __future__ import annotations

import contextlib
import copy
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from flowgraph.client_config import ConfigProto
from flowgraph.estimator import exporting
from flowgraph.estimator.input_data import arguments_of, features_and_labels
from flowgraph.estimator.results import GLOBAL_STEP, length, metrics, only, write_summary
from flowgraph.estimator.run_config import RunConfig
from flowgraph.estimator.specs import EstimatorSpec, ModeKeys
from flowgraph.estimator.warm_starting import WarmStartSettings, warm_start_settings
from flowgraph.graph.core import Graph
from flowgraph.graph.default import (
    GraphKeys,
    add_to_collection,
    get_default_graph,
    set_random_seed,
)
from flowgraph.graph.export import export
from flowgraph.platform import tf_logging as logging
from flowgraph.platform.file_io import file_errors, path_of
from flowgraph.saving.reader import load_checkpoint, load_variable
from flowgraph.saving.saver import Saver
from flowgraph.saving.state import latest_checkpoint
from flowgraph.summary.functions import scalar
from flowgraph.train.step_counter import create_global_step, get_global_step
from flowgraph.training_loop.checkpoint_hooks import CheckpointSaverHook
from flowgraph.training_loop.hooks import (
    FinalOpsHook,
    LoggingTensorHook,
    NanTensorHook,
    StopAtStepHook,
)
from flowgraph.training_loop.monitored_session import MonitoredSession, MonitoredTrainingSession
from flowgraph.training_loop.session_creators import ChiefSessionCreator
from flowgraph.training_loop.session_run_hook import SessionRunHook

_MODEL_FN_ARGS = {"features", "labels", "mode", "params", "self", "config"}


@export("estimator.Estimator")
class Estimator:
    """A model function, and the directory with what it has learned.

    Args:
        model_fn: function of ``features``, ``labels`` and, if it has arguments of these names,
            ``mode``, ``params`` and ``config``; it builds the model in the default graph and
            returns an EstimatorSpec.
        model_dir: the directory; a temporary one when neither this nor the config gives one.
        config: a RunConfig.
        params: dict that is handed to ``model_fn``.
        warm_start_from: path of a checkpoint, or WarmStartSettings: where the variables of a model
            without checkpoints begin.

    Raises:
        ValueError: ``model_fn`` has not the arguments; two directories are given.

    >>> import tempfile
    >>> def model_fn(features, labels, mode):
    ...     w = tf.get_variable("w", initializer=1.0)
    ...     loss = None if labels is None else tf.reduce_sum(tf.square(w * features - labels))
    ...     step = tf.train.get_global_step()
    ...     train = None if loss is None else tf.train.GradientDescentOptimizer(0.05).minimize(
    ...         loss, step)
    ...     return tf.estimator.EstimatorSpec(mode, w * features, loss, train)
    >>> x = np.array([1.0, 2.0], np.float32)
    >>> data = tf.estimator.inputs.numpy_input_fn(x, 3 * x, 2, None, shuffle=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     estimator = tf.estimator.Estimator(model_fn, folder).train(data, steps=100)
    ...     print(round(float(estimator.get_variable_value("w")), 3))
    3.0
    """

    def __init__(
        self,
        model_fn: Callable[..., EstimatorSpec],
        model_dir: Any = None,
        config: RunConfig | None = None,
        params: Mapping[str, Any] | None = None,
        warm_start_from: Any = None,
    ) -> None:
        _check_overrides(type(self))
        if model_fn is None:
            raise ValueError("model_fn must be provided to Estimator.")
        _check_model_fn(model_fn, params)
        self._model_fn = model_fn
        self._params = copy.deepcopy(dict(params) if params else {})
        self._config = _with_model_dir(config, model_dir)
        self._model_dir: str = self._config.model_dir
        self._warm_start_settings: WarmStartSettings | None = warm_start_settings(warm_start_from)
        logging.info("Using config: %s", self._config)

    # --------------------------------------------------------------------------------- properties

    @property
    def model_dir(self) -> str:
        """The directory."""
        return self._model_dir

    @property
    def config(self) -> RunConfig:
        """The RunConfig."""
        return copy.copy(self._config)

    @property
    def params(self) -> dict[str, Any]:
        """A copy of the parameters."""
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable[..., EstimatorSpec]:
        """A function of ``features, labels, mode, config`` that calls the model function."""

        def public_model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
            return self._call_model_fn(features, labels, mode, config)

        return public_model_fn

    def latest_checkpoint(self) -> str | None:
        """Path of the newest checkpoint; None when there is none."""
        with file_errors(self._model_dir):
            return latest_checkpoint(self._model_dir)

    def get_variable_names(self) -> list[str]:
        """Names of all variables of the model.

        Raises:
            ValueError: it has not been trained.
        """
        self._checkpoint(None, required=True)
        return sorted(load_checkpoint(self._model_dir).get_variable_to_shape_map())

    def get_variable_value(self, name: str) -> Any:
        """Value of a variable of the model, as an array.

        Args:
            name: of the variable.

        Raises:
            ValueError: it has not been trained.   NotFoundError: there is no such variable.
        """
        self._checkpoint(None, required=True)
        return load_variable(self._model_dir, name)

    def eval_dir(self, name: str | None = None) -> str:
        """Where ``evaluate`` writes summaries.

        Args:
            name: of the evaluation.
        """
        return os.path.join(self._model_dir, f"eval_{name}" if name else "eval")

    # -------------------------------------------------------------------------------------- train

    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Iterable[SessionRunHook] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Iterable[Any] | None = None,
    ) -> Self:
        """Train, from the newest checkpoint of the directory on.

        Args:
            input_fn: function that returns tensors ``(features, labels)`` or a Dataset of them; it
                gets ``mode``, ``params`` and ``config`` if it has such arguments.
            hooks: SessionRunHooks.
            steps: how many steps; without it and ``max_steps`` until the data end.
            max_steps: the global step at which training ends.
            saving_listeners: CheckpointSaverListeners.

        Returns:
            This estimator.

        Raises:
            ValueError: both numbers of steps are given, or one is not positive.
            NanLossDuringTrainingError: the loss became NaN.
        """
        if steps is not None and max_steps is not None:
            raise ValueError("Can not provide both steps and max_steps.")
        for name, number in (("steps", steps), ("max_steps", max_steps)):
            if number is not None and number <= 0:
                raise ValueError(f"Must specify {name} > 0, given: {number}")
        if max_steps is not None and max_steps <= self._trained_steps():
            logging.info("Skipping training since max_steps has already saved.")
            return self
        all_hooks = _checked_hooks(hooks)
        if steps is not None or max_steps is not None:
            all_hooks.append(StopAtStepHook(steps, max_steps))
        loss = self._train(input_fn, all_hooks, list(saving_listeners or ()))
        logging.info("Loss for final step: %s.", loss)
        return self

    def _trained_steps(self) -> int:
        path = self.latest_checkpoint()
        return 0 if path is None else int(load_variable(path, GLOBAL_STEP))

    def _train(
        self,
        input_fn: Callable[..., Any],
        hooks: list[SessionRunHook],
        listeners: list[Any],
    ) -> Any:
        with self._new_graph() as graph, graph.device(self._config.device_fn):
            features, labels, of_input = self._inputs(input_fn, ModeKeys.TRAIN)
            spec = self._call_model_fn(features, labels, ModeKeys.TRAIN, self._config)
            if self._warm_start_settings is not None:
                logging.info("Warm-starting with WarmStartSettings: %s", self._warm_start_settings)
                self._warm_start_settings.apply()
            if not any(name.endswith("loss") for name in _summary_names(graph)):
                scalar("loss", spec.loss)
            add_to_collection(GraphKeys.LOSSES, spec.loss)
            every = [
                *of_input,
                NanTensorHook(spec.loss),
                *hooks,
                *spec.training_hooks,
            ]
            if self._config.log_step_count_steps:
                shown = {"loss": spec.loss, "step": get_global_step()}
                every.append(LoggingTensorHook(shown, self._config.log_step_count_steps))
            if not spec.scaffold.saver and not graph.get_collection(GraphKeys.SAVERS):
                add_to_collection(GraphKeys.SAVERS, self._saver())
            of_chief = [*spec.training_chief_hooks]
            self._add_saver_hook(spec, [*every, *of_chief], of_chief, listeners)
            with MonitoredTrainingSession(
                checkpoint_dir=self._model_dir,
                scaffold=spec.scaffold,
                hooks=every,
                chief_only_hooks=of_chief,
                save_checkpoint_secs=0,
                save_summaries_steps=self._config.save_summary_steps,
                config=self._session_config(),
                log_step_count_steps=self._config.log_step_count_steps,
            ) as session:
                loss, made_steps = None, False
                while not session.should_stop():
                    _, loss = session.run([spec.train_op, spec.loss])
                    made_steps = True
            if not made_steps:
                logging.warning(
                    "Training with estimator made no steps. Perhaps input is empty or misspecified."
                )
            return loss

    def _saver(self) -> Saver:
        return Saver(
            sharded=True,
            max_to_keep=self._config.keep_checkpoint_max,
            keep_checkpoint_every_n_hours=self._config.keep_checkpoint_every_n_hours,
            defer_build=True,
            save_relative_paths=True,
        )

    def _add_saver_hook(
        self,
        spec: EstimatorSpec,
        present: Sequence[SessionRunHook],
        hooks: list[SessionRunHook],
        listeners: list[Any],
    ) -> None:
        """Unless one is there, a hook that writes checkpoints; it gets the listeners."""
        seconds, steps = self._config.save_checkpoints_secs, self._config.save_checkpoints_steps
        found = [hook for hook in present if isinstance(hook, CheckpointSaverHook)]
        if not found and (seconds or steps):
            found = [
                CheckpointSaverHook(
                    self._model_dir, save_secs=seconds, save_steps=steps, scaffold=spec.scaffold
                )
            ]
            hooks += found
        if listeners and not found:
            raise ValueError(
                "There should be a CheckpointSaverHook to use saving_listeners. Please set one of "
                "the RunConfig.save_checkpoints_steps or RunConfig.save_checkpoints_secs."
            )
        if listeners:
            found[0]._listeners.extend(listeners)

    # ----------------------------------------------------------------------------------- evaluate

    def evaluate(
        self,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Iterable[SessionRunHook] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """The metrics of the model on some data.

        Args:
            input_fn: as of ``train``.
            steps: how many batches; all of them when None.
            hooks: SessionRunHooks.
            checkpoint_path: the checkpoint; the newest when None, and first values without one.
            name: of the evaluation, for its directory of summaries.

        Returns:
            Name -> value of each metric, with ``loss`` (its mean over batches) and
            ``global_step``.

        Raises:
            ValueError: ``steps`` is not positive, or a metric is called ``loss``.
        """
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        all_hooks = _checked_hooks(hooks)
        path = self._checkpoint(checkpoint_path, why="evaluate")
        with self._new_graph():
            features, labels, of_input = self._inputs(input_fn, ModeKeys.EVAL)
            spec = self._call_model_fn(features, labels, ModeKeys.EVAL, self._config)
            values, update = metrics(spec)
            final = FinalOpsHook(values)
            every = [*of_input, *all_hooks, *spec.evaluation_hooks, final]
            if steps is not None:
                every.append(StopAfter(steps))
            creator = ChiefSessionCreator(
                spec.scaffold, config=self._session_config(), checkpoint_filename_with_path=path
            )
            with MonitoredSession(creator, every) as session:
                while not session.should_stop():
                    session.run(update)
            results: dict[str, Any] = dict(final.final_ops_values)
        step = int(results[GLOBAL_STEP])
        shown = ", ".join(f"{key} = {results[key]}" for key in sorted(results))
        logging.info("Saving dict for global step %d: %s", step, shown)
        write_summary(self.eval_dir(name), results, step)
        return results

    # ------------------------------------------------------------------------------------ predict

    def predict(
        self,
        input_fn: Callable[..., Any],
        predict_keys: str | Iterable[str] | None = None,
        hooks: Iterable[SessionRunHook] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yield the predictions for some data.

        Args:
            input_fn: as of ``train``; labels do not matter.
            predict_keys: names of the only predictions that are wanted; a dict of them is needed.
            hooks: SessionRunHooks.
            checkpoint_path: the checkpoint; the newest when None, and first values without one.
            yield_single_examples: False yields whole batches.

        Yields:
            For each row what ``predictions`` of the EstimatorSpec is: an array, or a dict of them.

        Raises:
            ValueError: ``predict_keys`` does not fit, or predictions have different lengths.
        """
        all_hooks = _checked_hooks(hooks)
        path = self._checkpoint(checkpoint_path, why="predict")
        with self._new_graph() as graph:
            features, _, of_input = self._inputs(input_fn, ModeKeys.PREDICT)
            spec = self._call_model_fn(features, None, ModeKeys.PREDICT, self._config)
            wanted = only(spec.predictions, predict_keys)
            creator = ChiefSessionCreator(
                spec.scaffold, config=self._session_config(), checkpoint_filename_with_path=path
            )
            session = MonitoredSession(creator, [*of_input, *all_hooks, *spec.prediction_hooks])
        # NB: between two rows the caller's default graph is the caller's
        with session:
            while not session.should_stop():
                with graph.as_default():
                    batch = session.run(wanted)
                if not yield_single_examples:
                    yield batch
                elif not isinstance(batch, dict):
                    yield from batch
                else:
                    for row in range(length(batch)):
                        yield {key: value[row] for key, value in batch.items()}

    # ------------------------------------------------------------------------------------- export

    def export_saved_model(
        self,
        export_dir_base: Any,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> bytes:
        """Write the model as a SavedModel, into a new directory named by the time.

        Args:
            export_dir_base: where this directory is made.
            serving_input_receiver_fn: function that returns a ServingInputReceiver.
            assets_extra: name in ``assets.extra`` -> file to copy there.
            as_text: write the text form.
            checkpoint_path: the checkpoint; the newest when None.
            experimental_mode: ModeKeys of the model that is written.

        Returns:
            The path of the directory, as bytes.

        Raises:
            ValueError: there is no checkpoint.
        """
        return exporting.export(
            self, export_dir_base, {experimental_mode: serving_input_receiver_fn},
            assets_extra, as_text, checkpoint_path, strip_default_attrs=True,
        )  # fmt: skip

    def export_savedmodel(
        self,
        export_dir_base: Any,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """As ``export_saved_model``, its older name.

        Args:
            export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path: as
                there.
            strip_default_attrs: leave out attrs that have their default values.
        """
        receivers = {ModeKeys.PREDICT: serving_input_receiver_fn}
        return exporting.export(
            self, export_dir_base, receivers, assets_extra, as_text, checkpoint_path,
            strip_default_attrs,
        )  # fmt: skip

    def experimental_export_all_saved_models(
        self,
        export_dir_base: Any,
        input_receiver_fn_map: Mapping[str, Callable[[], Any]],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """As ``export_saved_model``, with a graph for each of several modes.

        Args:
            export_dir_base, assets_extra, as_text, checkpoint_path: as there.
            input_receiver_fn_map: ModeKeys value -> function that returns what the mode needs: a
                ServingInputReceiver or a SupervisedInputReceiver.
        """
        return exporting.export(
            self, export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path,
            strip_default_attrs=True,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------- parts

    @contextlib.contextmanager
    def _new_graph(self) -> Iterator[Graph]:
        """A graph as the default one, with seed and global step."""
        with Graph().as_default() as graph:
            set_random_seed(self._config.tf_random_seed)
            create_global_step(graph)
            yield graph

    def _inputs(self, input_fn: Callable[..., Any], mode: str) -> tuple[Any, Any, list[Any]]:
        with get_default_graph().name_scope("input"):
            return features_and_labels(self._call_input_fn(input_fn, mode))

    def _call_input_fn(self, input_fn: Callable[..., Any], mode: str) -> Any:
        wanted = arguments_of(input_fn)
        given = {"mode": mode, "params": self.params, "config": self.config}
        return input_fn(**{name: value for name, value in given.items() if name in wanted})

    def _call_model_fn(
        self, features: Any, labels: Any, mode: str, config: RunConfig
    ) -> EstimatorSpec:
        wanted = arguments_of(self._model_fn)
        given: dict[str, Any] = {"mode": mode, "params": self.params, "config": config}
        given = {name: value for name, value in given.items() if name in wanted}
        if "labels" in wanted:
            given["labels"] = labels
        elif labels is not None:
            raise ValueError("model_fn does not take labels, but input_fn returns labels.")
        logging.info("Calling model_fn.")
        spec = self._model_fn(features=features, **given)
        logging.info("Done calling model_fn.")
        if not isinstance(spec, EstimatorSpec):
            raise ValueError("model_fn should return an EstimatorSpec.")
        return spec

    def _session_config(self) -> Any:
        return self._config.session_config or ConfigProto(allow_soft_placement=True)

    def _checkpoint(
        self, given: str | None, why: str = "", required: bool = False
    ) -> str | None:
        """The checkpoint to use: as given, or the newest one, or None."""
        path = given or self.latest_checkpoint()
        if path is None and required:
            raise ValueError(f"Couldn't find trained model at {self._model_dir}.")
        if path is None:
            logging.info(
                "Could not find trained model in model_dir: %s, running initialization to %s.",
                self._model_dir, why,
            )  # fmt: skip
        return path


class StopAfter(SessionRunHook):
    """Stops after a number of runs.

    Args:
        runs: the number.
    """

    def __init__(self, runs: int) -> None:
        self._runs, self._made = runs, 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._made += 1
        if self._made >= self._runs:
            run_context.request_stop()


def _check_overrides(cls: type) -> None:
    allowed = {"model_fn", "train", "evaluate", "predict"}
    for name, member in vars(Estimator).items():
        if not name.startswith("_") and name not in allowed and getattr(cls, name) is not member:
            raise ValueError(
                f"Subclasses of Estimator cannot override members of Estimator. {cls} does "
                f"override {name!r}"
            )


def _check_model_fn(model_fn: Callable[..., Any], params: Any) -> None:
    names = set(arguments_of(model_fn))
    if "features" not in names:
        raise ValueError(f"model_fn ({model_fn}) must include features argument.")
    if params is not None and "params" not in names:
        raise ValueError(
            f"model_fn ({model_fn}) does not include params argument, but params ({params}) is "
            "passed to Estimator."
        )
    if params is None and "params" in names:
        logging.warning(
            "Estimator's model_fn (%s) includes params argument, but params are not passed to "
            "Estimator.",
            model_fn,
        )
    other = sorted(names - _MODEL_FN_ARGS)
    if other:
        raise ValueError(f"model_fn ({model_fn}) has following not expected args: {other}")


def _with_model_dir(config: RunConfig | None, model_dir: Any) -> RunConfig:
    config = RunConfig() if config is None else config
    if not isinstance(config, RunConfig):
        raise ValueError(
            f"config must be an instance of `RunConfig`, but provided {config!r}."
        )
    given = None if model_dir is None else path_of(model_dir)
    if given is not None and config.model_dir is not None and given != config.model_dir:
        raise ValueError(
            "`model_dir` are set both in constructor and `RunConfig`, but with different values. In"
            f" constructor: '{given}', in `RunConfig`: '{config.model_dir}' "
        )
    folder = given or config.model_dir
    if folder is None:
        folder = tempfile.mkdtemp()
        logging.warning("Using temporary folder as model directory: %s", folder)
    return config.replace(model_dir=folder)


def _checked_hooks(hooks: Iterable[SessionRunHook] | None) -> list[SessionRunHook]:
    found = list(hooks or ())
    for hook in found:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"Hooks must be a SessionRunHook, given: {hook}")
    return found


def _summary_names(graph: Graph) -> list[str]:
    return [op.op.name for op in graph.get_collection(GraphKeys.SUMMARIES)]
