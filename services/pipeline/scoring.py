"""From Kafka records to a batch ready to store: decode, score, encode. Pure CPU work, run off the event loop."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.basic import BasicModel
from detectors.enhanced import EnhancedModel
from detectors.feedback import Feedback
from detectors.formats import STATE_VERSION
from detectors.inputs import InputColumns, inputs_from
from detectors.models import Models
from detectors.state import States, UserState, decode_all
from detectors.verdicts import Verdicts
from domain.clock import ClockKind
from domain.transaction import GroundTruth, Transaction
from domain.values import Values, no_values, values_of
from domain.verdict import DetectorName, Severity, Verdict
from services.console.clock import Happened
from services.records import mapping as mappings
from services.records import wire
from services.store.batch import Batch, DeadRecord, Given, Part, Passed, Prepared, StoredRows, Term, prepare
from services.store.binary import microseconds
from services.store.faults import Transient

AT_ONCE = 100
"""Records that are decoded together: one that is not ours has so many decoded one by one."""

NOBODY = States((), {}, {})

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


class DecodedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that is a transaction; `updated` marks a change of one that may be stored already.

    `clock` is whose its time is. The payload of a `plain` one is the transaction as we write it.
    """

    offset: int
    produced_at: float
    payload: bytes
    transaction: Transaction
    truth: GroundTruth | None
    updated: bool = False
    clock: ClockKind = "live"
    plain: bool = False


class ScoredBatch(NamedTuple):
    """A batch ready to store, with what is published after its commit.

    `produced_at` is when its records were sent, in seconds since 1970, shape (n,). `states` are those of its users
    after it, of nobody where the enhanced detector is off.
    """

    prepared: Prepared
    produced_at: NDArray[np.float64]
    states: States
    happened: tuple[Happened, ...] = ()


class RegistryAway(Transient):
    """The schema registry cannot answer now; the message names it."""


class Decoded(NamedTuple):
    """Records by what became of them, each list in offset order; every record is in one of the three.

    `values` are those of the transactions. `skipped` counts by kind what stands for no transaction; `remarks` counts
    what had to be decided to read others. `faults` has, by offset, the tracebacks of those that show a fault of ours.
    """

    transactions: list[DecodedRecord]
    values: dict[str, list[Any]]
    dead: list[DeadRecord]
    skipped: Counter[str]
    remarks: Counter[str]
    faults: dict[int, str]


def decode(records: Sequence[Record], mapping: mappings.Mapping | None, now: datetime) -> Decoded:
    """Tell transactions from dead letters and from what is skipped. Nothing in a record makes it raise.

    Raises: RegistryAway where a schema registry has to be asked and does not answer.
    """
    found = Decoded([], no_values(), [], Counter(), Counter(), {})
    for start in range(0, len(records), AT_ONCE):
        some = records[start : start + AT_ONCE]
        values = _decode_ours(some, now, found) if mapping is None else None
        if values is None:
            values = _decode_each(some, mapping, now, found)
        for path, column in values.items():
            found.values[path].extend(column)
    return found


def _decode_ours(records: Sequence[Record], now: datetime, found: Decoded) -> Values | None:
    """The values of records that are all as we write them; None, with nothing `found`, where one may be different."""
    payloads = [record.value for record in records]
    if None in payloads:
        return None
    ours = wire.read_ours(payloads)  # type: ignore[arg-type]
    if ours is None:
        return None
    decoded = []
    # The headers of many records are the same.
    known: dict[tuple[tuple[str, bytes | None], ...], tuple[ClockKind, GroundTruth | None, bool]] = {}
    for record, payload, transaction in zip(records, payloads, ours.transactions, strict=True):
        assert payload is not None
        headers = tuple(record.headers)
        if headers not in known:
            by_name = dict(headers)
            truth = wire.decode_truth(by_name.get(wire.TRUTH_HEADER))
            known[headers] = wire.clock_of(by_name), truth, wire.UPDATED_HEADER in by_name
        clock, truth, updated = known[headers]
        if clock == "live":
            try:
                wire.check_clock(transaction, now)
            except wire.InvalidRecord:
                return None
        at = _produced_at(record, now)
        decoded.append(DecodedRecord(record.offset, at, payload, transaction, truth, updated, clock, plain=True))
    found.transactions.extend(decoded)
    return ours.values


def _produced_at(record: Record, now: datetime) -> float:
    # Records of an old format have no time.
    return record.timestamp / 1000 if (record.timestamp or -1) > 0 else now.timestamp()


def _decode_each(records: Sequence[Record], mapping: mappings.Mapping | None, now: datetime, found: Decoded) -> Values:
    """The values of those that are transactions; what became of each goes to `found`."""
    decoded, _, dead, skipped, remarked, faults = found
    transactions = []
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
            faults[record.offset] = traceback.format_exc()
            reason = f"{UNEXPECTED} ({type(error).__name__}), please report it"
            dead.append(DeadRecord(record.offset, payload, reason))
        else:
            at = _produced_at(record, now)
            decoded.append(DecodedRecord(record.offset, at, payload, transaction, truth, updated, clock))
            transactions.append(transaction)
            if remarks:
                remarked.update(remarks)
    return values_of(transactions)


class Seat(NamedTuple):
    """Who asks: the task that has the partition in this epoch. Another one of the partition may still be ending."""

    partition: int
    epoch: int


