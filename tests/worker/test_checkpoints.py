"""Checkpoint folders, and the states they hold."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from automl.worker import checkpoints, durable, state


def write(root, step, text="weights", configuration="c"):
    folder = checkpoints.fresh(root, step)
    folder.mkdir(parents=True)
    (folder / "model").write_text(text)
    return checkpoints.complete(root, step, configuration)


def test_a_complete_checkpoint_is_found_and_replaces_the_one_before(tmp_path):
    write(tmp_path, 5)
    folder, size = write(tmp_path, 12)
    assert checkpoints.newest(tmp_path, "c") == folder == checkpoints.path(tmp_path, 12)
    assert checkpoints.step(folder) == 12
    assert size == len("weights")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "no marker", "torn marker"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path, damage, capfd):
    older, newer = tmp_path / "older", tmp_path / "newer"
    write(older, 5)
    folder, _ = write(newer, 12)
    folder = folder.rename(older / folder.name)
    file, marker = folder / "model", folder / checkpoints.MARKER
    match damage:
        case "truncate":
            file.write_text("weight")
        case "flip":
            file.write_text("weighty")
        case "remove":
            file.unlink()
        case "no marker":
            marker.unlink()
        case "torn marker":
            marker.write_bytes(marker.read_bytes()[:-20])
    assert checkpoints.newest(older, "c") == checkpoints.path(older, 5)
    assert "step-00000012 is set aside" in capfd.readouterr().err
    assert checkpoints.newest(older, "c") == checkpoints.path(older, 5)


def test_a_checkpoint_that_was_never_finished_does_not_count(tmp_path):
    checkpoints.fresh(tmp_path, 9).mkdir(parents=True)
    assert checkpoints.newest(tmp_path, "c") is None
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_configuration_does_not_count(tmp_path):
    write(tmp_path, 5)
    assert checkpoints.newest(tmp_path, "d") is None


def test_states_come_back_bit_for_bit(tmp_path):
    value = {
        "state": {0: {"step": torch.tensor(3.0), "average": torch.rand(4, 5)[:, ::2]}},
        "groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.999), "params": [0, 1], "fused": True}],
        "none": None,
        "words": np.arange(5, dtype=np.uint32),
        "inf": float("inf"),
    }
    state.save(value, tmp_path / "state")
    found = state.load(tmp_path / "state")
    assert list(found["state"]) == [0]
    assert torch.equal(found["state"][0]["average"], value["state"][0]["average"])
    assert found["state"][0]["step"].dtype == torch.float32
    assert found["groups"] == value["groups"]
    assert found["words"].tolist() == [0, 1, 2, 3, 4]
    assert (found["none"], found["inf"]) == (None, float("inf"))


def test_what_could_run_code_is_refused(tmp_path):
    with pytest.raises(TypeError, match="a function can't be saved"):
        state.save({"lambda": lambda: None}, tmp_path / "state")


def test_generators_go_on_where_they_were(tmp_path):
    def draw():
        return random.random(), np.random.rand(), torch.rand(3).tolist()

    state.save(state.generators(), tmp_path / "generators")
    expected = draw()
    draw()
    state.restore_generators(state.load(tmp_path / "generators"))
    assert draw() == expected


def test_a_replaced_folder_is_old_or_new_and_never_mixed(tmp_path):
    best = tmp_path / "best"
    with durable.replacing(best) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(FileNotFoundError), durable.replacing(best) as folder:
        (folder / "missing" / "b").write_text("2")
    assert [f.name for f in best.iterdir()] == ["a"]
    with durable.replacing(best) as folder:
        (folder / "b").write_text("2")
    assert [f.name for f in best.iterdir()] == ["b"]
    assert [f.name for f in tmp_path.iterdir()] == ["best"]
    assert (best / "b").stat().st_mode & 0o777 == 0o644


def test_a_death_between_the_two_moves_is_undone(tmp_path):
    best = tmp_path / "best"
    (tmp_path / ".best.old").mkdir()
    (tmp_path / ".best.new").mkdir()
    durable.recover(best)
    assert [f.name for f in tmp_path.iterdir()] == ["best"]
