"""Says what a worker would say, without training. Standard library only, so that it starts fast.

usage: scripted_worker.py TRIAL_FOLDER BEHAVIOUR; a behaviour is words joined by commas:
evals=N:VALUE  sleep=SECONDS (between evaluations)  end=finish|crash|exit|oom|nan|bad|full|kill|hang
rise=STEP (what each evaluation adds to the value)  pace=SECONDS (that one is said to take)
at=rung|pausing (when to end, if not at the end)
One evaluation is 100 samples; it waits at the rungs that its spec.json lists.
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
pace = float(words.get("pace", 1))
progress = folder / "checkpoint" / "progress"
done = int(progress.read_text()) if progress.exists() else 0
spec = json.loads((folder / "spec.json").read_text())
rungs = [rung for rung in spec.get("rungs", []) if rung > done * 100]


def say(**event):
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({**event, "time": time.time()}) + "\n")


def answer():
    """Do what is asked; return whether it was to go on."""
    try:
        what = (folder / "request").read_text()
    except FileNotFoundError:
        return False
    if what == "continue":
        (folder / "request").unlink()
        return True
    if what == "pause":
        if words.get("at") == "pausing":
            end()
        progress.parent.mkdir(exist_ok=True)
        progress.write_text(str(done))
        say(type="saved", step=done, path="checkpoint", bytes=7)
        say(type="paused", step=done)
    else:
        say(type="stopped", step=done)
    sys.exit(0)


def end():
    how = words.get("end", "finish")
    if how == "finish":
        say(type="finished", step=done, seconds=done * pace)
        sys.exit(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        print("something broke", flush=True)
        sys.exit(7)
    if how == "hang":
        time.sleep(600)
    while how == "deaf":
        time.sleep(0.2)
        say(
            type="progressed", step=done, total_steps=9, epoch=1.0, loss=1.0, samples_per_second=1.0
        )
    kinds = {
        "oom": "out_of_memory",
        "nan": "not_a_number",
        "bad": "bad_candidate",
        "crash": "crash",
        "full": "disk_full",
    }
    say(type="failed", kind=kinds[how], message=f"made to {how}")
    sys.exit(1)


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
    (folder / "best" / "weights").write_text(str(done))
    rung = done < int(count) and any(rung <= done * 100 for rung in rungs)
    rungs = [rung for rung in rungs if rung > done * 100]
    say(
        type="reported",
        evaluation=done,
        step=done,
        samples=done * 100,
        seconds=done * pace,
        best=True,
        metrics={"macro_f1": value + done * float(words.get("rise", 0))},
        rung=rung,
    )
    if rung and words.get("at") == "rung":
        end()
    while rung and not answer():
        time.sleep(0.01)
end()
