"""ONNX graphs of a model, by transformers' exporter: what is to be traced, written and tried.

Captures what the task gives the model, so that no task has code of its own here.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from automl.errors import CandidateError
from automl.tasks import Task, _hollow
from automl.worker import failures

WHOLE_BYTES = int(1.5e9)
"""Weights up to which a graph is one file; protobuf's limit is 2 GB."""
_STEPS = 5
"""Tokens that are generated to see what a step is given: a cache of one would be traced as such."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module that becomes a graph, and an example of what it is given."""

    module: Any
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """An exported graph, what its manifest says, and the example that it was traced with."""

    program: Any
    metadata: Any
    given: Mapping[str, Any]


def exported(task: Task, model: Any, batch: Mapping[str, Any]) -> dict[str, Graph]:
    """Return the model's graphs by name, their rows and lengths free; ``batch`` has two rows.

    Raises CandidateError with the exporter's reason where there can be none.
    """
    from transformers.exporters import OnnxConfig, OnnxExporter

    parts = _parts(task, model, batch)
    found = {}
    with _quiet(), _without_cache(model, parts):
        for name, part in parts.items():
            try:
                made = (
                    OnnxExporter()
                    .export(part.module, dict(part.given), OnnxConfig(dynamic=True))
                    .components["model"]
                )
            except Exception as error:  # whatever the exporter raises is the reason
                raise CandidateError(_why(error)) from error
            found[name] = Graph(made.program, made.metadata, part.given)
    return found


def quantized(
    graphs: Mapping[str, Graph], calibration: Callable[[], Sequence[Mapping[str, Any]]]
) -> dict[str, Graph]:
    """Return the graphs with most of their weights in eight bits.

    A graph that is mostly convolutions has these alone in eight bits, its activations' ranges found
    with what ``calibration`` gives (as a forward pass takes it). Others have their matrices and
    embeddings in eight bits, activations rounded as they come. docs/formats.md has the figures that
    decided so. Raises CandidateError with the quantizer's reason where it fails.
    """
    found = {}
    with _quiet():
        for name, graph in graphs.items():
            calibrated = name == _hollow.MODEL and _convolutional(graph.program)
            try:
                quantizer = _static(calibration()) if calibrated else _dynamic()
                program = quantizer.quantize(graph.program, dict(graph.given), "onnx")
            except Exception as error:  # as above
                raise CandidateError(_why(error)) from error
            found[name] = Graph(program, graph.metadata, graph.given)
    return found


def _dynamic() -> Any:
    """Weights are unsigned, each column with a scale of its own: MiniLM's logits move by a third of
    what signed ones move them. Convolutions lose much and gain no time."""
    from onnxruntime.quantization import QuantType
    from transformers.exporters import OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer

    return OnnxRuntimeQuantizer(
        OnnxRuntimeDynamicConfig(
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            per_channel=True,
            weight_type=QuantType.QUInt8,
        )
    )


def _static(calibration: Sequence[Mapping[str, Any]]) -> Any:
    """Convolutions alone: with what is around them in eight bits too, MobileNets lose ten times as
    much."""
    from transformers.exporters import OnnxRuntimeQuantizer, OnnxRuntimeStaticConfig

    settings = OnnxRuntimeStaticConfig(op_types_to_quantize=["Conv"], per_channel=True)
    return OnnxRuntimeQuantizer(settings, calibration_dataset=[dict(each) for each in calibration])


def _convolutional(program: Any) -> bool:
    """Whether most of the weights are convolutions'."""
    filters = {
        node.inputs[1].name
        for node in program.graph
        if node.op_type == "Conv" and node.inputs[1] is not None
    }
    return 2 * _bytes(program, filters) > _bytes(program)


def write(graphs: Mapping[str, Graph], folder: Path, tail: str = "") -> list[Path]:
    """Write the graphs to ``folder`` as ``<name><tail>.onnx`` and the manifest; return the files.

    Nothing in them tells of this machine: the exporter notes which source lines it has traced.
    """
    import onnx_ir

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    entries = {}
    for name, graph in graphs.items():
        _forget_source(graph.program)
        path = folder / f"{name}{tail}.onnx"
        beside = None if _bytes(graph.program) < WHOLE_BYTES else f"{path.name}.data"
        onnx_ir.save(graph.program, str(path), external_data=beside)
        files += [path, *([folder / beside] if beside else [])]
        entries[name] = {"file": path.name, "metadata": asdict(graph.metadata)}
    manifest = {"schema_version": 1, "export_format": "onnx", "components": entries}
    path = folder / _hollow.MANIFEST
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return [*files, path]


