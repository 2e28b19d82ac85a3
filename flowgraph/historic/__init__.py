"""What programs found only under the paths of TensorFlow's own files.

``tensorflow.examples.tutorials.mnist.input_data``, ``tensorflow.python.client.device_lib`` and
their like: functions that never were public names, but that tutorials import.

Read next: input_data.py, ../compat/modules.py (which other paths lead to public names).
"""
