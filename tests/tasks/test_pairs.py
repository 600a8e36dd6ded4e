"""Pairs of answers: read from every form, and losses that are those of the papers and of TRL."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automl import tasks
from automl.tasks import _chat, _pairs, preference, reward
from automl.tasks._text import load_tokenizer
from automl.worker.store import rows as stored
from tests.fixtures import tiny_decoder
from tests.tasks.pairs import PAIRS, turn
from tests.tasks.samples import TINY_BERT

PREFERENCE, REWARD = tasks.get("preference"), tasks.get("reward")
ASKED = {"role": "user", "content": "how?"}
GOOD, BAD = ({"role": "assistant", "content": text} for text in ("well", "badly"))


def parts(**row):
    """What is stored of one row, read back."""
    prepared = _pairs.prepare({name: [value] for name, value in row.items()})
    assert not prepared.malformed
    return [json.loads(prepared.columns[name][0]) for name in ("prompt", "chosen", "rejected")]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": '"how?"', "chosen": '"well"', "rejected": '"badly"'},
        {"prompt": json.dumps([ASKED]), "chosen": '"well"', "rejected": '"badly"'},
        {
            "prompt": json.dumps([ASKED]),
            "chosen": json.dumps([GOOD]),
            "rejected": json.dumps([BAD]),
        },
        {
            "prompt": '"how?"',
            "chosen": json.dumps([ASKED, GOOD]),
            "rejected": json.dumps([ASKED, BAD]),
        },
        {"chosen": json.dumps([ASKED, GOOD]), "rejected": json.dumps([ASKED, BAD])},
        {"prompt": '"how?"', "chosen": '"how? well"', "rejected": '"how? badly"'},
        {"chosen": '"how? well"', "rejected": '"how? badly"'},
    ],
)
def test_every_form_of_a_pair_is_stored_alike(row):
    assert parts(**row) == [[ASKED], [GOOD], [BAD]]


def test_the_common_prompt_of_transcripts_ends_where_the_last_answer_begins():
    before = "\n\nHuman: hi\n\nAssistant: well, hello\n\nHuman: how?\n\nAssistant:"
    prompt, chosen, rejected = parts(
        chosen=json.dumps(f"{before} we know"), rejected=json.dumps(f"{before} we don't")
    )
    assert prompt[0]["content"] == before.strip()
    assert chosen[0]["content"] == "we know"
    assert rejected[0]["content"] == "we don't"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": '"q"', "chosen": '"a"', "rejected": '"a"'}, "are the same answer"),
        ({"chosen": '"yes"', "rejected": '"no"'}, "begin with no common prompt"),
        ({"prompt": '"q"', "chosen": "[]", "rejected": '"a"'}, "chosen has no messages"),
        (
            {"prompt": '"q"', "chosen": turn("user", "x"), "rejected": turn("assistant", "y")},
            "chosen does not go on from the prompt",
        ),
        (
            {"prompt": '"q"', "chosen": '"a"', "rejected": turn("critic", "y")},
            "rejected: message 1 has the role 'critic'",
        ),
    ],
)
def test_a_row_without_a_preference_is_malformed(row, said):
    (found,) = _pairs.prepare({name: [value] for name, value in row.items()}).malformed
    assert said in found.rule


def log_probabilities():
    """Sums and counts of four pairs' answers, and what the model gave before training."""
    import torch

    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(2, 9, (8,), generator=generator)
    sums = -torch.rand(8, generator=generator) * counts
    return sums, counts, sums - torch.rand(8, generator=generator) + 0.5


def test_the_loss_of_dpo_is_that_of_the_paper():
    sums, _, before = log_probabilities()
    ratio = (sums - before).double().numpy()
    margin = 0.3 * (ratio[:4] - ratio[4:])
    expected = np.log1p(np.exp(-margin)).mean()
    found = preference.dpo_loss(sums, list(before.chunk(2)), 0.3)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_the_loss_of_dpo_is_trls_on_the_same_batch(tmp_path):
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    # TRL also learns what a template puts after the end; ours stops there.
    template = _chat.DEFAULT_TEMPLATE.replace("{{ '\\n' }}{% endfor %}", "{% endfor %}")
    path = str(tiny_decoder.make(tmp_path / "model", template=template))
    tokenizer = load_tokenizer(path)
    columns = {name: values[:4] for name, values in PAIRS.items()}
    rows = stored(PREFERENCE.encode(columns, tokenizer, 128, ()))
    PREFERENCE.begin(AutoModelForCausalLM.from_pretrained(path), tokenizer, rows)
    settings = DPOConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, beta=0.3, report_to="none",
        per_device_train_batch_size=4, max_length=None, gradient_checkpointing=False,
    )  # fmt: skip
    torch.manual_seed(1)
    moved = PREFERENCE.build(path, (), {"beta": 0.3}, False)
    rows = PREFERENCE.reference(moved, rows, PREFERENCE.collator(tokenizer), 3)
    with torch.no_grad():
        for weights in moved.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    trainer = DPOTrainer(
        moved,
        ref_model=AutoModelForCausalLM.from_pretrained(path),
        args=settings,
        train_dataset=Dataset.from_dict(
            {name: [json.loads(v) for v in values] for name, values in columns.items()}
        ),
        processing_class=tokenizer,
    )
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    theirs = trainer.compute_loss(moved, batch)
    ours = PREFERENCE.loss(
        moved, PREFERENCE.collator(tokenizer)([rows[row] for row in range(len(rows))])
    )
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-4)
    assert abs(float(ours.detach()) - np.log(2)) > 1e-3


