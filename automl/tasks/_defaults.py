"""What most tasks do alike: pad, read the logits, count tokens. Light to import; knows no task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase


def tokenizer(path: str, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """Return the tokenizer in the folder."""
    from automl.tasks import _text

    return _text.load_tokenizer(path, trust_remote_code)


def padder(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[Any]], Any]:
    """Return what pads encoded rows to the longest of the batch."""
    from automl.tasks import _text

    return _text.padder(tokenizer)


def logits(model: Any, inputs: dict[str, Any]) -> Sequence[Any]:
    """Return the model's logits as float32 of shape (rows, ...)."""
    given = {name: values for name, values in inputs.items() if name != "labels"}
    found: Sequence[Any] = model(**given).logits.float().cpu().numpy()
    return found


def stacked(
    outputs: Sequence[Any],
    rows: Any,
    columns: Mapping[str, Sequence[Any]],
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str],
) -> np.ndarray:
    """Return the outputs, arrays of one shape each, as one array with a row each."""
    import numpy as np

    return np.stack(outputs)


def as_it_is(model: Any) -> AbstractContextManager[None]:
    """Leave the model as it is."""
    return nullcontext()


def lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return how many tokens each row has."""
    return [len(ids) for ids in encoded["input_ids"]]
