"""RunConfig: how an Estimator trains: seed, checkpoints, summaries, session.

Read next: core.py.
"""

from __future__ import annotations

import copy
from typing import Any

from flowgraph.client_config import ConfigProto
from flowgraph.graph.export import export
from flowgraph.platform.file_io import path_of

#: Stands for an interval that was not given: None is "never".
_DEFAULT: Any = object()
_BOTH = "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set."
_REPLACEABLE = (
    "model_dir", "tf_random_seed", "save_summary_steps", "save_checkpoints_steps",
    "save_checkpoints_secs", "session_config", "keep_checkpoint_max",
    "keep_checkpoint_every_n_hours", "log_step_count_steps", "train_distribute", "device_fn",
    "protocol", "eval_distribute", "experimental_distribute",
    "experimental_max_worker_delay_secs", "session_creation_timeout_secs",
)  # fmt: skip
_POSITIVE = {"save_summary_steps", "save_checkpoints_steps", "save_checkpoints_secs",
             "keep_checkpoint_max", "log_step_count_steps"}  # fmt: skip


@export("estimator.RunConfig", "contrib.learn.RunConfig")
class RunConfig:
    """Settings of an Estimator; the properties have the names of the arguments.

    Args:
        model_dir: where checkpoints and summaries go.
        tf_random_seed: the graph's seed; 1 by default.
        save_summary_steps: how often summaries are written.
        save_checkpoints_steps: how often checkpoints are written, in steps; None: never.
        save_checkpoints_secs: or in seconds; without both every 600 seconds.
        session_config: a ConfigProto.
        keep_checkpoint_max: how many checkpoints stay; None or 0: all.
        keep_checkpoint_every_n_hours: one of them in so many hours stays for ever.
        log_step_count_steps: how often the loss and steps in a second are logged; None: never.
        device_fn: function from operations to device names.
        train_distribute, protocol, eval_distribute, experimental_distribute,
            experimental_max_worker_delay_secs, session_creation_timeout_secs: accepted; there is
            one process.

    Raises:
        ValueError: both intervals are given; a number is negative, or empty ``model_dir``.

    >>> config = tf.estimator.RunConfig(save_checkpoints_steps=10)
    >>> config.replace(save_summary_steps=5).save_checkpoints_steps
    10
    """

    def __init__(
        self,
        model_dir: Any = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: Any = _DEFAULT,
        save_checkpoints_secs: Any = _DEFAULT,
        session_config: Any = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        device_fn: Any = None,
        protocol: Any = None,
        eval_distribute: Any = None,
        experimental_distribute: Any = None,
        experimental_max_worker_delay_secs: Any = None,
        session_creation_timeout_secs: float = 7200,
    ) -> None:
        steps, seconds = save_checkpoints_steps, save_checkpoints_secs
        if steps is _DEFAULT and seconds is _DEFAULT:
            steps, seconds = None, 600
        elif steps is _DEFAULT:
            steps = None
        elif seconds is _DEFAULT:
            seconds = None
        given = {
            "model_dir": None if model_dir is None else path_of(model_dir),
            "tf_random_seed": 1 if tf_random_seed is None else tf_random_seed,
            "save_summary_steps": save_summary_steps,
            "save_checkpoints_steps": steps,
            "save_checkpoints_secs": seconds,
            "session_config": session_config,
            "keep_checkpoint_max": keep_checkpoint_max,
            "keep_checkpoint_every_n_hours": keep_checkpoint_every_n_hours,
            "log_step_count_steps": log_step_count_steps,
            "train_distribute": train_distribute,
            "device_fn": device_fn,
            "protocol": protocol,
            "eval_distribute": eval_distribute,
            "experimental_distribute": experimental_distribute,
            "experimental_max_worker_delay_secs": experimental_max_worker_delay_secs,
            "session_creation_timeout_secs": session_creation_timeout_secs,
        }
        self._fields = given
        _check(given)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._fields})

    def __repr__(self) -> str:
        return f"RunConfig({', '.join(f'{k}={v!r}' for k, v in self._fields.items())})"

    def replace(self, **kwargs: Any) -> RunConfig:
        """A copy with some settings changed.

        Args:
            **kwargs: the settings; setting one interval of checkpoints takes back the other.

        Raises:
            ValueError: there is no such setting; both intervals are given.
        """
        for name in kwargs:
            if name not in _REPLACEABLE:
                raise ValueError(
                    f"Replacing {name} is not supported. Allowed properties are "
                    f"{list(_REPLACEABLE)}."
                )
        if kwargs.get("save_checkpoints_steps") and kwargs.get("save_checkpoints_secs"):
            raise ValueError(_BOTH)
        made = copy.copy(self)
        made._fields = {**self._fields, **kwargs}
        if kwargs.get("save_checkpoints_steps"):
            made._fields["save_checkpoints_secs"] = None
        elif kwargs.get("save_checkpoints_secs"):
            made._fields["save_checkpoints_steps"] = None
        _check(made._fields)
        return made

    # ---- one process

    @property
    def cluster_spec(self) -> Any:
        """None: there is no cluster."""
        return None

    @property
    def master(self) -> str:
        """Target of the sessions: this process."""
        return ""

    evaluation_master = master

    @property
    def is_chief(self) -> bool:
        """True."""
        return True

    @property
    def num_ps_replicas(self) -> int:
        """0."""
        return 0

    @property
    def num_worker_replicas(self) -> int:
        """1."""
        return 1

    @property
    def task_id(self) -> int:
        """0."""
        return 0

    global_id_in_cluster = task_id

    @property
    def task_type(self) -> str:
        """``worker``."""
        return "worker"

    @property
    def service(self) -> Any:
        """None."""
        return None


def _check(fields: dict[str, Any]) -> None:
    if fields["save_checkpoints_steps"] and fields["save_checkpoints_secs"]:
        raise ValueError(_BOTH)
    if fields["model_dir"] == "":
        raise ValueError("model_dir should be non-empty")
    for name in _POSITIVE:
        if fields[name] is not None and not fields[name] >= 0:
            raise ValueError(f"{name} should be >= 0, got {fields[name]}")
    seed = fields["tf_random_seed"]
    if not isinstance(seed, int):
        raise ValueError(f"tf_random_seed must be integer, got {seed!r}")
    config = fields["session_config"]
    if config is not None and not isinstance(config, ConfigProto):
        raise ValueError(f"session_config must be instance of ConfigProto, got {config!r}")
