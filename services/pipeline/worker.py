"""`python -m services.pipeline.worker`: scores for an engine, which speaks to it over the socket that is its input.

It ends when that does, as it does when the engine is killed. `services.pipeline.frames` has the protocol.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from typing import Any

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.feedback import Feedback
from detectors.models import Models
from detectors.precompile import handful
from domain.verdict import DetectorName
from services.pipeline.frames import HEAD, Answer, Raised, Setup, Taken, framed, opened
from services.pipeline.profile_cache import ProfileCache
from services.pipeline.scorer import Answered, Looked, Scorer
from services.pipeline.scoring import DecodedRecord, Move, Seat, Share, score
from services.process import garbage
from services.store.batch import StoredRows, Term

READY = "ready"
_BUFFER = 1 << 20


class Worker:
    """A scorer that is told, by the engine, what its own would be given."""

    def __init__(self, setup: Setup) -> None:
        self._scorer = Scorer(setup.mapping, ProfileCache(setup.cache_bytes))
        self._models = Models(None, None)
        self.asked: Mapping[str, Callable[..., object]] = {"decode": self._decode, "score": self._score}
        """What is answered."""
        self.told: Mapping[str, Callable[..., None]] = {
            "models": self._use,
            "feedback": self._hear,
            "stored": self._scorer.stored,
            "forget": self._scorer.forget,
            "clear": self._scorer.clear,
        }

    def _use(self, bodies: Mapping[DetectorName, bytes]) -> None:
        self._models = self._models.fitted(bodies)

    def _hear(self, feedback: Feedback) -> None:
        self._models = self._models._replace(feedback=feedback)

    def _decode(self, taken: Mapping[Seat, Taken], keys: bool) -> Looked:
        return self._scorer.decode({seat: each.records for seat, each in taken.items()}, keys=keys)

    def _score(self, answered: Answered, versions: Mapping[DetectorName, str]) -> Answer:
        if self._models.versions != versions:
            raise RuntimeError(f"asked to score with {versions}, given {self._models.versions}")
        outcome = self._scorer.score(answered, self._models)
        if outcome.plain:
            StoredRows.of(outcome.scored.prepared.batch.rows).transactions = ()
        return Answer(outcome, self._models.sampled())


def serve(connection: socket.socket) -> None:
    """Do what is asked until the connection ends."""
    incoming = BufferedReader(socket.SocketIO(connection, "r"), _BUFFER)
    setup = _received(incoming)
    if setup is None:
        return
    worker = Worker(setup)
    _rehearse()
    garbage.settle()
    connection.sendall(framed(READY))
    while (request := _received(incoming)) is not None:
        name, arguments = request
        if name in worker.told:
            worker.told[name](*arguments)
            continue
        answer: object
        try:
            answer = worker.asked[name](*arguments)
        except Exception as error:
            answer = Raised.of(error)
        connection.sendall(framed(answer))


def _received(incoming: "BufferedReader[Any]") -> Any:
    """The next frame; None where the engine is gone."""
    head = incoming.read(HEAD)
    if len(head) < HEAD:
        return None
    size = int.from_bytes(head, "big")
    body = incoming.read(size)
    return opened(body) if len(body) == size else None


def _rehearse() -> None:
    """Score a handful and forget it: what is compiled is loaded only then."""
    rows: Sequence[DecodedRecord] = [
        DecodedRecord(number, 0.0, b"", transaction, None) for number, transaction in enumerate(handful())
    ]
    models = Models(BasicModel.warming(), EnhancedModel.warming())
    score([Share(Move(Term("", "", 0, 0), 0, len(rows)), rows)], {}, {}, models)


def main() -> None:
    """Entry point of the child process."""
    try:
        serve(socket.socket(fileno=os.dup(0)))
    except (BrokenPipeError, ConnectionResetError):
        # The engine is gone.
        return


if __name__ == "__main__":
    main()
