"""Results as JUnit XML, the format that CI servers read. It follows the schema of Apache Ant's reports; the schema of Jenkins accepts it too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pipeline.authoring.cases.load import CaseFile
from pipeline.authoring.cases.report import failure_lines
from pipeline.authoring.cases.run import CaseResult

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 (section 2.2) does not allow, not even escaped."""


def junit_xml(file: CaseFile, results: Sequence[CaseResult], unreached: Sequence[str], started: datetime) -> bytes:
    """Return the report: one suite, named after the source. `unreached` are sentences; if there are any, they are one more failed case."""
    seconds = sum(result.seconds for result in results)
    name = file.source.source
    failures = sum(result.failed for result in results) + bool(unreached)
    root = Element("testsuites")
    suite = SubElement(
        root,
        "testsuite",
        name=name,
        package="log2mq",
        id="0",
        tests=str(len(results) + bool(unreached)),
        failures=str(failures),
        errors="0",
        skipped="0",
        time=f"{seconds:.3f}",
        timestamp=f"{started:%Y-%m-%dT%H:%M:%S}",
        hostname="localhost",
    )
    SubElement(suite, "properties")
    for result in results:
        case = SubElement(
            suite, "testcase", name=_xml_text(result.case.name), classname=name, time=f"{result.seconds:.3f}"
        )
        if result.failed:
            title, *lines = [line.text for line in failure_lines(file, result)]
            _fail(case, title, lines)
    if unreached:
        _fail(
            SubElement(suite, "testcase", name="every rule is reached", classname=name, time="0"),
            f"rules that no case reaches: {len(unreached)}",
            unreached,
        )
    SubElement(suite, "system-out")
    SubElement(suite, "system-err")
    indent(root)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _fail(case: Element, message: str, lines: Sequence[str]) -> None:
    failure = SubElement(case, "failure", message=_xml_text(message), type="difference")
    failure.text = _xml_text("\n".join(lines))


def _xml_text(text: str) -> str:
    r"""Return a text in which characters that XML does not allow are Python escapes: `\x1b`."""
    return _NOT_IN_XML.sub(lambda found: ascii(found[0])[1:-1], text)
