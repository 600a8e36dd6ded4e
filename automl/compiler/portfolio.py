"""What is tried first of a candidate: strong configurations that differ from each other. A table.

Knows the candidate's space and the number of training rows; nothing of other candidates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from automl.compiler.hyperparameters import METHOD
from automl.plan import Parameter, Scalar

MOST = 8
"""Starts per candidate: beyond, sampling near what was best does better."""
FEW_ROWS = 500
"""Below, a frozen encoder often beats a fine-tuned one, so it is tried second."""


@dataclass(frozen=True, slots=True)
class Start:
    """A row of the table: how it differs from the default configuration, and why it is there."""

    name: str
    source: str
    values: Mapping[str, Scalar] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    """Of the default's value."""


PROBE = Start("probe", "own runs: .85 in 6 s on TREC", {METHOD: "probe"})
STARTS = (
    Start("adapters", "Hu et al. 2021; LoRA Without Regret", {METHOD: "lora"}),
    Start("adapters beside four bits", "QLoRA, Dettmers et al. 2023", {METHOD: "qlora"}),
    Start(
        "twice the rate",
        "own runs: 2e-4 to 4e-4 won on MiniLM-L6; mean pooling bears more than [CLS]",
        factors={"learning_rate": 2.0},
    ),
    Start(
        "no reference",
        "ORPO, Hong et al. 2024: 8e-6 where DPO takes 1e-6",
        {"preference_loss": "orpo"},
        {"learning_rate": 8.0},
    ),
    Start(
        "frozen embeddings",
        "own runs: half the time of MiniLM-L6 on a CPU, and no worse on 875 rows",
        {"freeze_embeddings": True},
    ),
    Start(
        "trained embeddings",
        "rows enough to move them, or words that the vocabulary has pieces of only",
        {"freeze_embeddings": False},
    ),
    Start(
        "large adapters",
        "LoRA Without Regret: with rank too low for the rows, learning slows",
        {"lora_rank": 64},
    ),
    Start(
        "adapters of attention",
        "Hu et al. 2021: attention alone, with less to overfit",
        {"lora_targets": "attention", "lora_dropout": 0.1},
    ),
    Start(
        "fewer layers",
        "Sajjad et al. 2023: lower layers kept lose little",
        {"keep_layers": 0},
        {"learning_rate": 1.5},
    ),
    Start(
        "longer",
        "Mosbach et al. 2021: small data wants more steps",
        factors={"epochs": 5 / 3},
    ),
    Start(
        "lower layers held",
        "ELECTRA: decay .8 with five times BERT's rate",
        {"layer_decay": 0.8},
        {"learning_rate": 1.7},
    ),
    Start(
        "family's own head",
        "Devlin et al. 2019",
        {"pooling": "stock", "head_init": "random"},
    ),
    Start(
        "small batches",
        "FLAML, batch 4 to 64; the rate by the batch's root, Malladi et al. 2022",
        factors={"batch_size": 0.5, "learning_rate": 0.7},
    ),
    Start(
        "half the rate, longer",
        "Mosbach et al. 2021",
        factors={"learning_rate": 0.5, "epochs": 5 / 3},
    ),
)
"""After the default, best bet first. A value that a space does not reach is moved to its nearest;
where what makes the row different is not in the space, the row is left out."""


def portfolio(
    space: Sequence[Parameter], train_rows: int, most: int = MOST
) -> tuple[Mapping[str, Scalar], ...]:
    """Return up to ``most`` configurations of the space, all different, the default first.

    Each holds every parameter that applies to it: those of other methods are left out.
    """
    found: list[Mapping[str, Scalar]] = []
    for start in (Start("default", ""), *STARTS):
        configuration = _configuration(start, space)
        if configuration is not None and configuration not in found:
            found.append(configuration)
    probe = _configuration(PROBE, space)
    if probe is None or probe in found:
        return tuple(found[:most])
    found = found[: most - 1]
    found.insert(1 if train_rows < FEW_ROWS else len(found), probe)
    return tuple(found)


def _configuration(start: Start, space: Sequence[Parameter]) -> Mapping[str, Scalar] | None:
    """The start as a point of the space, or None where the space has nothing like it."""
    parameters: dict[str, Parameter] = {}
    values: dict[str, Scalar] = {}
    for each in space:  # what one depends on stands before it
        if each.name in parameters or not each.holds(values):
            continue
        wanted = start.values.get(each.name)
        value = each.default if wanted is None else nearest(each, wanted)
        if value is None:
            return None
        parameters[each.name], values[each.name] = each, value
    if not set(start.values) <= set(parameters):
        return None
    for name, factor in start.factors.items():
        if name not in parameters:
            return None
        moved = nearest(parameters[name], float(values[name]) * factor)
        assert moved is not None
        values[name] = moved
    return values


def nearest(parameter: Parameter, wanted: Scalar) -> Scalar | None:
    """Return the parameter's value nearest to ``wanted``; None where it has none like it."""
    if parameter.kind == "choice":
        return _nearest_choice(parameter.choices, wanted)
    assert parameter.low is not None
    assert parameter.high is not None
    rounded = float(f"{float(wanted):.3g}")
    moved = min(max(rounded, parameter.low), parameter.high)
    return round(moved) if parameter.kind == "int" else moved


def _nearest_choice(choices: tuple[Scalar, ...], wanted: Scalar) -> Scalar | None:
    same = [each for each in choices if type(each) is type(wanted) and each == wanted]
    if same or isinstance(wanted, bool | str):
        return same[0] if same else None
    numbers = [each for each in choices if not isinstance(each, bool | str)]
    return min(numbers, key=lambda each: abs(_logarithm(each) - _logarithm(wanted)), default=None)


def _logarithm(value: float) -> float:
    """Sizes and rates are compared by ratio; 0 is next to what is smallest."""
    return math.log(max(float(value), 1e-12))
