"""Consoles at the socket of an engine: who may, what they can do to each other, and what becomes of them."""

import asyncio
import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from domain.filters import EVERYTHING, parse
from domain.triage import TriageStatus
from services.attach import client, connection
from services.attach.client import RemotePort
from services.attach.link import SILENT, EngineError, Link, NotConnected
from services.attach.peer import user_name
from services.attach.protocol import (
    LENGTH,
    MOST_ASKED,
    PROTOCOL,
    Ask,
    Hello,
    Inflater,
    Refused,
    Subscribe,
    Update,
    Welcome,
    decoder,
    encode,
    frame,
)
from tests.integration.attach.host import Host, host
from tests.tui.fake_port import QUIET, FakePort, row, rows
from tests.waiting import until

NOBODY = 65_534
BURSTS, BURST = 20, 40


@pytest.fixture
async def here() -> AsyncIterator[Host]:
    async with host() as made:
        yield made


class Raw:
    """A console that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._inflater = Inflater()

    @classmethod
    async def open(cls, path: Path) -> "Raw":
        return cls(*await asyncio.open_unix_connection(str(path)))

    def say(self, message: object) -> None:
        self.writer.write(frame(encode(message)))

    async def frame(self) -> bytes:
        (length,) = LENGTH.unpack(await self.reader.readexactly(LENGTH.size))
        return await self.reader.readexactly(length)

    async def first(self) -> Welcome | Refused:
        found: Welcome | Refused = decoder(Welcome | Refused).decode(await self.frame())
        return found

    async def update(self) -> Update:
        found: Update = decoder(Update).decode(self._inflater.unpack(await self.frame()))
        return found

    async def ended(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), 10) == b""
        except ConnectionError:
            return True


async def test_nobody_else_can_reach_the_socket(here: Host) -> None:
    await here.serve(FakePort())
    found = here.runtime.socket.stat()
    assert (stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
    assert stat.S_IMODE(here.runtime.path.stat().st_mode) == 0o700
    assert (here.runtime.path / "engine.pid").read_text().strip() == str(os.getpid())
    await here.stop()
    assert not here.runtime.path.exists()


async def test_another_user_is_refused_even_where_the_folder_is_open(here: Host) -> None:
    """As root with a real process of another user; else by trusting nobody, not even oneself."""
    root = os.geteuid() == 0
    await here.serve(FakePort(), None if root else frozenset())
    for folder in (here.folder, here.runtime.path):
        folder.chmod(0o755)
    here.runtime.socket.chmod(0o666)
    answer = await asyncio.to_thread(greeting_of, NOBODY if root else os.geteuid(), here.runtime.socket)
    refused = decoder(Welcome | Refused).decode(answer)
    assert isinstance(refused, Refused)
    assert "only its own user" in refused.reason


def greeting_of(uid: int, path: Path) -> bytes:
    """What a process of that user is answered."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if uid != os.geteuid():
                os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as console:
                console.connect(str(path))
                console.sendall(frame(encode(Hello(PROTOCOL, "1"))))
                os.write(writing, console.recv(4096)[LENGTH.size :])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


async def test_a_socket_that_cannot_be_made_harms_nothing_but_attaching(here: Host) -> None:
    here.runtime.path.mkdir()
    here.runtime.path.chmod(0o777)
    worker = await here.serve(FakePort())
    assert worker.degraded
    assert "only you can enter" in worker.detail
    here.runtime.path.chmod(0o700)
    await until(lambda: not worker.degraded)
    async with here.console() as port:
        assert port.snapshot() == FakePort().snapshot()


async def test_a_cleaned_up_folder_comes_back(here: Host) -> None:
    await here.serve(FakePort())
    async with here.console() as port:
        shutil.rmtree(here.runtime.path)
        await until(here.runtime.socket.exists)
        async with here.console() as other:
            assert other.snapshot() == port.snapshot()
        assert port.trouble() == "", "who is connected stays so"