def given_to(model: Any, task: Task, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the task gives the model for a batch, a forward pass each."""
    with _recorded(model) as calls, torch.no_grad():
        list(task.infer(model, dict(batch)))
    return calls


def _parts(task: Task, model: Any, batch: Mapping[str, Any]) -> dict[str, Part]:
    if not model.can_generate():
        return {_hollow.MODEL: Part(model, given_to(model, task, batch)[0])}
    if model.config.is_encoder_decoder:
        return _reading_and_writing(task, model, batch)
    return {_hollow.MODEL: Part(model, _continuing(task, model, batch))}


def _continuing(task: Task, model: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a causal model is given for several tokens after a cache: it may be empty."""
    from transformers.exporters.utils import decompose_for_generation

    given = given_to(model, task, batch)[0]
    try:
        stages = decompose_for_generation(model, given, multi_token_decode=True)
    except Exception as error:  # as above
        raise CandidateError(_why(error)) from error
    if set(stages) != {"prefill", "decode"}:
        named = ", ".join(sorted(stages))
        raise CandidateError(f"it would come apart into {named}, which nothing here puts together")
    return _tensors(stages["decode"][1])


def _reading_and_writing(task: Task, model: Any, batch: Mapping[str, Any]) -> dict[str, Part]:
    """Return encoder, and the decoder's first and a later step, as they are when it generates."""
    settings = model.generation_config
    least, model.generation_config = settings, copy.deepcopy(settings)
    model.generation_config.min_new_tokens = _STEPS
    model.generation_config.max_new_tokens = _STEPS
    model.generation_config.max_length = None
    try:
        with _recorded(model.get_encoder()) as read:
            written = given_to(model, task, batch)
    finally:
        model.generation_config = least
    begun = [call for call in written if call["cache"].get_seq_length() > 0]
    if not read or len(begun) < _STEPS - 2:
        raise CandidateError("it does not generate step by step with a cache")
    return {
        _hollow.ENCODER: Part(model.get_encoder(), _tensors(read[0])),
        _hollow.DECODER: Part(model, _tensors(written[0])),
        _hollow.LATER_DECODER: Part(model, _tensors(begun[_STEPS - 3])),
    }


def _tensors(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


@contextlib.contextmanager
def _recorded(module: Any) -> Iterator[list[dict[str, Any]]]:
    """Within, note what the module is given, as it was before the module changed it."""
    calls: list[dict[str, Any]] = []

    def note(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if given:
            raise CandidateError("it is given inputs without names")
        calls.append(copy.deepcopy(named))

    handle = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


@contextlib.contextmanager
def _without_cache(model: Any, parts: Mapping[str, Part]) -> Iterator[None]:
    """Within, a model that generates nothing gives no cache back, whatever its settings say."""
    kept = getattr(model.config, "use_cache", None)
    if kept is not None and not any("cache" in part.given for part in parts.values()):
        model.config.use_cache = False
    try:
        yield
    finally:
        if kept is not None:
            model.config.use_cache = kept


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within, the exporter's talk goes to the log."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _forget_source(program: Any) -> None:
    for graph in program.graphs():
        graph.metadata_props.clear()
        for node in graph:
            node.metadata_props.clear()
            node.doc_string = None
            for value in node.outputs:
                value.metadata_props.clear()
        for value in (*graph.inputs, *graph.initializers.values()):
            value.metadata_props.clear()
    for function in program.functions.values():
        function.metadata_props.clear()
        for node in function:
            node.metadata_props.clear()


def _bytes(program: Any, names: Collection[str] | None = None) -> int:
    """Return the bytes of the weights, or of those called ``names``."""
    return sum(
        value.const_value.nbytes
        for name, value in program.graph.initializers.items()
        if value.const_value is not None and (names is None or name in names)
    )


def _why(error: BaseException) -> str:
    return f"the exporter fails on it: {failures.message(error)}"
