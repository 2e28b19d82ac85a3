"""Keras by way of TensorFlow: two inputs, a shared layer, a Lambda, saved weights."""

import os
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras.layers import Concatenate, Dense, Input, Lambda
from tensorflow.keras.models import Model

np.random.seed(0)
left, right = Input(shape=(4,), name="left"), Input(shape=(4,), name="right")
shared = Dense(8, activation="tanh")
difference = Lambda(lambda t: K.abs(t[0] - t[1]), output_shape=(8,))([shared(left), shared(right)])
both = Concatenate()([difference, shared(left)])
output = Dense(1, activation="sigmoid", name="same")(both)
model = Model(inputs=[left, right], outputs=output)
model.compile(optimizer=tf.keras.optimizers.Adam(lr=0.02), loss="binary_crossentropy",
              metrics=["accuracy"])

a = np.random.randn(400, 4)
b = np.where(np.arange(400)[:, None] % 2 == 0, a + 0.1 * np.random.randn(400, 4),
             np.random.randn(400, 4))
y = (np.arange(400) % 2 == 0).astype("float32")
stop = tf.keras.callbacks.EarlyStopping(monitor="loss", patience=5)
model.fit([a, b], y, epochs=25, batch_size=40, verbose=0, callbacks=[stop])
loss, accuracy = model.evaluate([a, b], y, verbose=0)
print(loss, accuracy)
assert accuracy > 0.85, accuracy
before = model.predict([a[:5], b[:5]])
path = os.path.join(tempfile.mkdtemp(), "weights.h5")
try:
    model.save_weights(path)
except ImportError as needed:  # HDF5 files need a package of their own
    print(needed)
else:
    for w in model.weights:
        K.set_value(w, np.zeros(K.int_shape(w)))
    model.load_weights(path)
    np.testing.assert_array_equal(model.predict([a[:5], b[:5]]), before)
with K.get_session().as_default():
    tensor = K.get_session().run(model.output, {model.inputs[0]: a[:5], model.inputs[1]: b[:5]})
np.testing.assert_allclose(tensor, before, rtol=1e-6)
