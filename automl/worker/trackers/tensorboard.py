"""TensorBoard: event files in the run folder, one folder a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.worker.trackers import Run, Subject, Tracker


@dataclass(slots=True)
class _Run:
    id: str
    writer: Any
    samples: int = 0

    def log(self, values: Mapping[str, float], samples: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, samples)
        self.samples = samples
        self.writer.flush()

    def end(self, state: str, failed: bool) -> None:
        self.writer.add_text("state", state, self.samples)
        self.writer.close()


class _TensorBoard:
    def prepare(self) -> None:
        import torch.utils.tensorboard  # noqa: F401

    def begin(self, subject: Subject, known: str | None) -> Run:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        folder = subject.folder.tensorboard(subject.number)
        writer: Any = SummaryWriter(str(folder))
        if known is None:
            # The writer's own add_hparams makes a run of its own for them.
            for part in hparams(dict(subject.settings), {subject.metric: 0.0}):  # type: ignore[no-untyped-call]
                writer.file_writer.add_summary(part)
        return _Run(folder.name, writer)


TRACKER: Tracker = _TensorBoard()
