"""What the API answers, asked over HTTP of a running engine."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from domain.verdict import urgency
from services.records.export import COLUMNS, Row
from tests.integration.api.running import POISON, TRANSACTIONS, Running
from tests.waiting import wait_until


def problem(engine: Running, path: str, status: int, **parameters: Any) -> dict[str, Any]:
    answer = engine.client.get(path, params=parameters)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert {"type", "title", "status", "detail"} <= said.keys()
    assert said["status"] == status
    return said


def pages(engine: Running, path: str, **parameters: Any) -> list[dict[str, Any]]:
    """All rows, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        page = engine.get(path, **parameters)
        assert len(page["rows"]) <= int(parameters.get("limit", 50))
        rows += page["rows"]
        if page["next"] is None:
            return rows
        parameters["cursor"] = page["next"]


def test_pages_of_transactions_are_the_whole_newest_first(engine: Running) -> None:
    rows = pages(engine, "/api/transactions", limit=170)
    assert len({row["transaction_id"] for row in rows}) == len(rows) == TRANSACTIONS
    assert [row["timestamp"] for row in rows] == sorted((row["timestamp"] for row in rows), reverse=True)
    for row in rows:
        msgspec.convert(row, Row)
    few = pages(engine, "/api/transactions", q="amount>100 country!=FR", limit=50)
    assert [row["transaction_id"] for row in few] == [
        row["transaction_id"]
        for row in rows
        if float(row["amount"]) > 100 and row.get("location", {}).get("country") != "FR"
    ]


def test_pages_of_anomalies_are_the_flagged_ones_in_either_order(engine: Running) -> None:
    flagged = [row["transaction_id"] for row in pages(engine, "/api/transactions", limit=200) if row["flagged"]]
    assert len(flagged) > 7, "more than one page"
    assert [row["transaction_id"] for row in pages(engine, "/api/anomalies", limit=7)] == flagged
    by_score = pages(engine, "/api/anomalies", limit=7, sort="score")
    assert sorted(row["transaction_id"] for row in by_score) == sorted(flagged)
    places = [(urgency(headline(row)["score"]), datetime.fromisoformat(row["timestamp"])) for row in by_score]
    assert places == sorted(places, reverse=True)
    severe = pages(engine, "/api/anomalies", severity="critical,suspicious", limit=200)
    assert 0 < len(severe) <= len(flagged)
    assert {row["verdicts"][-1]["severity"] for row in severe} <= {"critical", "suspicious"}


def headline(row: dict[str, Any]) -> dict[str, Any]:
    """The verdict that a row is listed under: where both detectors judged, what the enhanced one makes of it."""
    return max(row["verdicts"], key=lambda verdict: (verdict["detector"] == "enhanced", verdict["score"]))


def test_one_transaction_and_one_user(engine: Running) -> None:
    newest = engine.get("/api/transactions", limit=1)["rows"][0]
    found = engine.get(f"/api/transactions/{newest['transaction_id']}")
    assert (found["row"], found["triage_log"]) == (newest, [])
    for ident in ("none/such", "a%0Ab%0A", "%2F"):
        assert "no transaction" in problem(engine, f"/api/transactions/{ident}", 404)["detail"]
    assert engine.get("/api/explanations/none/such")["counterfactual"] is None
    first = engine.get("/api/users", limit=1)
    assert first["more"]
    user = engine.get(f"/api/users/{first['users'][0]['user_id']}")
    assert user["profile"]["seen"] == first["users"][0]["seen"]
    assert 0 < len(user["anomalies"]) <= 10
    assert {row["user_id"] for row in user["anomalies"]} == {user["profile"]["user_id"]}
    assert all(row["flagged"] for row in user["anomalies"])
    problem(engine, "/api/users/nobody", 404)
    problem(engine, "/api/users", 422, q="amount>1", prefix="u")


def test_statistics_and_health(engine: Running) -> None:
    stats = engine.get("/api/stats")
    assert stats["totals"]["transactions"] == TRANSACTIONS
    assert stats["totals"]["dead_letters"] == len(POISON)
    assert sum(minute["transactions"] for minute in stats["volume"]) == TRANSACTIONS
    flagged = len(pages(engine, "/api/anomalies", limit=200))
    assert sum(minute["flagged"] for minute in stats["volume"]) == flagged
    assert sum(category["share"] for category in stats["categories"]) == pytest.approx(1)
    health = engine.get("/api/health")
    assert (health["status"], health["database_up"]) == ("ok", True)
    states = {worker["name"]: worker["state"] for worker in health["workers"]}
    # Nobody has asked for web pages, and an engine is well without them.
    assert (states["api"], states["frontend"]) == ("running", "stopped")
    assert engine.client.get("/livez").text == "ok\n"
    assert engine.client.get("/readyz?verbose").text.splitlines()[-2:] == ["[+] api running", "ok"]


