"""What a task is. Each task is one module here offering ``TASK``; it is light to import.

The heavy functions (torch, transformers, scikit-learn) import inside, so that the compiler and
the worker read the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from automl import plugins
from automl.plan import Direction, Scalar
from automl.tasks import _defaults

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

Columns = Mapping[str, Sequence[Any]]
"""Rows as lists by role name, all equally long."""
SAMPLE_ROWS = 2000
"""Training rows, the first ones, that settings of a tokenizer are read off."""
Labels = Sequence[str]
"""The classes in their order; empty for tasks without."""
Kind = Literal["text", "class", "number", "texts", "classes", "json", "image", "audio"]
"""``texts`` and ``classes`` are lists a row, ``json`` is whatever is nested, as JSON text.
``image`` and ``audio`` are files on this machine, by their absolute path."""
MEDIA = ("image", "audio")
"""Kinds whose values are files: rows are compared, and told apart, by their content."""


@dataclass(frozen=True, slots=True)
class Role:
    """A column the task reads: what it holds and what people usually call it."""

    name: str
    kind: Kind
    required: bool
    conventional: tuple[str, ...]
    target: bool = False
    """Whether a text, or what is nested, is what the model is to say; classes and numbers are."""
    instead_of: str = ""
    """The required role that is not needed where this one is there: ``prepare`` can do without."""
    asked: Literal["always", "optional", "never"] = "always"
    """Whether rows to predict must hold it, may hold it, or don't: it is for training alone."""

    @property
    def is_target(self) -> bool:
        """Whether the model is to say it; the rest is what it is given."""
        return self.target or self.kind in ("class", "classes", "number")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric the task reports on every split."""

    name: str
    direction: Direction
    description: str
    always: bool = True
    """Whether any rows have it; others are there where the rows give reason to."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is wrong with one row: ``rule`` is said after the place and the value is in it."""

    row: int
    rule: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A split's columns as the task stores them, what a person should know, what is wrong."""

    columns: Columns
    notes: tuple[str, ...] = ()
    malformed: tuple[Malformed, ...] = ()


ADAPTING = ("lora", "qlora")
"""Methods that train small matrices beside frozen layers. Every task's model can, knob or not."""
ENCODER = frozenset({"layer_decay", "freeze_embeddings", "keep_layers", "dropout"})
"""Hyperparameters of any task whose head stands on an encoder's (or decoder's) layers."""
CLASSIFIER = ENCODER | {"probe", "head_init", "pooling", "label_smoothing"}
"""Hyperparameters of a task whose head tells the classes of whole rows."""
WEIGHTED = frozenset({"class_weights"})
"""Hyperparameters of a task whose loss can weigh rare classes more (``_weighting``)."""

