"""Audio classification: a sound in, one of several classes out.

Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import (
    HEARING,
    WEIGHTED,
    Columns,
    Labels,
    Role,
    Task,
    _drawing,
    _hearing,
    _spectra,
    _weighting,
)
from automl.tasks._judging import ONE
from automl.tasks._layouts import sounds_by_class
from automl.tasks._metrics import CLASSIFICATION
from automl.tasks._text import CLASS_COLUMNS, indices

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


_USAGE = """\
from transformers import pipeline
from transformers.audio_utils import load_audio

classify = pipeline("audio-classification", model={repository!r})
rate = classify.feature_extractor.sampling_rate
print(classify(load_audio("sound.wav", rate, backend="soundfile")))
"""
_USAGE_OF_THRESHOLDS = """\
from transformers import pipeline
from transformers.audio_utils import load_audio

classify = pipeline("audio-classification", model={repository!r}, top_k=None)
((label, least),) = classify.model.config.automl_thresholds.items()
sound = load_audio("sound.wav", classify.feature_extractor.sampling_rate, backend="soundfile")
scores = {{each["label"]: each["score"] for each in classify(sound)}}
other = next(name for name in scores if name != label)
print(label if scores[label] >= least else other, scores)
"""
"""Of two classes; a pipeline by itself takes the more probable one."""


def _encode(
    columns: Columns, ears: _hearing.Ears, max_length: int, labels: Labels
) -> dict[str, Any]:
    """Return ``samples``, int16, cut to the length, and ``labels`` where rows have a label.

    Raises DataError naming a label that is not one of ``labels``, or a file that can't be heard.
    """
    encoded: dict[str, Any] = {"samples": _hearing.samples(columns["audio"], ears, max_length)}
    if "label" in columns:
        encoded["labels"] = indices(columns["label"], labels)
    return encoded


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = _hearing.load_model(
        TASK.auto_class,
        path,
        hyperparameters,
        trust_remote_code,
        **ONE.head(labels),
    )
    _weighting.note(model, hyperparameters)
    return model


def _begin(model: Any, ears: _hearing.Ears, rows: Any) -> None:
    """Weigh the classes, and fit what is hidden in training to how long sounds are."""
    _weighting.count_classes(model, ears, rows)
    _hearing.fit_masks(model, rows)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return log-probabilities by split of ``floor_description``, trained on ``train``."""
    return _spectra.log_probabilities(train, others, ONE.targets(train, labels), labels, seed)


def _draw(
    logits: np.ndarray,
    columns: Columns,
    labels: Labels,
    thresholds: Mapping[str, float] | None = None,
) -> list[tuple[Any, str]]:
    """Return each sound's spectrogram, and what class it is said to be."""
    said = ONE.answers(logits, labels, 1, thresholds)
    truth = columns.get("label", [None] * len(said))
    return [
        (_spectra.picture(sound), _drawing.caption(each["label"], each["score"], right))
        for sound, each, right in zip(columns["audio"], said, truth, strict=True)
    ]


def _usage(
    repository: str,
    max_length: int,
    roles: Collection[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> str:
    usage = _USAGE_OF_THRESHOLDS if thresholds else _USAGE
    return usage.format(repository=repository)


TASK = Task(
    name="audio-classification",
    pipeline_tag="audio-classification",
    auto_class="AutoModelForAudioClassification",
    mapping="MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
    roles=(_hearing.AUDIO, Role("label", "class", True, CLASS_COLUMNS)),
    metrics=CLASSIFICATION,
    objective="macro_f1",
    floor_description=_spectra.CLASSES,
    knobs=HEARING
    | WEIGHTED
    | {"layer_decay", "keep_layers", "probe", "head_init", "label_smoothing"},
    unit=_hearing.UNIT,
    sample_rows=_hearing.SAMPLE_ROWS,
    chunk=_hearing.CHUNK,
    processor=_hearing.load_processor,
    gather=sounds_by_class,
    lengths=_hearing.lengths,
    encode=_encode,
    build=_build,
    targets=ONE.targets,
    score=ONE.score,
    report=ONE.report,
    floor=_floor,
    answers=ONE.answers,
    usage=_usage,
    draw=_draw,
    probabilities="softmax",
    collator=_hearing.collator,
    training_collator=_hearing.training_collator,
    loss=_weighting.cross_entropy,
    begin=_begin,
)
"""Single-label classification of a sound."""
