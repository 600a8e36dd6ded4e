"""What has turned out not to fit into memory, and for which trials that holds. Pure.

What did not fit holds for whatever needs as much or more: all weights trained rather than some,
more layers, a smaller device. What needs less is tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from automl.plan import Candidate, Configuration

_METHODS = ("probe", "qlora", "lora", "full")
"""Methods that are known to need more memory than those before them."""
FROZEN, LAYERS, METHOD = "freeze_embeddings", "keep_layers", "method"


@dataclass(frozen=True, slots=True)
class Variant:
    """What of a trial decides how much memory its rows take, on which device."""

    method: str = "full"
    layers: float = 1.0
    """Share of the model's layers that is kept."""
    frozen: bool = False
    """Whether the embeddings are not trained."""
    device_bytes: int = 0
    """Memory that its process may fill; 0: that of this machine."""
    precision: str = ""

    def needs_no_more_than(self, other: Variant) -> bool:
        """Return whether this fits wherever the other one does, as far as is known."""
        return (
            _no_heavier(self.method, other.method)
            and self.layers <= other.layers
            and (self.frozen or not other.frozen)
            and self.device_bytes >= other.device_bytes
            and self.precision == other.precision
        )


@dataclass(frozen=True, slots=True)
class Overflow:
    """So many rows at once were too many for a process."""

    rows: int
    variant: Variant

    def holds_for(self, other: Variant) -> bool:
        """Return whether as many rows are too many for the other variant too."""
        return self.variant.needs_no_more_than(other)


def variant(
    candidate: Candidate, configuration: Configuration, device_bytes: int, precision: str
) -> Variant:
    """Return which variant of the candidate the configuration trains."""
    values = configuration.hyperparameters
    every = next((each.default for each in candidate.space if each.name == LAYERS), None)
    kept = values.get(LAYERS, every)
    known = isinstance(every, int) and isinstance(kept, int)
    return Variant(
        str(values.get(METHOD, "full")),
        float(kept) / float(every) if known and every and kept else 1.0,
        values.get(FROZEN) is True,
        device_bytes,
        precision,
    )


def _no_heavier(one: str, other: str) -> bool:
    if one == other:
        return True
    known = one in _METHODS and other in _METHODS
    return known and _METHODS.index(one) < _METHODS.index(other)
