"""An Estimator with a model function of one's own."""

import shutil
import tempfile

import numpy as np
import tensorflow as tf

(x_train, y_train), (x_test, y_test) = __import__("flowgraph").datasets.digits.load_data()
x_train, x_test = x_train.astype(np.float32) / 16, x_test.astype(np.float32) / 16


def model_fn(features, labels, mode, params):
    net = tf.reshape(features["images"], [-1, 64])
    net = tf.layers.dense(net, params["hidden"], tf.nn.relu)
    logits = tf.layers.dense(net, 10)
    classes = tf.argmax(logits, axis=1)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"classes": classes})
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        logits=logits, labels=tf.cast(labels, tf.int32)))
    train_op = tf.train.AdamOptimizer(0.01).minimize(
        loss, global_step=tf.train.get_global_step())
    acc_op = tf.metrics.accuracy(labels=labels, predictions=classes)
    return tf.estimator.EstimatorSpec(
        mode=mode, predictions={"classes": classes}, loss=loss, train_op=train_op,
        eval_metric_ops={"accuracy": acc_op})


folder = tempfile.mkdtemp()
model = tf.estimator.Estimator(model_fn, model_dir=folder, params={"hidden": 32})
input_fn = tf.estimator.inputs.numpy_input_fn(
    x={"images": x_train}, y=y_train, batch_size=64, num_epochs=None, shuffle=True)
model.train(input_fn, steps=150)
input_fn = tf.estimator.inputs.numpy_input_fn(
    x={"images": x_test}, y=y_test, batch_size=64, num_epochs=1, shuffle=False)
e = model.evaluate(input_fn)
print("Testing Accuracy:", e["accuracy"], e["global_step"])
assert e["accuracy"] > 0.9 and e["global_step"] == 150
input_fn = tf.estimator.inputs.numpy_input_fn(x={"images": x_test[:5]}, shuffle=False)
guesses = [int(p["classes"]) for p in model.predict(input_fn)]
print(guesses, y_test[:5])
assert len(guesses) == 5
shutil.rmtree(folder)
