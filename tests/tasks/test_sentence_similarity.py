"""Embeddings: what the columns make of the task, what is measured, and the bundle at work."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from automl import tasks
from automl.errors import CandidateError, DataError
from automl.serving.batch import label
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from automl.tasks import _similarity as similarity
from automl.tasks.sentence_similarity import TASK, nested_sizes
from tests.serving.test_predict_command import predict
from tests.tasks.rehearsal import load, rehearse
from tests.tasks.sampled.sentence_similarity import pairs, scores
from tests.tasks.samples import TINY_BERT

__all__ = ["predict"]  # a fixture
ROWS = 60


def write(path: Path, columns: dict[str, list]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def named(one: str, other: str, **more: list) -> dict[str, list]:
    texts = pairs(ROWS)
    return {one: texts["text"], other: texts["text_pair"], **more}


FORMS = {
    "scores": (named("sentence1", "sentence2", score=scores(ROWS)), "spearman"),
    "decisions": (
        named("sentence1", "sentence2", label=[int(s > 4) for s in scores(ROWS)]),
        "average_precision",
    ),
    "pairs": (named("question", "answer"), "ndcg_at_10"),
    "triplets": (
        named("anchor", "positive", negative=[f"no such thing {row}" for row in range(ROWS)]),
        "triplet_accuracy",
    ),
}
SHARES = {"validation": 0.2, "test": 0.2}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Each form's delivery and bundle, made once."""
    made: dict[str, tuple] = {}

    def bundle(form: str):
        if form not in made:
            folder = tmp_path_factory.mktemp(form)
            write(folder / "train.csv", FORMS[form][0])
            delivery = rehearse(folder, TASK.name, TINY_BERT, {}, **SHARES)
            made[form] = delivery, folder / "bundle"
        return made[form]

    return bundle


@pytest.mark.parametrize("form", FORMS)
def test_the_columns_decide_what_is_measured(tmp_path, form):
    columns, objective = FORMS[form]
    write(tmp_path / "train.csv", columns)
    found = load(tmp_path, TASK.name, **SHARES)
    assert found.task.name == TASK.name
    assert found.task.objective == objective
    assert {metric.name for metric in found.task.metrics} < {m.name for m in TASK.metrics}
    assert similarity.form(found.plan.columns) == form


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_trained_on_and_scored(bundles, form):
    delivery, bundle = bundles(form)
    test, floor = delivery.score.splits["test"], delivery.floor.splits["test"]
    narrow = tasks.narrowed(TASK, delivery.plan.data.columns)
    for found in (test, floor, delivery.untrained.splits["test"]):
        assert set(found.metrics) == {metric.name for metric in narrow.metrics}
        assert all(-1 <= value <= 1 for value in found.metrics.values())
    for name, value in test.metrics.items():
        assert test.intervals[name].low - 1e-9 <= value <= test.intervals[name].high + 1e-9
    card = (bundle / "README.md").read_text()
    assert "Before training" in card
    assert "library_name: sentence-transformers" in card


TEXTS = ["a text about alpha", "here is gamma, number 7, and a great deal more of it", "beta"]


@pytest.mark.slow
def test_sentence_transformers_and_the_bundle_make_the_same_embeddings(bundles):
    from sentence_transformers import SentenceTransformer

    _, bundle = bundles("scores")
    theirs = SentenceTransformer(str(bundle), device="cpu").encode(TEXTS)
    predictor = Predictor(bundle, "cpu")
    ours = [answer["embedding"] for answer in predictor.predict(TEXTS, batch_size=2)]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    (pair,) = predictor.predict([{"text": TEXTS[0], "text_pair": TEXTS[1]}])
    assert pair["score"] == pytest.approx(float(theirs[0] @ theirs[1]), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_every_pooling_is_theirs_and_is_kept(tmp_path, pooling):
    from sentence_transformers import SentenceTransformer

    from automl.tasks._text import load_tokenizer

    tokenizer = load_tokenizer(str(TINY_BERT))
    model = TASK.build(str(TINY_BERT), (), {"embedding_pooling": pooling}, False).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for path, content in TASK.files(model.config.to_dict(), 32).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content))
    theirs = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS)
    rows = TASK.encode({"text": TEXTS}, tokenizer, 32, ())
    given = TASK.collator(tokenizer)(
        [dict(zip(rows, each, strict=True)) for each in zip(*rows.values(), strict=True)]
    )
    with torch.no_grad():
        ours = TASK.infer(model, given)[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert TASK.build(str(tmp_path), (), {}, False).config.sentence_pooling == pooling


def test_decisions_are_scored_as_scikit_learn_scores_them():
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    cosines, alike = rng.normal(size=200).round(1), rng.integers(0, 2, 200)
    columns = {"text": ["a"] * 200, "text_pair": ["b"] * 200, "label": alike.tolist()}
    found = similarity.score(cosines[:, None], similarity.truth(columns))
    assert found["average_precision"] == pytest.approx(average_precision_score(alike, cosines))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(alike, cosines))
    best = max(((cosines >= cut) == alike).mean() for cut in [*cosines, 9.0])
    assert found["accuracy"] == pytest.approx(best, abs=0.02)


