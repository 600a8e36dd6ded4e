"""The model card: what the hub reads, what a person reads, and code that runs."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from automl import plan
from automl.exporters import CheckResult, Delivery
from automl.exporters._choice import Choice
from automl.exporters._verdict import headline, verdict, warnings
from automl.exporters.card import EXPORTER, PLACEHOLDER, metadata
from tests.deliveries import make_delivery, many_labels, with_two_objectives

GOLDEN = Path(__file__).parent / "goldens" / "card.md.txt"
"""Not called .md: ruff would format the code in it."""
RENEW = "UPDATE_GOLDENS=1 pytest tests/exporters/test_card.py"


def written(delivery: Delivery, folder: Path, plots: tuple[str, ...] = ()) -> str:
    (folder / "plots").mkdir(parents=True)
    for name in plots:
        (folder / "plots" / f"{name}.png").write_bytes(b"")
    EXPORTER.export(delivery, folder)
    return (folder / "README.md").read_text()


def test_the_card_of_a_finished_run_is_as_agreed(tmp_path):
    delivery = make_delivery(Path("/somewhere/best"))
    found = written(delivery, tmp_path / "bundle", ("confusion", "classes", "history", "curves"))
    if os.environ.get("UPDATE_GOLDENS"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), f"if the new card is better: {RENEW}"


def test_the_hub_reads_back_what_was_written(delivery, tmp_path):
    from huggingface_hub import ModelCard

    written(delivery, tmp_path / "bundle")
    read = ModelCard.load(tmp_path / "bundle" / "README.md").data
    assert read.to_dict() == metadata(delivery).to_dict()
    assert (read.pipeline_tag, read.library_name, read.license) == (
        "text-classification", "transformers", "apache-2.0",
    )  # fmt: skip


def test_the_model_index_holds_the_test_results_the_goal_first(delivery):
    results = metadata(delivery).eval_results
    test = delivery.score.splits["test"].metrics
    assert {one.metric_name: one.metric_value for one in results} == {
        name: round(value, 6) for name, value in test.items()
    }
    assert (results[0].metric_type, results[0].metric_args) == ("f1", {"average": "macro"})
    assert {one.dataset_split for one in results} == {"test"}


def test_hub_models_and_data_are_linked(delivery):
    hub = tuple(replace(one, source="hub", reference="acme/encoder@v2", revision="ab" * 20)
                for one in delivery.plan.candidates)  # fmt: skip
    data = replace(
        delivery.plan.data, sources=(plan.Source("train", "acme/tickets@main", (), "cd" * 20),)
    )
    found = metadata(replace(delivery, plan=replace(delivery.plan, candidates=hub, data=data)))
    assert (found.base_model, found.datasets) == ("acme/encoder", ["acme/tickets"])
    assert found.eval_results[0].dataset_type == "acme/tickets"


def test_the_base_model_is_linked_by_what_was_made_of_it(delivery, model, tmp_path):
    hub = tuple(replace(one, source="hub", reference="acme/encoder@v2", revision="ab" * 20)
                for one in delivery.plan.candidates)  # fmt: skip
    linked = replace(delivery, plan=replace(delivery.plan, candidates=hub))
    assert metadata(linked).to_dict()["base_model_relation"] == "finetune"
    (tmp_path / "adapter").mkdir()
    export = replace(linked.plan.export, adapter="keep")
    alone = replace(linked, model=tmp_path, plan=replace(linked.plan, export=export))
    assert metadata(alone).to_dict()["base_model_relation"] == "adapter"
    assert "base_model_relation" not in metadata(delivery).to_dict()


@pytest.mark.parametrize(
    ("stated", "fields"),
    [
        (("en", "de"), {"language": ["en", "de"]}),
        (("zh-Hans", "pt_BR"), {"language_bcp47": ["zh-Hans", "pt-BR"]}),
        (("multilingual", "English", "x y"), {"language": ["multilingual"]}),
    ],
)
def test_only_languages_that_the_hub_takes_are_told_it(delivery, stated, fields):
    spoken = tuple(replace(one, language=stated) for one in delivery.plan.candidates)
    found = metadata(replace(delivery, plan=replace(delivery.plan, candidates=spoken))).to_dict()
    assert {key: found[key] for key in found if key.startswith("language")} == fields


def test_a_licence_of_its_own_is_named_as_the_hub_wants_it(delivery, tmp_path):
    own = tuple(replace(one, license="Acme License") for one in delivery.plan.candidates)
    other = replace(delivery, plan=replace(delivery.plan, candidates=own))
    found = metadata(other).to_dict()
    assert (found["license"], found["license_name"]) == ("other", "acme-license")
    assert "**Acme License**" in written(other, tmp_path / "bundle")


def test_metrics_that_are_no_numbers_are_not_in_the_index(delivery):
    test = delivery.score.splits["test"]
    odd = replace(test, metrics={**test.metrics, "log_loss": float("inf")})
    score = replace(delivery.score, splits={**delivery.score.splits, "test": odd})
    names = {one.metric_name for one in metadata(replace(delivery, score=score)).eval_results}
    assert names == {"accuracy", "macro_f1"}


def test_the_hubs_validator_is_given_the_card_and_takes_it(hub, bundle):
    from huggingface_hub import ModelCard

    card = ModelCard.load(bundle / "README.md")
    card.validate()
    index = card.data.to_dict()["model-index"]
    metrics = [one for result in index[0]["results"] for one in result["metrics"]]
    assert {one["name"] for one in metrics} == {"accuracy", "macro_f1"}


def test_scored_weights_are_named_where_they_are_the_ones_that_leave(bundle, delivery, tmp_path):
    digest = hashlib.sha256((bundle / "model.safetensors").read_bytes()).hexdigest()
    said = f"`model.safetensors` (SHA-256 `{digest[:16]}`…)"
    assert said in (bundle / "README.md").read_text()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.safetensors").write_bytes(b"others")
    assert "Scored were the very weights" not in written(delivery, tmp_path / "bundle")


def test_settings_are_listed_by_what_they_explain(delivery, tmp_path):
    card = written(delivery, tmp_path / "bundle")
    names = re.findall(r"^\| `(\w+)` \|.*\|$", card.split("with:")[1].split("“Explains”")[0], re.M)
    assert names == ["learning_rate", "epochs", "candidate", "batch_size", "method"]
    bare = written(replace(delivery, importance=None), tmp_path / "other")
    assert "Explains" not in bare
    assert "is not told: fewer than ten configurations" in bare


def test_settings_that_the_winner_does_not_use_are_listed_too(delivery, tmp_path):
    probe = next(trial for trial in delivery.trials if trial.probe)
    only = replace(probe.configuration, hyperparameters={"method": "probe"})
    card = written(
        replace(delivery, winner=replace(probe, configuration=only)), tmp_path / "bundle"
    )
    assert "| `learning_rate` | not used |  | 62% (55% to 71%) |" in card


def test_the_estimate_of_energy_is_in_the_card_and_its_metadata(delivery, tmp_path):
    found = metadata(delivery).to_dict()["co2_eq_emissions"]
    assert found["emissions"] == pytest.approx(delivery.energy.grams, rel=0.01)
    assert "12 W" in found["source"]
    bare = replace(delivery, energy=None)
    assert "co2_eq_emissions" not in metadata(bare).to_dict()
    assert "Environmental cost" not in written(bare, tmp_path / "bundle")


def test_folders_and_unknown_licenses_are_left_out(delivery):
    bare = tuple(replace(one, license=None, language=()) for one in delivery.plan.candidates)
    front = metadata(replace(delivery, plan=replace(delivery.plan, candidates=bare))).to_yaml()
    for key in ("base_model", "license", "language", "datasets"):
        assert f"{key}:" not in front


def test_the_code_of_the_card_runs_on_the_bundle(bundle, capsys):
    card = (bundle / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    assert PLACEHOLDER in code
    names: dict[str, object] = {}
    exec(code.replace(PLACEHOLDER, str(bundle)), names)
    assert "score" in capsys.readouterr().out


def test_a_pushed_bundle_shows_its_repository_in_the_code(delivery, tmp_path):
    export = replace(delivery.plan.export, push_to_hub="acme/support-tickets")
    pushed = replace(delivery, plan=replace(delivery.plan, export=export))
    code = re.search(r"```python\n(.*?)```", written(pushed, tmp_path / "bundle"), re.DOTALL)[1]
    assert "acme/support-tickets" in code


def test_only_pictures_that_are_there_are_shown(delivery, tmp_path):
    card = written(delivery, tmp_path / "bundle", ("curves",))
    assert re.findall(r"!\[[^]]*\]\((.*?)\)", card) == ["plots/curves.png"]


def test_every_picture_of_a_real_bundle_is_shown(bundle):
    shown = set(re.findall(r"!\[[^]]*\]\((.*?)\)", (bundle / "README.md").read_text()))
    assert shown == {f"plots/{path.name}" for path in (bundle / "plots").iterdir()}


def test_losing_to_the_floor_is_said_before_anything_else(delivery, tmp_path):
    lost = replace(delivery, floor=replace(delivery.score, description="TF-IDF and a line"))
    assert verdict(lost).standing == "below"
    card = written(lost, tmp_path / "bundle")
    loud = card.index("Consider shipping that instead")
    assert loud < card.index("## How to use it")


def test_a_floor_within_the_interval_is_not_beaten_clearly(delivery):
    metric = delivery.plan.goal.metric
    test = delivery.score.splits["test"]
    close = replace(test, metrics={**test.metrics, metric: test.intervals[metric].low + 1e-6})
    near = replace(delivery, floor=replace(delivery.floor, splits={"test": close}))
    assert verdict(near).standing == "level"
    assert "Not clearly better" in warnings(near)[0]


def test_training_that_did_not_help_is_said_with_what_there_was_before(delivery, tmp_path):
    in_vain = replace(delivery, untrained=delivery.score)
    found = verdict(in_vain)
    assert (found.gain, found.untrained) == ("below", found.value)
    assert any(
        said.startswith("Training did not help: the base model") for said in warnings(in_vain)
    )
    assert f"the base model as it comes {found.value:.3f}" in headline(in_vain)
    card = written(in_vain, tmp_path / "bundle")
    assert "| Before training |" in card
    assert "as it comes |" in card


def test_a_base_model_within_the_interval_is_not_beaten_clearly(delivery):
    metric = delivery.plan.goal.metric
    test = delivery.score.splits["test"]
    close = replace(test, metrics={**test.metrics, metric: test.intervals[metric].low + 1e-6})
    near = replace(delivery, untrained=replace(delivery.score, splits={"test": close}))
    assert verdict(near).gain == "level"
    assert any("Not clearly better than before training" in said for said in warnings(near))
    assert warnings(replace(delivery, untrained=delivery.floor)) == ()


def test_for_a_metric_to_minimise_less_is_better(delivery):
    goal = replace(delivery.plan.goal, direction="minimize")
    assert verdict(replace(delivery, plan=replace(delivery.plan, goal=goal))).standing == "below"


def test_missed_checks_are_named_with_what_they_are(delivery, tmp_path):
    missed = replace(
        delivery,
        checks=(CheckResult("accuracy >= 0.99", 0.874, False), CheckResult("x >= 1", None, False)),
    )
    assert (
        "2 of 2 checks missed: accuracy >= 0.99 (is 0.8740), x >= 1 (is not measured)."
        in warnings(missed)
    )
    assert "**missed**" in written(missed, tmp_path / "bundle")


def test_a_good_result_has_no_warning(delivery):
    assert warnings(delivery) == ()
    assert headline(delivery).count(". ") == 0


def test_many_classes_are_summed_up(tmp_path):
    card = written(
        make_delivery(Path("best"), labels=many_labels(77), rows=3080), tmp_path / "bundle"
    )
    section = card.split("### By class")[1].split("###")[0]
    assert section.count("\n| ") == 2 + 12 + 1 + 4
    assert "*61 classes between*" in section


def test_hostile_labels_do_not_break_the_tables(tmp_path):
    labels = ("a|b", "<img src=x>", "`tick`", "two\nlines", "[link](http://x.example)")
    card = written(make_delivery(Path("best"), labels=labels), tmp_path / "bundle")
    assert "<img" not in card
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_refused_candidates_and_failed_trials_are_told(delivery, tmp_path):
    card = written(delivery, tmp_path / "bundle")
    assert "needs 41 GB" in card
    assert "loss is not a number at step 12" in card


def test_rare_classes_are_among_the_limits(delivery, tmp_path):
    counts = {"train": dict.fromkeys(delivery.plan.data.labels, 400) | {"refund": 7}}
    profile = replace(delivery.plan.data.profile, class_counts=counts)
    data = replace(delivery.plan.data, profile=profile)
    rare = replace(delivery, plan=replace(delivery.plan, data=data))
    assert "Fewer than 20 training rows each: refund." in written(rare, tmp_path / "bundle")


@pytest.mark.parametrize("where", ["message", "hardware"])
def test_paths_of_this_machine_are_hidden_wherever_they_come_from(delivery, tmp_path, where):
    path = f"{delivery.model}/log.txt"
    if where == "message":
        trials = tuple(replace(trial, message=path, value=None) for trial in delivery.trials)
        found = written(replace(delivery, trials=trials), tmp_path / "bundle")
    else:
        found = written(replace(delivery, hardware=path), tmp_path / "bundle")
    assert str(delivery.model) not in found
    assert "…/log.txt" in found


def test_the_validation_value_that_is_stated_is_the_mean_of_seeds(delivery, tmp_path):
    found = delivery.choice.of(delivery.winner.number)
    assert delivery.validation == pytest.approx(found.mean)
    assert f"was {found.mean:.3f} on average over 2 seeds" in written(delivery, tmp_path / "bundle")


def test_without_repeats_the_winners_own_value_is_stated(delivery, tmp_path):
    single = replace(delivery, choice=Choice())
    assert single.validation == single.winner.value
    card = written(single, tmp_path / "bundle")
    assert "by that very number, which therefore flatters it" in card
    assert "new seeds" not in card


def test_the_front_is_a_table_with_the_exported_one_marked(delivery, tmp_path):
    both = with_two_objectives(delivery)
    card = written(both, tmp_path / "bundle", ("pareto",))
    chosen = next(one for one in both.choice.points if one.chosen)
    assert f"| **{chosen.trial}** | `{chosen.candidate}` |" in card
    assert card.count("| on the front |") == sum(one.front for one in both.choice.points) - 1
    assert "best by `latency_ms` of those whose `macro_f1` is at most 0.02 from the best" in card
    assert "plots/pareto.png" in card


def test_every_limit_is_shown_with_what_the_model_measures(delivery, tmp_path):
    both = with_two_objectives(delivery)
    ruled_out = sum("latency_ms <= 12" in trial.broken for trial in both.trials)
    card = written(both, tmp_path / "bundle")
    assert re.search(rf"latency\\_ms &lt;= 12 \| [\d.]+ ms \| kept \| {ruled_out} \|", card)


def test_a_limit_that_the_model_breaks_when_scored_is_a_warning(delivery, tmp_path):
    both = with_two_objectives(delivery)
    slow = replace(both, score=replace(both.score, costs={"latency_ms": 13.0}))
    assert warnings(slow) == (
        "latency_ms <= 12, the search's limit, is 13 ms for the model that leaves.",
    )
    assert "**broken**" in written(slow, tmp_path / "bundle")


def test_a_frozen_winner_is_not_called_fine_tuned(delivery, tmp_path):
    probe = next(trial for trial in delivery.trials if trial.probe)
    card = written(replace(delivery, winner=probe, choice=Choice()), tmp_path / "bundle")
    assert "with a linear head on the frozen minilm" in card
    assert "fine-tuned from" not in card
    assert "Fine-tuned (trial" not in card


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("promotion", "10 came to 800, 6 to 2,400, and 5 to the end"),
        ("median", "of 11 trials were ended early"),
        ("none", "of 11 trials were trained to the end"),
    ],
)
def test_the_strategy_is_told_with_what_it_did(delivery, tmp_path, strategy, said):
    search = replace(delivery.plan.search, strategy=strategy)
    other = replace(delivery, plan=replace(delivery.plan, search=search))
    assert said in written(other, tmp_path / "bundle")


def test_a_search_without_rungs_screening_and_portfolio_tells_nothing_of_them(delivery, tmp_path):
    bare = tuple(replace(one, portfolio=()) for one in delivery.plan.candidates)
    search = replace(delivery.plan.search, rungs=())
    made = replace(delivery.plan, candidates=bare, screening=(), search=search)
    card = written(replace(delivery, plan=made, choice=Choice()), tmp_path / "bundle")
    for absent in (
        "Strong starting points",
        "Frozen encoders were compared",
        "came to",
        "average of the weights",
    ):
        assert absent not in card
    assert "- Sampler `tpe`, seed 7." in card


def _of_task(delivery: Delivery, task: str, labels: tuple[str, ...], **columns: str) -> Delivery:
    """The delivery as one of another task, its table of kinds rather than of labels."""
    profile = replace(delivery.plan.data.profile, class_counts={})
    data = replace(delivery.plan.data, labels=labels, columns=columns, profile=profile)
    kinds = {
        name: {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": count}
        for name, count in (("PER", 1.0), ("LOC", 40.0))
    }
    example = {"question": "Who?", "context": "Ada did.", "label": "Ada", "predicted": "no answer"}
    test = replace(
        delivery.score.splits["test"],
        per_class=kinds,
        confusion=(),
        examples=(example,),
        unit="entities",
    )
    score = replace(delivery.score, splits={**delivery.score.splits, "test": test})
    return replace(delivery, plan=replace(delivery.plan, task=task, data=data), score=score)


def test_a_task_without_classes_has_a_card_that_speaks_of_none(delivery, tmp_path):
    told = _of_task(delivery, "question-answering", (), question="q", context="passage")
    card = written(told, tmp_path / "bundle")
    assert "for 0 classes" not in card
    assert "same classes" not in card
    assert "answers with one of them" not in card
    assert "AutoModelForQuestionAnswering" in card
    assert "texts.csv --column q --output" in card
    assert "| Text | True | Predicted |" in card
    assert "| Who? / Ada did. | Ada | no answer |" in card
    assert "Texts are read in windows of" in card
    assert "is not read" not in card


def test_a_card_of_pictures_speaks_of_pictures(delivery, tmp_path):
    profile = replace(delivery.plan.data.profile, characters={})
    data = replace(delivery.plan.data, columns={"image": "file", "label": "queue"}, profile=profile)
    bare = tuple(replace(one, lengths=None) for one in delivery.plan.candidates)
    plan_ = replace(delivery.plan, task="image-classification", data=data, candidates=bare)
    card = written(replace(delivery, plan=plan_), tmp_path / "bundle")
    assert "For pictures like those it was trained on: same source, same classes." in card
    assert "for one picture at a time" in card
    assert "| Picture | True class |" in card
    told = card.split("## Results")[1].split("## License")[0]
    assert not re.search(r"(?i)\btexts?\b|language", told)


def test_tables_of_entities_count_entities_and_name_their_types(delivery, tmp_path):
    tags = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
    told = _of_task(delivery, "token-classification", tags, tokens="tokens", tags="ner_tags")
    card = written(told, tmp_path / "bundle")
    assert "for 5 tags" in card
    assert "| Class | Precision | Recall | F1 | Entities |" in card
    assert "| PER | 0.500 | 0.250 | 0.333 | 1 |" in card
    assert "rows.jsonl --output predictions.jsonl" in card
