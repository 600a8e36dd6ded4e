"""The hub's own client asks a served bundle, as it would ask the hub."""

from __future__ import annotations

import base64
import io

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from automl import tasks
from automl.serving.server.settings import Settings
from tests.serving.server.live import bundle_of, live
from tests.tasks.samples import sample

TOKEN = "a secret"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A function: the task's name → a client of a served bundle of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield _Clients(tmp_path_factory)


class _Clients:
    def __init__(self, factory):
        self._factory = factory

    def __call__(self, name, *roles):
        folder = self._factory.mktemp("asked")
        bundle = bundle_of(tasks.get(name), folder, *roles)
        return live(bundle, Settings(drain=0, token=TOKEN))


def of(url, token=TOKEN):
    return InferenceClient(model=url, token=token, timeout=60)


def test_texts_are_classified(client):
    with client("text-classification", "text", "label") as (url, _):
        found = of(url).text_classification("a text about alpha", top_k=2)
        assert len(found) == 2
        assert found[0].score >= found[1].score
        assert found[0].label in sample(tasks.get("text-classification")).labels
        with pytest.raises(HfHubHTTPError, match="401"):
            of(url, "another").text_classification("a text")
        with pytest.raises(HfHubHTTPError, match="422"):
            of(url).text_classification("a text", function_to_apply="none")


def test_parts_of_texts_are_found(client):
    with client("token-classification") as (url, _):
        text = "a text about alpha the first and 7"
        for each in of(url).token_classification(text, aggregation_strategy="simple"):
            assert text[each.start : each.end] == each.word
            assert each.entity_group in ("alpha", "beta")
    with client("question-answering") as (url, _):
        context = "The house of person 1 stands in Oslo today."
        found = of(url).question_answering(question="Where?", context=context)
        assert context[found.start : found.end] == found.answer


def test_missing_words_are_filled_in(client):
    with client("fill-mask") as (url, _):
        text = "a [MASK] about alpha"
        found = of(url).fill_mask(text, top_k=3)
        assert len(found) == 3
        assert found[0].sequence == text.replace("[MASK]", found[0].token_str.strip())


def test_texts_are_written(client):
    with client("summarization") as (url, _):
        assert isinstance(of(url).summarization("a long text about alpha").summary_text, str)


def test_texts_are_compared_and_turned_into_vectors(client):
    with client("sentence-similarity") as (url, _):
        same, other = of(url).sentence_similarity("a text", other_sentences=["a text", "beta"])
        assert same == pytest.approx(1, abs=1e-4)
        assert other < same
        vectors = of(url).feature_extraction(["a text", "beta"])
        assert vectors.shape[0] == 2
        assert float(vectors[0] @ vectors[1]) == pytest.approx(other, abs=1e-4)


def test_pictures_are_classified_boxed_and_segmented(client):
    for name in ("image-classification", "object-detection", "semantic-segmentation"):
        task = tasks.get(name)
        file = sample(task).columns["image"][0]
        with client(name) as (url, _):
            if name == "image-classification":
                assert len(of(url).image_classification(file, top_k=2)) == 2
            elif name == "object-detection":
                least = of(url).object_detection(file, threshold=0.3)
                assert all(each.score >= 0.3 for each in least)
            else:
                size = Image.open(io.BytesIO(file)).size
                masks = [each.mask for each in of(url).image_segmentation(file)]
                assert all(mask.size == size for mask in masks)
                pixels = [
                    sum(each) for each in zip(*(mask.getdata() for mask in masks), strict=True)
                ]
                assert set(pixels) == {255}, "each pixel has one class"


def test_speech_is_written_down(client):
    task = tasks.get("automatic-speech-recognition")
    with client(task.name) as (url, _):
        file = sample(task).columns["audio"][0]
        assert isinstance(of(url).automatic_speech_recognition(file).text, str)


def test_a_chat_goes_on(client):
    with client("text-generation") as (url, _):
        said = of(url).chat_completion([{"role": "user", "content": "colour?"}])
        assert said.choices[0].message.role == "assistant"
        assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens
        assert said.usage.prompt_tokens > 0
        assert of(url).text_generation("colour?") == said.choices[0].message.content
        with pytest.raises(HfHubHTTPError, match="422"):
            of(url).chat_completion([{"role": "user", "content": "x"}], temperature=0.3)


def test_a_chat_about_a_picture_goes_on(client):
    task = tasks.get("image-text-to-text")
    picture = base64.b64encode(sample(task).columns["image"][0]).decode()
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    asked = {"type": "text", "text": "colour?"}
    with client(task.name) as (url, _):
        said = of(url).chat_completion([{"role": "user", "content": [shown, asked]}])
        assert isinstance(said.choices[0].message.content, str)
        with pytest.raises(HfHubHTTPError, match="422"):
            of(url).chat_completion([{"role": "user", "content": [asked]}])
