"""What a base model's licence means for the model that was made from it, in words. No legal advice.

Knows the identifiers of the hub; decides nothing about which models may be used.
"""

from __future__ import annotations

import re

_HUB = re.compile(
    r"""
    afl-3\.0 | (a|l)?gpl(-lr|-2\.[01]|-3\.0)? | apache-2\.0 | apple-a(mlr|scl) | artistic-2\.0
    | big(code-openrail-m|science-(bloom-rail-1\.0|openrail-m)) | bsd(-[23]-clause(-clear)?)?
    | bsl-1\.0 | c-uda | cc | cc0-1\.0 | cc-by-(2\.0|2\.5|3\.0|4\.0) | cc-by-nc-[234]\.0
    | cc-by-nc-nd-[34]\.0 | cc-by-nc-sa-[234]\.0 | cc-by-nd-4\.0 | cc-by-sa-[34]\.0
    | cdla-(permissive-[12]|sharing-1)\.0 | creativeml-openrail-m | deepfloyd-if-license | ecl-2\.0
    | epl-[12]\.0 | etalab-2\.0 | eupl-1\.[12] | fair-noncommercial-research-license | gemma | gfdl
    | h-research | intel-research | isc | llama(2|3|3\.1|3\.2|3\.3|4) | lppl-1\.3c | mit | mpl-2\.0
    | ms-pl | ncsa | odbl | odc-by | ofl-1\.1 | openrail(\+\+)? | osl-3\.0 | pddl | postgresql
    | unknown | unlicense | wtfpl | zlib
    """,
    re.VERBOSE,
)
"""Identifiers that the hub takes under ``license``; any other is ``other`` with a name."""

_MEANING: tuple[tuple[str, str], ...] = (
    (
        r"apache-2\.0|ecl-2\.0",
        "Whoever passes it on, changed or not, gives the licence's text with it, keeps copyright, "
        "patent and attribution notices (a NOTICE file among them), and says that it was changed: "
        "fine-tuning is a change. Commercial use is allowed.",
    ),
    (
        r"mit|isc|bsd.*|zlib|ncsa|postgresql|bsl-1\.0|afl-3\.0|artistic-2\.0|ms-pl",
        "Whoever passes it on keeps the copyright notice and the licence's text with it. "
        "Commercial use is allowed.",
    ),
    (
        r"cc0-1\.0|unlicense|wtfpl|pddl",
        "It asks nothing of those who use it or pass it on.",
    ),
    (
        r"cc-by-nc.*",
        "Not for commercial use. Whoever passes it on names the authors, links the licence and "
        "says what was changed.",
    ),
    (
        r"cc-by-sa.*",
        "Whoever passes it on names the authors, links the licence, says what was changed, and "
        "does so under the same licence. Commercial use is allowed.",
    ),
    (
        r"cc-by-nd.*",
        "Whoever passes it on names the authors and links the licence.",
    ),
    (
        r"cc-by-.*|odc-by|etalab-2\.0|cdla-permissive.*",
        "Whoever passes it on names the authors, links the licence and says what was changed. "
        "Commercial use is allowed.",
    ),
    (
        r"openrail.*|.*-openrail-m|bigscience-bloom-rail-1\.0",
        "A responsible-use licence: commercial use is allowed, but its list of forbidden uses "
        "binds everyone who uses this model, and must be passed on with it as a condition.",
    ),
    (
        r"llama3.*|llama4",
        "A community licence with an acceptable-use policy that goes on with the model. Whoever "
        "passes it on gives a copy of the licence, displays “Built with Llama” (for Llama 3: "
        "“Built with Meta Llama 3”), and begins the model's name with “Llama” (“Llama 3”). "
        "Services above the licence's number of monthly users need Meta's leave.",
    ),
    (
        r"llama2",
        "A community licence with an acceptable-use policy that goes on with the model. Whoever "
        "passes it on gives a copy of the licence and its notice with it. Its outputs may not be "
        "used to improve other large language models; services above the licence's number of "
        "monthly users need Meta's leave.",
    ),
    (
        r"gemma",
        "Google's Gemma terms: the list of forbidden uses binds everyone who uses this model. "
        "Whoever passes it on makes that a condition, gives a copy of the terms with it, and says "
        "in the files that they were changed.",
    ),
    (
        r"(a|l)?gpl.*|gfdl|mpl-2\.0|epl.*|eupl.*|osl-3\.0|cdla-sharing-1\.0|odbl|lppl-1\.3c|ofl-1\.1",
        "A copyleft licence: whoever passes on this model, which was made from it, does so under "
        "the licence's own terms.",
    ),
    (
        r"fair-noncommercial-research-license|h-research|intel-research|apple-amlr"
        r"|deepfloyd-if-license",
        "For research; not for commercial use. Read its terms before you pass it on.",
    ),
)
_ALSO_NO_CHANGES = re.compile(r"cc-by(-nc)?-nd.*")
_ALSO_ALIKE = re.compile(r"cc-by-nc-sa.*")


def metadata(license_: str | None) -> dict[str, str]:
    """Return the hub's fields for a licence; empty where the base model states none.

    A name that the hub does not know becomes ``license: other`` with that name.
    """
    if not license_:
        return {}
    identifier = license_.strip().lower()
    if identifier == "other" or _HUB.fullmatch(identifier):
        return {"license": identifier}
    return {
        "license": "other",
        "license_name": re.sub(r"[^a-z0-9.+-]+", "-", identifier).strip("-"),
    }


def obligations(license_: str | None) -> str:
    """Return what the licence asks of those who use this model or pass it on, in plain words."""
    if not license_ or license_.strip().lower() == "unknown":
        return (
            "The base model states no licence. Without one nothing is allowed by default: ask its "
            "authors before you use this model for more than a trial, or pass it on."
        )
    identifier = license_.strip().lower()
    for pattern, meaning in _MEANING:
        if re.fullmatch(pattern, identifier):
            return meaning + _more(identifier)
    return "Its terms are the base model's own: read them before you use or pass on this model."


def _more(identifier: str) -> str:
    if _ALSO_NO_CHANGES.fullmatch(identifier):
        return (
            " Changed versions may not be passed on at all: this model, which is one, is for use "
            "within your own walls."
        )
    if _ALSO_ALIKE.fullmatch(identifier):
        return " It is passed on under the same licence only."
    return ""
