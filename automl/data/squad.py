"""Questions as SQuAD's own files nest them: articles of paragraphs of questions, flattened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from automl.data.part import Target, refused


def articles(content: str) -> Sequence[Any] | None:
    """Return what stands under ``data`` where it holds paragraphs; None for any other JSON."""
    if '"paragraphs"' not in content:
        return None
    try:
        found = json.loads(content)
    except (json.JSONDecodeError, RecursionError):
        return None
    data = found.get("data") if isinstance(found, dict) else None
    nested = isinstance(data, list) and any(isinstance(a, dict) and "paragraphs" in a for a in data)
    return data if nested else None


def questions(target: Target, found: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each question: id, title, context, question, answers.

    Raises DataError naming article and paragraph for what is nested in another way.
    """
    for number, article in enumerate(found, 1):
        try:
            title, paragraphs = article.get("title", ""), article["paragraphs"]
            for paragraph in paragraphs:
                for each in paragraph["qas"]:
                    yield _row(title, paragraph["context"], each)
        except (KeyError, TypeError, AttributeError) as error:
            raise refused(
                f"{target.name}: article {number} is not nested as in SQuAD: {error!r}",
                'it has {"paragraphs": [{"context": "...", "qas": [{"question": "...", '
                '"answers": [{"text": "...", "answer_start": 0}]}]}]}',
            ) from error


def _row(title: str, context: str, question: Mapping[str, Any]) -> dict[str, Any]:
    answers = [] if question.get("is_impossible") else question.get("answers", [])
    return {
        "id": question.get("id"),
        "title": title,
        "context": context,
        "question": question["question"],
        "answers": {
            "text": [each["text"] for each in answers],
            "answer_start": [each["answer_start"] for each in answers],
        },
    }
