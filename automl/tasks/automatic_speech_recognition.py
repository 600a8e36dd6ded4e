"""Automatic speech recognition: a sound in, what was said in it out.

By the model's family it is spelled letter by letter (CTC: wav2vec 2.0 and its kin) or written by a
decoder (Whisper, Moonshine). Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.plan import Scalar
from automl.tasks import (
    HEARING,
    Columns,
    Labels,
    Malformed,
    Prepared,
    Role,
    Task,
    _hearing,
    _spectra,
    _transcripts,
)
from automl.tasks._text import IGNORED
from automl.tasks._transcripts import PAD, UNKNOWN, Alphabet

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

CTC = "AutoModelForCTC"
WRITER = "AutoModelForSpeechSeq2Seq"
LANGUAGE = "language"
WRITERS = ("whisper", "moonshine")
"""Families with a decoder that are known to train here; others want a prompt of their own."""
MOST_TOKENS = 448
"""What a Whisper writes of half a minute at most, if its config does not say."""
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.json")
"""A folder with one of these has a tokenizer."""
AT_ONCE = 32
"""Sounds that are written down together."""
_USAGE = """\
from transformers import pipeline
from transformers.audio_utils import load_audio

transcribe = pipeline("automatic-speech-recognition", model={repository!r})
rate = transcribe.feature_extractor.sampling_rate
print(transcribe(load_audio("speech.wav", rate, backend="soundfile")))
"""


# -- rows -----------------------------------------------------------------------------------


def _prepare(columns: Columns) -> Prepared:
    """Refuse rows without words, and those that say more than a sound can hold."""
    if "text" not in columns:
        return Prepared(columns)
    malformed = []
    for row, (source, text) in enumerate(zip(columns["audio"], columns["text"], strict=True)):
        said = _transcripts.normalised(str(text))
        if not said:
            rule = f"text is {text!r}, which has no words"
            malformed.append(Malformed(row, rule, hint="remove rows in which nothing is said"))
            continue
        frames = _frames(source)
        if frames is not None and len(said) > frames:
            rule = (
                f"{_hearing.name(source)} lasts {frames * 0.02:.2f} s, and its text has "
                f"{len(said)} letters: more than one in 20 ms"
            )
            malformed.append(Malformed(row, rule, hint="does the text belong to another sound?"))
    return Prepared(columns, malformed=tuple(malformed))


def _frames(source: Any) -> int | None:
    """Return the file's length in frames of 20 ms by its header; None where that says nothing."""
    import soundfile

    from automl.tasks import _sounds

    if not isinstance(source, str):
        return None
    try:
        header = soundfile.info(source)
    except (soundfile.LibsndfileError, OSError):
        return None
    if not 0 < header.frames < _sounds.UNKNOWN:
        return None
    return int(50 * header.frames / header.samplerate)


# -- processors -----------------------------------------------------------------------------


def _processor(path: str, trust_remote_code: bool = False) -> _hearing.Ears:
    """Return the folder's feature extractor, and its tokenizer where it has one."""
    from transformers import AutoTokenizer

    ears = _hearing.load_processor(path, trust_remote_code)
    if not any((Path(path) / name).is_file() for name in _TOKENIZERS):
        return ears
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise CandidateError(f"its tokenizer can't be loaded: {words}") from error
    for trace in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(trace, None)
    ears.tokenizer = tokenizer
    return ears


