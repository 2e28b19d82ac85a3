"""SyncReplicasOptimizer: there is one process here, so it refuses."""

from __future__ import annotations

from typing import Any

from flowgraph.graph.export import export
from flowgraph.train.optimizer import Optimizer


@export("train.SyncReplicasOptimizer")
class SyncReplicasOptimizer(Optimizer):
    """Averages the gradients of several worker processes before each step: not here.

    Args:
        opt, replicas_to_aggregate, total_num_replicas, variable_averages, variables_to_average,
            use_locking, name: as of TensorFlow's.

    Raises:
        NotImplementedError: always.
    """

    def __init__(
        self,
        opt: Any,
        replicas_to_aggregate: Any,
        total_num_replicas: Any = None,
        variable_averages: Any = None,
        variables_to_average: Any = None,
        use_locking: bool = False,
        name: str = "sync_replicas",
    ) -> None:
        super().__init__(use_locking, name)
        raise NotImplementedError(
            "tf.train.SyncReplicasOptimizer: training over several processes is not there; with "
            "one process, use the optimizer it wraps and average over a larger batch"
        )
