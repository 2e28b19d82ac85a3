"""Checkpoints: the values of variables in files, in TensorFlow's format or as safetensors.

Read next: saver.py (Saver), reader.py (what a file holds), bundle.py and safetensors_file.py (the
formats), state.py (which checkpoint is the latest).
"""