def _adapt(ears: _hearing.Ears, config: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """Settle the letters of a model that spells, the language of one that writes; say which.

    Raises CandidateError where the model can't learn from such transcriptions.
    """
    if not config.get("is_encoder_decoder"):
        return _adapt_letters(ears, _transcripts.targets(columns, ()))
    if config["model_type"] not in WRITERS or ears.tokenizer is None:
        raise CandidateError(
            f"a {config['model_type']} that writes can't be trained here: {', '.join(WRITERS)} "
            "can, with their tokenizers, and the families of CTC"
        )
    notes = _adapt_language(ears, columns.get(LANGUAGE))
    most = config.get("max_target_positions") or config.get("max_position_embeddings")
    ears.settings["target_length"] = int(most or MOST_TOKENS) - 1
    return notes


def _adapt_letters(ears: _hearing.Ears, texts: Sequence[str]) -> tuple[str, ...]:
    """Keep the model's own letters where they do, else take those of the texts."""
    if hasattr(ears.tokenizer, "word_delimiter_token"):
        own = Alphabet.of(ears.tokenizer.get_vocab())
        share, lost = own.unknown(texts)
        if share <= _transcripts.MOST_UNKNOWN:
            case = "" if own.case == "both" else f", in {own.case} case"
            unknown = f"; {share:.2%} of the data's letters are unknown: {lost}" if lost else ""
            return (f"it keeps its own {len(own.letters)} letters{case}{unknown}",)
        why = f"its own lack {share:.0%} of the data's letters ({lost}): "
    else:
        why = ""
    ears.tokenizer = _speller(_transcripts.vocabulary(texts))
    return (
        f"{why}it spells with {len(ears.tokenizer) - 3} letters, those of the training "
        "transcriptions (case folded, without punctuation); its head is new",
    )


def _speller(vocabulary: Mapping[str, int]) -> Any:
    """Return the tokenizer of wav2vec 2.0 with this vocabulary."""
    import json
    import tempfile

    from transformers import Wav2Vec2CTCTokenizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vocab.json")
        path.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        return Wav2Vec2CTCTokenizer(
            str(path),
            bos_token=None,
            eos_token=None,
            unk_token=UNKNOWN,
            pad_token=PAD,
            word_delimiter_token=_transcripts.DELIMITER,
        )


def _adapt_language(ears: _hearing.Ears, told: Sequence[Any] | None) -> tuple[str, ...]:
    """Settle in which language a model of many writes; several are told apart by the model."""
    tokenizer = ears.tokenizer
    if "<|en|>" not in tokenizer.get_vocab():
        return ()
    codes = sorted({_code(value) for value in told or ("en",)})
    for code in codes:
        if f"<|{code}|>" not in tokenizer.get_vocab():
            raise CandidateError(f"it does not know the language {code!r}")
    ears.settings["language"] = codes[0] if len(codes) == 1 else None
    tokenizer.set_prefix_tokens(language=codes[0], task="transcribe")
    if told is None:
        return (f"it writes English: no column {LANGUAGE} says otherwise",)
    return (f"it writes {', '.join(codes)}",)


def _code(value: Any) -> str:
    """Return the language of a locale: ``de`` of ``de-AT``."""
    return str(value).strip().replace("_", "-").partition("-")[0].lower()


# -- encoding -------------------------------------------------------------------------------


def _encode(
    columns: Columns, ears: _hearing.Ears, max_length: int, labels: Labels
) -> dict[str, Any]:
    """Return ``samples``, int16, cut to the length, and the ids of what was said as ``labels``.

    What was cut, or says more than the model can write, has no labels: nothing is learnt of it.
    Raises DataError naming a file that can't be heard.
    """
    import numpy as np

    reads = max_length * _hearing.STEP
    # One sample more tells what was cut.
    heard = _hearing.samples(columns["audio"], ears, max_length, more=1)
    encoded: dict[str, Any] = {"samples": [each[:reads] for each in heard]}
    if "text" in columns:
        ids = _ids(columns, ears)
        most = ears.settings.get("target_length", MOST_TOKENS * 8)
        encoded["labels"] = [
            np.asarray(each if len(sound) <= reads and len(each) <= most else [], dtype=np.int64)
            for each, sound in zip(ids, heard, strict=True)
        ]
    return encoded


def _ids(columns: Columns, ears: _hearing.Ears) -> list[list[int]]:
    """Return what the model is to say of each row, by its tokenizer."""
    tokenizer, texts = ears.tokenizer, _transcripts.targets(columns, ())
    if hasattr(tokenizer, "word_delimiter_token"):
        alphabet = Alphabet.of(tokenizer.get_vocab())
        return [tokenizer(alphabet.spelled(text)).input_ids for text in texts]
    if not hasattr(tokenizer, "prefix_tokens"):
        return [_ended(tokenizer, _transcripts.as_written(text)) for text in texts]
    languages = columns.get(LANGUAGE)
    found = []
    for row, text in enumerate(texts):
        if languages is not None and "<|en|>" in tokenizer.get_vocab():
            tokenizer.set_prefix_tokens(language=_code(languages[row]), task="transcribe")
        # The model puts the first token, with which all begins, before the labels itself; words
        # had a space before them in pretraining.
        found.append(tokenizer(" " + _transcripts.as_written(text)).input_ids[1:])
    return found


def _ended(tokenizer: Any, text: str) -> list[int]:
    """Return the text's ids, without a beginning and with an end."""
    ids = list(tokenizer(text).input_ids)
    if ids and ids[0] == tokenizer.bos_token_id:
        ids = ids[1:]
    return ids if ids and ids[-1] == tokenizer.eos_token_id else [*ids, tokenizer.eos_token_id]


# -- model ----------------------------------------------------------------------------------


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    from automl.tasks import _loading

    return _hearing.load_model(
        _loading.auto_class(TASK, path), path, hyperparameters, trust_remote_code
    )


def _begin(model: Any, ears: _hearing.Ears, rows: Any) -> None:
    """Give the model a head for its letters, or settle how it writes; hide less of short sounds."""
    import numpy as np

    _hearing.fit_masks(model, rows)
    if not model.config.is_encoder_decoder:
        _fit_head(model, ears.tokenizer)
        return
    longest = int(np.diff(rows.columns["labels"].offsets).max(initial=1))
    prefix = getattr(ears.tokenizer, "prefix_tokens", ())
    settings = model.generation_config
    settings.max_new_tokens = max(1, longest - max(0, len(prefix) - 1))
    settings.max_length = settings.min_length = settings.forced_decoder_ids = None
    settings.do_sample, settings.num_beams = False, settings.num_beams or 1
    if "language" in ears.settings:
        settings.language, settings.task = ears.settings["language"], "transcribe"


def _fit_head(model: Any, tokenizer: Any) -> None:
    """Draw a new head where the model's is of another number of letters."""
    import torch

    head, size = model.lm_head, len(tokenizer)
    if head.out_features != size:
        made = torch.nn.Linear(head.in_features, size).to(head.weight.device, head.weight.dtype)
        torch.nn.init.normal_(made.weight, std=getattr(model.config, "initializer_range", 0.02))
        torch.nn.init.zeros_(made.bias)
        model.lm_head = made
        model.config.vocab_size = size
    model.config.pad_token_id = tokenizer.pad_token_id


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean loss by row (CTC: by letter of a row) or by token, of rows with labels."""
    import torch
    from torch.nn import functional

    bare = getattr(model, "module", model)
    labels = inputs["labels"]
    if bare.config.is_encoder_decoder:
        logits = model(**inputs).logits.float()
        total = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total / (labels != IGNORED).sum().clamp(min=1)
    given = {name: values for name, values in inputs.items() if name != "labels"}
    logits = model(**given).logits
    said = functional.log_softmax(logits, dim=-1, dtype=torch.float32).transpose(0, 1)
    there = labels != IGNORED
    counts = there.sum(dim=1)
    with torch.backends.cudnn.flags(enabled=False):
        losses = functional.ctc_loss(
            said,
            labels.masked_select(there),
            _heard_frames(bare, inputs, logits),
            counts,
            blank=bare.config.pad_token_id,
            reduction="none",
            zero_infinity=True,
        )
    return torch.where(counts > 0, losses / counts.clamp(min=1), 0.0).mean()


def _heard_frames(model: Any, inputs: Mapping[str, Any], logits: Any) -> Any:
    """Return how many of each row's states stand for something, rather than for padding."""
    import torch

    rows, frames = logits.shape[:2]
    mask = inputs.get("attention_mask")
    if mask is None:
        return torch.full((rows,), frames, dtype=torch.long, device=logits.device)
    counts = model._get_feat_extract_output_lengths(mask.sum(dim=-1)).long()
    return counts.clamp(max=frames)


def _infer(model: Any, inputs: dict[str, Any]) -> list[np.ndarray]:
    """Return the ids of each row: of every state (CTC), or those that the model writes."""
    bare = getattr(model, "module", model)
    given = {name: values for name, values in inputs.items() if name != "labels"}
    if not bare.config.is_encoder_decoder:
        logits = model(**given).logits
        counts = _heard_frames(bare, given, logits).tolist()
        most = logits.argmax(dim=-1).cpu().numpy()
        return [ids[:count] for ids, count in zip(most, counts, strict=True)]
    found: list[np.ndarray] = []
    for start in range(0, len(next(iter(given.values()))), AT_ONCE):
        some = {name: values[start : start + AT_ONCE] for name, values in given.items()}
        found += [ids.cpu().numpy() for ids in bare.generate(**some)]
    return found


def _decode(
    outputs: Sequence[Any], rows: Any, columns: Columns, ears: _hearing.Ears, labels: Labels
) -> list[str]:
    """Return what was said; letters of CTC as its pipeline reads them, unknown ones included."""
    spells = hasattr(ears.tokenizer, "word_delimiter_token")
    said = ears.tokenizer.batch_decode(
        [[int(each) for each in ids] for ids in outputs], skip_special_tokens=not spells
    )
    return [text.strip() for text in said]


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[str]]:
    """Return transcriptions by split of ``floor_description``."""
    return _spectra.nearest(train, others)