@pytest.mark.slow
def test_the_usage_on_the_card_gives_what_the_bundle_gives(bundles, capsys):
    _, bundle = bundles("scores")
    exec(compile(TASK.usage(str(bundle), 32), "usage", "exec"), {})
    said = float(capsys.readouterr().out.split("[[")[-1].split("]]")[0])
    pair = {"text": "Put a text here.", "text_pair": "Put the other one here."}
    (answer,) = Predictor(bundle, "cpu").predict([pair])
    assert said == pytest.approx(answer["score"], abs=1e-3)


@pytest.mark.slow
def test_texts_are_embedded_and_pairs_compared(bundles, predict, tmp_path):
    _, bundle = bundles("triplets")
    write(tmp_path / "pairs.csv", {"anchor": ["a text", " "], "positive": ["a thing", "x"]})
    first, second = map(json.loads, predict(bundle, tmp_path / "pairs.csv").stdout.splitlines())
    assert -1 <= first["score"] <= 1
    assert "embedding" not in first
    assert second["score"] is None
    (line,) = predict(bundle, "--text", "a text").stdout.splitlines()
    found = json.loads(line)
    assert np.linalg.norm(found["embedding"]) == pytest.approx(1, abs=1e-5)
    assert "score" not in found
    written = predict(bundle, "-", "--format", "csv", stdin="\na text\n").stdout.splitlines()
    assert written[0] == "text,embedding"
    rows = [Row("a.csv:2", {"anchor": "a text"})]
    assert [set(answer) for _, answer in label(Predictor(bundle, "cpu"), rows)] == [{"embedding"}]


def test_scores_are_for_rows_without_anything_better_said(tmp_path):
    columns = {**FORMS["triplets"][0], "score": scores(ROWS)}
    write(tmp_path / "train.csv", columns)
    found = load(tmp_path, TASK.name, **SHARES)
    assert found.task.objective == "triplet_accuracy"
    assert any(
        "score is not looked at, because negative is there" in w for w in found.plan.warnings
    )


def test_the_range_of_scores_is_told(tmp_path):
    write(tmp_path / "train.csv", FORMS["scores"][0])
    warnings = load(tmp_path, TASK.name, **SHARES).plan.warnings
    assert any("scores go from 1.0" in each and "to 5" in each for each in warnings)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "0"], ["1", "0"]),
        (["True", "false"], ["1", "0"]),
        (["duplicate", "not_duplicate"], ["1", "0"]),
    ],
)
def test_labels_are_like_or_unlike(values, expected):
    columns = {"text": ["a", "b"], "text_pair": ["c", "d"], "label": values}
    assert TASK.prepare(columns).columns["label"] == expected


