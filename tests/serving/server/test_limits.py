"""What a server refuses, and how it says so; what it tells of itself."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from automl.errors import InputError
from automl.serving.predict import Predictor
from automl.serving.server.run import serve
from automl.serving.server.service import Service
from automl.serving.server.settings import Settings
from tests.serving.server.live import live, post, served, until

TOKEN = "correct horse"


class Slow:
    """A predictor that can be held up."""

    def __init__(self, predictor):
        self._predictor = predictor
        self.go = threading.Event()

    def __getattr__(self, name):
        return getattr(self._predictor, name)

    def predict(self, rows, **how):
        rows = list(rows)
        self.go.wait(20)
        return self._predictor.predict(rows, **how)


@pytest.fixture(scope="module")
def server(bundle):
    with live(bundle, Settings(drain=0, max_rows=4, max_body=2000, token=TOKEN)) as made:
        yield made


@pytest.fixture(scope="module")
def ask(server):
    url, _ = server
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def test_a_body_that_is_too_large_is_refused_unread(ask):
    response = ask.post("/", json={"inputs": "x" * 3000})
    assert response.status_code == 413
    assert "2,000 bytes" in response.json()["error"]
    assert "--max-body" in response.json()["hint"]


def test_a_body_of_untold_length_is_refused_when_it_is_too_large(ask):
    def parts():
        for _ in range(50):
            yield b"x" * 100

    assert ask.post("/", content=parts()).status_code == 413


def test_too_many_rows_are_refused_by_number(ask):
    assert ask.post("/", json={"inputs": ["x"] * 4}).status_code == 200
    response = ask.post("/", json={"inputs": ["x"] * 5})
    assert response.status_code == 422
    assert "at most 4" in response.json()["error"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"inputs": "\\ud800"}', "application/json", 400),
        (b"inputs=x", "application/x-www-form-urlencoded", 415),
        (b"[" * 1500, "application/json", 400),
        (b'{"inputs": "x"}', "", 200),
        (b'{"inputs": "x"}', "application/json; charset=utf-8", 200),
    ],
)
def test_what_is_no_json_is_refused(ask, content, kind, status):
    response = ask.post("/", content=content, headers={"Content-Type": kind} if kind else {})
    assert response.status_code == status, response.text


def test_routes_that_are_not_there_are_told_apart_from_methods(ask):
    assert ask.get("/predict").status_code == 404
    response = ask.get("/")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]


def test_without_the_token_nothing_is_answered_but_probes_and_docs(server):
    url, _ = server
    with httpx.Client(base_url=url) as nobody:
        assert nobody.post("/", json={"inputs": "x"}).status_code == 401
        assert nobody.post("/", json={"inputs": "x"}).headers["www-authenticate"] == "Bearer"
        for path in ("/info", "/metrics", "/drift", "/nothing"):
            assert nobody.get(path).status_code == 401
        for path in ("/health", "/ready", "/docs", "/openapi.json"):
            assert nobody.get(path).status_code == 200
        for wrong in ("Bearer another", f"Basic {TOKEN}", "Bearer", TOKEN):
            response = nobody.post("/", json={"inputs": "x"}, headers={"Authorization": wrong})
            assert response.status_code == 401


def test_it_tells_what_it_serves(ask):
    info = ask.get("/info").json()
    assert info["task"] == "text-classification"
    assert info["limits"]["rows"] == 4
    assert "delivery" in info["labels"]
    assert (
        TOKEN not in ask.get("/info").text + ask.get("/openapi.json").text + ask.get("/docs").text
    )


def test_what_is_answered_is_counted(ask):
    ask.post("/", json={"inputs": ["one", "two"]})
    ask.post("/", content=b"{")
    lines = dict(
        line.rsplit(" ", 1)
        for line in ask.get("/metrics").text.splitlines()
        if not line.startswith("#")
    )
    assert float(lines['automl_requests_total{route="/",status="200"}']) >= 1
    assert float(lines['automl_requests_total{route="/",status="400"}']) >= 1
    assert float(lines["automl_rows_total"]) >= 2
    assert float(lines["automl_batch_rows_count"]) >= 1
    assert float(lines["automl_queue_rows"]) == 0
    assert float(lines["automl_ready"]) == 1
    assert float(lines["automl_in_flight_requests"]) == 0


def test_more_than_may_wait_are_turned_away_and_late_answers_end(bundle, predictor):
    slow = Slow(predictor)
    settings = Settings(drain=0, max_concurrency=2, timeout=1.0)
    with live(bundle, settings, lambda: slow) as (url, service), ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(post, url, {"inputs": "x"}) for _ in range(2)]
        until(lambda: service.in_flight == 2)
        refused = post(url, {"inputs": "x"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert httpx.get(f"{url}/health").status_code == 200
        late = [each.result() for each in waiting]
        assert [each.status_code for each in late] == [504, 504]
        assert "within 1 seconds" in late[0].json()["error"]
        slow.go.set()
        until(lambda: service.in_flight == 0)
        assert post(url, {"inputs": "x"}).status_code == 200


def test_before_the_model_is_loaded_it_lives_and_is_not_ready(bundle, predictor):
    gate = threading.Event()

    def load():
        gate.wait(20)
        return predictor

    with ThreadPoolExecutor(1) as pool, served(bundle, load) as (url, service):
        assert httpx.get(f"{url}/health").json() == {"status": "alive"}
        assert httpx.get(f"{url}/ready").status_code == 503
        refused = post(url, {"inputs": "x"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        pool.submit(gate.set).result()
        until(lambda: service.loaded)
        assert httpx.get(f"{url}/ready").status_code == 200


def test_a_port_that_is_taken_is_named(bundle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=str(port)):
            serve(Service(bundle, Settings()), lambda: Predictor(bundle), "127.0.0.1", port)


def test_answers_are_those_of_the_predictor(ask, predictor):
    texts = ["where is my parcel", "I was charged twice", "a", "please " * 60]
    said = ask.post("/", json={"inputs": texts}).json()
    for text, found in zip(texts, said, strict=True):
        alone = next(predictor.predict([text], top=100))
        assert found[0]["label"] == alone["label"]
        assert {each["label"]: each["score"] for each in found} == pytest.approx(
            alone["scores"], abs=1e-5
        )


def test_the_window_tells_what_has_moved(bundle):
    with live(bundle, Settings(drain=0, window=60)) as (url, service):
        assert httpx.get(f"{url}/drift").json()["features"][0]["verdict"] == "too few rows"
        post(url, {"inputs": ["I WANT MY MONEY BACK AT ONCE, SAID HE, AND MORE"] * 100})
        until(lambda: service.window.rows == 60)
        told = httpx.get(f"{url}/drift").json()
        assert "text capitals" in told["moved"]
        assert 'automl_drift_moved{feature="text capitals"} 1.0' in httpx.get(f"{url}/metrics").text