def _draw(said: Sequence[str], columns: Columns, labels: Labels) -> list[tuple[Any, str]]:
    """Return each sound's spectrogram, and what is heard in it."""
    truth = columns.get("text", [None] * len(said))
    return [
        (_spectra.picture(sound), heard if right in (None, heard) else f"{heard}\nis: {right}")
        for sound, heard, right in zip(columns["audio"], said, truth, strict=True)
    ]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="automatic-speech-recognition",
    pipeline_tag="automatic-speech-recognition",
    auto_class=CTC,
    mapping="MODEL_FOR_CTC_MAPPING_NAMES",
    also=((WRITER, "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES"),),
    roles=(
        _hearing.AUDIO,
        Role(
            "text",
            "text",
            True,
            (
                "text",
                "transcription",
                "sentence",
                "transcript",
                "normalized_text",
                "raw_text",
                "transcriptions",
                "english_transcription",
                "utterance",
            ),
            target=True,
        ),
        Role(LANGUAGE, "text", False, (LANGUAGE, "locale", "lang"), asked="never"),
    ),
    metrics=_transcripts.METRICS,
    objective="wer",
    floor_description=_spectra.NEAREST,
    knobs=HEARING,
    unit=_hearing.UNIT,
    whole=True,
    sample_rows=_hearing.SAMPLE_ROWS,
    chunk=_hearing.CHUNK,
    evaluation_rows=500,
    scored_rows=2000,
    untrained=True,
    prepare=_prepare,
    processor=_processor,
    adapt=_adapt,
    begin=_begin,
    lengths=_hearing.lengths,
    encode=_encode,
    build=_build,
    targets=_transcripts.targets,
    score=_transcripts.score,
    report=_transcripts.report,
    floor=_floor,
    answers=_transcripts.answers,
    says=("text",),
    usage=_usage,
    draw=_draw,
    collator=_hearing.collator,
    training_collator=_hearing.training_collator,
    infer=_infer,
    decode=_decode,
    loss=_loss,
)
"""What is said in a sound, judged by the words."""
