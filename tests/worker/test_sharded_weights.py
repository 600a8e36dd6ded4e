"""A sharded model's weights, whole: written, read and set. One process is enough to tell."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_model, save_file
from torch import nn

from automl.worker import sharding
from automl.worker.sharding import divided_states, is_sharded, load_weights, put, weights

CPU = torch.device("cpu")


class Tied(nn.Module):
    """Two layers, and an output that shares the embeddings' weights."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(6, 4)
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.out = nn.Linear(4, 6, bias=False)
        self.out.weight = self.embed.weight
        self.register_buffer("scale", torch.full((), 2.0))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found = self.embed(tokens)
        for layer in self.layers:
            found = layer(found).relu()
        logits: torch.Tensor = self.out(found) * self.scale
        return logits


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """A group of this process alone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def sharded(seed: int) -> Tied:
    model = Tied(seed)
    sharding.shard(model, CPU)
    return model


def test_what_a_sharded_model_writes_is_read_by_one_that_is_not(tmp_path: Path):
    model, file = sharded(1), tmp_path / "weights.safetensors"
    assert is_sharded(model)
    found = weights(model)
    assert set(found) == {n for n in Tied(0).state_dict() if n != "out.weight"}
    save_file(found, str(file))
    plain = Tied(2)
    load_model(plain, str(file), strict=True)
    assert not is_sharded(plain)
    tokens = torch.tensor([0, 3, 5])
    assert torch.equal(plain(tokens), model(tokens))


def test_whole_weights_are_read_by_a_sharded_model_and_none_may_be_missing(tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    whole = weights(Tied(1))
    save_file(whole, str(file))
    model, tokens = sharded(2), torch.tensor([0, 3, 5])
    load_weights(model, file)
    assert torch.equal(model(tokens), Tied(1)(tokens))
    save_file({"extra": torch.zeros(1), **whole}, str(file))
    with pytest.raises(RuntimeError, match=r"unexpected: \['extra'\]"):
        load_weights(model, file)
    del whole["layers.1.bias"]
    save_file(whole, str(file))
    with pytest.raises(RuntimeError, match=r"missing weights: \['layers.1.bias'\]"):
        load_weights(model, file)


def test_an_optimizer_goes_on_from_states_that_were_written_whole():
    def stepped(model: Tied, optimizer: torch.optim.Optimizer) -> None:
        model(torch.tensor([1, 2])).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    unbroken = sharded(1)
    first = torch.optim.AdamW(unbroken.parameters(), lr=0.1)
    stepped(unbroken, first)
    # Of one process the whole is the part, which the next step changes.
    states, kept = copy.deepcopy((sharding.whole(first.state_dict()), weights(unbroken)))
    assert not any(
        isinstance(value, torch.distributed.tensor.DTensor)
        for state in states["state"].values()
        for value in state.values()
    )
    again = sharded(2)
    for name, parameter in again.named_parameters():
        put(parameter, kept[name])
    second = torch.optim.AdamW(again.parameters(), lr=0.1)
    second.load_state_dict(divided_states(states, second))
    stepped(unbroken, first)
    stepped(again, second)
    for name, value in weights(unbroken).items():
        assert torch.equal(value, weights(again)[name]), name


def test_a_parameter_is_set_whole_whether_sharded_or_not():
    values = torch.arange(16.0).reshape(4, 4)
    for model in (Tied(1), sharded(1)):
        put(model.layers[0].weight, values)  # type: ignore[arg-type]
        assert torch.equal(weights(model)["layers.0.weight"], values)
