"""An optimizer written against tensorflow.python's own modules."""

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_ops, math_ops, state_ops
from tensorflow.python.training import optimizer


class SignMomentum(optimizer.Optimizer):
    """Steps of one size along the sign of the mean gradient."""

    def __init__(self, learning_rate=0.01, decay=0.9, use_locking=False, name="SignMomentum"):
        super(SignMomentum, self).__init__(use_locking, name)
        self._lr = learning_rate
        self._decay = decay

    def _prepare(self):
        self._lr_t = ops.convert_to_tensor(self._lr, name="learning_rate")
        self._decay_t = ops.convert_to_tensor(self._decay, name="decay")

    def _create_slots(self, var_list):
        for v in var_list:
            self._zeros_slot(v, "m", self._name)

    def _apply_dense(self, grad, var):
        lr_t = math_ops.cast(self._lr_t, var.dtype.base_dtype)
        decay_t = math_ops.cast(self._decay_t, var.dtype.base_dtype)
        m = self.get_slot(var, "m")
        m_t = m.assign(decay_t * m + (1 - decay_t) * grad)
        var_update = state_ops.assign_sub(var, lr_t * math_ops.sign(m_t))
        return control_flow_ops.group(*[var_update, m_t])

    def _apply_sparse(self, grad, var):
        raise NotImplementedError("Sparse gradient updates are not supported.")


x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.float32, [None, 1])
w = tf.get_variable("w", [4, 1], initializer=tf.zeros_initializer())
loss = tf.reduce_mean(tf.abs(tf.matmul(x, w) - y))
rate = tf.train.exponential_decay(0.05, tf.train.get_or_create_global_step(), 50, 0.5, staircase=True)
opt = SignMomentum(rate)
train = opt.minimize(loss, global_step=tf.train.get_global_step())
assert opt.get_slot(w, "m").name == "w/SignMomentum:0", opt.get_slot(w, "m").name
assert opt.get_slot_names() == ["m"]

rng = np.random.RandomState(0)
data = rng.randn(100, 4)
target = data.dot([[0.5], [-1.], [0.25], [0.]])
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(300):
        sess.run(train, {x: data, y: target})
    found, final = sess.run([w, loss], {x: data, y: target})
print(found.ravel(), final)
assert final < 0.02, final