PREFERENCE = frozenset({"preference_loss", "beta", "odds_weight"})
"""Hyperparameters of a task that learns which of two answers is preferred."""
VISION = frozenset({"layer_decay", "keep_layers", "dropout", "freeze_norm"})
"""Hyperparameters of a task whose head stands on a backbone that sees."""
SEEING = frozenset({"augmentation", "magnitude", "flip", "crop"})
"""Hyperparameters of a task whose pictures may be changed at random in training."""
MIXING = frozenset({"mixing", "mixing_alpha"})
"""Hyperparameters of a task whose pictures may be mixed with each other, and their classes too."""
HEARING = frozenset(
    {"sound_augmentation", "noise", "time_mask", "feature_mask", "freeze_feature_encoder"}
)
"""Hyperparameters of a task whose model hears: how sounds are changed in training."""
SIMILARITY = frozenset(
    {"embedding_pooling", "matryoshka", "temperature", "score_loss", "pair_loss"}
)
"""Hyperparameters of a task that compares embeddings."""
PACKING = frozenset({"packing"})
"""Hyperparameters of a task whose rows can be put side by side."""
MASKING = frozenset({"mask_share", "whole_words"})
"""Hyperparameters of a task that hides parts of texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything automl knows about one kind of problem, as data and functions.

    An *output* is what ``infer`` says of one encoded row, a *prediction* what ``decode`` makes of
    outputs for one row of the data; predictions are float32 arrays of shape (rows, outputs), or
    lists. A floor predicts in the same form as a model.
    """

    name: str
    pipeline_tag: str
    auto_class: str
    """Name of the transformers auto class that adds this task's head."""
    mapping: str
    """Name in transformers' modeling_auto of the mapping that lists the model types with it."""
    roles: tuple[Role, ...]
    metrics: tuple[Metric, ...]
    objective: str
    """The metric optimised when the recipe names none."""
    floor_description: str
    """The floor's method in words, for screen and card."""
    also: tuple[tuple[str, str], ...] = ()
    """Further auto classes, each with its mapping, for families that ``mapping`` does not list."""
    knobs: frozenset[str] = ENCODER
    """Hyperparameters, and methods besides ``full`` and ``ADAPTING``, that make sense for it."""
    lists: str = ""
    """Name of the task that lists of classes, where this one expects one class, make of it."""
    forms: tuple[tuple[str, ...], ...] = ()
    """Sets of roles that rows may come in, the richest first, where there are several: of those
    outside of the one that is there none is read."""
    asks: tuple[Role, ...] = ()
    """What a bundle is given, where that is something else than the training data's inputs."""
    together: str = ""
    """Role whose equal values stay on one side of a split."""
    unit: str = "tokens"
    """What ``max_length`` counts; empty where nothing is cut."""
    sample_rows: int = SAMPLE_ROWS
    """Training rows, the first ones, that candidates are tried on."""
    chunk: int | None = None
    """Rows encoded at once, where all of them would fill the memory; null: all."""
    texts: int = 1
    """Texts that a row holds, each of up to ``max_length`` tokens: 2 where they are compared."""
    usual_length: int | None = None
    """Tokens that a text is given at most, unless the recipe asks for more; null: the model's."""
    rate: float = 1.0
    """Factor of the learning rate at which models of a family are usually trained."""
    whole: bool = False
    """Whether rows are cut only where the recipe or the model asks for it, rather than the longest
    hundredth: what is to be said of a row is said of all of it."""
    windows: bool = False
    """Whether a row that is too long is read in overlapping windows, rather than cut."""
    evaluation_rows: int | None = None
    """Validation rows that a trial predicts at each evaluation; null: all."""
    scored_rows: int | None = None
    """Rows of a split that a finished model and the floor are scored on, the first; null: all."""
    untrained: bool = False
    """Whether a candidate can do it as it comes: then that is measured too, and must be beaten."""
    most_rate: float = float("inf")
    """Learning rate above which a candidate is prone to lose what it knows of the task already; the
    family's prior holds below it."""
    no_graphs: str = ""
    """Why no model of it can leave as ONNX graphs; empty: of each candidate it is tried."""
    library: str = "transformers"
    """What the hub is told to load a bundle with."""
    narrow: Callable[[Collection[str]], Task] | None = None
    """The roles that rows have → the task with the metrics, the objective and the hyperparameters
    that go with them; its name stays. Left alone, the task lists those of all forms."""

    encode: Callable[[Columns, PreTrainedTokenizerBase, int, Labels], dict[str, list[Any]]]
    """(columns, tokenizer, max_length, labels) → model inputs by name, a list each, unpadded, cut
    to ``max_length``. Targets are under ``labels``, where the target's column is there. A row may
    become several (windows)."""
    build: Callable[[str, Labels, Mapping[str, Scalar], bool], PreTrainedModel]
    """(path, labels, hyperparameters, trust_remote_code) → the pretrained model in float32 with a
    head for ``labels``. Hyperparameters that are absent mean the default. Raises CandidateError
    with a plain reason when weights outside the head would be random, or when the family can't be
    what the hyperparameters ask for."""
    targets: Callable[[Columns, Labels], Any]
    """(columns, labels) → the truth, in the form that ``score`` and ``report`` take."""
    score: Callable[[Any, Any, Labels], dict[str, float]]
    """(predictions, targets, labels) → every metric of ``metrics``."""
    report: Callable[[Any, Any, Columns, Labels, int], SplitScore]
    """(predictions, targets, columns, labels, seed) → metrics with 95% bootstrap intervals, and
    for tasks with classes the per-class table and the confusion."""
    floor: Callable[[Columns, Mapping[str, Columns], Labels, int], dict[str, Any]]
    """(train, others, labels, seed) → predictions by name of ``others`` of the floor model (no
    neural network, seconds to train)."""
    answers: Callable[[Any, Labels, int], list[dict[str, Any]]]
    """(predictions, labels, top) → what a person is told of each row, as JSON values; ``top``
    above 1 asks for that many classes, where there are any."""
    usage: Callable[..., str]
    """(repository, max_length, roles=()) → the Python lines that load the bundle and predict, for
    the model card. ``roles`` are those of the training data; empty: the required ones."""

    probabilities: Literal["softmax", "sigmoid"] | None = None
    """How predictions, as logits of shape (rows, classes), become probabilities of the classes.
    Such a task's models can be calibrated, and its ``score``, ``report``, ``answers``, ``usage``
    and ``draw`` take ``thresholds``: the least probability from which a class is predicted, by
    class (one of two)."""
    says: tuple[str, ...] = ("label", "score")
    """The keys of an answer, in the order in which they are shown. Where what is asked decides what
    is said, an answer has some of them."""
    collator: Callable[[PreTrainedTokenizerBase], Callable[[list[Any]], Any]] = _defaults.padder
    """tokenizer → what turns encoded rows into a padded batch of tensors."""
    training_collator: (
        Callable[[PreTrainedTokenizerBase, int, Mapping[str, Scalar]], Callable[[list[Any]], Any]]
        | None
    ) = None
    """(tokenizer, seed, hyperparameters) → the same for training, where rows are changed at random:
    a function of the seed, the row and the attribute ``epoch``, which is set before each pass."""
    infer: Callable[[Any, dict[str, Any]], Iterable[Any]] = _defaults.logits
    """(model, inputs) → an output for each row of a batch, on the CPU."""
    decode: Callable[[Sequence[Any], Any, Columns, PreTrainedTokenizerBase, Labels], Any] = (
        _defaults.stacked
    )
    """(outputs, encoded rows, columns, tokenizer, labels) → predictions, one a row of columns."""
    loss: Callable[[Any, dict[str, Any]], Any] | None = None
    """(model, inputs) → a batch's loss; null: the model's own. Does without what ``reference``
    adds where it is not there: then only time counts."""
    adapt: (
        Callable[[PreTrainedTokenizerBase, Mapping[str, Any], Columns], tuple[str, ...]] | None
    ) = None
    """(pretrained tokenizer, the model's config, the first ``SAMPLE_ROWS`` train rows) → what a
    person should know. Settles what of the tokenizer depends on model and data (a prompt, a
    language), under ``automl`` in its ``init_kwargs``, where it is saved with the tokenizer. Raises
    CandidateError where the model can't do the task on such data."""
    begin: Callable[[Any, PreTrainedTokenizerBase, Any], None] | None = None
    """(model, tokenizer, encoded train rows): settles what of a model's settings depends on the
    data (how much it may generate). Cheap."""
    reference: Callable[[Any, Any, Callable[[list[Any]], Any], int], Any] | None = None
    """(untrained model, encoded rows, collator, batch size) → the rows with columns added that only
    the model before training can tell."""
    respond: Callable[[Any, PreTrainedTokenizerBase, Columns, int], Any] | None = None
    """(model, tokenizer, columns, max_length) → predictions for rows that a bundle is given, where
    what is scored is how likely the targets are. ``columns`` come as they were given, not through
    ``prepare``: raises DataError for what it can't read. Null: ``infer`` and ``decode`` do."""
    show: Callable[[Any, PreTrainedTokenizerBase, Columns, int], list[dict[str, Any]]] | None = None
    """(model, tokenizer, columns, max_length) → what it says to the rows, for a person to read."""
    draw: Callable[[Any, Columns, Labels], list[tuple[Any, str]]] | None = None
    """(predictions, columns, labels) → for each row a Pillow image that shows what is said of it,
    and a caption; with the targets' columns also whether that is right."""
    keeping: Callable[[Any], AbstractContextManager[None]] = _defaults.as_it_is
    """model → within, the model in training is as it is to be saved."""
    settle: Callable[[Any, Any, Any, Labels], Any] | None = None
    """(model, predictions, targets, labels) → the predictions of the validation rows again, after
    what of the model's settings is chosen by them (a threshold) was; it is kept with the model."""
    processor: Callable[[str, bool], Any] = _defaults.tokenizer
    """(folder, trust_remote_code) → what prepares rows for the folder's model, called tokenizer
    throughout; for pictures and sounds it is another processor. Raises CandidateError."""
    gather: Callable[[Path, Sequence[str]], Mapping[str, Sequence[Any]]] | None = None
    """(folder, paths of files in it) → the columns that the folder's layout tells, where no data
    file describes it; values of a role with files are paths within the folder."""
    lengths: Callable[[Mapping[str, Sequence[Any]]], list[int]] = _defaults.lengths
    """encoded rows → tokens that ``max_length`` limits, by row."""
    files: Callable[[Mapping[str, Any], int], Mapping[str, Any]] | None = None
    """(config.json, max_length) → further JSON files of a bundle, by path within it."""
    prepare: Callable[[Columns], Prepared] | None = None
    """What becomes of the columns read before they are stored: checked, brought to one form."""
    pick: Callable[[Sequence[str], Mapping[str, str]], Mapping[str, str]] | None = None
    """(columns that are free, role → column so far) → role → column, where names tell together
    what none tells alone (two languages)."""
    constants: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None
    """Role → column → further roles' values, alike in every row: what the columns' names tell."""
    classes: Callable[[Columns], tuple[str, ...]] | None = None
    """Stored train columns → the labels in their order, where they are more than one role's
    values."""
    unmarked: tuple[str, ...] = ()
    """Classes that are none where train has them not: what other rows mark so is left out."""
    by_class: tuple[str, ...] = ("precision", "recall", "f1")
    """The columns of the report's per-class table that checks may name, where there is one."""
    kinds: Callable[[Labels], tuple[str, ...]] | None = None
    """labels → the names in the report's per-class table, where those are not the labels."""

    def evaluated(self, rows: int) -> int:
        """Return how many of a validation split's ``rows`` a trial predicts at each evaluation."""
        return rows if self.evaluation_rows is None else min(rows, self.evaluation_rows)

    def scored(self, rows: int) -> int:
        """Return how many of a split's ``rows`` a finished model is scored on."""
        return rows if self.scored_rows is None else min(rows, self.scored_rows)

    @property
    def media(self) -> tuple[Role, ...]:
        """The roles that hold files; without any, all is text."""
        return tuple(role for role in self.roles if role.kind in MEDIA)

    @property
    def things(self) -> str:
        """What it reads, in words: texts, pictures, sounds."""
        kinds = {role.kind for role in self.media}
        return "pictures" if "image" in kinds else "sounds" if kinds else "texts"

    @property
    def thing(self) -> str:
        """One of ``things``."""
        return self.things.removesuffix("s")

    @property
    def inputs(self) -> tuple[Role, ...]:
        """The roles that hold what the model is given."""
        return tuple(role for role in self.roles if not role.is_target)

    def asked(self, known: Collection[str]) -> tuple[Role, ...]:
        """Return the roles that a bundle is given which was trained on the ``known`` ones."""
        needed = (role for role in self.inputs if role.required and not self.forms)
        held = {role.name for role in needed}.union(known)
        return self.asks or tuple(role for role in self.inputs if role.name in held)


def metrics(task: Task) -> tuple[Metric, ...]:
    """Return the task's metrics, and those of what lists of classes would make of it."""
    own = {metric.name: metric for metric in task.metrics}
    others = get(task.lists).metrics if task.lists else ()
    return tuple({**{metric.name: metric for metric in others}, **own}.values())


def deciding(task: Task, thresholds: Mapping[str, float]) -> Task:
    """Return the task as it decides by ``thresholds``; without any, as it is."""
    if not thresholds:
        return task

    def by_them(function: Any) -> Any:
        return partial(function, thresholds=thresholds)

    return replace(
        task,
        score=by_them(task.score),
        report=by_them(task.report),
        answers=by_them(task.answers),
        usage=by_them(task.usage),
        draw=None if task.draw is None else by_them(task.draw),
    )


def narrowed(task: Task, roles: Collection[str]) -> Task:
    """Return the task for rows with these roles."""
    return task if task.narrow is None else task.narrow(roles)


def names() -> tuple[str, ...]:
    """Return the names of all tasks."""
    return plugins.names(__name__)


def get(name: str) -> Task:
    """Return the task called ``name``; KeyError lists the known ones."""
    return cast(Task, plugins.load(__name__, name, "TASK"))
