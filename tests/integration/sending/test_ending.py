"""Who sends faster than Kafka takes it is ended all the same."""

import asyncio

import pytest

from services.brokers.broker import Broker
from services.sending import producer
from services.sending.producer import Outgoing, Sender


@pytest.mark.parametrize("turns", range(6))
async def test_a_sender_that_waits_for_room_is_cancelled_whenever_that_is_asked(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    monkeypatch.setattr(producer, "MOST_IN_FLIGHT", 1)
    sender = Sender(broker, "transactions")
    await sender.start()
    record = Outgoing(b"k", b"{}", [])
    await sender.send(record)
    waiting = asyncio.create_task(sender.send(record))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sender._room.release()
    for _ in range(turns):
        await asyncio.sleep(0)
    if waiting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await sender.stop()
