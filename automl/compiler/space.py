"""A candidate's search space: the priors' defaults, replaced where the recipe says otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automl.compiler import priors
from automl.compiler.hyperparameters import HYPERPARAMETERS, METHOD, Hyperparameter
from automl.compiler.priors import Prior
from automl.plan import Parameter, Scalar
from automl.recipe.schema import Range
from automl.tasks import (
    ADAPTING,
    CLASSIFIER,
    HEARING,
    MASKING,
    MIXING,
    PACKING,
    PREFERENCE,
    SEEING,
    SIMILARITY,
    VISION,
    WEIGHTED,
)
from automl.tasks._hearing import hears_samples
from automl.tasks._layers import layers as layer_count
from automl.tasks._pooling import pooling_choices

Entry = Range | list[Scalar] | Scalar
RECIPE = "recipe"
KEPT = "keep_layers"
DROPOUTS = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "cls_dropout",
    "dropout_rate",
    "hidden_dropout_prob",
    "seq_classif_dropout",
    "summary_last_dropout",
)
"""Configuration keys of families that put a dropout before their classifier."""


OPTIONAL = frozenset().union(
    CLASSIFIER,
    HEARING,
    MASKING,
    MIXING,
    PACKING,
    PREFERENCE,
    SEEING,
    SIMILARITY,
    VISION,
    WEIGHTED,
)
"""Hyperparameters that not every task has."""
TRAINED = ("full", *ADAPTING)
"""Methods that train layers: under which everything but the method itself is searched."""
APPLIES: Mapping[str, tuple[str, ...]] = {
    "lora_rank": ADAPTING,
    "lora_alpha": ADAPTING,
    "lora_targets": ADAPTING,
    "lora_dropout": ADAPTING,
    # Adapters leave the embeddings as they are anyway; how deep they lie has not been found to
    # matter for their rate.
    "freeze_embeddings": ("full",),
    "layer_decay": ("full",),
}
"""Hyperparameter → the methods it is one of, where not all of ``TRAINED``."""
_WITH = {"mixing_alpha": ("mixing",)}
"""Hyperparameter → those whose request asks for it as well."""
ON_REQUEST = MIXING | PACKING | WEIGHTED | (SIMILARITY - {"temperature"}) | {"whole_words"}
"""Hyperparameters that are part of a space only where the recipe asks for them: what is default
does well, or they are a matter of what the model is for. Weights of classes bend the
probabilities, and thresholds, which cost no trial, do most of what they can do."""


def space(
    prior: Prior,
    config: Mapping[str, object],
    wishes: Mapping[str, Entry],
    *,
    smaller: bool = False,
    knobs: frozenset[str] = CLASSIFIER | WEIGHTED,
    targets: Collection[str] = (),
) -> tuple[Parameter, ...]:
    """Return the parameters of one candidate, in the order of the known hyperparameters.

    ``knobs`` are those that make sense for the task, besides the pace of training; ``targets`` the
    values of ``lora_targets`` that find layers in the model: without any, it takes no adapters.

    ``wishes`` is the recipe's ``search.space``; its entries must be without ``faults``. A
    hyperparameter that does not apply to the candidate is left out, wished for or not, and so is a
    wished value that it cannot take. ``smaller`` asks for fewer layers to be tried as well.
    """
    method = _method(prior, wishes, {"full", *knobs, *(ADAPTING if targets else ())})
    fewer = smaller or KEPT in wishes
    defaults = [method, *_defaults(prior, config, fewer, targets)]
    found = []
    for name, known in HYPERPARAMETERS.items():
        asked = {name, *_WITH.get(name, ())} & set(wishes)
        if name in OPTIONAL - knobs or (name in ON_REQUEST and not asked):
            continue
        for parameter in (each for each in defaults if each.name == name):
            when = _when(parameter, method)
            if when is None and name != METHOD:
                continue
            if name in wishes and name != METHOD:
                parameter = _wished(known, parameter, _possible(parameter, wishes[name], config))
            found.append(replace(parameter, when=when or {}))
    return tuple(found)


def _method(prior: Prior, wishes: Mapping[str, Entry], able: Collection[str]) -> Parameter:
    """The methods that are tried: the prior's, or those of the recipe, as far as it is able."""
    usual = [method for method in prior.methods if method in able]
    if not set(usual) & set(TRAINED):
        usual = ["full", *usual]  # a model too large for that, yet without room for adapters
    default = _chosen(METHOD, tuple(usual), priors.METHOD_SOURCE)
    entry = wishes.get(METHOD)
    if entry is None or isinstance(entry, Range):
        return default
    values = listed(entry)
    possible: list[Scalar] = [value for value in values if value in able]
    return _wished(HYPERPARAMETERS[METHOD], default, possible or [default.default])


