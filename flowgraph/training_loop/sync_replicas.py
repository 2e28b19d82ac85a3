"""SyncReplicasOptimizer: a step with the mean of the gradients of several threads.

    worker   gradients -> accumulators, then waits for a token: its next step
    chief    takes the mean of enough gradients, updates the variables, gives tokens

The workers are threads of one session here, where TensorFlow's are mostly processes.  The chief's
part is a QueueRunner, which the hook starts.

Read next: queues/accumulators.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from flowgraph.graph.apply import call
from flowgraph.graph.default import GraphKeys, control_dependencies, name_scope
from flowgraph.graph.export import export
from flowgraph.graph.indexed_slices import IndexedSlices
from flowgraph.graph.node import Operation
from flowgraph.ops.control import group, no_op
from flowgraph.ops.variables import Variable, global_variables, report_uninitialized_variables
from flowgraph.queues.accumulator_ops import Take
from flowgraph.queues.accumulators import (
    ConditionalAccumulator,
    ConditionalAccumulatorBase,
    SparseConditionalAccumulator,
)
from flowgraph.queues.queue_classes import FIFOQueue
from flowgraph.queues.runners import QueueRunner
from flowgraph.train.optimizer import Optimizer
from flowgraph.training_loop.session_run_hook import SessionRunHook


class _ChiefRunner(QueueRunner):
    """The chief's thread; at the end it may wait for gradients that nobody will give."""

    def _close_on_stop(self, sess: Any, coord: Any) -> None:
        coord.wait_for_stop()
        self._try(sess, self.cancel_op)
        # NB: again, for it may have looked at the coordinator just before, and wait only now.
        while self._running.get(sess):
            with sess._lock:
                for waiter in list(sess._state.waiters):
                    if isinstance(waiter, Take):
                        waiter.cancel()
            time.sleep(0.01)


