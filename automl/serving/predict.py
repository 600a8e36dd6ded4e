"""A bundle that predicts, through the very pipeline its card shows, so that both say the same.

Takes texts and gives dictionaries; knows no files of texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.errors import InputError, Problem
from automl.rundir import RunDir

PIPELINES = ("text-classification",)
"""The pipelines that take a text, or a pair of them, and give labels with scores."""


class Prediction(TypedDict):
    """The most probable class; ``scores`` holds the best ones where more than one was asked for."""

    label: str
    score: float
    scores: NotRequired[dict[str, float]]


class Pair(TypedDict):
    """Two texts that are labelled together, under the names a pipeline knows them by."""

    text: str
    text_pair: str


class Predictor:
    """A loaded bundle. Labels and scores equal those of ``transformers.pipeline`` on it."""

    def __init__(
        self, bundle: Path, device: str = "auto", *, trust_remote_code: bool = False
    ) -> None:
        """Load the bundle (or a run folder's) onto ``device``; ``auto`` prefers a GPU.

        ``trust_remote_code`` runs Python code that lies in the bundle. Raises InputError where
        there is no bundle, where it needs code that is not trusted, where its task cannot be
        predicted from texts, and for an unknown device.
        """
        from transformers import pipeline

        folder = find_bundle(bundle)
        self.info = documents.read(BundleInfo, folder / INFO)
        _refuse_unfit(self.info, folder, trust_remote_code)
        # truncation as in training: longer texts would exceed what the model can take in
        self._pipeline: Any = pipeline(
            self.info.pipeline_tag,
            model=str(folder),
            device=_device(device),
            trust_remote_code=trust_remote_code,
            truncation=True,
            max_length=self.info.max_length,
        )

    def predict(
        self, texts: Iterable[str | Pair], *, batch_size: int = 1, top: int = 1
    ) -> Iterator[Prediction]:
        """Yield a prediction for each text, in order, reading ``batch_size`` texts at a time.

        What a bundle was trained on decides whether it takes texts or pairs.

        A batch is padded to its longest text, which moves scores in the seventh digit. ``top``
        above 1 adds the scores of that many classes, the most probable first.
        """
        answers = self._pipeline((text for text in texts), batch_size=batch_size, top_k=top)
        for answer in answers:
            found = Prediction(label=answer[0]["label"], score=answer[0]["score"])
            if top > 1:
                found["scores"] = {one["label"]: one["score"] for one in answer}
            yield found


def find_bundle(path: Path) -> Path:
    """Return the bundle at ``path``, or the one of the run folder at ``path``; absolute.

    Raises InputError where neither lies there.
    """
    folder = path.expanduser().absolute()
    if (folder / INFO).is_file():
        return folder
    run = RunDir.at(folder)
    if (run.bundle / INFO).is_file():
        return run.bundle
    if run.plan.is_file():
        hint = "`automl run` its recipe to the end, or `automl export` the best trial so far"
        raise InputError(Problem(f"the run in {path} has no bundle yet", hint=hint))
    if not folder.is_dir():
        raise InputError(Problem(f"{path} is not a folder", hint="name a bundle or a run folder"))
    hint = "a bundle is what `automl run` writes to runs/<name>/bundle"
    raise InputError(Problem(f"{path} is not a bundle: it holds no {INFO}", hint=hint))


def quieten() -> None:
    """Keep transformers' progress bars and advice off the screen; for command lines."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _refuse_unfit(info: BundleInfo, folder: Path, trusted: bool) -> None:
    if info.pipeline_tag not in PIPELINES:
        raise InputError(
            f"{folder} is a bundle for {info.task}, which cannot be predicted here yet; its "
            "README.md shows the code that does"
        )
    if info.trust_remote_code and not trusted:
        raise InputError(
            Problem(
                f"{folder} only loads by running Python code that lies in it",
                hint="read that code; if you trust it: --trust-remote-code",
            )
        )


def _device(wanted: str) -> Any:
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            Problem(f"device {wanted!r} cannot be used: {reason}", hint="auto, cpu, cuda, cuda:1")
        ) from error
    return device
