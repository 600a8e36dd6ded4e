"""A model whose answers onnxruntime computes: its own class without weights, asked as any model is.

So whatever a task does with a model (read logits, generate with a cache, ask for a length) works
with exported graphs too. Reads graphs; makes none.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import InputError, Problem

if TYPE_CHECKING:
    import torch

FOLDER = "onnx"
"""Where a bundle keeps its graphs, as repositories on the hub do."""
MANIFEST = "export.json"
"""What each graph takes and gives, in the form of transformers' exporters."""
MODEL, ENCODER = "model", "encoder_model"
DECODER, LATER_DECODER = "decoder_model", "decoder_with_past_model"
"""The graphs' names, as usual on the hub. A model that writes after reading has three of them: its
decoder's first step works out what the later ones reuse."""
QUANTIZED = "_quantized"
_CACHE, _POSITIONS, _MASK = "cache.", "position_ids", "attention_mask"
_MUTATED = "input."
"""Before the name of what a graph takes and gives back changed."""


def load(auto_class: str, folder: Path, device: torch.device, *, quantized: bool = False) -> Any:
    """Return the model of ``auto_class`` in the folder, its forward passes answered by the graphs.

    It is on ``device``, evaluating. Raises InputError where onnxruntime can't use the device.
    """
    import torch
    import transformers

    graphs = _graphs(folder / FOLDER, device, quantized)
    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model: Any = getattr(transformers, auto_class).from_config(config)
    for name, _ in list(model.named_parameters(recurse=False)):
        delattr(model, name)
    # The first parameter is what tells where a model is.
    model.where = torch.nn.Parameter(torch.empty(0, device=device), requires_grad=False)
    if model.can_generate() and (folder / "generation_config.json").exists():
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    if ENCODER in graphs:
        encoder = model.get_encoder()
        encoder.forward = _standing_in(graphs[ENCODER], encoder.forward)
        model.forward = _standing_in(_Decoder(graphs), model.forward)
    else:
        model.forward = _standing_in(graphs[MODEL], model.forward)
    return model.eval()


def _standing_in(graph: Any, forward: Any) -> Any:
    """Return the graph as a forward of the same signature, which generation looks at."""

    @functools.wraps(forward)
    def answered(**given: Any) -> Any:
        return graph(given)

    return answered


def _graphs(folder: Path, device: torch.device, quantized: bool) -> dict[str, _Graph]:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    tail = QUANTIZED if quantized else ""
    return {
        name: _Graph(folder / f"{name}{tail}.onnx", told["metadata"], device)
        for name, told in manifest["components"].items()
    }


class _Graph:
    """One graph in a session of its own, with as many threads as torch has."""

    def __init__(self, path: Path, metadata: Mapping[str, Any], device: torch.device) -> None:
        import onnxruntime
        import torch
        from transformers.exporters.metadata import ExportMetadata
        from transformers.exporters.runners.runner_onnx import OnnxModelRunner

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # its warnings are about what it can't optimise
        session = onnxruntime.InferenceSession(str(path), options, providers=_providers(device))
        self._run = OnnxModelRunner(ExportMetadata.from_dict(metadata), session)
        self._takes = frozenset(metadata["kwargs"])
        self._inputs = {each.name.removeprefix(_MUTATED): each for each in session.get_inputs()}

    def __call__(self, given: Mapping[str, Any]) -> Any:
        """Return what the model would of ``given``; what it has no input for is left out.

        What a model does without is made up: a mask where all is to be read, and where nothing was
        read before, positions and an empty cache.
        """
        import torch

        taken = {name: value for name, value in given.items() if name in self._takes}
        if _MASK in self._inputs and taken.get(_MASK) is None:
            taken[_MASK] = torch.ones(_read(given), dtype=_type(self._inputs[_MASK].type))
        if any(name.startswith(_CACHE) for name in self._inputs):
            taken = self._begun(taken)
        return self._run(**taken)

    def _begun(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what is given, with an empty cache and positions where there is no cache yet."""
        import torch

        if _before(given) > 0 or "input_ids" not in given:
            return given
        more: dict[str, Any] = {}
        rows, length = given["input_ids"].shape
        if _POSITIONS in self._inputs and given.get(_POSITIONS) is None:
            more[_POSITIONS] = torch.arange(length).expand(rows, length)
        rows_name = self._inputs["input_ids"].shape[0]
        for name, told in self._inputs.items():
            if name.startswith(_CACHE):
                shape = [_size(each, {rows_name: rows}) for each in told.shape]
                more[name] = torch.zeros(shape, dtype=_type(told.type))
        return {**{name: value for name, value in given.items() if name != "cache"}, **more}


def _before(given: Mapping[str, Any]) -> int:
    """Return how many tokens the cache holds."""
    cache = given.get("cache")
    return 0 if cache is None else int(cache.get_seq_length())


def _read(given: Mapping[str, Any]) -> tuple[int, int]:
    """Return rows and length of what a mask is over: what was encoded, or all tokens so far."""
    if (encoded := given.get("encoder_outputs")) is not None:
        rows, length = encoded[0].shape[:2]
        return rows, length
    first = given.get("input_ids", next(iter(given.values())))
    rows, length = first.shape[:2]
    return rows, length + _before(given)


class _Decoder:
    """The decoder's two graphs as one: which of them answers, the cache tells."""

    def __init__(self, graphs: Mapping[str, _Graph]) -> None:
        self._first, self._later = graphs[DECODER], graphs[LATER_DECODER]

    def __call__(self, given: Mapping[str, Any]) -> Any:
        return (self._later if _before(given) > 0 else self._first)(given)


def _size(axis: int | str, known: Mapping[str, int]) -> int:
    """Return a cache's size along an axis, whose number is its size or whose name is known.

    The others are how far it reaches: nowhere yet.
    """
    if isinstance(axis, int) or axis.isdecimal():
        return int(axis)
    return known.get(axis, 0)


def _type(told: str) -> torch.dtype:
    """Return torch's type of what a graph takes; KeyError for one that no cache or mask has."""
    import torch

    return {
        "tensor(float)": torch.float32,
        "tensor(int64)": torch.int64,
        "tensor(int32)": torch.int32,
        "tensor(bool)": torch.bool,
    }[told]


_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def reaches(kind: str) -> bool:
    """Return whether the onnxruntime here computes on that kind of device."""
    import onnxruntime

    return _PROVIDERS.get(kind) in onnxruntime.get_available_providers()


def _providers(device: torch.device) -> list[Any]:
    if not reaches(device.type):
        raise InputError(
            Problem(
                f"the onnxruntime that is installed can't compute on {device.type}",
                hint="--device cpu, or for CUDA: pip install onnxruntime-gpu",
            )
        )
    cpu = _PROVIDERS["cpu"]
    if device.type == "cpu":
        return [cpu]
    return [(_PROVIDERS[device.type], {"device_id": device.index or 0}), cpu]
