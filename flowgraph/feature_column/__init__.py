"""tf.feature_column: from the features of examples to the inputs of models.

columns.py       what a column is: dense, or categorical; the features of one batch
numeric.py       numbers, and the intervals they lie in
categorical.py   hashes, numbers, vocabularies, crosses, weights
dense.py         categories as indicators and embeddings
models.py        input_layer, linear_model, make_parse_example_spec
contrib.py       the older names in tf.contrib.layers

Read next: columns.py, models.py.
"""
