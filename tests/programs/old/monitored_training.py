"""MonitoredTrainingSession with hooks, going on from its checkpoint."""

import shutil
import tempfile

import numpy as np
import tensorflow as tf

folder = tempfile.mkdtemp()
rng = np.random.RandomState(2)
data = rng.randn(200, 5).astype(np.float32)
wanted = data.dot(rng.randn(5, 1)).astype(np.float32)


class CountSteps(tf.train.SessionRunHook):
    def begin(self):
        self.steps = 0

    def before_run(self, run_context):
        return tf.train.SessionRunArgs({"loss": "loss:0"})

    def after_run(self, run_context, run_values):
        self.steps += 1
        self.last = run_values.results["loss"]


def train_until(last_step):
    with tf.Graph().as_default():
        global_step = tf.train.get_or_create_global_step()
        dataset = tf.data.Dataset.from_tensor_slices((data, wanted)).repeat().batch(40)
        x, y = dataset.make_one_shot_iterator().get_next()
        w = tf.get_variable("w", [5, 1], initializer=tf.zeros_initializer())
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - y), name="loss")
        train_op = tf.train.AdagradOptimizer(0.5).minimize(loss, global_step=global_step)
        counter = CountSteps()
        hooks = [tf.train.StopAtStepHook(last_step=last_step), counter,
                 tf.train.NanTensorHook(loss),
                 tf.train.LoggingTensorHook({"loss": loss, "step": global_step}, every_n_iter=50)]
        with tf.train.MonitoredTrainingSession(
                checkpoint_dir=folder, hooks=hooks, save_checkpoint_secs=None,
                save_checkpoint_steps=20, config=tf.ConfigProto(allow_soft_placement=True)) as sess:
            while not sess.should_stop():
                sess.run(train_op)
        return counter


first = train_until(60)
second = train_until(150)
assert (first.steps, second.steps) == (60, 90), (first.steps, second.steps)
assert second.last <= first.last and second.last < 1e-2, (first.last, second.last)
assert tf.train.latest_checkpoint(folder).endswith("-150")
print(first.last, second.last)
shutil.rmtree(folder)
