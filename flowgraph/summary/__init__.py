"""tf.summary: what a program tells TensorBoard, and the event files that carry it.

records.py     the operations: numbers, histograms, images, sounds and tensors as Summary protos
functions.py   tf.summary.scalar and its kin: tags, families, collections
writer.py      FileWriter and summary_iterator
encoding.py    graphs and traces as the bytes that an Event holds

Read next: records.py.
"""
