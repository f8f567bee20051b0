"""The alerts for Prometheus ask for metrics and labels that there are, and name a section that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from ruamel.yaml import YAML

from pipeline.observe.metrics import METRICS, SOURCE
from tests.support.paths import ROOT

FILE = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULES = [rule for group in YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
LABELS = {metric.shown_name: {*metric.labels, SOURCE} for metric in METRICS}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule):
    asked = set(re.findall(r"\blog2mq_\w+", rule["expr"]))
    assert asked
    assert asked <= LABELS.keys()
    known = set.union(*(LABELS[name] for name in asked))
    grouped = {
        label.strip() for labels in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]) for label in labels.split(",")
    }
    assert grouped <= known
    assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= grouped


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule):
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_alerts_have_names_of_their_own():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_takes_the_rules():
    done = subprocess.run(["promtool", "check", "rules", str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
