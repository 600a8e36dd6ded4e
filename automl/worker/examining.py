"""The examine job: what only checks ask of a model. Answers under changed texts, earlier bundles.

Predicts with models that are trained; trains none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo
from automl.jobs import ExamineResult, ExamineSpec, ModelRef, Steadiness, Versus
from automl.tasks import Columns, Task, _bootstrap, _loading
from automl.worker import changes, device, models, store
from automl.worker.cache import read_columns
from automl.worker.prediction import decision, predicted

RESAMPLES = 1000
EXAMPLES = 5
SYNONYMS = "synonyms="


def examine(spec: ExamineSpec) -> ExamineResult:
    """Return the share of answers that stay under each change, and the comparison with each bundle.

    Rows are those on which the model is scored: the test split's, the first that the task scores.
    """
    torch.set_num_threads(spec.threads)
    task = tasks.get(spec.task)
    columns = read_columns(Path(spec.data.tables["test"]), task.scored_rows)
    one = _Model.of(
        spec, spec.model, spec.data.labels, spec.thresholds, spec.data.max_length, spec.beside
    )
    said = one.predict(columns)
    found = {change: _steadiness(spec, change, one, said, columns) for change in spec.changes}
    one.forget()
    versus = {
        check: _versus(spec, one, said, _Model.bundled(spec, folder), columns)
        for check, folder in spec.earlier.items()
    }
    return ExamineResult(found, versus)


@dataclass(slots=True)
class _Model:
    """A loaded model that says what its task's bundles say."""

    task: Task
    """As it decides, by the model's thresholds."""
    labels: tuple[str, ...]
    model: Any
    tokenizer: Any
    limit: int
    batch_size: int

    @classmethod
    def of(
        cls,
        spec: ExamineSpec,
        ref: ModelRef,
        labels: tuple[str, ...],
        thresholds: Mapping[str, float],
        length: int,
        beside: str = "",
    ) -> _Model:
        task = tasks.get(spec.task)
        model = models.trained(task, ref, device.select(spec.devices), beside)
        tokenizer = task.processor(ref.path, ref.trust_remote_code)
        limit = models.reach(model, tokenizer, length)
        return cls(
            tasks.deciding(task, thresholds), labels, model, tokenizer, limit, spec.batch_size
        )

    @classmethod
    def bundled(cls, spec: ExamineSpec, folder: str) -> _Model:
        info = documents.read(BundleInfo, Path(folder) / INFO)
        beside = spec.bases.get(folder, "")
        settings = Path(folder, _loading.BASE) if beside else Path(folder)
        config = json.loads((settings / "config.json").read_bytes())
        return cls.of(
            spec,
            ModelRef(info.candidate, folder, info.trust_remote_code),
            info.labels,
            config.get("automl_thresholds", {}),
            info.max_length,
            beside,
        )

    def predict(self, columns: Columns) -> Any:
        """Return what the model says of the rows; nothing of what they hold for targets counts."""
        rows = store.rows(self.task.encode(columns, self.tokenizer, self.limit, self.labels))
        return predicted(
            self.task, self.model, self.tokenizer, rows, columns, self.labels, self.batch_size
        )

    def answers(self, said: Any) -> list[Mapping[str, Any]]:
        """Return the decision of each row, without how sure it is."""
        return [decision(each) for each in self.task.answers(said, self.labels, 1)]

    def forget(self) -> None:
        """Give back the memory of the weights; what has been said stays."""
        self.model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def taken(said: Any, rows: Sequence[int] | Any) -> Any:
    """Return the predictions of these rows: arrays with a row each, or sequences of any kind."""
    if isinstance(said, np.ndarray):
        return said[np.asarray(rows, dtype=np.int64)]
    return [said[int(row)] for row in rows]


def _steadiness(
    spec: ExamineSpec, change: str, one: _Model, said: Any, columns: Columns
) -> Steadiness:
    roles = [r.name for r in one.task.inputs if r.kind == "text" and r.name in columns]
    groups = spec.words.get(change.removeprefix(SYNONYMS), ())
    owners, changed = _changed(change, columns, roles, spec.seed, groups)
    if not owners:
        return Steadiness(0, 0)
    before, after = one.answers(said), one.answers(one.predict(changed))
    moved = [place for place, row in enumerate(owners) if after[place] != before[row]]
    examples = tuple(
        {
            "text": _text(columns, roles, owners[place]),
            "changed": _text(changed, roles, place),
            "before": _said(before[owners[place]]),
            "after": _said(after[place]),
        }
        for place in moved[:EXAMPLES]
    )
    rows = len(set(owners))
    return Steadiness(rows, rows - len({owners[place] for place in moved}), examples)


def _text(columns: Columns, roles: Sequence[str], row: int) -> str:
    return " / ".join(str(columns[role][row]) for role in roles)


def _said(answer: Mapping[str, Any]) -> str:
    named = (each if isinstance(each, list) else [each] for each in answer.values())
    return ", ".join(each for several in named for each in several if isinstance(each, str))


def _changed(
    change: str, columns: Columns, roles: Sequence[str], seed: int, groups: changes.Words
) -> tuple[list[int], dict[str, list[Any]]]:
    """Return the row of each variant, and the variants; one text of a row is changed at a time."""
    owners: list[int] = []
    changed: dict[str, list[Any]] = {name: [] for name in columns}
    for row in range(len(next(iter(columns.values())))):
        for role in roles:
            for variant in changes.variants(change, str(columns[role][row] or ""), seed, groups):
                owners.append(row)
                for name, values in columns.items():
                    changed[name].append(variant if name == role else values[row])
    return owners, changed


def _versus(spec: ExamineSpec, one: _Model, said: Any, other: _Model, columns: Columns) -> Versus:
    """Compare two models' answers to the same rows, each by its own order of the classes.

    Where each row has a truth of its own, rows are drawn with replacement. Where the truth is about
    all of them (which texts belong together), half of the rows are, without: the spread of a metric
    over such halves is that of all rows (delete-half jackknife, Shao and Wu 1989).
    """
    theirs = other.predict(columns)
    other.forget()
    rows = len(next(iter(columns.values())))
    sign = 1.0 if spec.direction == "maximize" else -1.0
    truth = [model.task.targets(columns, model.labels) for model in (one, other)]
    apart = isinstance(truth[0], (np.ndarray, list))

    def both(drawn: Any) -> tuple[float, float]:
        few = None if apart else {r: [v[int(row)] for row in drawn] for r, v in columns.items()}
        new, old = (
            model.task.score(
                taken(answers, drawn),
                taken(targets, drawn) if few is None else model.task.targets(few, model.labels),
                model.labels,
            ).get(spec.metric, float("nan"))
            for model, answers, targets in zip((one, other), (said, theirs), truth, strict=True)
        )
        return new, old

    def differing(drawn: Any) -> dict[str, float]:
        if not apart:
            drawn = np.random.default_rng(drawn).permutation(rows)[: max(1, rows // 2)]
        new, old = both(drawn)
        return {spec.metric: sign * (new - old)}

    new, old = both(np.arange(rows))
    found = _bootstrap.intervals(differing, rows, spec.seed, RESAMPLES)[spec.metric]
    return Versus(spec.metric, new, old, sign * (new - old), found, rows)
