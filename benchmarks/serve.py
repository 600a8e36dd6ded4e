"""Requests a second and latency of ``automl serve`` beside a naive server of the same model.

    python benchmarks/serve.py BUNDLE texts.csv --column text [--clients 32] [--rounds 5]

The naive one is what is usually written first: the same FastAPI and uvicorn, one request one
forward pass. Both are processes of their own on this machine and take turns; each client is a
connection that sends its next request when the last one is answered. The clients are one process as
well: its time is told, since it takes cores from both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

NAIVE = "naive"


def naive(bundle: Path, port: int, threads: int | None) -> None:
    """Serve one request, one forward pass; the model is used by one request at a time."""
    import torch
    import uvicorn
    from fastapi import FastAPI

    from automl import machine
    from automl.serving.predict import Predictor, quieten

    quieten()
    torch.set_num_threads(threads or machine.physical_cores())
    predictor, lock, app = Predictor(bundle), threading.Lock(), FastAPI()

    @app.post("/")
    def ask(body: dict[str, str]):
        with lock:  # a tokenizer is not to be used from two threads
            answer = next(predictor.predict([body["inputs"]], top=10**6))
        return [[{"label": k, "score": v} for k, v in answer["scores"].items()]]

    @app.get("/ready")
    def ready():
        return {"status": "ready"}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def started(name: str, command: list[str], port: int) -> subprocess.Popen:
    """Start a server; return it when it is ready."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"{name} ended: {' '.join(command)}")
        try:
            urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).read()
        except OSError:
            time.sleep(0.1)
        else:
            return process
    raise SystemExit(f"{name} was not ready within a minute")


async def client(port: int, requests: itertools.count, bodies: list[bytes], most: int) -> list:
    """Send requests until there have been ``most`` of all clients; return seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    while (number := next(requests)) < most:
        began = time.perf_counter()
        writer.write(bodies[number % len(bodies)])
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(head.decode())
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        taken.append(time.perf_counter() - began)
    writer.close()
    return taken


def loaded(port: int, clients: int, bodies: list[bytes], requests: int) -> tuple[float, list]:
    """Return requests a second, and seconds of each."""

    async def all_of_them():
        counter = itertools.count()
        return await asyncio.gather(
            *(client(port, counter, bodies, requests) for _ in range(clients))
        )

    began = time.perf_counter()
    taken = list(itertools.chain(*asyncio.run(all_of_them())))
    return len(taken) / (time.perf_counter() - began), taken


def bodies_of(path: Path, column: str) -> list[bytes]:
    """Return a whole HTTP request for each row."""
    with path.open(newline="", encoding="utf-8") as stream:
        texts = [row[column] for row in csv.DictReader(stream)]
    found = []
    for text in texts:
        body = json.dumps({"inputs": text}).encode()
        head = "POST / HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        found.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return found


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of them lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Compare the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=1000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of the model; left out: all cores")
    parser.add_argument("--port", type=int, default=8191)
    parser.add_argument("--serve", default="", help="further options of automl serve")
    parser.add_argument("--naive", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.naive:
        naive(given.bundle, given.port, given.threads)
        return
    threads = ["--threads", str(given.threads)] if given.threads else []
    bundle, texts = str(given.bundle), str(given.texts)
    commands = {
        NAIVE: [sys.executable, __file__, bundle, texts, "--naive", *threads],
        "automl serve": [
            sys.executable, "-m", "automl", "serve", bundle, *threads, *given.serve.split(),
        ],
    }  # fmt: skip
    bodies = bodies_of(given.texts, given.column)
    ports = {name: given.port + at for at, name in enumerate(commands)}
    servers = []
    try:
        for name, command in commands.items():
            port = ports[name]
            servers.append(started(name, [*command, "--port", str(port)], port))
            loaded(port, given.clients, bodies, 200)  # warm
        rates, seconds = {name: [] for name in commands}, {name: [] for name in commands}
        for _ in range(given.rounds):
            for name, port in ports.items():
                rate, taken = loaded(port, given.clients, bodies, given.requests)
                rates[name].append(rate)
                seconds[name] += taken
        report(given, rates, seconds)
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def report(given: argparse.Namespace, rates: dict, seconds: dict) -> None:
    """Print what was measured."""
    own = time.process_time()
    print(
        f"{given.clients} clients, {given.rounds} × {given.requests} requests, taking turns; "
        f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; clients took {own:.0f} s of CPU"
    )
    for name in rates:
        each = ", ".join(f"{rate:.0f}" for rate in rates[name])
        print(
            f"{name:>14}: {statistics.median(rates[name]):6.0f} requests/s ({each}); "
            f"p50 {percentile(seconds[name], 0.5) * 1e3:.0f} ms, "
            f"p95 {percentile(seconds[name], 0.95) * 1e3:.0f} ms"
        )
    ratios = [b / a for a, b in zip(*rates.values(), strict=True)]
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"ratio of the rounds: {statistics.median(ratios):.2f} ({each})")


if __name__ == "__main__":
    main()
