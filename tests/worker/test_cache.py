"""Encoded rows on disk, made once and shared."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from automl import tasks
from automl.errors import InputError
from automl.tasks._text import load_tokenizer
from automl.worker import cache, store

from .conftest import TINY_BERT

TASK = tasks.get("text-classification")


@pytest.fixture
def tokenizer():
    return load_tokenizer(str(TINY_BERT))


class Counting:
    """The real task, counting how often it encodes."""

    def __init__(self):
        self.calls = 0
        self.name = TASK.name
        self.chunk = TASK.chunk

    def encode(self, *arguments):
        self.calls += 1
        return TASK.encode(*arguments)


def test_what_is_stored_comes_back_mapped(tmp_path):
    columns = {"input_ids": [[5, 6, 7], [8], []], "labels": [2, 0, 1], "weight": [0.5, 1, 2]}
    store.save([store.rows(columns)], tmp_path)
    rows = store.load(tmp_path)
    assert len(rows) == 3
    assert [rows[i]["input_ids"].tolist() for i in range(3)] == columns["input_ids"]
    assert rows.scalars("labels").tolist() == [2, 0, 1]
    assert rows.scalars("labels").dtype == np.int64
    assert rows.scalars("weight").dtype == np.float32
    assert rows.lengths.tolist() == [3, 1, 0]
    assert not rows.columns["input_ids"].values.flags.writeable


def test_columns_of_strings_are_refused():
    with pytest.raises(TypeError, match="'text' holds neither numbers"):
        store.rows({"text": ["a", "b"]})


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / store.INDEX).write_text('{"schema": "other"}')
    with pytest.raises(InputError, match="automl/rows"):
        store.load(tmp_path)


def test_trials_that_start_together_encode_once(tmp_path, data, tokenizer):
    task, found = Counting(), []

    def load():
        found.append(cache.encoded(task, data, "train", tokenizer, tmp_path))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert task.calls == 1
    assert [len(rows) for rows in found] == [43] * 4
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [
        cache.key(task, data, "train", tokenizer)
    ]


def test_encoding_that_fails_leaves_nothing_behind(tmp_path, data, tokenizer):
    broken = replace(data, labels=("home", "money"))
    with pytest.raises(InputError, match="'travel' is not one of"):
        cache.encoded(TASK, broken, "train", tokenizer, tmp_path)
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []


def test_each_thing_that_encoding_depends_on_makes_another_key(data, tokenizer, tmp_path):
    keys = {
        cache.key(TASK, data, "train", tokenizer),
        cache.key(TASK, data, "test", tokenizer),
        cache.key(TASK, replace(data, max_length=16), "train", tokenizer),
        cache.key(TASK, replace(data, labels=("money", "home", "travel")), "train", tokenizer),
        cache.key(TASK, replace(data, fingerprint="other"), "train", tokenizer),
    }
    tokenizer.add_tokens(["garden"])
    keys.add(cache.key(TASK, data, "train", tokenizer))
    assert len(keys) == 6


def test_a_tokenizer_that_has_been_used_keeps_its_key(data, tokenizer):
    before = cache.key(TASK, data, "train", tokenizer)
    tokenizer(["a text", "another"], truncation=True, max_length=4, padding=True)
    assert cache.key(TASK, data, "train", tokenizer) == before


def test_rows_are_encoded_anew_under_another_chat_template(data, tokenizer):
    before = cache.key(TASK, data, "train", tokenizer)
    tokenizer.chat_template = "{{ messages }}"
    assert cache.key(TASK, data, "train", tokenizer) != before
