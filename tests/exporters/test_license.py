"""Licences in words: what the hub takes, and what each asks."""

from __future__ import annotations

import pytest

from automl.exporters._license import metadata, obligations


@pytest.mark.parametrize(
    ("stated", "fields"),
    [
        ("apache-2.0", {"license": "apache-2.0"}),
        ("MIT", {"license": "mit"}),
        ("llama3.2", {"license": "llama3.2"}),
        ("openrail++", {"license": "openrail++"}),
        ("Acme Model License v2", {"license": "other", "license_name": "acme-model-license-v2"}),
        ("apache-2.0, mit", {"license": "other", "license_name": "apache-2.0-mit"}),
        ("other", {"license": "other"}),
        (None, {}),
        ("", {}),
    ],
)
def test_the_hub_is_told_an_identifier_that_it_knows(stated, fields):
    assert metadata(stated) == fields


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("apache-2.0", "NOTICE"),
        ("mit", "copyright notice"),
        ("bsd-3-clause", "copyright notice"),
        ("cc0-1.0", "asks nothing"),
        ("cc-by-4.0", "names the authors"),
        ("cc-by-sa-4.0", "under the same licence"),
        ("cc-by-nc-4.0", "Not for commercial use"),
        ("cc-by-nc-sa-4.0", "under the same licence only"),
        ("cc-by-nc-nd-4.0", "may not be passed on at all"),
        ("cc-by-nd-4.0", "may not be passed on at all"),
        ("creativeml-openrail-m", "forbidden uses"),
        ("llama3.1", "Built with Llama"),
        ("llama2", "monthly users"),
        ("gemma", "Gemma terms"),
        ("agpl-3.0", "copyleft"),
        ("lgpl-2.1", "copyleft"),
        ("apple-amlr", "not for commercial use"),
        ("acme-license", "read them before"),
        (None, "states no licence"),
        ("unknown", "states no licence"),
    ],
)
def test_what_a_licence_asks_is_said(stated, said):
    assert said in obligations(stated)


@pytest.mark.parametrize("stated", ["cc-by-nc-4.0", "cc-by-nc-nd-4.0", "apple-amlr", None])
def test_commercial_use_is_allowed_only_where_it_is(stated):
    assert "Commercial use is allowed" not in obligations(stated)
