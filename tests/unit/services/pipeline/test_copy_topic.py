"""What Kafka is asked of the copy of a topic."""

from concurrent.futures import Future
from typing import Any

import pytest
import structlog

from services.pipeline import copy_topic


class Silent:
    """An administrator whose questions are never answered."""

    def __init__(self, servers: dict[str, Any]) -> None:
        pass

    def delete_records(self, asked: list[Any], request_timeout: float) -> dict[Any, Future[Any]]:
        return {each: Future() for each in asked}


def test_records_are_kept_where_kafka_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_topic, "AdminClient", Silent)
    monkeypatch.setattr(copy_topic, "ANSWER_WITHIN", 0.01)
    with structlog.testing.capture_logs() as logs:
        copy_topic.delete_before({}, "some", {0: 5})
    (line,) = logs
    assert (line["event"], line["topic"]) == ("Kafka keeps records that are stored", "some")
    assert "timed out" in line["error"].lower()
