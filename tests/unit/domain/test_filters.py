from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import EVERYTHING, FilterError, parse
from domain.transaction import Device, GroundTruth, Location, Merchant, Transaction
from domain.verdict import Reason, ScoredTransaction, Severity, Verdict

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def verdict(detector: str, score: float, *reasons: Reason, flagged: bool = False) -> Verdict:
    return Verdict(
        detector=detector,  # type: ignore[arg-type]
        score=score,
        threshold=0.9,
        flagged=flagged,
        severity=Severity.of(score),
        model_version="m1",
        reasons=reasons,
    )


def row(**changes: object) -> ScoredTransaction:
    fields: dict[str, object] = {
        "transaction_id": "t-1",
        "user_id": "u-0977",
        "amount": Decimal("9200.00"),
        "currency": "EUR",
        "timestamp": NOW - timedelta(minutes=3),
        "location": Location(country="MT", city="Valletta", latitude=35.9, longitude=14.5),
        "merchant": Merchant(id="m-7", name="Blue 50% Café_1", category="crypto"),
        "device": Device(id="d-1", type="phone", ip="10.0.0.1"),
        "payment_method": "chip",
    }
    return ScoredTransaction(
        sequence=1,
        transaction=Transaction(**{**fields, **changes}),  # type: ignore[arg-type]
        verdicts=(
            verdict("basic", 0.4),
            verdict(
                "enhanced",
                0.98,
                Reason("velocity", "frequency", 0.6),
                Reason("hour", "time", 0.01),
                flagged=True,
            ),
        ),
        stored_at=NOW,
        truth=GroundTruth(anomalous=True, kind="velocity_burst"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "amount>500",
        "amount=9200",
        "amount:9200.0",
        "amount!=1",
        "amount>500 country!=FR",
        "country:mt",
        "country:FR,MT",
        "country!=FR,DE",
        "user:u-09*",
        "user=u-0977",
        "user:*977",
        "score>=.9",
        "basic<.5 enhanced>.9",
        "severity>=suspicious",
        "severity:critical",
        "severity<=critical",
        "is:flagged",
        "is:disagreed is:anomalous",
        "-is:warming -is:error",
        "why:velocity",
        "why:frequency",
        "-why:hour",
        "-merchant:grocery",
        "merchant:crypto",
        "merchant:50%",
        "merchant:Café_1",
        'merchant:"Blue 50%"',
        "since:5m",
        "until:2m",
        "since:today",
        "since:11:50",
        "time>=2026-03-01",
        "time<2026-03-01T12:00",
        "hour:11",
        '"valletta"',
        "VALLETTA",
        "u-0977",
        "latitude>-5",
        "kind:velocity*",
        "method:chip device:phone ip:10.0.*",
        "nothing or crypto",
        "(nothing | crypto) and amount>1",
        "-(nothing | grocery)",
        "!country:FR",
        "type!=refund",
    ],
)
def test_a_filter_finds_the_row(text: str) -> None:
    assert parse(text, NOW).matches(row())


@pytest.mark.parametrize(
    "text",
    [
        "amount<500",
        "amount!=9200",
        "country=M",
        "country!=MT",
        "country!=FR,MT",
        "user=U-0977",
        "user:u-01*",
        "basic>.5",
        "severity<critical",
        "is:warming",
        "why:hour",
        "merchant:Caf%",
        'merchant:"Bl*"',
        "since:2m",
        "until:5m",
        "type:purchase",
        "type=",
        "crypto grocery",
        "-crypto",
        "-(nothing | crypto)",
        "latitude<35.9",
    ],
)
def test_a_filter_passes_the_row_by(text: str) -> None:
    try:
        found = parse(text, NOW)
    except FilterError:
        assert text == "type="
    else:
        assert not found.matches(row())


def test_a_missing_field_satisfies_no_comparison_but_differs_from_everything() -> None:
    bare = row(location=Location(), merchant=Merchant())
    assert not parse("country:MT").matches(bare)
    assert not parse("latitude<100").matches(bare)
    assert parse("country!=MT").matches(bare)
    assert parse("latitude!=1").matches(bare)


