"""``automl serve`` before it serves: what is missing, what can't be read, where it may listen."""

from __future__ import annotations

import pytest

from automl.cli import _serving, app
from automl.errors import InputError


def serve(*arguments):
    app()(["serve", *map(str, arguments)], standalone_mode=False)


def test_without_its_packages_it_says_what_to_install(bundle, monkeypatch):
    monkeypatch.setattr(_serving, "PACKAGES", ("fastapi", "no_such_package"))
    with pytest.raises(InputError, match="no_such_package") as refused:
        serve(bundle)
    assert refused.value.problems[0].hint == "pip install 'automl[serve]'"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_token_file_must_hold_a_token(bundle, tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="--token-file"):
        serve(bundle, "--token-file", file)


def test_a_token_is_that_of_the_file_else_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_TOKEN", " from outside ")
    (tmp_path / "token").write_text("from the file\n")
    assert _serving.token(tmp_path / "token") == "from the file"
    assert _serving.token(None) == "from outside"
    monkeypatch.delenv("AUTOML_TOKEN")
    assert _serving.token(None) == ""


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a bundle"):
        serve(tmp_path)


def test_a_wide_open_door_is_pointed_out(bundle, monkeypatch, capsys):
    monkeypatch.setattr(_serving, "run", lambda *given, **how: None)
    monkeypatch.delenv("AUTOML_TOKEN", raising=False)
    serve(bundle, "--host", "0.0.0.0")
    assert "--token-file" in capsys.readouterr().err
    serve(bundle, "--host", "127.0.0.1")
    assert capsys.readouterr().err == ""
