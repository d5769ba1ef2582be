"""Log what a training of 20 steps would: a loss that falls, epochs, and how long it took."""

import os

from mlflow import MlflowClient
from mlflow.entities import Metric

STEPS = range(5, 21, 5)
values = [("loss", 3.0 - step / 20, 1000 * step, step) for step in STEPS]
values += [("epoch", step / 20, 1000 * step, step) for step in STEPS]
values += [("eval_loss", 2.1, 20_000, 20), ("train_runtime", 20.0, 20_000, 20)]
MlflowClient().log_batch(os.environ["MLFLOW_RUN_ID"], metrics=[Metric(*value) for value in values])