def test_dead_letters_page_by_page(engine: Running) -> None:
    letters = pages(engine, "/api/dead-letters", limit=1)
    assert len(letters) == len(POISON)
    assert len({(letter["partition"], letter["offset"]) for letter in letters}) == len(POISON)
    assert "\u202e" not in json.dumps(letters, ensure_ascii=False)


def test_a_filter_is_checked_completed_and_refused_as_in_the_console(engine: Running) -> None:
    everything = engine.get("/api/filter", q="")
    assert everything["matches"] == everything["of"] == TRANSACTIONS
    assert 0 < engine.get("/api/filter", q="is:flagged")["matches"] < TRANSACTIONS
    anomalies = engine.get("/api/filter", q="amount>0", of="anomalies")
    alerted = engine.get("/api/filter", q="is:flagged -is:backfilled")["matches"]
    assert anomalies["matches"] == anomalies["of"] == alerted
    assert engine.get("/api/filter", q="amount>0", of="anomalies", within="-is:flagged")["of"] == 0
    assert engine.get("/api/filter", q="amount>0 | country=FR", of="anomalies")["fields"] == ["amount", "country"]
    words = [each["word"] for each in engine.get("/api/filter/completions", q="amount>5 co")["completions"]]
    assert "country:" in words
    seen = engine.get("/api/filter/completions", q="country:")["completions"]
    assert all(len(each["word"]) == 2 and (each["start"], each["end"]) == (8, 8) for each in seen)
    for path in ("/api/filter", "/api/transactions", "/api/anomalies", "/api/users", "/api/export", "/api/stream"):
        said = problem(engine, path, 422, q="user:a amont>5")
        assert (said["position"], said["length"]) == (7, 7)
        assert "amount" in said["expected"]
        assert said["caret"] == "user:a amont>5\n       ^ no field amont: did you mean amount?"


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/transactions", {"limit": 0}),
        ("/api/transactions", {"limit": 201}),
        ("/api/transactions", {"offset": 5}),
        ("/api/transactions", {"cursor": "nonsense!"}),
        ("/api/transactions", {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ"}),
        ("/api/anomalies", {"sort": "score", "cursor": "MTIuYQ"}),
        ("/api/anomalies", {"sort": "score", "cursor": "OTk5OTk5OTk5OTkvMTIuYQ"}),
        ("/api/anomalies", {"severity": "critical) or (id:*"}),
        ("/api/dead-letters", {"cursor": "MTIuYQ"}),
        ("/api/stream", {"after": "1.2"}),
        ("/api/filter/completions", {"position": -1}),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(engine: Running, path: str, parameters: dict[str, Any]) -> None:
    assert problem(engine, path, 422, **parameters)["detail"]


def test_errors_of_the_framework_are_problems_too(engine: Running) -> None:
    problem(engine, "/nowhere", 404)
    answer = engine.client.delete("/api/transactions")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert "GET" in answer.headers["allow"]


def test_the_head_of_a_stream_or_a_file_ends_there(engine: Running) -> None:
    for path, media_type in (("/api/stream", "text/event-stream"), ("/api/export", "text/csv")):
        answer = engine.client.head(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media_type)


@pytest.mark.parametrize("of", ["transactions", "anomalies"])
def test_an_export_has_what_the_pages_have(engine: Running, of: str) -> None:
    rows = pages(engine, f"/api/{of}", limit=200)
    answer = engine.client.get("/api/export", params={"of": of, "format": "jsonl"})
    assert [json.loads(line) for line in answer.text.splitlines()] == rows
    answer = engine.client.get("/api/export", params={"of": of})
    assert answer.headers["content-disposition"].endswith('.csv"')
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert tuple(lines[0]) == COLUMNS
    assert [line["transaction_id"] for line in lines] == [row["transaction_id"] for row in rows]


def test_a_decision_is_taken_told_and_taken_back(engine: Running) -> None:
    row = pages(engine, "/api/anomalies", limit=200)[-1]
    ident = row["transaction_id"]
    decided = engine.client.post(
        "/api/triage", json={"ids": [ident, "unknown"], "status": "confirmed", "note": "called the customer"}
    ).json()
    assert decided["unknown"] == ["unknown"]
    assert decided["unchanged"] == []
    assert decided["events"][0]["decided_by"].endswith(" (api)")
    assert ident in [each["transaction_id"] for each in pages(engine, "/api/anomalies", status="confirmed")]
    assert ident not in [each["transaction_id"] for each in pages(engine, "/api/anomalies", status="open", limit=200)]
    told = engine.get(f"/api/triage/{ident}")
    assert (told["triage"]["status"], told["triage"]["note"]) == ("confirmed", "called the customer")
    assert engine.get(f"/api/transactions/{ident}")["triage_log"] == told["log"]
    undone = engine.client.post("/api/triage/undo", json={}).json()["undone"]
    assert (undone["action"], undone["kept"]) == ("confirmed", 0)
    assert engine.get(f"/api/triage/{ident}")["triage"] is None
    assert engine.client.post("/api/triage/undo", json={"step": decided["step"]}).json()["undone"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ids": []}, 422),
        ({"ids": ["a"]}, 422),
        ({"ids": ["a"], "status": "done"}, 422),
        ({"ids": ["a"], "status": "snoozed"}, 422),
        ({"ids": ["a"], "status": "snoozed", "until": "2030-01-01T00:00:00"}, 422),
        ({"ids": ["a"] * 10_001, "status": "open"}, 422),
        ({"ids": ["a\0"], "status": "open"}, 422),
        ({"ids": ["a"], "status": "open", "by": "somebody"}, 422),
        ({"ids": ["a"], "note": "x" * 1_001}, 422),
        ({"ids": ["x" * 4_000] * 600, "status": "open"}, 413),
    ],
)
def test_a_decision_that_cannot_be_is_refused(engine: Running, body: Any, status: int) -> None:
    answer = engine.client.post("/api/triage", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text


def test_a_decision_is_json_and_says_so(engine: Running) -> None:
    body = json.dumps({"ids": ["a"], "status": "open"})
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert engine.client.post("/api/triage", content=body, headers={"Content-Type": media_type}).status_code == 415
    as_json = {"Content-Type": "application/json"}
    assert engine.client.post("/api/triage", content=body[:-1], headers=as_json).status_code == 400


def test_a_snooze_ends_by_itself(engine: Running) -> None:
    ident = pages(engine, "/api/anomalies", limit=200)[0]["transaction_id"]
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    asleep = engine.client.post("/api/triage", json={"ids": [ident], "status": "snoozed", "until": until})
    assert asleep.status_code == 200
    assert [row["transaction_id"] for row in pages(engine, "/api/anomalies", status="snoozed")] == [ident]
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    engine.client.post("/api/triage", json={"ids": [ident], "status": "snoozed", "until": past})
    assert ident in [row["transaction_id"] for row in pages(engine, "/api/anomalies", status="open", limit=200)]


def test_after_a_restart_it_answers_at_the_same_address(engine: Running) -> None:
    engine.run(engine.engine.supervisor.control("api", "restart"))
    api = next(worker for worker in engine.get("/api/health")["workers"] if worker["name"] == "api")
    assert (api["name"], api["state"]) == ("api", "running")
    assert api["detail"].startswith(str(engine.client.base_url).rstrip("/"))


def test_the_timeline_is_told_since_a_time(engine: Running) -> None:
    events = engine.get("/api/events")["events"]
    assert events[-1]["kind"] == "engine"
    assert [event["at"] for event in events] == sorted((event["at"] for event in events), reverse=True)
    assert len(engine.get("/api/events", limit=1)["events"]) == 1
    assert events[-1] not in engine.get("/api/events", since=events[-1]["at"])["events"]
    assert "since" in problem(engine, "/api/events", 422, since="yesterday")["detail"]


def test_the_course_and_the_log_of_the_engine(engine: Running) -> None:
    course = engine.get("/api/course")
    assert course["every"] == 10
    assert course["points"]
    assert {"at", "rate", "latency_p95", "lag", "writer_queue"} == course["points"][0].keys()
    assert course["points"][-1]["at"] <= course["at"]
    lines = engine.get("/api/logs", limit=5)["lines"]
    assert len(lines) <= 5
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


def control(engine: Running, worker: str, action: str) -> Any:
    return engine.client.post("/api/workers", json={"worker": worker, "action": action})


def state_of(engine: Running, name: str) -> dict[str, Any]:
    return next(worker for worker in engine.get("/api/health")["workers"] if worker["name"] == name)


def test_workers_are_stopped_started_and_restarted(engine: Running) -> None:
    stopped = control(engine, "models", "stop")
    assert stopped.status_code == 200, stopped.text
    assert stopped.json()["worker"]["state"] == state_of(engine, "models")["state"] == "stopped"
    assert engine.get("/api/health")["status"] == "degraded"
    assert control(engine, "models", "start").json()["worker"]["state"] == "running"
    before = state_of(engine, "models")["since"]
    assert control(engine, "models", "restart").json()["worker"]["state"] == "running"
    assert state_of(engine, "models")["since"] > before


def test_what_cannot_be_done_with_a_worker_is_said(engine: Running) -> None:
    assert "there is no nobody" in control(engine, "nobody", "restart").json()["detail"]
    assert "nobody could start it again" in control(engine, "api", "stop").json()["detail"]
    assert control(engine, "models", "dance").status_code == 422
    foreign = engine.client.post(
        "/api/workers", json={"worker": "models", "action": "stop"}, headers={"origin": "http://evil.example"}
    )
    assert foreign.status_code == 403
    form = engine.client.post("/api/workers", content='{"worker": "models", "action": "stop"}')
    assert form.status_code == 415
    assert state_of(engine, "models")["state"] == "running"


def test_the_api_restarts_itself(engine: Running) -> None:
    before = state_of(engine, "api")["since"]
    assert control(engine, "api", "restart").status_code == 200

    def restarted() -> bool:
        try:
            return bool(state_of(engine, "api")["since"] > before)
        except httpx.TransportError:
            return False

    wait_until(restarted, "the API to be back")


def test_open_anomalies_that_match_are_named_and_decided_on_in_one_step(engine: Running) -> None:
    q = "severity>=suspicious"
    found = engine.get("/api/open-anomalies", q=q)
    listed = [row["transaction_id"] for row in pages(engine, "/api/anomalies", q=q, status="open", limit=200)]
    assert found["ids"] == listed
    assert found["matches"] == len(listed) > 1
    decided = engine.client.post("/api/triage", json={"ids": found["ids"], "status": "acknowledged"}).json()
    assert len(decided["events"]) == len(listed)
    assert engine.get("/api/open-anomalies", q=q)["matches"] == 0
    named = f"{q} triage:acknowledged"
    assert engine.get("/api/open-anomalies", q=named)["ids"] == listed, "a filter that is about triage says which"
    assert [row["transaction_id"] for row in pages(engine, "/api/anomalies", q=named, status="open")] == listed
    anomalies = {"of": "anomalies", "status": "open"}
    assert engine.get("/api/filter", q=named, **anomalies)["matches"] == len(listed)
    assert engine.get("/api/filter", q=q, **anomalies)["matches"] == 0
    engine.client.post("/api/triage/undo", json={"step": decided["step"]})
    assert engine.get("/api/open-anomalies", q=q)["ids"] == listed


HOSTILE = (
    "'; DROP TABLE transactions; --",
    "\\'; SELECT pg_sleep(30); --",
    "x' OR '1'='1",
    "') OR (SELECT 1) = 1 --",
    "$1",
    "%",
    "u_0015",
    "%s",
    "\\",
    "{}",
)


def test_no_filter_is_more_than_a_filter(engine: Running) -> None:
    stored = engine.get("/api/stats")["totals"]["transactions"]
    for field in ("user", "merchant", "id", "country", "city", "category"):
        for value in HOSTILE:
            for of in ("transactions", "anomalies"):
                quoted = value.replace("\\", "\\\\").replace('"', '\\"')
                answer = engine.client.get(f"/api/{of}", params={"q": f'{field}:"{quoted}"'})
                assert answer.status_code in (200, 422), (field, value, answer.text)
                assert answer.json().get("rows", []) == [], (field, value)
    assert engine.client.get("/api/transactions", params={"q": 'user:"a\0b"'}).status_code in (200, 422)
    assert engine.get("/api/stats")["totals"]["transactions"] == stored
