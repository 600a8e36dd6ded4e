"""The formats of finished runs' models, measured again: parity, size, latency, throughput.

    python benchmarks/formats.py runs/quickstart runs/digits --threads 1

Does in this process what a run does at its end, with the bundle's model and the run's validation
rows, whatever formats the run asked for: all take turns on the same rows. Prints a table a run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from automl import documents, machine
from automl.bundle import INFO, BundleInfo
from automl.exporters._markdown import table
from automl.exporters._units import size
from automl.finish.converting import ROWS
from automl.jobs import ConvertResult, ConvertSpec, DataRef, FormatFacts, ModelRef
from automl.plan import Plan
from automl.rundir import RunDir
from automl.tasks._weights import FORMATS, SAFETENSORS, ordered


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--threads", type=int, default=machine.physical_cores())
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    given = parser.parse_args()
    print(f"{machine.describe()}, {given.threads} threads\n")
    for path in given.runs:
        wanted = tuple(name for name in given.formats if name != SAFETENSORS)
        with tempfile.TemporaryDirectory(prefix="automl-formats-") as scratch:
            found = measured(RunDir.at(path), wanted, given.threads, given.rows, Path(scratch))
        print(f"{path.name}: {found.seconds:.0f} s\n")
        print(table(*told(found), right=range(1, 9)), end="\n\n")


def measured(
    run: RunDir, formats: tuple[str, ...], threads: int, rows: int, scratch: Path
) -> ConvertResult:
    """Return what the formats of the run's model are worth; none is refused for a loss."""
    from automl.worker.converting import convert

    plan = documents.read(Plan, run.plan)
    info = documents.read(BundleInfo, run.bundle / INFO)
    thresholds = info.thresholds.by_class if info.thresholds else {}
    tables = {split: str(run.table(split)) for split in ("train", "validation")}
    spec = ConvertSpec(
        task=plan.task,
        model=ModelRef(info.candidate, str(run.bundle.absolute()), info.trust_remote_code),
        data=DataRef(tables, plan.data.labels, plan.data.fingerprint, info.max_length),
        formats=formats,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        most_loss=float("inf"),
        target=str(scratch),
        rows=rows,
        batch_size=32,
        threads=threads,
        devices=(),
        thresholds=thresholds,
    )
    return convert(spec)


def told(found: ConvertResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table's header and rows: speed is that of single rows and, in brackets, of 32."""
    header = ("format", "size", found.metric, "lost", "changed", "largest difference",
              "ms a row (p95)", "rows a second", "speed-up", "why not")  # fmt: skip
    return header, [(name, *_cells(found.formats[name])) for name in ordered(found.formats)]


def _cells(facts: FormatFacts) -> tuple[str, ...]:
    speed = facts.speed.get("cpu")
    return (
        size(facts.bytes),
        _number(facts.metric, "{:.4f}"),
        _number(facts.loss, "{:.4f}"),
        _number(facts.changed, "{:.1%}"),
        _number(facts.max_difference, "{:.2g}"),
        f"{speed.latency_ms:.3g} ({speed.latency_p95_ms:.3g})" if speed else "",
        f"{speed.rows_per_second:.3g}" if speed else "",
        f"{1 / speed.latency_ratio:.2f}× ({speed.throughput_ratio:.2f}×)" if speed else "",
        facts.refused,
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


if __name__ == "__main__":
    main()
