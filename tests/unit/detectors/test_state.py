"""A user's running state: bounded, exact when stored, and readable."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from detectors.enhanced import EnhancedModel
from detectors.layout import COUNTRY, MAX_MERCHANTS, RECENT
from detectors.learning import count_value
from detectors.state import AT_ONCE, States, UserState, decode_all, encode_all
from detectors.view import view
from domain.transaction import Device, Location, Merchant, Transaction
from tests.unit.detectors.town import purchase, traffic


def test_a_stored_state_keeps_every_bit(states: dict[str, UserState]) -> None:
    for state in states.values():
        stored = UserState.from_bytes(state.to_bytes())
        assert stored == state
        assert stored.to_bytes() == state.to_bytes()


def test_a_state_stored_by_an_older_release_keeps_every_bit(states: dict[str, UserState]) -> None:
    for state in [*states.values(), UserState()]:
        stored = msgspec.msgpack.encode(state.habits())
        assert UserState.from_bytes(stored) == state
        assert UserState.from_bytes(stored).to_bytes() == state.to_bytes()


def test_many_states_are_stored_and_read_as_each_is(states: dict[str, UserState]) -> None:
    """Also where some were stored by an older release, and where there are more than are done at once."""
    given = [*states.values(), UserState()]
    many = {f"u-{number}": given[number % len(given)] for number in range(2 * AT_ONCE + 1)}
    stored = encode_all(many)
    assert stored == {user: state.to_bytes() for user, state in many.items()}
    older = {
        user: msgspec.msgpack.encode(many[user].habits()) if number % 3 == 0 else one
        for number, (user, one) in enumerate(stored.items())
    }
    assert decode_all(older) == many
    assert encode_all(decode_all(older)) == stored
    assert decode_all({}) == encode_all({}) == {}


def test_states_together_are_those_known_those_stored_and_new_ones(states: dict[str, UserState]) -> None:
    known, stored, older = (states[user] for user in ("u-000", "u-001", "u-002"))
    encoded = {
        "known": stored.to_bytes(),
        "stored": stored.to_bytes(),
        "older": msgspec.msgpack.encode(older.habits()),
        "of no batch": known.to_bytes(),
    }
    together = States(["new", "stored", "known", "older"], {"known": known}, encoded)
    expected = {"new": UserState(), "stored": stored, "known": known, "older": older}
    assert together.encoded() == {user: state.to_bytes() for user, state in expected.items()}
    assert together.flagged() == [state.flagged for state in expected.values()]
    for row, state in enumerate(expected.values()):
        assert together.apart(row, None) == state


def test_what_is_wrongly_stored_is_refused() -> None:
    for stored in (b"", b"\x93\x00", b"\xdc", UserState().to_bytes()[:-1]):
        with pytest.raises(msgspec.DecodeError):
            UserState.from_bytes(stored)


@pytest.mark.parametrize("part", [0, 1, 2], ids=["numbers", "counts", "names"])
def test_a_state_of_which_a_part_is_missing_is_refused_also_between_others(
    states: dict[str, UserState], part: int
) -> None:
    first, second, third = [state.to_bytes() for state in states.values()][:3]
    parts = msgspec.msgpack.decode(second)
    parts[part] = parts[part][: len(parts[part]) // 2]
    with pytest.raises(msgspec.DecodeError):
        decode_all({"a": first, "b": msgspec.msgpack.encode(parts), "c": third})
    with pytest.raises(msgspec.DecodeError):
        UserState.from_bytes(msgspec.msgpack.encode(parts))


def test_a_stored_state_scores_the_same(enhanced: EnhancedModel, states: dict[str, UserState]) -> None:
    stored = {user: UserState.from_bytes(state.to_bytes()) for user, state in states.items()}
    unseen = traffic(400, seed=11)
    assert enhanced.score(unseen, stored) == enhanced.score(unseen, states)
    assert stored == states


def test_a_user_with_ten_thousand_of_everything_stays_small(enhanced: EnhancedModel) -> None:
    states: dict[str, UserState] = {}
    enhanced.score(
        [
            purchase(
                timestamp=purchase().timestamp + timedelta(minutes=index),
                merchant=Merchant(id=f"merchant-{index}" * 30, category=f"category-{index}" * 30),
                location=Location(country=f"{index}", city="x" * 4000, latitude=index % 90, longitude=index % 180),
                device=Device(id=f"{index}" * 60),
                payment_method=f"method-{index}",
                transaction_type=f"type-{index}",
            )
            for index in range(10_000)
        ],
        states,
    )
    state = states["u-000"].habits()
    assert len(state.merchants.of) <= MAX_MERCHANTS
    assert len(state.times) == len(state.amounts) == RECENT
    assert state.merchants.total == sum(state.merchants.of.values())
    assert len(states["u-000"].to_bytes()) < 16_000


def test_an_ordinary_state_fits_in_two_kilobytes(states: dict[str, UserState]) -> None:
    assert max(len(state.to_bytes()) for state in states.values()) < 2048


def test_old_habits_fade() -> None:
    state = UserState()
    for country in ["FR"] * 200 + ["PT"] * 400:
        count_value(COUNTRY, state.key(country), state.counts)
    countries = state.habits().countries
    assert countries.of["PT"] > 4 * countries.of["FR"]
    assert countries.total == sum(countries.of.values())


def test_a_profile_shows_the_users_habits(
    enhanced: EnhancedModel, states: dict[str, UserState], history: list[Transaction]
) -> None:
    own = [transaction for transaction in history if transaction.user_id == "u-003"]
    profile = view("u-003", states["u-003"], enhanced)
    assert profile.seen == len(own)
    assert profile.as_of == own[-1].timestamp
    assert profile.recent_amounts == pytest.approx([float(each.amount) for each in own[-RECENT:]])
    assert sum(profile.hours) == pytest.approx(1)
    assert sum(profile.weekdays) == pytest.approx(1)
    assert profile.countries[0].value == "FR"
    assert profile.countries[0].share == 1.0
    assert profile.categories[0].value == "grocery"
    assert 0 < profile.threshold < 1
    assert profile.per_day == pytest.approx(len(own) / 40, rel=0.5)


def test_a_profile_is_in_the_users_own_currency(enhanced: EnhancedModel) -> None:
    states: dict[str, UserState] = {}
    enhanced.score([purchase(currency="JPY", amount=Decimal(6000))] * 5, states)
    assert view("u-000", states["u-000"], enhanced).mean_amount == pytest.approx(6000)


def test_a_profile_before_the_first_transaction_is_empty(enhanced: EnhancedModel) -> None:
    profile = view("nobody", UserState(), enhanced)
    assert profile.as_of is None
    assert profile.seen == 0
    assert sum(profile.hours) == 0
