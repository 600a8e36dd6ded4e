"""``automl run`` against Trainer + Optuna, on real data: when is its score reached, what is better?

    python benchmarks/real.py --task banking77 --seeds 3

Both arms get the same rows and split, the same two candidates (a MiniLM encoder and its first three
layers), the same ranges, the same number of threads for one trial at a time, and start as a fresh
process with cold caches and no experience. The script (``optuna_trainer.py``) makes 8 trials and is
scored on test after 4 and after 8. Ours has its 8-trial wall time as budget. Whoever leads ours by
validation is kept as the run goes and scored on test when it is over, off the clock: test decides
nothing. Seconds count from the start of the process: imports, reading, compiling and timing too.

Results lie in ``--out``, one file an arm and seed; what is there is not run again. The machine
should do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import real_report
import real_tasks
import real_watch

from automl import machine, processes

HERE = Path(__file__).resolve().parent


def environment(threads: int, caches: Path) -> dict[str, str]:
    """Return an environment in which nothing is known yet."""
    return {
        **processes.environment(threads, ()),
        "XDG_CACHE_HOME": str(caches / "cache"),
        "AUTOML_EXPERIENCE": str(caches / "experience"),
        "HF_HOME": str(caches / "hub"),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }


def timed(
    command: list[str], log: Path, env: dict[str, str], watch: Callable[..., None] | None = None
) -> dict[str, float]:
    """Run the command to its end; return its wall and CPU seconds, its children's included."""
    with log.open("w") as stream:
        began = time.time()
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=env, cwd=log.parent
        )
        if watch is not None:
            watch(began, lambda: os.waitid(os.P_PID, process.pid, _PEEK) is None)
        _, status, used = os.wait4(process.pid, 0)
        ended = time.time()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    return {"began": began, "wall": ended - began, "cpu": used.ru_utime + used.ru_stime}


_PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT


def script(options: argparse.Namespace, seed: int, work: Path, plan: dict) -> dict:
    """Run the reference; return what it came to after each number of trials."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        candidates = [str(real_tasks.package_model()), str(work / "small")]
        task = {
            "files": {s: str(work / f"{s}.csv") for s in ("train", "validation", "test")},
            "texts": real_tasks.TASKS[options.task].texts,
            "models": candidates,
            "max_length": max(c["max_length"] for c in plan["candidates"]),
            "space": real_tasks.ranges(plan),
            "threads": options.threads,
            "bf16": machine.bf16_on_cpu(),
            "seed": seed,
            "trials": options.trials,
        }
        (folder / "task.json").write_text(json.dumps(task))
        spent = timed(
            [sys.executable, str(HERE / "optuna_trainer.py"), str(folder / "task.json")],
            folder / "log.txt",
            environment(options.threads, folder),
        )
        lines = [json.loads(line) for line in (folder / "result.jsonl").open()]
    off = 0.0
    for line in lines:
        line["wall"] = line["ended"] - spent["began"] - off
        off += line["ended"] - line["began"]
    return {**spent, "seed": seed, "after": lines, "space": task["space"], "bf16": task["bf16"]}


def ours(options: argparse.Namespace, seed: int, work: Path, plan: dict, seconds: float) -> dict:
    """Run ours for so many seconds; return its incumbents, each scored on test."""
    recipe = real_tasks.write_recipe(
        options.task, work, seed, seconds, options.threads, options.search
    )
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        followed: list[real_watch.Incumbents] = []

        def watch(began: float, alive: Callable[[], bool]) -> None:
            metric = plan["goal"]["metric"]
            follower = real_watch.Incumbents(folder / "run", folder / "kept", metric, began)
            followed.append(follower)
            follower.follow(alive)

        command = [sys.executable, "-m", "automl", "run", str(recipe), "--run-dir"]
        spent = timed(
            [*command, str(folder / "run")],
            folder / "log.txt",
            environment(options.threads, folder),
            watch,
        )
        texts = real_tasks.TASKS[options.task].texts
        limit = max(c["max_length"] for c in plan["candidates"])
        found = followed[0].found
        for each in found:
            each["test"] = real_watch.score(folder / "kept" / each["model"], work, texts, limit)
        final = real_watch.score(folder / "run" / "bundle", work, texts, limit)
        log = (folder / "log.txt").read_text()
    return {
        **spent,
        "seed": seed,
        "budget": seconds,
        "incumbents": found,
        "final": {"seconds": spent["wall"], "test": final},
        "log": log[-4000:],
    }


def remembered(path: Path, make: Callable[[], dict]) -> dict:
    """Return the result at ``path``, made and written there if it is not."""
    if not path.exists():
        found = make()
        path.write_text(json.dumps(found, indent=2) + "\n")
    return json.loads(path.read_text())


def measure(options: argparse.Namespace, work: Path) -> list[dict]:
    """Return one row a seed: the script's result and ours."""
    real_tasks.prepare(options.task, options.data, work, options.share)
    probe = real_tasks.write_recipe(options.task, work, 0, 600.0, options.threads, options.search)
    rows = []
    with tempfile.TemporaryDirectory() as caches:
        plan = real_tasks.compiled(probe, environment(options.threads, Path(caches)))
    for seed in range(options.seeds):
        say = f"{options.task}, seed {seed}"
        theirs = remembered(
            work / f"script-{seed}.json",
            lambda seed=seed: script(options, seed, work, plan),
        )
        last = theirs["after"][-1]
        print(f"{say}: script {last['wall']:.0f} s, test {last['test']:.4f}", file=sys.stderr)
        mine = remembered(
            work / f"ours-{seed}.json",
            lambda seed=seed, wall=last["wall"]: ours(options, seed, work, plan, wall),
        )
        final = mine["final"]
        print(f"{say}: ours {final['seconds']:.0f} s, test {final['test']:.4f}", file=sys.stderr)
        rows.append({"seed": seed, "script": theirs, "ours": mine})
    return rows


def main() -> None:
    """Measure what is missing, then print the table and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=sorted(real_tasks.TASKS), required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, nargs="+", default=[4, 8], help="of the script")
    parser.add_argument("--threads", type=int, default=machine.physical_cores())
    parser.add_argument("--data", type=Path, default=real_tasks.default_data())
    parser.add_argument("--out", type=Path, default=Path("runs") / "real")
    parser.add_argument("--share", type=float, default=1.0, help="of the rows, to try things out")
    parser.add_argument("--search", default="", help="more keys of `search`, as YAML")
    options = parser.parse_args()
    work = options.out.absolute() / options.task
    rows = measure(options, work)
    print(real_report.table(options.task, rows))
    real_report.plot(options.task, rows, work / "curves.png")
    print(f"\n{machine.describe()}; {options.threads} threads; curves: {work / 'curves.png'}")


if __name__ == "__main__":
    main()
