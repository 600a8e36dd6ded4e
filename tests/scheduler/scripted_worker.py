"""Says what a worker would say, without training. Standard library only, so that it starts fast.

usage: scripted_worker.py TRIAL_FOLDER BEHAVIOUR; a behaviour is words joined by commas:
evals=N:VALUE  sleep=SECONDS (between evaluations)  end=finish|crash|exit|oom|nan|bad|kill|hang
"""

import json
import os
import pathlib
import signal
import sys
import time

folder = pathlib.Path(sys.argv[1])
words = dict(word.split("=", 1) for word in sys.argv[2].split(","))
count, value = words.get("evals", "3:0.5").split(":")
value = float(value)
progress = folder / "checkpoint" / "progress"
done = int(progress.read_text()) if progress.exists() else 0


def say(**event):
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({**event, "time": time.time()}) + "\n")


def answer():
    request = folder / "request"
    if not request.exists():
        return
    what = request.read_text()
    if what == "pause":
        progress.parent.mkdir(exist_ok=True)
        progress.write_text(str(done))
        say(type="saved", step=done, path="checkpoint", bytes=1)
        say(type="paused", step=done)
    else:
        say(type="stopped", step=done)
    sys.exit(0)


say(type="started", step=done, total_steps=int(count), device="cpu")
while done < int(count):
    deadline = time.monotonic() + float(words.get("sleep", 0))
    while True:
        answer()
        if time.monotonic() >= deadline:
            break
        time.sleep(0.01)
    done += 1
    (folder / "best").mkdir(exist_ok=True)
    say(
        type="reported",
        evaluation=done,
        step=done,
        samples=done * 100,
        seconds=done * 1.0,
        best=True,
        metrics={"macro_f1": value},
    )
end = words.get("end", "finish")
if end == "finish":
    say(type="finished", step=done, seconds=float(done))
elif end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif end == "exit":
    print("something broke", flush=True)
    sys.exit(7)
elif end == "hang":
    time.sleep(600)
elif end == "deaf":
    while True:
        time.sleep(0.2)
        say(
            type="progressed", step=done, total_steps=9, epoch=1.0, loss=1.0, samples_per_second=1.0
        )
else:
    kinds = {
        "oom": "out_of_memory",
        "nan": "not_a_number",
        "bad": "bad_candidate",
        "crash": "crash",
    }
    say(type="failed", kind=kinds[end], message=f"made to {end}")
    sys.exit(1)