@export("train.SyncReplicasOptimizer")
class SyncReplicasOptimizer(Optimizer):
    """Makes a step once enough workers have given a gradient, with the mean of them.

    Gradients computed from values before the last step are stale, and left out. All workers are
    threads of one session.

    Args:
        opt: the optimizer that makes the steps.
        replicas_to_aggregate: how many gradients a step takes.
        total_num_replicas: how many workers there are; as many as that by default.
        variable_averages: an ExponentialMovingAverage, updated after every step.
        variables_to_average: the variables that it averages.
        use_locking: accepted.
        name: prefix of the operations.

    >>> w, x = tf.Variable(1.0), tf.placeholder(tf.float32, [])
    >>> step = tf.train.get_or_create_global_step()
    >>> sync = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.5), 1)
    >>> train = sync.minimize(w * x, global_step=step)
    >>> hook = sync.make_session_run_hook(is_chief=True, num_tokens=0)
    >>> with tf.train.MonitoredSession(hooks=[hook]) as sess:
    ...     for _ in range(3):
    ...         _ = sess.run(train, {x: 1.0})
    ...     print(sess.run(w, {x: 0.0}))
    -0.5
    """

    def __init__(
        self,
        opt: Optimizer,
        replicas_to_aggregate: int,
        total_num_replicas: int | None = None,
        variable_averages: Any = None,
        variables_to_average: Any = None,
        use_locking: bool = False,
        name: str = "sync_replicas",
    ) -> None:
        super().__init__(use_locking, name)
        self._opt, self._wanted = opt, replicas_to_aggregate
        self._workers = replicas_to_aggregate if total_num_replicas is None else total_num_replicas
        self._averages, self._averaged = variable_averages, variables_to_average
        self._step: Any = None
        self._runner: QueueRunner | None = None
        self._tokens: Any = None

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """As of the optimizer inside.

        Args:
            args, kwargs: as of ``Optimizer.compute_gradients``.
        """
        return self._opt.compute_gradients(*args, **kwargs)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """As of the optimizer inside.

        Args:
            args, kwargs: as of ``Optimizer.get_slot``.
        """
        return self._opt.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        """As of the optimizer inside.

        Args:
            args, kwargs: as of ``Optimizer.get_slot_names``.
        """
        return self._opt.get_slot_names(*args, **kwargs)

    def variables(self) -> list[Variable]:
        """As of the optimizer inside."""
        return self._opt.variables()

    def apply_gradients(
        self, grads_and_vars: Iterable[Any], global_step: Any = None, name: str | None = None
    ) -> Operation:
        """A worker's step: give the gradients, wait until the chief has used enough of them.

        Args:
            grads_and_vars: of ``compute_gradients``.
            global_step: the variable that counts steps.
            name: accepted.

        Returns:
            The operation that does it.

        Raises:
            ValueError: there are no gradients, or no ``global_step``.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("Must supply at least one variable")
        if global_step is None:
            raise ValueError("Global step is required to check staleness")
        self._step = global_step
        dtype = global_step.dtype.base_dtype
        self._local_step = Variable(
            call.Cast(0, DstT=dtype),
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
            name="sync_rep_local_step",
        )
        self.local_step_init_op = self._local_step.assign(global_step)
        self.ready_for_local_init_op = report_uninitialized_variables(global_variables())
        with name_scope(None, self._name):
            given: list[Operation] = []
            means: list[tuple[Any, Any]] = []
            accumulators: list[ConditionalAccumulatorBase] = []
            local = self._local_step.read_value()
            for gradient, variable in pairs:
                key = f"{variable.name}/grad_accum"
                if gradient is None:
                    means.append((None, variable))
                elif isinstance(gradient, IndexedSlices):
                    sparse = SparseConditionalAccumulator(gradient.dtype, None, key)
                    given.append(sparse.apply_indexed_slices_grad(gradient, local))
                    means.append((sparse.take_indexed_slices_grad(self._wanted), variable))
                    accumulators.append(sparse)
                else:
                    dense = ConditionalAccumulator(gradient.dtype, variable.get_shape(), key)
                    given.append(dense.apply_grad(gradient, local))
                    means.append((dense.take_grad(self._wanted), variable))
                    accumulators.append(dense)
            update = self._opt.apply_gradients(means, global_step)
            self._tokens = FIFOQueue(
                -1, dtype, [[]], shared_name="sync_token_q", name="sync_token_q"
            )
            with control_dependencies(given):
                token = self._tokens.dequeue()
                train = self._local_step.assign(token).op
            with control_dependencies([update]):
                count = max(self._workers, self._wanted)
                tokens = call.Fill([count], global_step.read_value())
                sync = self._tokens.enqueue_many([tokens])
            if self._averages is not None:
                with control_dependencies([sync]):
                    sync = self._averages.apply(self._averaged)
            self._runner = _ChiefRunner(self._tokens, [sync])
            self.chief_init_op = group(
                self.local_step_init_op,
                *(a.set_global_step(global_step, name="SetGlobalStep") for a in accumulators),
            )
        return train

    def get_chief_queue_runner(self) -> QueueRunner:
        """The chief's part: it makes the steps.

        Raises:
            ValueError: ``apply_gradients`` was not called yet.
        """
        if self._runner is None:
            raise ValueError("Should be called after apply_gradients().")
        return self._runner

    def get_init_tokens_op(self, num_tokens: int = -1) -> Operation:
        """Gives the first tokens, so that workers may begin before there was a step.

        Args:
            num_tokens: how many; ``replicas_to_aggregate`` by default.

        Raises:
            ValueError: ``apply_gradients`` was not called yet, or they are too few for the workers
                to give a step's gradients.
        """
        if self._runner is None:
            raise ValueError("get_init_tokens_op() should be called after apply_gradients().")
        needed = self._wanted - self._workers
        if num_tokens == -1:
            num_tokens = self._wanted
        elif num_tokens < needed:
            raise ValueError(
                f"Too few tokens to finish the first step: {num_tokens} (given) vs {needed} "
                "(needed)"
            )
        if num_tokens <= 0:
            return no_op(name="no_init_tokens")
        return self._tokens.enqueue_many([call.Fill([num_tokens], self._step.read_value())])

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SessionRunHook:
        """The hook that begins and, for the chief, makes the steps.

        Args:
            is_chief: whether this session is the chief's: true where there is one session.
            num_tokens: as of ``get_init_tokens_op``.
        """
        return _Hook(self, is_chief, num_tokens)


class _Hook(SessionRunHook):
    def __init__(self, sync: SyncReplicasOptimizer, is_chief: bool, num_tokens: int) -> None:
        self._sync, self._is_chief, self._num_tokens = sync, is_chief, num_tokens

    def begin(self) -> None:
        """Make the operations that begin."""
        sync = self._sync
        self._runner = sync.get_chief_queue_runner() if self._is_chief else None
        self._begin = sync.chief_init_op if self._is_chief else sync.local_step_init_op
        self._first = sync.get_init_tokens_op(self._num_tokens) if self._is_chief else None

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Run them, and start the chief's part."""
        session.run(self._begin)
        if self._first is not None:
            session.run(self._first)
        if self._runner is not None:
            self._runner.create_threads(session, coord=coord, daemon=True, start=True)
