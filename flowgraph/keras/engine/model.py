"""Model: a network that can be trained, described, drawn and saved.

Read next: training.py, configs.py, saving.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowgraph.keras.engine.configs import config_of, network_from
from flowgraph.keras.engine.network import Network
from flowgraph.keras.engine.saving import Saved
from flowgraph.keras.engine.serialization import json_of, wrapped
from flowgraph.keras.engine.training import Trainer
from flowgraph.keras.utils.layer_utils import print_summary


class Model(Trainer, Saved, Network):
    """A network that can be trained.

    Args:
        inputs: an Input or a list of them.
        outputs: what follows from them, a tensor or a list.
        name: "model_1" by default.

    A model with a ``call`` of its own makes layers in its constructor, after
    ``super().__init__()``, and calls them in ``call``.

    >>> from flowgraph import keras
    >>> x = keras.Input((3,), name="features")
    >>> keras.Model(x, x).output_shape
    (None, 3)
    """

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
    ) -> None:
        """Print the layers, with output shapes and numbers of parameters.

        Args:
            line_length, positions, print_fn: as of ``keras.utils.print_summary``.

        Raises:
            ValueError: the model was never built.
        """
        if not self.built and not any(layer.built for layer in self.layers):
            raise ValueError(
                f"{self.name!r} is not built: its input shape is not known; call it, fit it, or "
                "build(input_shape), first"
            )
        print_summary(self, line_length, positions, print_fn)

    # ------------------------------------------------------------------------------------ configs

    def get_config(self) -> dict[str, Any]:
        """The layers and how they are joined, as plain data.

        Raises:
            NotImplementedError: the model has a ``call`` of its own, and no ``get_config``.
        """
        return config_of(self._described())

    def _described(self) -> Network:
        if not self._is_graph_network:
            raise NotImplementedError(
                f"{type(self).__name__} has a call() of its own, which no config describes; "
                "define get_config(), or save the weights alone (save_weights)"
            )
        return self

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The model of a config.

        Args:
            config: as ``get_config`` gives it.
            custom_objects: name -> class or function, for those of one's own.
        """
        return network_from(cls, config, custom_objects)

    def to_json(self, **kwargs: Any) -> str:
        """The config as JSON text.

        Args:
            kwargs: arguments of ``json.dumps``.
        """
        return json_of(wrapped(self), **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The config as YAML: the same text as of ``to_json``, since JSON is YAML.

        Args:
            kwargs: not used.
        """
        return json_of(wrapped(self), indent=2)
