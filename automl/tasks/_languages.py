"""Languages as columns and models name them: ISO 639 codes, English names. Pure data."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TABLE = """
af afr Afrikaans | am amh Amharic | ar arb Arabic | az azj Azerbaijani | be bel Belarusian
bg bul Bulgarian | bn ben Bengali | bs bos Bosnian | ca cat Catalan | cs ces Czech | cy cym Welsh
da dan Danish | de deu German | el ell Greek | en eng English | es spa Spanish | et est Estonian
eu eus Basque | fa pes Persian | fi fin Finnish | fr fra French | ga gle Irish | gl glg Galician
gu guj Gujarati | ha hau Hausa | he heb Hebrew | hi hin Hindi | hr hrv Croatian | hu hun Hungarian
hy hye Armenian | id ind Indonesian | ig ibo Igbo | is isl Icelandic | it ita Italian
ja jpn Japanese | jv jav Javanese | ka kat Georgian | kk kaz Kazakh | km khm Khmer | kn kan Kannada
ko kor Korean | ky kir Kyrgyz | lo lao Lao | lt lit Lithuanian | lv lvs Latvian | mg plt Malagasy
mk mkd Macedonian | ml mal Malayalam | mn khk Mongolian | mr mar Marathi | ms zsm Malay
mt mlt Maltese | my mya Burmese | nb nob Norwegian | ne npi Nepali | nl nld Dutch
no nob Norwegian
pa pan Punjabi | pl pol Polish | ps pbt Pashto | pt por Portuguese | ro ron Romanian
ru rus Russian
sd snd Sindhi | si sin Sinhala | sk slk Slovak | sl slv Slovenian | so som Somali | sq als Albanian
sr srp Serbian | sv swe Swedish | sw swh Swahili | ta tam Tamil | te tel Telugu | th tha Thai
tl tgl Tagalog | tr tur Turkish | uk ukr Ukrainian | ur urd Urdu | uz uzn Uzbek | vi vie Vietnamese
xh xho Xhosa | yo yor Yoruba | zh zho Chinese | zu zul Zulu
"""
LANGUAGES = {
    two: (three, name)
    for two, three, name in (
        entry.split() for line in _TABLE.strip().splitlines() for entry in line.split(" | ")
    )
}
"""Two-letter code → three letters (of a macrolanguage, as FLORES-200 has it), English name."""
_BY_WORD = {
    **{three: two for two, (three, _) in LANGUAGES.items() if two != "nb"},
    **{name.lower(): two for two, (_, name) in LANGUAGES.items() if two != "nb"},
    **{two: two for two in LANGUAGES},
}
_CODE = re.compile(r"([a-z]{2,3})(?:[_-]([A-Za-z]{2,4}))?")
CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
"""How models with many languages write them: ``en_XX``, ``eng_Latn``."""


def language(name: str) -> str | None:
    """Return the language code in a column's name as it stands there; None where there is none.

    ``translation.en`` → ``en``, ``pt_BR`` → ``pt_BR``, ``German`` → ``de``, ``text_fr`` → ``fr``.
    """
    last = name.rpartition(".")[2]
    whole = _CODE.fullmatch(last)
    if whole and whole[1] in _BY_WORD and (whole[2] is None or not whole[2].islower()):
        return last
    word = re.split(r"[._\s-]", last)[-1]
    return _BY_WORD.get(word.lower())


def short(code: str) -> str:
    """Return a code's two letters: ``eng_Latn``, ``en_XX`` → ``en``; unknown ones as they are."""
    first = re.split(r"[_-]", code)[0].lower()
    return _BY_WORD.get(first, first)


def english(code: str) -> str | None:
    """Return the language's English name, or None where it is not known here."""
    found = LANGUAGES.get(short(code))
    return found[1] if found else None


def among(codes: Iterable[str], code: str) -> str | None:
    """Return how a model that knows ``codes`` writes the language; None where it does not.

    Of several scripts or regions the first in order.
    """
    known = sorted(codes)
    if code in known:
        return code
    same = code.replace("-", "_")
    two = short(code)
    three = LANGUAGES.get(two, ("",))[0]
    starts = [f"{same}_", f"{two}_", f"{three}_"]
    exact = next((each for each in known if each in (same, two)), None)
    begun = (each for start in starts for each in known if each.startswith(start))
    begun = (each for start in starts for each in known if each.startswith(start))
    return exact or next(begun, None)