def _when(parameter: Parameter, method: Parameter) -> Mapping[str, tuple[Scalar, ...]] | None:
    """When the parameter is searched, the methods among that, or None where none of them is tried.

    A space that only probes holds what full training would have, which others count with.
    """
    if parameter.name == METHOD:
        return None
    able: Collection[Scalar] = parameter.when.get(METHOD, APPLIES.get(parameter.name, TRAINED))
    tried = set(method.choices) if set(method.choices) != {"probe"} else {"full"}
    found = tuple(each for each in TRAINED if each in able and each in tried)
    return {**parameter.when, METHOD: found} if found else None


def has_dropout(config: Mapping[str, object]) -> bool:
    """Return whether the family has a dropout before its classifier, by its configuration."""
    if "patch_size" in config:  # transformers that see have some within layers alone
        return "classifier_dropout_prob" in config
    return any(key in config for key in DROPOUTS)


def listed(entry: object) -> list[Any]:
    """Return the values of a wish that is no range, as a list of several or of one."""
    return entry if isinstance(entry, list) else [entry]


def faults(known: Hyperparameter, entry: Entry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (location inside the entry, rule broken) for everything wrong with a wish."""
    if isinstance(entry, Range):
        yield from _range_faults(known, entry)
        return
    values = listed(entry)
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
        yield (), f"has no range; list some of {known.words()}"
        return
    for end, value in (("low", entry.low), ("high", entry.high)):
        fault = known.fault(value)
        if fault:
            yield (end,), f"{fault}, not {value!r}"


def _defaults(
    prior: Prior, config: Mapping[str, object], fewer_layers: bool, targets: Collection[str]
) -> Iterator[Parameter]:
    """The parameters that apply to the candidate but for the method, in no order."""
    yield from _pace(prior)
    yield from _adapters(prior, targets)
    yield from _structure(prior, config, fewer_layers)
    yield from _regularisation(prior, config)
    yield from _preference(prior)
    yield from _losses()
    yield from _seeing(prior)
    yield from _hearing(prior, config)


def _pace(prior: Prior) -> Iterator[Parameter]:
    """How fast and how long: learning rate, epochs, batch, warm-up, schedule."""
    yield _rate(prior, prior.learning_rate, ("full",), prior.source)
    low, default, high = prior.epochs
    steps = prior.steps_source
    yield Parameter("epochs", "int", default, low, high, source=steps)
    yield Parameter(
        "batch_size", "choice", prior.batch_size, choices=prior.batch_sizes, source=steps
    )
    yield _fixed("warmup_ratio", prior.warmup_ratio, prior.also)
    yield _chosen("schedule", prior.schedules, prior.also)


def _rate(prior: Prior, rate: float, methods: tuple[str, ...], source: str) -> Parameter:
    """The learning rate, under those methods: each has a parameter of its own by that name."""
    return Parameter(
        "learning_rate",
        "float",
        rate,
        rate / prior.factor,
        min(1.0, rate * prior.factor),
        log=True,
        prior=rate,
        source=source,
        when={METHOD: methods},
    )


def _adapters(prior: Prior, targets: Collection[str]) -> Iterator[Parameter]:
    """What small matrices beside frozen layers are, and how fast they learn."""
    known = priors.ADAPTING
    source = known.source
    rate = float(f"{prior.learning_rate * prior.adapter_rate:.6g}")
    yield _rate(prior, rate, ADAPTING, prior.adapter_source)
    yield _chosen("lora_rank", known.ranks, source)
    yield _chosen("lora_alpha", known.alphas, source)
    if found := tuple(each for each in known.targets if each in targets):
        yield _chosen("lora_targets", found, source)
    yield _chosen("lora_dropout", known.dropouts, known.dropout_source)


def _structure(
    prior: Prior, config: Mapping[str, object], fewer_layers: bool
) -> Iterator[Parameter]:
    """What of the model is trained, kept and read."""
    pooling, layers = pooling_choices(config), layer_count(config) or 0
    if len(pooling) > 1:
        preferred = sorted(pooling, key=lambda each: each != prior.pooling)
        yield _chosen("pooling", tuple(preferred), priors.POOLING_SOURCE)
    yield _chosen("head_init", prior.head_inits, priors.HEAD_SOURCE)
    yield _chosen("freeze_embeddings", prior.frozen_embeddings, priors.FREEZING_SOURCE)
    if layers > 1:
        low, default, high = prior.layer_decay
        yield Parameter("layer_decay", "float", default, low, high, source=prior.decay_source)
    if layers > 1 and fewer_layers:
        yield _chosen(KEPT, _fewer(layers), priors.LAYERS_SOURCE)


def _regularisation(prior: Prior, config: Mapping[str, object]) -> Iterator[Parameter]:
    lightest, usual, heaviest = prior.weight_decay
    yield Parameter("weight_decay", "float", usual, lightest, heaviest, log=True, source=prior.also)
    smoothing, most = prior.label_smoothing
    yield Parameter("label_smoothing", "float", smoothing, 0.0, most, source=prior.also)
    yield _fixed("max_grad_norm", prior.max_grad_norm, prior.also)
    yield _fixed("class_weights", "none", priors.WEIGHTS_SOURCE)
    if has_dropout(config):
        least, drop = prior.dropout
        yield (
            Parameter("dropout", "float", least, least, drop, source=prior.source)
            if least < drop
            else _fixed("dropout", least, "BERT, Devlin et al. 2019")
        )


def _preference(prior: Prior) -> Iterator[Parameter]:
    """How preferred answers are learnt, and how strongly."""
    yield _chosen("preference_loss", prior.preference_losses, priors.PREFERENCE_SOURCE)
    for name, loss in (("beta", "dpo"), ("odds_weight", "orpo")):
        low, default, high = getattr(prior, name)
        source, when = priors.PREFERENCE_SOURCE, {"preference_loss": (loss,)}
        yield Parameter(name, "float", default, low, high, log=True, source=source, when=when)


def _losses() -> Iterator[Parameter]:
    """How embeddings are compared, and how much of texts is hidden."""
    usual = "sentence-transformers' default"
    yield _fixed("embedding_pooling", "own", usual)
    yield _fixed("matryoshka", 0, usual)
    yield Parameter(
        "temperature", "float", 0.05, 0.02, 0.2, log=True, source="SimCSE, Gao et al. 2021"
    )
    yield _fixed("score_loss", "cosent", "sentence-transformers' training overview")
    yield _fixed("pair_loss", "online", "sentence-transformers' training overview")
    yield Parameter("mask_share", "float", 0.15, 0.15, 0.4, source="Wettig et al. 2023")
    yield _fixed("whole_words", False, "Devlin et al. 2019")
    yield _fixed("packing", False, "own runs: rows of like length pad 11%")


def _seeing(prior: Prior) -> Iterator[Parameter]:
    """How pictures are changed in training, and what of their statistics is kept."""
    source = priors.AUGMENTATION_SOURCE
    if prior.freeze_norms:
        yield _chosen("freeze_norm", prior.freeze_norms, priors.NORM_SOURCE)
    yield _chosen("augmentation", prior.augmentations, source)
    changed: Mapping[str, tuple[Scalar, ...]] = {"augmentation": ("light", "randaugment")}
    yield Parameter(
        "magnitude", "int", 5, 2, 9, source=source, when={"augmentation": ("randaugment",)}
    )
    yield replace(_chosen("flip", (True, False), source), when=changed)
    yield _fixed("mixing", "none", priors.AUGMENTATION_SOURCE)
    yield Parameter(
        "mixing_alpha",
        "float",
        0.2,
        0.1,
        1.0,
        log=True,
        source="Zhang et al. 2018; Yun et al. 2019",
        when={"mixing": ("mixup", "cutmix")},
    )
    yield Parameter("crop", "float", 0.7, 0.3, 1.0, source=source, when=changed)


def _hearing(prior: Prior, config: Mapping[str, object]) -> Iterator[Parameter]:
    """How sounds are changed in training, and what of the model hears as it did before."""
    source = priors.MASKS_SOURCE
    yield _chosen("sound_augmentation", prior.sound_augmentations, priors.SOUNDS_SOURCE)
    yield Parameter(
        "noise", "float", 20.0, 5.0, 40.0, source=priors.SOUNDS_SOURCE,
        when={"sound_augmentation": ("light",)},
    )  # fmt: skip
    for name, (default, most) in (
        ("time_mask", prior.time_mask),
        ("feature_mask", prior.feature_mask),
    ):
        yield Parameter(name, "float", default, 0.0, most, source=source)
    if hears_samples(config):
        yield _chosen("freeze_feature_encoder", prior.freeze_encoders, priors.ENCODER_SOURCE)


def _fewer(layers: int) -> tuple[int, ...]:
    """All layers, two thirds and half of them."""
    return tuple(dict.fromkeys((layers, max(1, round(layers * 2 / 3)), max(1, layers // 2))))


def _chosen(name: str, choices: tuple[Scalar, ...], source: str) -> Parameter:
    """The first of the choices is the default."""
    return Parameter(name, "choice", choices[0], choices=choices, source=source)


def _fixed(name: str, value: Scalar, source: str) -> Parameter:
    return Parameter(name, "choice", value, choices=(value,), source=source)


def _possible(default: Parameter, entry: Entry, config: Mapping[str, object]) -> Entry:
    """What of a wish the candidate can take; its own default where that is nothing."""
    if default.name == KEPT:
        return _within_layers(entry, layer_count(config) or 0)
    if default.name not in ("pooling", "lora_targets") or isinstance(entry, Range):
        return entry
    values = listed(entry)
    return [value for value in values if value in default.choices] or [default.default]


def _within_layers(entry: Entry, layers: int) -> Entry:
    if isinstance(entry, Range):
        low, high = min(int(entry.low), layers), min(int(entry.high), layers)
        return Range(low=low, high=high, log=entry.log) if low < high else high
    values = listed(entry)
    return [value for value in values if _number(value) <= layers] or [layers]


def _wished(known: Hyperparameter, default: Parameter, entry: Entry) -> Parameter:
    """The recipe's wish as a parameter; the prior's default stays where the wish includes it."""
    if not isinstance(entry, Range):
        values = listed(entry)
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
    if default in choices or isinstance(default, bool | str):
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


def batch_sizes(parameters: Sequence[Parameter]) -> tuple[int, tuple[int, ...]]:
    """Return the default batch size, and the smallest, the default and the largest, rising."""
    found = next(each for each in parameters if each.name == "batch_size")
    ends = (found.low, found.high) if found.choices == () else found.choices
    numbers = [int(_number(each)) for each in ends if each is not None]
    default = int(_number(found.default))
    return default, tuple(sorted({min(numbers), default, max(numbers)}))
