"""Candidates by query, against a hub on loopback: which are taken, which refused and why."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents, pipeline, tasks
from automl.compiler import candidates
from automl.compiler.candidates import Resolution
from automl.compiler.compile import compile_recipe
from automl.compiler.drift import lock_drift
from automl.compiler.lock import lock_path, make_lock, read_lock, write_lock
from automl.compiler.queries import with_origins
from automl.compiler.verify import load_verified
from automl.errors import CandidateError
from automl.plan import Answer, Hit, Refusal
from automl.rundir import RunDir
from tests.compiler.conftest import TINY
from tests.deliveries import candidate, make_plan
from tests.hub_server import HubServer

FILES = {path.name: path.read_bytes() for path in TINY.iterdir()}


def card(license: str = "mit", language: str = "en", **more: str) -> bytes:
    facts = {"license": license, "language": language, "library_name": "transformers", **more}
    lines = [f"{name}: {value}" for name, value in facts.items()]
    return "\n".join(["---", *lines, "---", ""]).encode()


def weights(parameters: int) -> bytes:
    """A safetensors file that is whole, of one tensor with that many numbers."""
    entry = {"dtype": "F32", "shape": [parameters], "data_offsets": [0, 4 * parameters]}
    header = json.dumps({"x": entry}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * parameters)


@pytest.fixture
def shelf(hub: HubServer, tmp_path: Path) -> HubServer:
    """A hub with models for every reason to refuse one, the most downloaded first."""
    config = json.loads(FILES["config.json"])
    plain = {name: data for name, data in FILES.items() if name != "model.safetensors"}
    shelf = {
        "acme/bert-gated": ({**FILES, "README.md": card()}, {"gated": "manual"}),
        "acme/bert-gpl": ({**FILES, "README.md": card("gpl-3.0")}, {}),
        "acme/bert-huge": (
            {**plain, "model.safetensors": weights(300_000), "README.md": card()},
            {},
        ),
        "acme/bert-pickled": ({**plain, "pytorch_model.bin": b"x", "README.md": card()}, {}),
        "acme/bert-code": (
            {
                **FILES,
                "config.json": json.dumps({**config, "auto_map": {"AutoModel": "m.M"}}).encode(),
                "README.md": card(),
            },
            {},
        ),
        "acme/bert-odd": (
            {
                **FILES,
                "config.json": json.dumps({**config, "model_type": "odd"}).encode(),
                "README.md": card(),
            },
            {},
        ),
        "acme/bert-one": ({**FILES, "README.md": card()}, {}),
        "acme/bert-two": ({**FILES, "README.md": card("apache-2.0", pipeline_tag="fill-mask")}, {}),
        "acme/bert-three": ({**FILES, "README.md": card(language="de")}, {}),
        "acme/gpt": ({**FILES, "README.md": card()}, {}),
    }
    for rank, (id, (files, facts)) in enumerate(shelf.items()):
        hub.add_model(id, files, downloads=1000 - rank, **facts)
    return hub


QUERY = "hub: {search: bert, license: [mit, apache-2.0], max_parameters: 100K, limit: 2}"


def resolved(loaded, frozen: tuple[Answer, ...] = ()) -> Resolution:
    task = tasks.get(loaded.recipe.task)
    return candidates.resolve(loaded, task, {}, lambda *_: None, frozen)


def test_the_first_that_fit_are_taken_and_each_other_has_its_reason(shelf, recipe) -> None:
    found = resolved(recipe(f"models: [{{{QUERY}}}]"))
    assert list(found.models) == ["acme--bert-one", "acme--bert-two"]
    (answer,) = found.answers
    assert [hit.reference for hit in answer.hits] == ["acme/bert-one", "acme/bert-two"]
    assert all(hit.parameters and hit.parameters < 100_000 for hit in answer.hits)
    reasons = {each.reference: each.reason for each in found.refused}
    for name, said in {
        "gated": "it is gated",
        "gpl": "its licence is gpl-3.0",
        "huge": "it has 300,000 parameters, more than max_parameters 100K",
        "pickled": "it has no safetensors weights",
        "code": "it needs Python code",
        "odd": "odd",
    }.items():
        assert said in reasons[f"acme/bert-{name}"]
    assert "acme/bert-three" not in reasons


def test_no_weights_come_of_what_is_refused(shelf, recipe) -> None:
    resolved(recipe(f"models: [{{{QUERY}}}]"))
    whole = [
        path
        for (verb, path), sent in zip(shelf.requests, shelf.headers, strict=True)
        if verb == "GET" and path.endswith((".safetensors", ".bin")) and "range" not in sent
    ]
    assert {path.split("/")[2] for path in whole} == {"bert-one", "bert-two"}


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        ("{search: bert, license: mit, max_parameters: 100K, language: de}", ["bert-three"]),
        ("{author: acme, task: fill-mask}", ["bert-two"]),
        ("{search: gpt, library: transformers}", ["gpt"]),
        ("{search: bert, min_parameters: 0.2M}", ["bert-huge"]),
    ],
)
def test_filters_narrow_what_is_looked_at(shelf, recipe, query: str, taken: list[str]) -> None:
    found = resolved(recipe(f"models: [{{hub: {query}}}]"))
    assert list(found.models) == [f"acme--{name}" for name in taken]


def test_a_model_by_its_id_and_by_a_query_counts_once(shelf, recipe) -> None:
    found = resolved(recipe(f"models: [{{{QUERY}}}, acme/bert-one, {{hub: {{search: bert-t}}}}]"))
    # bert-three comes by the first query, for bert-one is there already.
    assert list(found.models) == ["acme--bert-two", "acme--bert-three", "acme--bert-one"]


def test_a_query_that_nothing_fits_says_why_of_each(shelf, recipe) -> None:
    with pytest.raises(CandidateError) as caught:
        resolved(recipe("models: [{hub: {search: bert, max_parameters: 1K}}]"))
    first, *others = caught.value.problems
    assert "none of the 9 models that the query finds on the hub fits" in first.message
    assert first.place is not None
    assert first.hint
    assert any("more than max_parameters 1K" in each.message for each in others)
    with pytest.raises(CandidateError, match="the query finds no model on the hub"):
        resolved(recipe("models: [{hub: {search: none}}]"))


def test_a_frozen_answer_asks_nobody(shelf, recipe) -> None:
    loaded = recipe(f"models: [{{{QUERY}}}]")
    first = resolved(loaded)
    shelf.add_model("acme/bert-new", {**FILES, "README.md": card()}, downloads=5000)
    asked = len(shelf.requests)
    again = resolved(loaded, tuple(first.answers))
    assert (list(again.models), again.refused) == (list(first.models), first.refused)
    assert not [path for _, path in shelf.requests[asked:] if path == "/api/models"]
    assert list(resolved(loaded).models) == ["acme--bert-new", "acme--bert-one"]


def test_without_the_hub_its_cache_is_looked_through(
    shelf, recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    loaded = recipe(f"models: [{{{QUERY}}}]")
    resolved(loaded)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = resolved(loaded)
    assert set(found.models) == {"acme--bert-one", "acme--bert-two"}
    assert found.answers[0].origin == "cache"
    elsewhere = resolved(recipe("models: [{hub: {search: bert, task: fill-mask}}]"))
    assert list(elsewhere.models) == ["acme--bert-two"]
    with pytest.raises(CandidateError, match=r"HF_HUB_OFFLINE is set.*no model in its cache"):
        resolved(recipe("models: [{hub: {search: none}}]"))


def test_too_many_requests_are_waited_for(shelf, recipe, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", waits.append)
    shelf.answers += [("/api/models", 429, {"Retry-After": "3"})] * 2
    assert len(resolved(recipe(f"models: [{{{QUERY}}}]")).models) == 2
    assert waits == [4, 4]
    shelf.answers += [("/api/models", 429, {"Retry-After": "3"})] * 6
    with pytest.raises(CandidateError, match=r"(?s)429.*wait some minutes"):
        resolved(recipe(f"models: [{{{QUERY}}}]"))


def test_a_hub_that_goes_away_midway_makes_no_model_unfit(shelf, recipe, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    loaded = recipe(f"models: [{{{QUERY}}}]")
    shelf.answers += [("/bert-one/", 503, {})] * 99
    with pytest.raises(CandidateError, match=r"acme/bert-one could not be had from the hub: .*503"):
        resolved(loaded)
    shelf.answers[:] = [("/resolve/", 429, {"Retry-After": "1"})] * 3
    assert len(resolved(loaded).models) == 2


def test_a_run_without_a_lock_keeps_what_its_queries_found_when_it_began(recipe, folder) -> None:
    loaded, rundir = recipe(f"models: [{{{QUERY}}}]"), RunDir.at(folder / "run")
    assert pipeline._as_begun(loaded, rundir) is None
    answer = Answer('{"search": "bert"}', (Hit("acme/bert-one", "1" * 40),), ())
    plan = make_plan(("a", "b"), [candidate(source="hub", revision="2" * 40)], 10)
    documents.write(rundir.plan, replace(plan, answers=(answer,)))
    kept = pipeline._as_begun(loaded, rundir)
    assert kept is not None
    assert (kept.answers, kept.pins()) == ((answer,), {})
    lock = make_lock(plan)
    write_lock(lock_path(loaded.path), lock)
    assert pipeline._as_begun(loaded, rundir) == lock


def test_a_candidate_says_which_query_found_it() -> None:
    refused = (Refusal("acme/x", "too large"),)
    answer = Answer('{"license": ["mit", "bsd"], "search": "b"}', (Hit("a/b", "1"),), refused)
    listed, found = candidate("own"), candidate(source="hub", reference="a/b")
    first, second = with_origins([listed, found], [answer])
    assert first == listed
    assert second.notes == (
        "found on the hub by the query for license mit or bsd, search b; 1 other was refused",
    )


def test_checking_a_recipe_with_a_query_asks_nobody(shelf, recipe) -> None:
    load_verified(recipe(f"models: [{{{QUERY}}}]").path)
    assert shelf.requests == []


@pytest.mark.slow
def test_the_lock_freezes_the_answer_and_the_plan_is_the_same(shelf, recipe, folder) -> None:
    loaded = recipe(f"models: [{{{QUERY.replace('limit: 2', 'limit: 1')}}}]")
    first = compile_recipe(loaded, folder).plan
    write_lock(folder / "x.lock", make_lock(first))
    shelf.add_model("acme/bert-new", {**FILES, "README.md": card()}, downloads=5000)
    lock = read_lock(folder / "x.lock")
    second = compile_recipe(loaded, folder, lock=lock).plan
    assert second == first
    assert lock_drift(lock, second) == ()
    other = replace(second, answers=(replace(second.answers[0], query="{}"),))
    assert "the query {} is new" in lock_drift(lock, other)
