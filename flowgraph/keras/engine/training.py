"""Trainer: compile, fit, evaluate and predict, for every model.

What it finds in a model (network.py): ``inputs`` and ``outputs``, lists of tensors, and
``input_names`` and ``output_names``; ``_feed_inputs``, ``_feed_input_names`` and
``_feed_input_shapes`` of those that data are fed to; ``trainable_weights``, ``losses``,
``updates``, ``state_updates``, ``stateful``, ``uses_learning_phase``; ``_set_inputs(x)``, which
finds inputs and outputs of a model that is not built from the first data.
"""

from __future__ import annotations


class Trainer:
    """The part of a model that trains it."""
