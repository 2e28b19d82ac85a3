"""tf.image: images resized, cropped, coloured, compared, decoded.

A file is named after what it does, never after a public name: ``tf.image.resize`` is a function.

Read next: resizing.py.
"""
