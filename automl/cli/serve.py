"""``automl serve``: a bundle behind HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli._bundles import BaseModel, Bundle, TrustRemoteCode
from automl.serving.server.settings import Settings

HERE = ("127.0.0.1", "localhost", "::1")
USUAL = Settings()


def command(
    bundle: Bundle,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 is any free one.")] = 8000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    weights: Annotated[
        str,
        typer.Option(
            help="Format of the weights that the bundle holds: safetensors, onnx, onnx-int8, bf16, "
            "fp16; auto is onnx where it is there, on a CPU."
        ),
    ] = "auto",
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the bearer token that requests must bring. Left out: the variable "
            "AUTOML_TOKEN, else anyone may ask."
        ),
    ] = None,
    max_batch: Annotated[
        int, typer.Option(min=1, help="Rows that the model is given at once.")
    ] = USUAL.max_batch,
    max_wait_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a row waits for others.")
    ] = USUAL.max_wait_ms,
    max_rows: Annotated[
        int, typer.Option(min=1, help="Rows of one request; more: 422.")
    ] = USUAL.max_rows,
    max_body: Annotated[
        int, typer.Option(min=1, help="Bytes of one request's body; more: 413.")
    ] = USUAL.max_body,
    max_concurrency: Annotated[
        int, typer.Option(min=1, help="Requests answered at once; more: 503 with Retry-After.")
    ] = USUAL.max_concurrency,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds within which to answer; longer: 504.")
    ] = USUAL.timeout,
    drain: Annotated[
        float,
        typer.Option(min=0, help="Seconds after SIGTERM in which requests are still let in."),
    ] = USUAL.drain,
    window: Annotated[
        int, typer.Option(min=50, help="Rows, the last ones, that drift is looked for in.")
    ] = USUAL.window,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of the model. Left out: all cores.")
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    base_model: BaseModel = None,
) -> None:
    """Serve a bundle over HTTP, asked and answered as the hub's inference API is."""
    from automl.cli import _serving
    from automl.serving.predict import find_bundle

    _serving.refuse_missing()
    folder = find_bundle(bundle)
    token = _serving.token(token_file)
    if not token and host not in HERE:
        _serving.say(f"anyone who reaches {host} may ask; --token-file FILE asks for a token")
    settings = Settings(
        max_batch=max_batch,
        max_wait_ms=max_wait_ms,
        max_rows=max_rows,
        max_body=max_body,
        max_concurrency=max_concurrency,
        timeout=timeout,
        drain=drain,
        window=window,
        token=token,
    )
    _serving.run(
        folder,
        settings,
        host,
        port,
        threads,
        device=device,
        weights=weights,
        trust_remote_code=trust_remote_code,
        base_model=base_model,
    )
