"""From Kafka records to a batch ready to store: decode, score, encode. Pure CPU work, run off the event loop."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol

import structlog

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.feedback import Feedback
from detectors.inputs import Inputs, inputs_of
from detectors.models import Models
from detectors.state import STATE_VERSION, UserState
from domain.clock import ClockKind
from domain.transaction import GroundTruth, Transaction
from domain.verdict import DetectorName, Severity, Verdict
from services.console.clock import Happened
from services.records import mapping as mappings
from services.records import wire
from services.store.batch import Batch, DeadRecord, Prepared, StoredRow, Term, prepare
from services.store.faults import Transient

log = structlog.get_logger("pipeline")

UNEXPECTED = "it could not be read, by a fault of this program"


class Record(Protocol):
    """What is used of a Kafka record; `timestamp` is milliseconds, and none or -1 where the record has no time."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class DecodedRecord(NamedTuple):
    """A record that is a transaction; `updated` marks a change of one that may be stored already.

    `clock` is whose its time is.
    """

    offset: int
    produced_at: float
    payload: bytes
    transaction: Transaction
    truth: GroundTruth | None
    updated: bool = False
    clock: ClockKind = "live"


class ScoredBatch(NamedTuple):
    """A batch ready to store, with what is published after its commit."""

    prepared: Prepared
    produced_at: tuple[float, ...]
    states: Mapping[str, UserState]
    happened: tuple[Happened, ...] = ()


class RegistryAway(Transient):
    """The schema registry cannot answer now; the message names it."""


class Decoded(NamedTuple):
    """Records by what became of them, each list in offset order; every record is in one of the three.

    `skipped` counts by kind what stands for no transaction; `remarks` counts what had to be decided to read others.
    """

    transactions: list[DecodedRecord]
    dead: list[DeadRecord]
    skipped: Counter[str]
    remarks: Counter[str]


def decode(records: Sequence[Record], mapping: mappings.Mapping | None, now: datetime) -> Decoded:
    """Tell transactions from dead letters and from what is skipped. Nothing in a record makes it raise.

    Raises: RegistryAway where a schema registry has to be asked and does not answer.
    """
    decoded, dead, skipped, remarked = found = Decoded([], [], Counter(), Counter())
    for record in records:
        payload = record.value
        if payload is None:
            skipped["tombstone"] += 1
            continue
        headers = dict(record.headers)
        try:
            transaction, labelled, updated, remarks = wire.read(payload, mapping, headers)
            clock = wire.clock_of(headers)
            if clock == "live":
                wire.check_clock(transaction, now)
            truth = wire.decode_truth(headers.get(wire.TRUTH_HEADER)) or labelled
        except wire.Skipped as skip:
            skipped[skip.kind] += 1
        except wire.InvalidRecord as error:
            dead.append(DeadRecord(record.offset, payload, wire.refused_reason(headers) or error.reason))
        except wire.Unreachable as error:
            raise RegistryAway(str(error)) from error
        except Exception as error:
            # One record that shows a fault of ours must not end the daemon at every start.
            log.exception("a record could not be decoded", offset=record.offset)
            reason = f"{UNEXPECTED} ({type(error).__name__}), please report it"
            dead.append(DeadRecord(record.offset, payload, reason))
        else:
            # Records of an old format have no time.
            produced_at = record.timestamp / 1000 if (record.timestamp or -1) > 0 else now.timestamp()
            decoded.append(DecodedRecord(record.offset, produced_at, payload, transaction, truth, updated, clock))
            if remarks:
                remarked.update(remarks)
    return found


def score(
    term: Term,
    expected: int,
    following: int,
    decoded: Sequence[DecodedRecord],
    dead: Sequence[DeadRecord],
    encoded_states: Mapping[str, bytes],
    warm_states: Mapping[str, UserState],
    models: Models,
) -> ScoredBatch:
    """Score decoded records against the committed profiles and flatten everything for the store.

    `encoded_states` has every user who has a profile; `warm_states` spares the decoding of some. Those are
    changed by the call: the caller must not use them afterwards, so that nothing is learnt before its batch commits.
    """
    transactions = [record.transaction for record in decoded]
    features = inputs_of(transactions)
    columns: list[list[Verdict]] = []
    if models.basic is not None:
        columns.append(by_basic(models.basic, transactions, features))
    states: dict[str, UserState] = {}
    if models.enhanced is not None:
        verdicts, states = by_enhanced(
            models.enhanced, transactions, features, models.feedback, encoded_states, warm_states
        )
        columns.append(verdicts)
    rows = tuple(
        StoredRow(record.offset, record.transaction, judged, record.truth)
        for record, judged in zip(decoded, zip(*columns, strict=True), strict=True)
    )
    batch = Batch(
        term,
        expected,
        following,
        rows,
        tuple(dead),
        {user: state.to_bytes() for user, state in states.items()},
        STATE_VERSION,
        models.enhanced.version if models.enhanced is not None else "",
        {user: state.flagged for user, state in states.items()},
        simulated=all(record.clock == "simulation" for record in decoded),
    )
    happened = tuple(Happened(record.clock, record.transaction.timestamp.timestamp()) for record in decoded)
    return ScoredBatch(prepare(batch), tuple(record.produced_at for record in decoded), states, happened)


def by_basic(model: BasicModel, transactions: Sequence[Transaction], rows: Sequence[Inputs]) -> list[Verdict]:
    """One verdict each; of status "error" where the detector raises."""
    try:
        return model.score(transactions, rows=rows)
    except Exception:
        # One by one, so that one transaction the detector cannot stand does not silence it for the others.
        return [_guarded(partial(model.score, [t]), "basic", model.version) for t in transactions]


def by_enhanced(
    model: EnhancedModel,
    transactions: Sequence[Transaction],
    rows: Sequence[Inputs],
    feedback: Feedback,
    encoded: Mapping[str, bytes],
    warm: Mapping[str, UserState],
) -> tuple[list[Verdict], dict[str, UserState]]:
    """One verdict each, of status "error" where the detector raises, and the users' states after them.

    `encoded` has the states before, `warm` some of them decoded: the caller gives those away.
    """
    states = {user: warm.get(user) or UserState.from_bytes(state) for user, state in encoded.items()}
    try:
        return model.score(transactions, states, rows=rows, feedback=feedback), states
    except Exception:
        # The failed call may have learnt half a batch: begin again from the committed states.
        states = {user: UserState.from_bytes(state) for user, state in encoded.items()}
    verdicts = []
    for transaction in transactions:
        user = transaction.user_id
        before = states[user].to_bytes() if user in states else None
        verdict = _guarded(partial(model.score, [transaction], states, feedback=feedback), "enhanced", model.version)
        if verdict.status == "error":
            states.pop(user, None)
            if before is not None:
                states[user] = UserState.from_bytes(before)
        verdicts.append(verdict)
    return verdicts, states


def _guarded(score_one: Callable[[], list[Verdict]], detector: DetectorName, version: str) -> Verdict:
    try:
        return score_one()[0]
    except Exception as error:
        return Verdict(
            detector=detector,
            score=0.0,
            threshold=1.0,
            flagged=False,
            severity=Severity.NORMAL,
            model_version=version,
            status="error",
            error=f"{type(error).__name__}: {error}"[:500],
        )
