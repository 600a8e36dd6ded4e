"""Checks as JUnit XML, as CI systems read it. Knows no bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from automl.documents import write_bytes
from automl.exporters import CheckResult
from automl.exporters._units import checked


def write(path: Path, suite: str, checks: Sequence[CheckResult], seconds: float) -> None:
    """Write one test case a check; ``seconds`` are those of all together."""
    failures = sum(not check.passed and not check.skipped for check in checks)
    counts = {
        "tests": str(len(checks)),
        "failures": str(failures),
        "errors": "0",
        "skipped": str(sum(check.skipped for check in checks)),
        "time": f"{seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    cases = ElementTree.SubElement(root, "testsuite", {"name": suite, **counts})
    for check in checks:
        case = ElementTree.SubElement(
            cases, "testcase", {"classname": f"automl.{suite}", "name": check.expression}
        )
        said = f"is {checked(check.expression, check.actual)}"
        said = f"{said}; {check.detail}" if check.detail else said
        if check.skipped:
            ElementTree.SubElement(case, "skipped", {"message": check.detail})
        elif check.passed:
            ElementTree.SubElement(case, "system-out").text = said
        else:
            failure = ElementTree.SubElement(case, "failure", {"message": said, "type": "missed"})
            failure.text = f"{check.expression}\n{said}"
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text + b"\n")