class Move(NamedTuple):
    """How a batch moves a partition in its `term`: from the offset `expected` to `following`.

    On the way are so many records that a copy had before (`repeats`), and that had expired in Kafka (`lost`).
    """

    term: Term
    expected: int
    following: int
    repeats: int = 0
    lost: int = 0

    @property
    def seat(self) -> Seat:
        """Whose move it is."""
        return Seat(self.term.partition, self.term.epoch)


class Share(NamedTuple):
    """What a batch has of one partition: its transactions, its dead letters, and how many records are neither."""

    move: Move
    decoded: Sequence[DecodedRecord]
    dead: Sequence[DeadRecord] = ()
    resends: int = 0
    skipped: int = 0


def score(
    shares: Sequence[Share],
    encoded_states: Mapping[str, bytes],
    warm_states: Mapping[str, UserState],
    models: Models,
    values: Values | None = None,
) -> ScoredBatch:
    """Score decoded records against the committed profiles and flatten everything for the store.

    No user has records in two of the `shares`. `encoded_states` has every user who has a profile; `warm_states` spares
    the decoding of some. Names that come into those may be changed by the call: the caller uses them again only once
    the batch is committed. `values` are those of all records, where they are known.
    """
    decoded = [*chain.from_iterable(share.decoded for share in shares)]
    transactions = [record.transaction for record in decoded]
    values = values_of(transactions) if values is None else values
    features = inputs_from(values)
    judged: dict[DetectorName, Given] = {}
    every = np.arange(len(decoded))
    if models.basic is not None:
        judged["basic"] = Given(every, by_basic(models.basic, transactions, features))
    states = NOBODY
    if models.enhanced is not None:
        verdicts, states = by_enhanced(
            models.enhanced, transactions, features, models.feedback, encoded_states, warm_states
        )
        judged["enhanced"] = Given(every, verdicts)
    for given in judged.values():
        if len(given.verdicts) != len(decoded):
            raise ValueError(f"{len(given.verdicts)} {given.verdicts.detector} verdicts on {len(decoded)} transactions")
    offsets, truths = [record.offset for record in decoded], [record.truth for record in decoded]
    rows = StoredRows(offsets, transactions, truths, judged, microseconds(values["timestamp"]))
    batch = Batch(
        tuple(_parts(shares, states.encoded())),
        rows,
        STATE_VERSION,
        models.enhanced.version if models.enhanced is not None else "",
        dict(zip(states.users, states.flagged(), strict=True)),
        frozenset(states.users).difference(encoded_states),
        simulated=all(record.clock == "simulation" for record in decoded),
    )
    happened = _happened([record.clock for record in decoded], features.of.time.tolist())
    return ScoredBatch(prepare(batch, values), np.array([record.produced_at for record in decoded]), states, happened)


def _parts(shares: Sequence[Share], profiles: Mapping[str, bytes]) -> Iterator[Part]:
    for share in shares:
        (term, expected, following, repeats, lost), decoded, dead, resends, skipped = share
        own = profiles
        if len(shares) > 1:
            users = dict.fromkeys(record.transaction.user_id for record in decoded)
            own = {user: profiles[user] for user in users if user in profiles}
        passed = Passed(resends, skipped, repeats, lost)
        yield Part(term, expected, following, len(decoded), tuple(dead), own, passed)


def _happened(clocks: Sequence[ClockKind], times: Sequence[float]) -> tuple[Happened, ...]:
    """The times of a batch by whose clock they are; the clock of the last record comes last."""
    kinds = [*dict.fromkeys(reversed(clocks))]
    if len(kinds) == 1:
        return (Happened(kinds[0], times),)
    of = {kind: [at for clock, at in zip(clocks, times, strict=True) if clock == kind] for kind in kinds}
    return tuple(Happened(kind, of[kind]) for kind in reversed(kinds))


def by_basic(model: BasicModel, transactions: Sequence[Transaction], rows: InputColumns) -> Verdicts:
    """One verdict each; of status "error" where the detector raises."""
    try:
        verdicts = model.score(transactions, rows=rows)
    except Exception:
        # One by one, so that one transaction the detector cannot stand does not silence it for the others.
        verdicts = [_guarded(partial(model.score, [t]), "basic", model.version) for t in transactions]
    return Verdicts.of("basic", model.version, verdicts)


def by_enhanced(
    model: EnhancedModel,
    transactions: Sequence[Transaction],
    rows: InputColumns,
    feedback: Feedback,
    encoded: Mapping[str, bytes],
    warm: Mapping[str, UserState],
) -> tuple[Verdicts, States]:
    """One verdict each, of status "error" where the detector raises, and the users' states after them.

    `encoded` has the states before, `warm` some of them decoded.
    """
    users = rows.of.user.distinct
    try:
        states = States(users, warm, encoded)
        scored = model.score_together(transactions, states, rows, feedback)
        return Verdicts.of("enhanced", model.version, scored), states
    except Exception:
        # The failed call may have learnt half a batch: begin again from the committed states.
        apart = decode_all(encoded)
    verdicts = []
    for transaction in transactions:
        user = transaction.user_id
        before = apart[user].to_bytes() if user in apart else None
        verdict = _guarded(partial(model.score, [transaction], apart, feedback=feedback), "enhanced", model.version)
        if verdict.status == "error":
            apart.pop(user, None)
            if before is not None:
                apart[user] = UserState.from_bytes(before)
        verdicts.append(verdict)
    known = [user for user in users if user in apart]
    return Verdicts.of("enhanced", model.version, verdicts), States(known, apart, {})


def _guarded(score_one: Callable[[], Sequence[Verdict]], detector: DetectorName, version: str) -> Verdict:
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
