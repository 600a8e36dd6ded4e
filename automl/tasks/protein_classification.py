"""Protein classification: a sequence of amino acids in, one of several classes out.

Text classification but for what a row may hold, the floor, and the words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from automl.tasks import Columns, Labels, Malformed, Prepared, Role, get
from automl.tasks._text import CLASS_COLUMNS

if TYPE_CHECKING:
    import numpy as np

_LETTERS = "ACDEFGHIKLMNPQRSTVWY" "BJOUXZ"  # fmt: skip
"""The twenty amino acids, and the letters of IUPAC for rare and for unsettled ones."""
_FOREIGN = re.compile(f"[^{_LETTERS}]")
_NUCLEOTIDES = re.compile("[ACGTUN]*")
_TELLING = 50
"""Letters from which A, C, G and T alone are hardly a protein."""
_EXAMPLE = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"


def _prepare(columns: Columns) -> Prepared:
    """Return sequences in capitals, without gaps, spaces and the stop at the end.

    What else is no amino acid is malformed.
    """
    found, malformed = [], []
    changed = {"written in lower case": 0, "with spaces, gaps or a stop at the end": 0}
    nucleotides = 0
    for row, value in enumerate(columns["text"]):
        given = str(value)
        bare = re.sub(r"[\s.-]", "", given).removesuffix("*")
        sequence = bare.upper()
        changed["written in lower case"] += sequence != bare
        changed["with spaces, gaps or a stop at the end"] += bare != given
        nucleotides += len(bare) >= _TELLING and bool(_NUCLEOTIDES.fullmatch(sequence))
        if wrong := _wrong(given, sequence):
            malformed.append(Malformed(row, *wrong))
        found.append(sequence)
    notes = [f"{count} sequences {how} were made plain" for how, count in changed.items() if count]
    if nucleotides:
        notes.append(f"{nucleotides} sequences are of A, C, G and T alone: are they of DNA?")
    return Prepared({**columns, "text": found}, tuple(notes), tuple(malformed))


def _wrong(given: str, sequence: str) -> tuple[str, str] | None:
    """Return what is no sequence about the row, and what to do about it; None where all is well."""
    if given.lstrip().startswith(">"):
        return "the sequence (text) is a FASTA record", "leave out the line that begins with >"
    if not sequence:
        return f"the sequence (text) is empty but for gaps: {given[:20]!r}", "remove the row"
    foreign = _FOREIGN.search(sequence)
    if foreign is None:
        return None
    place = foreign.start() + 1
    message = f"the sequence (text) holds {foreign[0]!r}, no amino acid, at letter {place}"
    return message, "write one-letter codes; X stands for an unknown one"


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    from automl.tasks import _tfidf

    return _tfidf.log_probabilities(train, others, labels, seed, make=_tfidf.letters)


def _usage(
    repository: str,
    max_length: int,
    roles: Collection[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> str:
    usage = get("text-classification").usage(repository, max_length, thresholds=thresholds)
    return usage.replace("Put a text here.", _EXAMPLE)


TASK = replace(
    get("text-classification"),
    name="protein-classification",
    roles=(
        Role("text", "text", True, ("text", "sequence", "seq", "protein", "protein_sequence",
                                    "aa_seq", "primary")),
        Role("label", "class", True, CLASS_COLUMNS),
    ),
    floor_description=(
        "TF-IDF of one to three amino acids in a row, logistic regression with C=10"
    ),
    lists="",
    floor=_floor,
    usage=_usage,
    prepare=_prepare,
)  # fmt: skip
"""Single-label classification of proteins, by ESM and its kin."""