def test_nothing_is_a_filter_for_everything() -> None:
    assert parse("  ") is EVERYTHING


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("amount>>5", 7, "expected a value"),
        ("amount>", 7, "expected a value"),
        ("amount>abc", 7, "expected a number such as 500 or .9"),
        ("amount>1e999", 7, "expected a number such as 500 or .9"),
        ("amount>1,000", 9, "> takes one value; 1,000 is written 1000"),
        ("amount>500 or", 13, "expected a condition such as amount>500"),
        ("(amount>5", 9, "expected )"),
        ("amount>5)", 8, "expected the end"),
        ("amont>5", 0, "no field amont: did you mean amount?"),
        ("merchant>5", 8, "merchant is text: expected :, = or !="),
        ("is:flagd", 3, "expected one of flagged, disagreed, anomalous, warming, backfilled, error"),
        ("severity>high", 9, "expected one of normal, unusual, suspicious, critical"),
        ('country:FR "abc', 11, 'the closing " is missing'),
        ("since:yesterdayish", 6, "expected a time such as 5m, 2h, today, 12:30, 2026-03-01, 2026-03-01T12:30"),
        ("since:99:99", 6, "expected a time such as 5m, 2h, today, 12:30, 2026-03-01, 2026-03-01T12:30"),
        ("merchant:a\x00", 10, "this character cannot be searched for"),
    ],
)
def test_an_error_points_at_what_is_wrong(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, NOW)
    assert (caught.value.message, caught.value.position) == (message, position)


def test_the_caret_stands_below_the_place() -> None:
    with pytest.raises(FilterError) as caught:
        parse("amount>>5")
    assert caught.value.caret("amount>>5") == "amount>>5\n       ^ expected a value"


def test_a_caret_stands_behind_wide_letters() -> None:
    text = 'city:"東京" amount>>5'
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.caret(text).splitlines()[1].index("^") == text.index(">5") + 2


def test_values_never_become_part_of_the_sql() -> None:
    clause, parameters = parse('merchant:"x\' OR 1=1 --"').to_sql()
    assert "OR 1=1" not in clause
    assert parameters == ("%x' or 1=1 --%",)


def outcome(text: str) -> FilterError | None:
    """Parse and try a filter; its error, if it has one."""
    try:
        found = parse(text, NOW)
    except FilterError as error:
        return error
    found.matches(row())
    found.to_sql()
    return None


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_an_error_inside_it(text: str) -> None:
    error = outcome(text)
    assert error is None or (0 <= error.position <= len(text) and error.caret(text))


PIECES = [*'amount>:=!<()|-,*"fr 5.', "amount", "country", "or ", "since:"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_anything_of_the_alphabet_is_a_filter_or_an_error(text: str) -> None:
    error = outcome(text)
    assert error is None or 0 <= error.position <= len(text)


def test_what_is_left_of_a_score_besides_its_reasons_is_no_reason() -> None:
    rest = verdict("enhanced", 0.9, Reason("device", "device", 0.6), Reason("other", "other", 0.3))
    scored = msgspec.structs.replace(row(), verdicts=(rest,))
    assert parse("why:device").matches(scored)
    assert not parse("why:other").matches(scored)


@pytest.mark.parametrize(("text", "matches"), [("severity:unusual", True), ("severity=normal", False)])
def test_severity_is_the_one_a_row_is_listed_with(text: str, matches: bool) -> None:
    by_basic_only = msgspec.structs.replace(
        row(), verdicts=(verdict("basic", 0.95, flagged=True), verdict("enhanced", 0.1))
    )
    assert by_basic_only.headline is not None
    assert by_basic_only.headline.severity is Severity.UNUSUAL
    assert parse(text, NOW).matches(by_basic_only) is matches


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", set()),
        ("coffee", set()),
        ('"triage:open"', set()),
        ("amount>5 -(Triage:open | user:u-1)", {"amount", "triage", "user"}),
    ],
)
def test_a_filter_knows_what_it_is_about(text: str, fields: set[str]) -> None:
    assert parse(text).fields == fields
