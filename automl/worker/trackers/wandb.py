"""Weights & Biases: a run of the study's group, online or, with WANDB_MODE=offline, in a folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.worker.trackers import Run, Subject, Tracker


@dataclass(slots=True)
class _Run:
    id: str
    run: Any

    def log(self, values: Mapping[str, float], samples: int) -> None:
        self.run.log(dict(values), step=samples)

    def end(self, state: str, failed: bool) -> None:
        self.run.summary["state"] = state
        self.run.finish(exit_code=1 if failed else 0)


class _WeightsAndBiases:
    def prepare(self) -> None:
        # What goes wrong here is no business of anybody's but the user's.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb  # noqa: F401

    def begin(self, subject: Subject, known: str | None) -> Run:
        import wandb

        subject.folder.root.mkdir(parents=True, exist_ok=True)
        identifier = known or secrets.token_hex(4)
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", subject.study),
            group=os.environ.get("WANDB_RUN_GROUP", subject.study),
            name=subject.name,
            id=identifier,
            resume="allow",
            reinit="create_new",
            dir=str(subject.folder.root),
            config=dict(subject.settings),
            settings=wandb.Settings(console="off", silent=True),
        )
        return _Run(identifier, run)


TRACKER: Tracker = _WeightsAndBiases()