async def test_other_versions_refuse_each_other_clearly(here: Host) -> None:
    await here.serve(FakePort())
    older = await Raw.open(here.runtime.socket)
    older.say(Hello(PROTOCOL + 1, "9.9"))
    answer = await older.first()
    assert isinstance(answer, Refused)
    assert "9.9" in answer.reason
    assert await older.ended()

    async def newer_engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(encode(Welcome(PROTOCOL + 1, "9.9", 1))))

    await here.stop()
    here.folder.joinpath("other").mkdir()
    path = here.folder / "other" / "s"
    async with await asyncio.start_unix_server(newer_engine, str(path)):
        with pytest.raises(NotConnected, match=r"the engine is anomaly-tui 9\.9.*restart the engine"):
            await Link.open(path)


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        LENGTH.pack(1 << 30),
        frame(b"nonsense"),
        frame(encode(Hello(PROTOCOL, "1"))) + frame(encode({"type": "Unheard"})),
        frame(encode(Hello(PROTOCOL, "1"))) + LENGTH.pack(MOST_ASKED + 1),
        frame(encode(Hello(PROTOCOL, "1"))) + 2 * frame(encode(Subscribe(1.0))),
        frame(encode(Hello(PROTOCOL, "1"))) + frame(encode({"type": "Watch", "filter": "amount>>", "rows": 1})),
    ],
    ids=["another protocol", "a huge greeting", "no greeting", "an unknown message", "a huge frame", "twice", "filter"],
)
async def test_whoever_breaks_the_protocol_is_put_out_and_nobody_else(here: Host, words: bytes) -> None:
    await here.serve(FakePort())
    async with here.console() as port:
        broken = await Raw.open(here.runtime.socket)
        broken.writer.write(words)
        while chunk := await asyncio.wait_for(broken.reader.read(65_536), 10):
            assert chunk
        assert await port.dead_letters(1)
        assert port.trouble() == ""


