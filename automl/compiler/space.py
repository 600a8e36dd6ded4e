"""A candidate's search space: the priors' defaults, replaced where the recipe says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from automl.compiler.hyperparameters import HYPERPARAMETERS, Hyperparameter
from automl.compiler.priors import Prior
from automl.plan import Parameter, Scalar
from automl.recipe.schema import Range

Entry = Range | list[Scalar] | Scalar
RECIPE = "recipe"
DROPOUTS = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "cls_dropout",
    "hidden_dropout_prob",
    "seq_classif_dropout",
    "summary_last_dropout",
)
"""Configuration keys of families that put a dropout before their classifier."""


def space(
    prior: Prior, config: Mapping[str, object], wishes: Mapping[str, Entry]
) -> tuple[Parameter, ...]:
    """Return the parameters of one candidate, in the order of the known hyperparameters.

    ``wishes`` is the recipe's ``search.space``; its entries must be without ``faults``. A
    hyperparameter that does not apply to the candidate is left out, wished for or not.
    """
    defaults = {each.name: each for each in _defaults(prior)}
    if not has_dropout(config):
        del defaults["dropout"]
    return tuple(
        _wished(HYPERPARAMETERS[name], defaults[name], wishes[name])
        if name in wishes
        else defaults[name]
        for name in HYPERPARAMETERS
        if name in defaults
    )


def has_dropout(config: Mapping[str, object]) -> bool:
    """Return whether the family has a dropout before its classifier, by its configuration."""
    return any(key in config for key in DROPOUTS)


def faults(known: Hyperparameter, entry: Entry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (location inside the entry, rule broken) for everything wrong with a wish."""
    if isinstance(entry, Range):
        yield from _range_faults(known, entry)
        return
    values = entry if isinstance(entry, list) else [entry]
    for index, value in enumerate(values):
        where = (index,) if isinstance(entry, list) else ()
        fault = known.fault(value)
        if fault:
            yield where, f"{fault}, not {value!r}"
        elif value in values[:index]:
            yield where, f"lists {value!r} twice"


def _range_faults(
    known: Hyperparameter, entry: Range
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if known.kind == "choice":
        yield (), f"has no range; list some of {', '.join(known.choices)}"
        return
    for end, value in (("low", entry.low), ("high", entry.high)):
        fault = known.fault(value)
        if fault:
            yield (end,), f"{fault}, not {value!r}"


def _defaults(prior: Prior) -> Iterator[Parameter]:
    source = prior.source
    rate = prior.learning_rate
    yield Parameter(
        "learning_rate",
        "float",
        rate,
        rate / prior.factor,
        rate * prior.factor,
        log=True,
        prior=rate,
        source=source,
    )
    low, default, high = prior.epochs
    steps = prior.steps_source
    yield Parameter("epochs", "int", default, low, high, source=steps)
    yield Parameter(
        "batch_size", "choice", prior.batch_size, choices=prior.batch_sizes, source=steps
    )
    lightest, usual, heaviest = prior.weight_decay
    yield Parameter("weight_decay", "float", usual, lightest, heaviest, log=True, source=prior.also)
    yield _fixed("warmup_ratio", prior.warmup_ratio, prior.also)
    yield Parameter(
        "schedule", "choice", prior.schedules[0], choices=prior.schedules, source=prior.also
    )
    smoothing, most = prior.label_smoothing
    yield Parameter("label_smoothing", "float", smoothing, 0.0, most, source=prior.also)
    yield _fixed("max_grad_norm", prior.max_grad_norm, prior.also)
    least, drop = prior.dropout
    yield (
        Parameter("dropout", "float", least, least, drop, source=source)
        if least < drop
        else _fixed("dropout", least, "BERT, Devlin et al. 2019")
    )
    yield _fixed("method", "full", "full below 300M weights: rule of thumb")


def _fixed(name: str, value: Scalar, source: str) -> Parameter:
    return Parameter(name, "choice", value, choices=(value,), source=source)


def _wished(known: Hyperparameter, default: Parameter, entry: Entry) -> Parameter:
    """The recipe's wish as a parameter; the prior's default stays where the wish includes it."""
    if not isinstance(entry, Range):
        values = entry if isinstance(entry, list) else [entry]
        choices = tuple(known.cast(value) for value in values)
        return Parameter(
            known.name, "choice", _nearest(default.default, choices), choices=choices, source=RECIPE
        )
    low, high = known.cast(entry.low), known.cast(entry.high)
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    assert known.kind != "choice"
    return Parameter(
        known.name,
        known.kind,
        known.cast(min(max(_number(default.default), low), high)),
        low,
        high,
        log=entry.log or known.relative,
        prior=default.prior,
        source=RECIPE,
    )


def _nearest(default: Scalar, choices: tuple[Scalar, ...]) -> Scalar:
    """The choice that is the default, or comes closest to it; the first of unordered ones."""
    if default in choices or isinstance(default, str):
        return default if default in choices else choices[0]
    return min(choices, key=lambda choice: abs(_number(choice) - default))


def _number(value: Scalar) -> float:
    assert not isinstance(value, str)
    return value


def without_batches_above(parameters: tuple[Parameter, ...], largest: int) -> tuple[Parameter, ...]:
    """Return the space with the priors' batch sizes above ``largest`` left out.

    The recipe's own batch sizes stay as they are, and so does the smallest of the priors'.
    """
    return tuple(
        _without(each, largest) if each.name == "batch_size" else each for each in parameters
    )


def _without(batches: Parameter, largest: int) -> Parameter:
    if batches.source == RECIPE:
        return batches
    sizes = [size for size in batches.choices if _number(size) <= largest]
    kept = tuple(sizes) or batches.choices[:1]
    return replace(batches, choices=kept, default=_nearest(batches.default, kept))


def largest_batch(parameters: tuple[Parameter, ...]) -> int:
    """Return the largest batch size of the space."""
    found = next(each for each in parameters if each.name == "batch_size")
    return int(found.high if found.high is not None else max(map(_number, found.choices)))
