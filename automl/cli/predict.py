"""``automl predict``: ask a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli._bundles import BaseModel, Bundle, TrustRemoteCode


def command(
    bundle: Bundle,
    source: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="csv, tsv, jsonl, json or txt (one text a line); - is stdin. For a bundle that "
            "sees or hears also files and folders of them.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text to label instead of a file; may be repeated.")
    ] = None,
    text_pair: Annotated[
        list[str] | None,
        typer.Option(help="Second text of each --text, for a bundle that labels pairs."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write, at the end and whole. Left out: stdout.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="jsonl or csv. Left out: by --output's name, else jsonl.")
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(help="Format of INPUT where its name does not tell.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of the texts. Left out: as in training.")
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option(help="Column of the second texts. Left out: as in training.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to give scores for.")] = 1,
    batch_size: Annotated[
        int,
        typer.Option(min=1, help="Texts taken at once: faster, scores move in the seventh digit."),
    ] = 1,
    draw: Annotated[
        Path | None,
        typer.Option(help="Picture (png) to write: what is said of the first files, drawn."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    weights: Annotated[
        str,
        typer.Option(
            help="Format of the weights that the bundle holds: safetensors, onnx, onnx-int8, bf16, "
            "fp16; auto is onnx where it is there, on a CPU."
        ),
    ] = "safetensors",
    trust_remote_code: TrustRemoteCode = False,
    base_model: BaseModel = None,
) -> None:
    """Ask a bundle about texts, files or rows: each comes back with what the model says of it."""
    from automl.cli import _predictions
    from automl.serving.batch import label
    from automl.serving.predict import Predictor, find_bundle, quieten, task_of

    folder = find_bundle(bundle)
    task = task_of(folder)
    _predictions.refuse_drawing(draw, task)
    rows = _predictions.rows(source or [], text or [], text_pair or [], input_format, task)
    written = _predictions.output_format(format, output)
    quieten()
    predictor = Predictor(
        folder,
        device,
        trust_remote_code=trust_remote_code,
        base_model=base_model,
        draw=0 if draw is None else _predictions.DRAWN,
        weights=weights,
    )
    answers = label(
        predictor,
        rows,
        column=column,
        pair_column=pair_column,
        batch_size=batch_size,
        top=top,
        on_fault=_predictions.say,
    )
    _predictions.write(answers, output, written, top, predictor.task.says)
    if draw is not None:
        _predictions.draw(predictor.drawn, draw)
