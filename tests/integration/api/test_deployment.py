"""The files under deploy/ and compose.yaml speak of what there is: metrics, options, settings, files."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.settings import PREFIX, Settings
from services.version import VERSION
from tests.acceptance.session import COMMAND
from tests.integration.api.running import Running

ROOT = Path(__file__).parents[3]
METRIC = re.compile(r"\b(?:anomaly_tui|process)_[a-z0-9_]+")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/anomaly-tui.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())
ENGINE = COMPOSE["services"]["anomaly-tui"]


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def exported(text: str) -> set[str]:
    """The names of all series that an exposition declares, whether there is one now or not."""
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        found |= {f"{name}{part}" for part in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return found


def test_every_metric_that_is_asked_for_is_exported(engine: Running) -> None:
    # A count of answers is there from the first answer on.
    engine.get("/api/health")
    answer = engine.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert len(names) > 20
    assert names <= exported(answer.text)
    for user in engine.get("/api/users", limit=200)["users"]:
        assert user["user_id"] not in answer.text


def test_metrics_agree_with_the_snapshot(engine: Running) -> None:
    engine.get("/api/health")
    text = engine.client.get("/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    snapshot = engine.get("/api/stats")["snapshot"]
    assert float(values["anomaly_tui_transactions_total"]) == snapshot["transactions"]
    assert float(values["anomaly_tui_latency_seconds_count"]) == snapshot["transactions"]
    assert float(values['anomaly_tui_latency_seconds_bucket{le="+Inf"}']) == snapshot["transactions"]
    for detector, flagged in snapshot["flagged"].items():
        assert float(values[f'anomaly_tui_flagged_total{{detector="{detector}"}}']) == flagged
        verdicts = [
            float(v) for k, v in values.items() if k.startswith(f'anomaly_tui_verdicts_total{{detector="{detector}"')
        ]
        assert sum(verdicts) == snapshot["transactions"]
    assert values["anomaly_tui_database_up"] == "1.0"
    assert values['anomaly_tui_worker_running{worker="pipeline"}'] == "1.0"
    assert any(key.startswith('anomaly_tui_http_requests_total{method="GET",path="/api/health"') for key in values)


def test_panels_of_the_dashboard_do_not_lie_over_each_other() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"prometheus"}


def test_rules_say_what_is_wrong_and_what_to_do() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in rules)
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning", "info"}


@pytest.mark.parametrize("name", ["kafka", "postgres", "anomaly-tui", "prometheus", "grafana"])
def test_a_service_is_pinned_watched_and_reached_from_this_machine_only(name: str) -> None:
    service = COMPOSE["services"][name]
    tag = service["image"].rpartition(":")[2]
    assert re.match(r"v?\d", tag), service["image"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
    assert set(service.get("depends_on", ())) <= COMPOSE["services"].keys()
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_engine_is_started_with_options_and_settings_that_exist() -> None:
    shown = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    options = set(re.findall(r"--[a-z][a-z-]+", shown.stdout))
    given = {part for part in ENGINE["command"] if part.startswith("--")}
    assert given <= options
    settings = {name.removeprefix(PREFIX).lower() for name in ENGINE["environment"] if name.startswith(PREFIX)}
    assert settings
    assert settings <= Settings.model_fields.keys()
    assert ENGINE["image"].endswith(f":{VERSION}")


def test_prometheus_asks_the_engine_by_a_name_that_it_answers_to() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    ((target,),) = [config["targets"] for config in job["static_configs"]]
    assert target == "anomaly-tui:8787"
    assert ENGINE["environment"][f"{PREFIX}API_HOSTS"] == target.partition(":")[0]
    mounted = {f"/run/secrets/{name}" for name in COMPOSE["services"]["prometheus"]["secrets"]}
    assert {job["authorization"]["credentials_file"], job["tls_config"]["ca_file"]} <= mounted


def test_the_script_makes_every_secret_once_and_the_engine_takes_them(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy" / "secrets.sh"
    script.write_bytes((ROOT / "deploy/secrets.sh").read_bytes())
    made: list[dict[Path, bytes]] = []
    for _ in range(2):
        subprocess.run(["sh", script], check=True, capture_output=True)
        made.append({file: file.read_bytes() for file in (tmp_path / "deploy/secrets").iterdir()})
    assert made[0] == made[1]
    assert {f"deploy/secrets/{file.name}" for file in made[0]} == {each["file"] for each in COMPOSE["secrets"].values()}
    assert (tmp_path / "deploy/secrets").stat().st_mode & 0o777 == 0o700
    settings = engine_settings(tmp_path / "deploy/secrets")
    assert settings.api_access is not None
    names = [token.name for token in settings.api_access.tokens]
    assert names == ["desk", "prometheus"]
    given = (tmp_path / "deploy/secrets/prometheus_token").read_text().strip()
    assert settings.api_access.tokens[1].secret == given


def engine_settings(secrets: Path) -> Settings:
    """What compose.yaml sets for the engine, with the secrets in another folder."""
    values: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value.replace("/run/secrets", str(secrets))
        for name, value in ENGINE["environment"].items()
        if name.startswith(PREFIX)
    }
    command = ENGINE["command"]
    return Settings.model_validate({**values, "api": command[command.index("--api") + 1]})


def test_the_image_has_every_package_of_the_project() -> None:
    """The web pages are no package: they would need Node.js, which the image has not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) - {"frontend"}
    copied = set(re.findall(r"^COPY (\w+) \w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert packages == copied