async def test_what_the_engine_raises_arrives(here: Host) -> None:
    fake = FakePort(rows(50))
    await here.serve(fake)
    async with here.console() as port:
        with pytest.raises(ValueError, match="a snooze needs an end"):
            await port.decide(["t-00000020"], TriageStatus.SNOOZED, by="ann")
        with pytest.raises(KeyError, match="nobody"):
            await port.control("nobody", "restart")
        fake.history_error = RuntimeError("PostgreSQL does not answer")
        with pytest.raises(EngineError, match="PostgreSQL does not answer"):
            await port.history(EVERYTHING, 10)
        with pytest.raises(ValueError, match="too many"):
            await port.triage_of(["t" * 100] * (MOST_ASKED // 100))
        assert await port.count_matching(EVERYTHING) == 2, "and all goes on"


async def test_a_method_that_is_none_of_the_consoles_is_not_called(here: Host) -> None:
    await here.serve(FakePort())
    link = await Link.open(here.runtime.socket)
    listening = asyncio.create_task(link.listen(lambda update: None))
    link.send(Ask(1, "add", msgspec.Raw(encode({"rows": []}))))
    for name, arguments in (("users", {"nonsense": 1}), ("history", {"filter": "amount>>", "limit": 1})):
        with pytest.raises((EngineError, ValueError)):
            await link.ask(name, arguments)
    listening.cancel()
    link.close()


async def test_decisions_are_in_the_name_of_the_process_that_asks(here: Host) -> None:
    fake = FakePort(rows(50))
    await here.serve(fake)
    async with here.console() as port:
        decision = await port.decide(["t-00000020"], TriageStatus.CONFIRMED, by="somebody else")
        assert {event.decided_by for event in decision.events} == {user_name(os.geteuid())}
        assert port.triage_changes(0, 10) == decision.events, "known when the answer is there"
        assert await port.undo("somebody else") is not None


async def test_a_console_that_reads_nothing_costs_nothing_and_is_told_how_much_it_missed(here: Host) -> None:
    fake = FakePort(rows(10))
    await here.serve(fake)
    slow = await Raw.open(here.runtime.socket)
    slow.say(Hello(PROTOCOL, "1"))
    assert isinstance(await slow.first(), Welcome)
    slow.say(Subscribe(connection.FASTEST_HZ))
    assert (await slow.update()).feed.refill
    slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
    async with here.console() as port:
        for _ in range(BURSTS):
            # What cannot be compressed fills the way to it soon.
            first = len(fake.rows) + 1
            fake.add([row(first + number, merchant=secrets.token_urlsafe(4_000)) for number in range(BURST)])
            await until(lambda: len(fake.rows) == port._mirror.feed.upto)
        assert port.trouble() == ""
    slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
    got: list[Update] = []
    while not got or got[-1].feed.upto < len(fake.rows):
        got.append(await slow.update())
    assert sum(bool(update.feed.rows) for update in got) < BURSTS, "many updates became one"
    assert sum(len(update.feed.rows) + update.feed.missed for update in got) == BURSTS * BURST
    slow.writer.close()


async def test_a_console_that_dies_is_forgotten(here: Host) -> None:
    worker = await here.serve(FakePort())
    async with here.console() as port:
        other = await Raw.open(here.runtime.socket)
        other.say(Hello(PROTOCOL, "1"))
        other.say(Subscribe(10.0))
        await until(lambda: len(worker._consoles) == 2)
        other.writer.transport.abort()
        await until(lambda: len(worker._consoles) == 1)
        assert port.trouble() == ""


async def test_a_lost_engine_is_told_and_another_one_begins_again(here: Host) -> None:
    await here.serve(FakePort(rows(50)))
    async with here.console() as port:
        port.watch(parse("is:flagged"), 20)
        await until(lambda: len(port.feed(0, 100).rows) == 2)
        read = port.feed(0, 100).upto
        asked = asyncio.create_task(port.dead_letters(1))
        await asked
        await here.stop()
        await until(port.trouble)
        assert "trying again" in port.trouble()
        assert port.snapshot().started_at == QUIET.started_at, "the last word"
        with pytest.raises(NotConnected):
            await port.dead_letters(1)
        later = QUIET.started_at + timedelta(hours=1)
        await here.serve(FakePort(rows(30), started_at=later))
        await until(lambda: not port.trouble())
        assert port.snapshot().started_at == later
        await until(lambda: [row.sequence for row in port.feed(read, 100).rows] == [20])
        assert port.feed(read, 100).refill
        assert [row.sequence for row in port.anomalies(0, 100).rows] == [20]
        assert len(await port.dead_letters(1)) == 1


async def test_a_connection_that_comes_back_to_the_same_engine_goes_on(here: Host) -> None:
    fake = FakePort(rows(50))
    await here.serve(fake)
    async with here.console() as port:
        read = port.feed(0, 100).upto
        await here.stop()
        await until(port.trouble)
        fake.add(rows(5, 51))
        await here.serve(fake)
        await until(lambda: not port.trouble())
        found = port.feed(read, 100)
        assert ([row.sequence for row in found.rows], found.refill, found.missed) == ([51, 52, 53, 54, 55], False, 0)


async def test_a_console_that_slept_does_not_take_its_engine_for_lost(
    here: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENT_FOR", 0.5)
    fake = FakePort(rows(10))
    await here.serve(fake)
    async with here.console() as port:
        link = port._link
        for number in range(11, 13):
            sleep_as_after_ctrl_z(seconds=1.0)
            fake.add([row(number)])
            await until(lambda newest=number: port.trouble() or port.feed(0, 100).upto == newest)
            assert port.trouble() == ""
        assert port._link is link, "it never hung up"


async def test_an_engine_that_says_nothing_is_lost(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENT_FOR", 0.5)
    await here.serve(FakePort(rows(10)))
    async with here.console() as port:
        assert port._link is not None
        port._link._reader._transport.pause_reading()  # type: ignore[attr-defined]
        await until(port.trouble)
        assert port.trouble().startswith(SILENT)
        await until(lambda: not port.trouble())


def sleep_as_after_ctrl_z(seconds: float) -> None:
    """Nothing of this process runs, and the clock goes on."""
    time.sleep(seconds)


async def test_who_waits_for_an_answer_is_told_that_the_engine_has_gone(here: Host) -> None:
    class Thinking(FakePort):
        async def quality(self, since: object) -> tuple[()]:
            await asyncio.Event().wait()
            return ()

    await here.serve(Thinking())
    async with here.console() as port:
        asked = asyncio.create_task(port.quality(None))
        await port.dead_letters(1)
        await here.stop()
        with pytest.raises(NotConnected):
            await asked


async def test_nobody_to_attach_to_is_one_clear_line(here: Host) -> None:
    with pytest.raises(NotConnected, match="No engine runs here"):
        await RemotePort(here.find, 4.0).start()
    here.folder.joinpath("stale").touch()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(here.folder / "gone"))
    with pytest.raises(NotConnected, match="No engine listens"):
        await Link.open(here.folder / "gone")


async def test_questions_beyond_the_limit_wait_for_their_turn(here: Host) -> None:
    await here.serve(FakePort(rows(50)))
    async with here.console() as port:
        answers = await asyncio.gather(
            *(port.count_matching(EVERYTHING) for _ in range(10 * connection.MOST_QUESTIONS))
        )
        assert set(answers) == {2}


async def test_a_large_answer_arrives_whole(here: Host) -> None:
    fake = FakePort(rows(10_000))
    await here.serve(fake)
    async with here.console() as port:
        found = await port.history(EVERYTHING, 10_000)
        assert found == await fake.history(EVERYTHING, 10_000)
