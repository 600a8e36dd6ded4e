"""Sets the last layer of a sharded model after a forward pass: run by a test on two processes."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from automl.worker import head, sharding
from automl.worker.logistic import Linear


class Small(nn.Module):
    """One hidden layer; it and the output are parts of the root."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.hidden, self.out = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.out(self.hidden(rows))
        return found


if __name__ == "__main__":
    dist.init_process_group("gloo")
    model = Small()
    sharding.shard(model, torch.device("cpu"))
    with torch.no_grad():
        model(torch.ones(2, 4))
        head.install(model, "out", Linear(np.full((3, 4), 7, np.float32), np.zeros(3, np.float32)))
        model(torch.ones(2, 4))
    assert sharding.is_sharded(model)
    found = sharding.weights(model)
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(f"{float(found['out.weight'].sum())}")
    dist.destroy_process_group()
