"""Comparing frozen candidates: who is kept and why, what is remembered, and what it costs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents, tasks
from automl.catalog import ResolvedModel
from automl.catalog import folder as folders
from automl.compiler import screening
from automl.compiler.compile import Compiled, compile_recipe
from automl.compiler.screening import Question, Screening, choose
from automl.errors import CandidateError, RecipeError
from automl.jobs import ScreenScore
from automl.plan import Candidate
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.schema import Screen
from tests.compiler.conftest import TINY
from tests.factories import candidate

MEMORY = 16_000_000_000
PLAIN = "data: {train: messages.csv, columns: {text: body, label: queue}}"


def scores(**values: float | str) -> dict[str, ScreenScore]:
    return {
        name: ScreenScore(name, 0.0, 0, 1.0, refused=value)
        if isinstance(value, str)
        else ScreenScore(name, value, 3, 2.0)
        for name, value in values.items()
    }


def named(*names: str, **changes: dict[str, object]) -> list[Candidate]:
    return [replace(candidate(name), reference=name, **changes.get(name, {})) for name in names]


def chosen(found: Screening) -> list[str]:
    return [each.id for each in found.candidates]


def test_the_best_are_kept_in_the_recipes_order_and_one_of_another_family_besides() -> None:
    candidates = named("a", "b", "c", "d", "e", e={"family": "llama"})
    found = choose(candidates, scores(a=0.5, b=0.9, c=0.7, d=0.8, e=0.1), 2, "probe")
    assert chosen(found) == ["b", "d", "e"]
    assert [(each.reference, each.rank, each.kept) for each in found.ranking] == [
        ("b", 1, True),
        ("d", 2, True),
        ("c", 3, False),
        ("a", 4, False),
        ("e", 5, True),
    ]
    assert found.ranking[0].reason == "among the best 2"
    assert found.ranking[-1].reason == ("the best of another family, llama, than those before it")
    assert [(each.reference, each.reason) for each in found.refused] == [
        ("c", "screened out: probe 0.7000, rank 3 of 5; the best 2 and one other are searched"),
        ("a", "screened out: probe 0.5000, rank 4 of 5; the best 2 and one other are searched"),
    ]
    assert found.seconds == dict.fromkeys("abcde", 2.0)


def test_without_another_family_the_largest_of_the_rest_is_kept() -> None:
    candidates = named("a", "b", "c", "d", c={"parameters": 10}, d={"parameters": 1_234_567})
    found = choose(candidates, scores(a=0.9, b=0.8, c=0.7, d=0.1), 2, "logme")
    assert chosen(found) == ["a", "b", "d"]
    assert found.ranking[3].reason == "the largest of the others: 1,234,567 weights"


def test_equal_scores_prefer_the_smaller_model_then_the_first_named() -> None:
    candidates = named("a", "b", "c", a={"parameters": 9}, b={"parameters": 5})
    candidates[2] = replace(candidates[2], parameters=5)
    found = choose(candidates, scores(a=0.5, b=0.50001, c=0.5), 3, "knn")
    assert [each.reference for each in found.ranking] == ["b", "c", "a"]
    assert found.ranking[0].score == 0.5


def test_keeping_more_than_there_are_keeps_all() -> None:
    found = choose(named("a", "b"), scores(a=0.1, b=0.2), 3, "probe")
    assert (chosen(found), found.refused) == (["a", "b"], ())


def test_what_could_not_be_compared_is_refused_and_not_ranked() -> None:
    found = choose(named("a", "b", "c"), scores(a=0.1, b="no states", c=0.2), 1, "probe")
    assert chosen(found) == ["a", "c"]
    assert [each.reference for each in found.ranking] == ["c", "a"]
    assert [each.reason for each in found.refused] == ["it can't be compared frozen: no states"]


# -- from a recipe ------------------------------------------------------------------------------

SCREEN = "search: {screen: {keep: 1, by: knn, rows: 100}}"
Recipe = Callable[..., LoadedRecipe]


def model(root: Path, name: str, **config: object) -> str:
    """Make a copy of the tiny model and return its line in a recipe."""
    copy = shutil.copytree(TINY, root / name)
    found = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(found | config))
    return f"{{path: {name}}}"


def compiled(loaded: LoadedRecipe, root: Path, stages: list[str] | None = None) -> Compiled:
    return compile_recipe(
        loaded,
        root / "jobs",
        (lambda stage, text: stages.append(text)) if stages is not None else None,
        memory_bytes=MEMORY,
    )


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "automl" / screening.KIND


@pytest.mark.parametrize(
    ("line", "candidates", "expected"),
    [
        ("name: messages", 4, None),
        ("name: messages", 5, Screen()),
        ("search: {screen: never}", 50, None),
        ("search: {screen: {keep: 2, by: logme}}", 2, Screen(keep=2, by="logme")),
        ("search: {screen: {keep: 2}}", 1, None),
    ],
)
def test_candidates_are_compared_where_the_recipe_asks_or_there_are_many(
    recipe: Recipe, line: str, candidates: int, expected: Screen | None
) -> None:
    task = tasks.get("text-classification")
    assert screening._wish(recipe(PLAIN, line), task, candidates) == expected


def test_a_task_without_classes_is_not_compared_and_says_so_when_asked(recipe: Recipe) -> None:
    task = tasks.get("text-classification")
    scores = replace(task, knobs=frozenset())
    assert screening._wish(recipe(PLAIN), scores, 9) is None
    with pytest.raises(RecipeError, match="no classes that a frozen encoder"):
        screening._wish(recipe(PLAIN, SCREEN), scores, 9)


@pytest.mark.slow
def test_a_recipe_that_asks_gets_a_ranking_and_its_plan_is_the_same_every_time(
    recipe: Recipe, folder: Path, fresh_cache: Path
) -> None:
    # The copies differ in what they compute, by a setting that the weights' shapes don't show.
    lines = [model(folder, "first"), model(folder, "second", hidden_act="relu")]
    lines.append(model(folder, "third", layer_norm_eps=0.5))
    loaded = recipe(PLAIN, f"models: [{', '.join(lines)}]", SCREEN)
    stages: list[str] = []
    once = compiled(loaded, folder, stages)
    assert any(text.startswith("comparing 3 frozen, knn on ") for text in stages)
    ranking = once.plan.screening
    assert sorted(each.reference for each in ranking) == ["first", "second", "third"]
    assert [each.rank for each in ranking] == [1, 2, 3]
    assert all(round(each.score, 4) == each.score and 0 <= each.score <= 1 for each in ranking)
    assert len(once.plan.candidates) == 2
    (out,) = (each for each in ranking if not each.kept)
    refused = {each.reference: each.reason for each in once.plan.refused}
    assert refused[out.reference].startswith(f"screened out: knn {out.score:.4f}, rank ")
    assert set(once.screening_seconds) == {"first", "second", "third"}
    assert min(once.screening_seconds.values()) > 0
    assert len(list(fresh_cache.iterdir())) == 3

    shutil.rmtree(folder / "jobs")
    again = compiled(loaded, folder)
    assert documents.to_json(again.plan) == documents.to_json(once.plan)
    assert again.screening_seconds == once.screening_seconds
    assert not (folder / "jobs" / "screen").exists(), "all of it was remembered"

    shutil.rmtree(fresh_cache)
    anew = compiled(loaded, folder)
    assert documents.to_json(anew.plan) == documents.to_json(once.plan)


# -- the worker and the memory ------------------------------------------------------------------

SAMPLE = tuple(
    {"text": text, "label": label}
    for text, label in [("the order is late", "a"), ("thank you", "b")] * 6
)
QUESTION = Question("text-classification", ("a", "b"), SAMPLE, "knn", {"torch": "1"})


def resolved(root: Path) -> ResolvedModel:
    return folders.fetch(
        folders.describe(
            root, source="folder", reference=root.name, revision=None, trust_remote_code=False
        )
    )


def asked(root: Path, question: Question = QUESTION, *names: str) -> dict[str, ScreenScore]:
    candidates = named(*(names or ("tiny",)))
    models = {each.id: resolved(root) for each in candidates}
    return screening._scores(question, candidates, models, root.parent / "screen")


@pytest.mark.slow
def test_a_score_is_remembered_under_todays_id_and_asked_anew_when_it_is_damaged(
    tmp_path: Path, fresh_cache: Path
) -> None:
    root = Path(shutil.copytree(TINY, tmp_path / "tiny"))
    once = asked(root)["tiny"]
    assert once.refused is None
    shutil.rmtree(tmp_path / "screen")
    assert asked(root, QUESTION, "today")["today"] == replace(once, id="today")
    assert not (tmp_path / "screen").exists()
    for path in fresh_cache.iterdir():
        path.write_bytes(b"{damaged")
    assert replace(asked(root)["tiny"], seconds=0) == replace(once, seconds=0)


def test_what_decides_a_score_decides_where_it_is_remembered(tmp_path: Path) -> None:
    root = Path(shutil.copytree(TINY, tmp_path / "tiny"))
    (one,) = named("tiny")
    first = screening.key(QUESTION, one, resolved(root))
    assert screening.key(QUESTION, replace(one, id="other"), resolved(root)) == first
    config = (root / "config.json").read_text()
    others = {
        screening.key(replace(QUESTION, by="h_score"), one, resolved(root)),
        screening.key(replace(QUESTION, sample=SAMPLE[1:]), one, resolved(root)),
        screening.key(replace(QUESTION, versions={"torch": "2"}), one, resolved(root)),
        screening.key(QUESTION, replace(one, max_length=16), resolved(root)),
    }
    (root / "config.json").write_text(config + " ")
    others.add(screening.key(QUESTION, one, resolved(root)))
    assert len(others - {first}) == 5


@pytest.mark.slow
def test_a_model_that_ends_the_worker_is_refused_alone(
    tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(TINY, tmp_path / "tiny"))
    deadly = Path(shutil.copytree(TINY, tmp_path / "deadly"))
    found = json.loads((deadly / "config.json").read_text())
    found |= {"model_type": "deadly", "auto_map": {"AutoConfig": "code.Config"}}
    (deadly / "config.json").write_text(json.dumps(found))
    (deadly / "code.py").write_text("import os\n\nos._exit(9)\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    candidates = named("tiny", "deadly", deadly={"trust_remote_code": True})
    models = {"tiny": resolved(root), "deadly": resolved(deadly)}
    scores = screening._scores(QUESTION, candidates, models, tmp_path / "screen")
    assert scores["tiny"].refused is None
    assert (scores["deadly"].refused or "").startswith("it ended the process")
    assert len(list(fresh_cache.iterdir())) == 1, "a refusal is asked about again"


def test_if_nobody_can_be_compared_the_recipe_is_told_how_to_go_on(
    recipe: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl.data.load import load_data

    loaded = recipe(PLAIN, SCREEN)
    task = tasks.get("text-classification")
    candidates = named("a", "b")
    found = scores(a="no states", b="too big")
    monkeypatch.setattr(screening, "_scores", lambda *_: found)
    with pytest.raises(CandidateError, match="none of the candidates can be compared") as caught:
        screening.screen(
            loaded, task, load_data(loaded, task), candidates, {}, {}, folder, lambda *_: None
        )
    assert caught.value.problems[0].hint == "write `screen: never`"
    assert [each.message for each in caught.value.problems[1:]] == ["a: no states", "b: too big"]