def test_the_odds_of_orpo_weigh_as_trls_do():
    pytest.importorskip("trl.experimental.orpo")
    from types import SimpleNamespace

    import torch
    from trl.experimental.orpo import ORPOTrainer

    sums, counts, _ = log_probabilities()
    means = sums / counts
    stand_in = SimpleNamespace(beta=0.2, accelerator=SimpleNamespace(device="cpu"))
    losses, *_ = ORPOTrainer.odds_ratio_loss(stand_in, *means.chunk(2))
    likelihood = sums[:4].sum() / counts[:4].sum()
    found = preference.orpo_loss(sums, counts, 0.2)
    torch.testing.assert_close(found, -likelihood - losses.mean())


def test_before_training_dpos_loss_is_that_of_a_guess(tmp_path):
    tokenizer = load_tokenizer(str(tiny_decoder.make(tmp_path)))
    model = PREFERENCE.build(str(tmp_path), (), {}, False)
    rows = stored(PREFERENCE.encode(PAIRS, tokenizer, 64, ()))
    collate = PREFERENCE.collator(tokenizer)
    known = PREFERENCE.reference(model, rows, collate, 5)
    loss = PREFERENCE.loss(model, collate([known[row] for row in range(8)]))
    assert float(loss) == pytest.approx(np.log(2), abs=1e-4)


def test_an_untrained_model_prefers_neither_answer(tmp_path):
    tokenizer = load_tokenizer(str(tiny_decoder.make(tmp_path)))
    model = PREFERENCE.build(str(tmp_path), (), {"preference_loss": "orpo"}, False)
    rows = stored(PREFERENCE.encode(PAIRS, tokenizer, 64, ()))
    collate = PREFERENCE.collator(tokenizer)
    known = PREFERENCE.reference(model, rows, collate, 24)
    judged = PREFERENCE.infer(model, collate([known[row] for row in range(24)]))
    np.testing.assert_allclose(judged[:, :2], 0, atol=1e-5)
    assert PREFERENCE.score(judged, None, ())["margin"] == pytest.approx(0, abs=1e-5)


def test_of_a_long_pair_both_answers_are_kept(tmp_path):
    tokenizer = load_tokenizer(str(tiny_decoder.make(tmp_path)))
    columns = {**PAIRS, "prompt": [turn("user", "why " * 90)] * len(PAIRS["prompt"])}
    encoded = PREFERENCE.encode(columns, tokenizer, 32, ())
    for side, text in (("chosen", "it is red</s>"), ("rejected", "no</s>")):
        ids = [i for i in encoded[f"{side}_targets"][0] if i >= 0]
        assert tokenizer.decode(ids) == text
        assert max(map(len, encoded[f"{side}_input_ids"])) == 32


def test_metrics_are_of_margins_and_ties_count_half():
    judged = np.array([[1, 0], [0, 2], [1, 1]], dtype=np.float32)
    found = _pairs.score(judged, None, ())
    assert found["accuracy"] == 0.5
    assert found["margin"] == pytest.approx(-1 / 3)
    expected = np.mean([np.log1p(np.exp(-1)), np.log1p(np.exp(2)), np.log(2)])
    assert found["log_loss"] == pytest.approx(expected)


def test_the_floor_prefers_what_was_right_in_training():
    swapped = {**PAIRS, "chosen": PAIRS["rejected"], "rejected": PAIRS["chosen"]}
    for train in (PAIRS, swapped):
        found = _pairs.by_length(train, {"same": train}, (), 0)["same"]
        assert _pairs.score(found, None, ())["accuracy"] == 1.0


def test_a_reward_counts_only_beyond_its_margin():
    import torch

    class Fixed(torch.nn.Module):
        def forward(self, **given):
            return type("Said", (), {"logits": torch.tensor([[2.0], [1.0]])})()

    free = reward._loss(Fixed(), {})
    held = reward._loss(Fixed(), {"margin": torch.tensor([1.0])})
    assert float(free) == pytest.approx(np.log1p(np.exp(-1)))
    assert float(held) == pytest.approx(np.log(2))


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_a_reward_is_what_the_pipeline_says(family, tmp_path):
    from transformers import pipeline

    path = TINY_BERT if family == "bert" else tiny_decoder.make(tmp_path / "base")
    tokenizer = load_tokenizer(str(path))
    model = REWARD.build(str(path), (), {"pooling": "stock"}, False).eval()
    REWARD.begin(model, tokenizer, None)
    model.save_pretrained(tmp_path / "kept")
    tokenizer.save_pretrained(tmp_path / "kept")
    score = pipeline(
        "text-classification",
        model=str(tmp_path / "kept"),
        function_to_apply="none",
        truncation=True,
        max_length=48,
    )
    for answer in ("well", "well and good " * 9):
        talk = [ASKED, {"role": "assistant", "content": answer}]
        theirs = score(score.tokenizer.apply_chat_template(talk, tokenize=False))[0]["score"]
        given = {"prompt": ['"how?"'], "completion": [json.dumps(answer)]}
        mine = REWARD.respond(model, load_tokenizer(str(tmp_path / "kept")), given, 48)
        whole = REWARD.respond(model, tokenizer, {"completion": [json.dumps(talk)]}, 48)
        assert mine[0, 0] == pytest.approx(theirs, abs=1e-5)
        assert whole[0, 0] == pytest.approx(theirs, abs=1e-5)
