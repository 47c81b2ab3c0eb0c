"""Training: the `Trainer`, checkpoints that survive, logs, callbacks and metrics.

trainer = wg.train.Trainer(model, optimizer, wg.nn.cross_entropy, metrics={"accuracy": wg.train.accuracy}, out="run")
trainer.resume()
trainer.fit(loader, validation, epochs=10)
"""

from . import models as models
from .callbacks import Callback as Callback
from .checkpoints import (
    CheckpointFolder as CheckpointFolder,
    load_checkpoint as load_checkpoint,
    save_checkpoint as save_checkpoint,
)
from .curves import plot_log as plot_log
from .logs import (
    CSVLog as CSVLog,
    JSONLog as JSONLog,
    Log as Log,
    TensorBoardLog as TensorBoardLog,
    read_log as read_log,
)
from .metrics import (
    absolute_error as absolute_error,
    accuracy as accuracy,
    top_k_accuracy as top_k_accuracy,
)
from .trainer import Trainer as Trainer
