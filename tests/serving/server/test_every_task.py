"""Each task's bundle is asked and answered as the hub's inference API has it."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from huggingface_hub.inference._generated import types as hub
from pydantic import TypeAdapter

from automl import tasks
from tests.serving.server.live import bundle_of, live, post
from tests.tasks.samples import sample

CLASSES = hub.TextClassificationOutputElement
HUB = {
    "text-classification": (CLASSES, 2),
    "protein-classification": (CLASSES, 2),
    "multi-label-classification": (CLASSES, 2),
    "text-regression": (CLASSES, 2),
    "reward": (CLASSES, 2),
    "token-classification": (hub.TokenClassificationOutputElement, 1),
    "residue-classification": (hub.TokenClassificationOutputElement, 1),
    "question-answering": (hub.QuestionAnsweringOutputElement, 0),
    "multiple-choice": (CLASSES, 1),
    "fill-mask": (hub.FillMaskOutputElement, 1),
    "summarization": (hub.SummarizationOutput, 1),
    "translation": (hub.TranslationOutput, 1),
    "text2text-generation": (hub.Text2TextGenerationOutput, 1),
    "text-generation": (hub.TextGenerationOutput, 1),
    "preference": (hub.TextGenerationOutput, 1),
    "image-text-to-text": (hub.ImageToTextOutput, 1),
    "image-classification": (hub.ImageClassificationOutputElement, 1),
    "multi-label-image-classification": (hub.ImageClassificationOutputElement, 1),
    "image-regression": (hub.ImageClassificationOutputElement, 1),
    "object-detection": (hub.ObjectDetectionOutputElement, 1),
    "semantic-segmentation": (hub.ImageSegmentationOutputElement, 1),
    "audio-classification": (hub.AudioClassificationOutputElement, 1),
    "automatic-speech-recognition": (hub.AutomaticSpeechRecognitionOutput, 0),
}
"""The hub's type of an element, and in how many lists it lies where one thing is asked."""
ROLES = {
    "text-classification": ("text", "label"),
    "multi-label-classification": ("text", "label"),
    "text-regression": ("text", "label"),
}
"""Columns trained on, where the sample's are more than is usual."""
_MESSAGES = [{"role": "user", "content": "colour?"}]
TEXTS = {
    "fill-mask": "a [MASK] about alpha",
    "question-answering": {"question": "Where is it?", "context": "It is in Oslo today."},
    "multiple-choice": {"question": "Which says alpha?", "choices": ["this is alpha", "or not"]},
    "preference": "colour?",
    "reward": {"prompt": "colour?", "completion": "blue"},
    "text-generation": _MESSAGES,
    "residue-classification": "MKTAYIAK",
    "protein-classification": "MKTAYIAK",
    "sentence-similarity": {"source_sentence": "a text", "sentences": ["a text", "here is beta"]},
}


def inputs_of(task):
    """Return what is asked in JSON, and a file where the whole body may be one."""
    made = sample(task)
    medium = next((role for role in task.inputs if role.kind in tasks.MEDIA), None)
    if medium is None:
        return TEXTS.get(task.name, "a text about alpha and 7"), None
    file = made.columns[medium.name][0]
    packed = base64.b64encode(file).decode()
    if task.name == "image-text-to-text":
        return {"image": packed, "prompt": "colour?"}, None
    return packed, file


@pytest.fixture(scope="module", params=tasks.names())
def asked(request, tmp_path_factory):
    """A served bundle of each task, and its task."""
    task = tasks.get(request.param)
    folder = tmp_path_factory.mktemp("served")
    with live(bundle_of(task, folder, *ROLES.get(task.name, ()))) as (url, service):
        yield url, service, task


def elements(response, depth):
    found = [response]
    for _ in range(depth):
        found = [each for inner in found for each in inner]
    return found


def test_one_thing_is_answered_in_the_hubs_form(asked):
    url, service, task = asked
    inputs, file = inputs_of(task)
    response = post(url, {"inputs": inputs})
    assert response.status_code == 200, response.text
    said = response.json()
    TypeAdapter(service.shape.response).validate_python(said, strict=True)
    if task.name == "sentence-similarity":
        assert said[0] == pytest.approx(1, abs=1e-4)
        assert said[1] < 1
        return
    kind, depth = HUB[task.name]
    for each in elements(said, depth):
        missing = {
            name
            for name, field in kind.__dataclass_fields__.items()
            if name not in each and field.default is not None and "None" not in str(field.type)
        }
        assert not missing
        kind.parse_obj_as_instance(each)
    if file is not None:
        raw = httpx.post(url, content=file, headers={"Content-Type": "application/octet-stream"})
        assert raw.json() == said


def test_several_are_answered_in_their_order(asked):
    url, _, task = asked
    if task.name in ("sentence-similarity", "text-generation"):
        pytest.skip("asked otherwise below")
    inputs, _ = inputs_of(task)
    single = post(url, {"inputs": inputs}).json()
    several = post(url, {"inputs": [inputs, inputs]})
    assert several.status_code == 200, several.text
    assert len(several.json()) == 2
    if task.respond is None:  # what an untrained model writes may hang on the seventh digit
        second = json.dumps(several.json()[1])[:20]
        alone = [single, *(single[:1] if isinstance(single, list) else ())]
        assert second in [json.dumps(each)[:20] for each in alone]


def test_the_example_in_its_description_is_answered_and_its_metrics_count_it(asked):
    url, _, task = asked
    document = httpx.get(f"{url}/openapi.json").json()
    content = document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]
    if task.name not in ("audio-classification", "automatic-speech-recognition",
                         "image-text-to-text"):  # fmt: skip
        response = post(url, content["example"])
        assert response.status_code == 200, response.text
    assert "automl_requests_total" in httpx.get(f"{url}/metrics").text
    assert httpx.get(f"{url}/docs").status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"inputs": 3}, {"inputs": []}, {"inputs": ""}, {"inputs": "x", "parameters": 7}]
)
def test_what_is_no_request_is_refused_with_a_reason(asked, body):
    url, _, _ = asked
    response = post(url, body)
    assert response.status_code == 422, response.text
    assert response.json()["error"]


def test_a_parameter_that_is_not_known_is_named(asked):
    url, _, task = asked
    inputs, _ = inputs_of(task)
    response = post(url, {"inputs": inputs, "parameters": {"temprature": 0.5}})
    assert response.status_code == 422
    if task.name != "sentence-similarity":
        assert "temprature" in response.json()["error"]
