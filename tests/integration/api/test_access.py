"""Who gets an answer: callers on this machine, those with a token, and no web page of another origin."""

import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.access import DEFAULT_PORT, LAST_PORT, Access, Address, Token, address_of, tokens_of
from services.api.server import ApiServer
from services.errors import ConfigurationError, UserError
from services.settings import load
from services.store.store import Store
from tests.integration.api.ring_port import RingPort, serving

LOOPBACK = Access(Address("127.0.0.1", 0))
SECRET = "0123456789abcdef"


async def ask(api: ApiServer, path: str = "/api/health", method: str = "GET", **headers: str) -> httpx.Response:
    """Underscores in names of headers are dashes."""
    async with httpx.AsyncClient(base_url=api.url) as client:
        return await client.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST:1"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "fraud.example"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "192.0.2.1"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://localhost", "Host": "localhost"}, 403),
        ({"Origin": "http://localhost", "Host": "localhost"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
async def test_pages_of_other_origins_can_neither_read_nor_write(
    store: Store, headers: dict[str, str], status: int
) -> None:
    async with serving(RingPort(), store, LOOPBACK._replace(hosts=("fraud.example",))) as api:
        answer = await ask(api, **headers)
        assert answer.status_code == status
        if status != 200:
            assert answer.headers["content-type"] == "application/problem+json"
            assert (await ask(api, "/api/triage", "POST", **headers)).status_code == status
            assert (await ask(api, "/livez", **headers)).status_code == status


async def test_every_answer_forbids_to_be_kept_framed_or_guessed_at(store: Store) -> None:
    async with serving(RingPort(), store, LOOPBACK) as api:
        for path in ("/api/health", "/nowhere", "/metrics", "/api/transactions?limit=0"):
            headers = (await ask(api, path)).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
            assert "access-control-allow-origin" not in headers
            assert "server" not in headers


async def test_where_a_token_is_set_it_is_asked_for_and_names_who_decides(store: Store) -> None:
    access = LOOPBACK._replace(tokens=(Token("ann", SECRET), Token("bob", SECRET[::-1])))
    async with serving(RingPort(), store, access) as api:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {SECRET}"}):
            for path in ("/api/health", "/metrics", "/readyz?verbose", "/nowhere"):
                answer = await ask(api, path, **given)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("/livez", "/readyz"):
            assert (await ask(api, path)).status_code == 200
        assert (await ask(api, Authorization=f"Bearer {SECRET}")).status_code == 200
        assert (await ask(api, Authorization=f"bearer  {SECRET[::-1]}")).status_code == 200


async def test_it_speaks_tls_with_a_certificate(store: Store, certificate: tuple[Path, Path]) -> None:
    access = LOOPBACK._replace(certificate=certificate[0], key=certificate[1])
    async with serving(RingPort(), store, access) as api:
        assert api.url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(certificate[0]))) as client:
            assert (await client.get(f"{api.url}/livez")).text == "ok\n"


def test_a_certificate_that_cannot_be_used_is_an_error(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    for files in ((tmp_path / "none", certificate[1]), (certificate[0], certificate[0])):
        with pytest.raises(UserError, match="api_certificate_file"):
            ApiServer(LOOPBACK._replace(certificate=files[0], key=files[1])).reserve()


def test_an_address_that_is_taken_is_an_error_where_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(*taken.getsockname())
        with pytest.raises(UserError, match=f"cannot listen on {address}.*--api"):
            ApiServer(Access(address)).reserve()


def test_without_an_address_the_next_free_port_is_taken() -> None:
    servers = [ApiServer(Access()), ApiServer(Access())]
    for server in servers:
        server.reserve()
    ports = [server.address.port for server in servers if server.address is not None]
    assert DEFAULT_PORT <= ports[0] < ports[1] <= LAST_PORT
    for server in servers:
        server.release()


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("fraud.example:8787", ("fraud.example", 8787))],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == Address(*address)
    assert str(address_of(text)) == text


@pytest.mark.parametrize("text", ["8787", ":8787", "localhost", "localhost:", "localhost:99999", "::1:80", "a:٣"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--api"):
        load({"api": text})


def test_tokens_have_names_and_are_never_shown() -> None:
    tokens = tokens_of(f"# for the desk\nann: {SECRET}\n\n{SECRET[::-1]}\n")
    assert tokens == (Token("ann", SECRET), Token("token", SECRET[::-1]))
    assert SECRET not in repr(tokens)
    for text in ("", "short", f"{SECRET} with spaces", f"no such name!:{SECRET}"):
        with pytest.raises(ValueError):
            tokens_of(text)


def settings(tmp_path: Path, **given: Any) -> Any:
    return load({"data_dir": tmp_path, "api": "0.0.0.0:8787", **given}).settings


def test_off_loopback_it_takes_a_token_and_tls(tmp_path: Path) -> None:
    token, key = tmp_path / "token", tmp_path / "key"
    for file in (token, key):
        file.write_text(SECRET)
        file.chmod(0o600)
    tls = {"api_certificate_file": tmp_path / "certificate", "api_key_file": key}
    for given in ({}, {"api_token_file": token}, tls):
        with pytest.raises(ConfigurationError, match="needs a token and a certificate"):
            _ = settings(tmp_path, **given).api_access
    access = settings(tmp_path, api_token_file=token, **tls).api_access
    assert access.tokens == (Token("token", SECRET),)
    assert settings(tmp_path, api="off").api_access is None
    assert settings(tmp_path, api="[::1]:1").api_access.tokens == ()
    token.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        _ = settings(tmp_path, api_token_file=token, **tls).api_access
    assert SECRET not in repr(settings(tmp_path, api_token=SECRET))
