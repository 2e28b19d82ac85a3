"""Write examples into a TFRecord file and train from it."""

import os
import tempfile

import numpy as np
import tensorflow as tf

(x_train, y_train), _ = __import__("flowgraph").datasets.digits.load_data()
path = os.path.join(tempfile.mkdtemp(), "digits.tfrecords")


def _bytes_feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int64_feature(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


writer = tf.python_io.TFRecordWriter(path)
for image, label in zip(x_train[:500], y_train[:500]):
    example = tf.train.Example(features=tf.train.Features(feature={
        'height': _int64_feature(8), 'label': _int64_feature(int(label)),
        'image_raw': _bytes_feature(image.tobytes())}))
    writer.write(example.SerializeToString())
writer.close()
assert sum(1 for _ in tf.python_io.tf_record_iterator(path)) == 500


def parse(serialized):
    features = tf.parse_single_example(serialized, features={
        'image_raw': tf.FixedLenFeature([], tf.string), 'label': tf.FixedLenFeature([], tf.int64)})
    image = tf.decode_raw(features['image_raw'], tf.uint8)
    image.set_shape([64])
    return tf.cast(image, tf.float32) * (1. / 16) - 0.5, tf.cast(features['label'], tf.int32)


dataset = tf.data.TFRecordDataset([path]).map(parse).shuffle(500, seed=0).repeat().batch(50)
images, labels = dataset.make_one_shot_iterator().get_next()
logits = tf.layers.dense(images, 10)
loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
train = tf.train.AdamOptimizer(0.05).minimize(loss)
right = tf.reduce_mean(tf.to_float(tf.nn.in_top_k(logits, labels, 1)))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(60):
        _, accuracy = sess.run([train, right])
print(accuracy)
assert accuracy >= 0.9, accuracy