def test_a_label_that_is_neither_names_its_row_and_what_to_write(tmp_path):
    write(tmp_path / "train.csv", named("a", "b", label=["1", "0", "0.4"] * (ROWS // 3)))
    with pytest.raises(DataError) as caught:
        load(tmp_path, TASK.name, columns={"text": "a", "text_pair": "b"}, **SHARES)
    first = caught.value.problems[0]
    assert first.message == (
        "train.csv:4: label '0.4' says neither that the texts are alike nor not"
    )
    assert "columns: {score: <column>}" in first.hint


def test_queries_are_judged_by_all_that_answers_them():
    columns = {
        "text": ["one", "two", "ONE", "three"],
        "text_pair": ["first", "second", "also first", "third"],
    }
    true = similarity.truth(columns)
    assert true.first.tolist() == [True, True, False, True]
    query = np.eye(4)[[0, 1, 0, 2]]
    documents = np.eye(4)[[0, 1, 0, 3]]  # the third query's answer lies elsewhere
    found = similarity.score(similarity.judged([query, documents], true), true)
    assert found["recall_at_1"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["recall_at_5"] == 1.0
    assert found["mrr_at_10"] == pytest.approx((1 + 1 + 1 / 4) / 3)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 + 1 / np.log2(5)) / 3)


def test_rankings_agree_with_a_sort_of_all_documents():
    rng = np.random.default_rng(0)
    columns = {"text": [f"q{n}" for n in range(40)], "text_pair": [f"d{n}" for n in range(40)]}
    true = similarity.truth(columns)
    one, other = rng.normal(size=(40, 5)), rng.normal(size=(40, 5))
    cosines = one @ other.T
    ranks = 1 + (cosines > np.diagonal(cosines)[:, None]).sum(axis=1)
    found = similarity.score(similarity.judged([one, other], true), true)
    assert found["recall_at_5"] == pytest.approx((ranks <= 5).mean())
    assert found["mrr_at_10"] == pytest.approx(np.where(ranks <= 10, 1 / ranks, 0).mean())


def test_nested_sizes_double_up_to_the_whole():
    assert nested_sizes(384, 0) == [384]
    assert nested_sizes(384, 64) == [64, 128, 256, 384]
    assert nested_sizes(384, 384) == [384]


def batch(form: str) -> dict:
    from automl.tasks._text import load_tokenizer

    texts = pairs(8)
    columns = {
        "scores": {**texts, "score": scores(8)},
        "decisions": {**texts, "label": ["1", "0"] * 4},
        "pairs": texts,
        "triplets": {**texts, "negative": texts["text_pair"][::-1]},
    }[form]
    tokenizer = load_tokenizer(str(TINY_BERT))
    encoded = TASK.encode(columns, tokenizer, 32, ())
    rows = [dict(zip(encoded, each, strict=True)) for each in zip(*encoded.values(), strict=True)]
    return TASK.collator(tokenizer)(rows)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("scores", {"score_loss": "cosine"}),
        ("scores", {"temperature": 0.1}),
        ("decisions", {"pair_loss": "contrastive"}),
        ("pairs", {"temperature": 0.1}),
        ("triplets", {"matryoshka": 8}),
    ],
)
def test_hyperparameters_of_the_loss_reach_it(form, options):
    given = batch(form)
    with torch.no_grad():
        plain, other = (
            float(TASK.loss(TASK.build(str(TINY_BERT), (), chosen, False).eval(), given))
            for chosen in ({}, options)
        )
    assert np.isfinite([plain, other]).all()
    assert plain != other


def foreign(folder: Path, modules: list[str], pooling: dict) -> str:
    shutil.copytree(TINY_BERT, folder)
    kinds = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}", "type": f"sentence_transformers.{kind}"}
        for i, kind in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return str(folder)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode": "cls", "include_prompt": True}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "lasttoken"),
    ],
)
def test_a_folder_in_their_format_starts_with_its_own_pooling(tmp_path, pooling, expected):
    path = foreign(tmp_path / "model", ["Transformer", "Pooling"], pooling)
    assert TASK.build(path, (), {}, False).config.sentence_pooling == expected


def test_what_is_not_known_of_their_format_is_refused_with_its_name(tmp_path):
    dense = foreign(tmp_path / "dense", ["Transformer", "Pooling", "Dense"], {})
    with pytest.raises(CandidateError, match="module Dense"):
        TASK.build(dense, (), {}, False)
    widest = foreign(tmp_path / "max", ["Transformer", "Pooling"], {"pooling_mode": "max"})
    with pytest.raises(CandidateError, match="pooling is 'max'"):
        TASK.build(widest, (), {}, False)


def test_weights_that_are_missing_are_no_head(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(TINY_BERT, tmp_path / "model"))
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "encoder.layer.0" in name)
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CandidateError, match="1 of its weights are missing"):
        TASK.build(str(folder), (), {}, False)
