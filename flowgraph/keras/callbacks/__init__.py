"""Callbacks: what is done at the beginning and end of training, of its epochs and of its batches.

base.py      Callback, CallbackList, and those that every training uses
control.py   those that change the training: its weights, its rate, its end
reports.py   those that write down how it goes

Read next: base.py.
"""

from flowgraph.keras.callbacks.base import (
    BaseLogger,
    Callback,
    CallbackList,
    History,
    LambdaCallback,
    ProgbarLogger,
    TerminateOnNaN,
)
from flowgraph.keras.callbacks.control import (
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from flowgraph.keras.callbacks.reports import CSVLogger, RemoteMonitor, TensorBoard

__all__ = [
    "BaseLogger",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "TensorBoard",
    "TerminateOnNaN",
]
