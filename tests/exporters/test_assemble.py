"""A bundle is whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from automl import documents, exporters
from automl.bundle import BundleInfo
from automl.errors import AutoMLError, InputError
from automl.exporters import Delivery, _assemble
from automl.exporters._assemble import write_bundle
from automl.exporters._choice import Choice
from tests.deliveries import with_formats
from tests.exporters.test_every_exporter import contents


@pytest.fixture
def delivery(delivery: Delivery) -> Delivery:
    """A delivery with nothing to draw: drawing takes most of an export's time."""
    bare = {split: replace(score, confusion=(), per_class={})
            for split, score in delivery.score.splits.items()}  # fmt: skip
    score = replace(delivery.score, splits=bare)
    return replace(delivery, trials=(), choice=Choice(), score=score)


def test_a_bundle_holds_model_card_provenance_and_plots(bundle):
    found = set(contents(bundle))
    assert {
        "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
        "README.md", "recipe.yaml", "recipe.lock", "plan.json", "automl.json",
        "plots/confusion.png", "plots/history.png",
    } <= found  # fmt: skip


def test_only_the_formats_of_the_plan_are_written_and_safetensors_always(delivery, tmp_path):
    made = with_formats(delivery, tmp_path / "formats")
    export = replace(made.plan.export, formats=("onnx",))
    without = replace(made, plan=replace(made.plan, export=export))
    bundle = write_bundle(without, tmp_path / "bundle")
    assert [file.name for file in bundle.glob("*.safetensors")] == ["model.safetensors"]
    assert [file.name for file in bundle.glob("onnx/*.onnx")] == ["model.onnx"]


def test_a_format_that_was_refused_leaves_no_file_and_its_figures_stay(delivery, tmp_path):
    made = with_formats(delivery, tmp_path / "formats")
    lost = replace(made.formats["onnx-int8"], refused="accuracy is 0.7 with it", files=())
    made = replace(made, formats={**made.formats, "onnx-int8": lost})
    bundle = write_bundle(made, tmp_path / "bundle")
    assert not (bundle / "onnx" / "model_quantized.onnx").exists()
    info = documents.read(BundleInfo, bundle / "automl.json")
    assert info.formats["onnx-int8"] == lost
    assert info.formats["bf16"].files == ("model.bf16.safetensors",)
    manifest = (bundle / "onnx" / "export.json").read_text()
    assert manifest == "onnx onnx/export.json"


def test_a_format_that_nobody_made_is_an_error(delivery, tmp_path):
    export = replace(delivery.plan.export, formats=("safetensors", "bf16"))
    asked = replace(delivery, plan=replace(delivery.plan, export=export))
    with pytest.raises(AutoMLError, match="bf16 is asked for, but was not made"):
        write_bundle(asked, tmp_path / "bundle")


def test_a_new_bundle_replaces_the_old_one_whole(delivery, tmp_path):
    target = write_bundle(delivery, tmp_path / "bundle")
    (target / "stale.txt").write_text("of the old bundle")
    write_bundle(replace(delivery, recipe="recipe: 1\nname: newer\n"), target)
    assert not (target / "stale.txt").exists()
    assert "newer" in (target / "recipe.yaml").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_that_is_no_bundle_is_not_overwritten(delivery, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not a bundle"):
        write_bundle(delivery, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_exporter_that_fails_leaves_the_old_bundle(delivery, tmp_path):
    target = write_bundle(delivery, tmp_path / "bundle")
    before = contents(target)
    broken = replace(delivery, model=tmp_path)
    with pytest.raises(AutoMLError, match="holds no safetensors weights"):
        write_bundle(broken, target)
    assert contents(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_path_of_this_machine_in_a_copied_file_is_refused(delivery, tmp_path):
    model = tmp_path / "best"
    model.mkdir()
    for file in delivery.model.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / "chat_template.jinja").write_text(f"made in {Path.cwd()}/somewhere")
    with pytest.raises(AutoMLError, match=r"chat_template\.jinja names"):
        write_bundle(replace(delivery, model=model), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_the_bundle_folder_is_open_to_others(bundle):
    assert bundle.stat().st_mode & 0o777 == 0o755 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def test_without_an_exchange_of_folders_two_renames_do_it(delivery, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")  # where renameat2 does not exist
    target = write_bundle(delivery, tmp_path / "bundle")
    write_bundle(replace(delivery, recipe="recipe: 1\nname: newer\n"), target)
    assert "newer" in (target / "recipe.yaml").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_crash_between_the_two_renames_is_repaired_by_the_next_call(delivery, tmp_path):
    target = write_bundle(delivery, tmp_path / "bundle")
    before = contents(target)
    target.rename(tmp_path / ".bundle.old")
    with pytest.raises(AutoMLError):
        write_bundle(replace(delivery, model=tmp_path), target)
    assert contents(target) == before


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to be killed in the middle")
def test_a_kill_at_any_file_operation_leaves_the_old_or_the_new_bundle(delivery, tmp_path):
    target = tmp_path / "bundle"
    newer = replace(delivery, recipe="recipe: 1\nname: newer\n")
    new = contents(write_bundle(newer, target))
    old = contents(write_bundle(delivery, target))
    seen = []
    for operation in count(1):
        killed = _killed_at(operation, lambda: write_bundle(newer, target))
        state = contents(target)
        assert state in (old, new), f"half a bundle after operation {operation}"
        seen.append(state == new)
        write_bundle(delivery, target)
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
        if not killed:
            break
    assert len(seen) > 15
    assert seen[0] is False
    assert seen[-2:] == [True, True], "killed while clearing up, the new bundle is there"


_CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree")


def _killed_at(operation: int, act: Callable[[], object]) -> bool:
    """Run ``act`` in a child that is gone at its nth file operation; False when it has fewer."""
    child = os.fork()
    if child == 0:
        done = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal done
            writes = event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
            done += writes or event in _CHANGING
            if done == operation:
                os._exit(9)

        sys.addaudithook(hook)
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return {0: False, 9: True}[os.waitstatus_to_exitcode(status)]


def test_exporters_run_in_their_order(delivery):
    chosen = [one.name for one in _assemble._chosen(delivery.plan)]
    assert chosen == sorted(chosen, key=lambda name: exporters.get(name).order)
    assert chosen[0] == "safetensors"
    assert chosen[-1] == "card"
