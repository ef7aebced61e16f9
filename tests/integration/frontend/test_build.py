"""The web frontend is built once for each state of its sources, and never half."""

from tests.waiting import until
import asyncio
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.frontend.build import built, fingerprint, sources
from services.frontend.errors import FrontendError
from services.frontend.node import find_node
from tests.integration.frontend.site import gone, path_with, write_program


async def build(site: Path, cache: Path) -> tuple[Path, list[str]]:
    """The folder, and the steps that were taken."""
    told: list[str] = []
    folder = await built(site, find_node(), cache, told.append)
    return folder, list(dict.fromkeys(line.partition(",")[0] for line in told))


async def test_unchanged_sources_are_never_built_again(site, cache) -> None:
    folder, steps = await build(site, cache)
    assert steps == ["installing packages", "building"]
    assert (folder / "server.js").is_file()
    assert (folder / ".next" / "static" / "app.js").is_file()
    assert await build(site, cache) == (folder, [])


async def test_changed_sources_are_built_beside_the_build_in_use(site, cache) -> None:
    first, _ = await build(site, cache)
    with (site / "server.js").open("a") as appended:
        appended.write("// other\n")
    second, steps = await build(site, cache)
    assert steps == ["installing packages", "building"]
    assert second != first
    assert (first / "server.js").is_file()


async def test_only_the_builds_used_last_are_kept(site, cache) -> None:
    folders = []
    for number in range(4):
        (site / "number").write_text(str(number))
        folders.append((await build(site, cache))[0])
    assert [folder.exists() for folder in folders] == [False, True, True, True]


async def test_the_sources_are_left_as_they_were(site, cache) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*")}
    await build(site, cache)
    assert {path: path.read_bytes() for path in site.rglob("*")} == before


@pytest.mark.parametrize("name", ["node_modules/some/index.js", ".next/x", "tests/a.ts", ".env.local", "README.md"])
def test_what_no_build_is_made_of_makes_no_other_build(site, name) -> None:
    before = fingerprint(site)
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text("x")
    assert fingerprint(site) == before


@pytest.mark.parametrize("name", ["package-lock.json", ".npmrc", "app/tests/page.tsx"])
def test_what_a_build_is_made_of_makes_another_one(site, name) -> None:
    before = fingerprint(site)
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text("x")
    assert fingerprint(site) != before


async def test_of_two_that_want_a_build_one_makes_it(site, cache) -> None:
    (first, one), (second, other) = await asyncio.gather(build(site, cache), build(site, cache))
    assert first == second
    assert sorted([one, other], key=len) == [
        ["waiting for the build of another process"],
        ["installing packages", "building"],
    ]


@pytest.mark.parametrize(
    ("step", "script"),
    [
        ("installing packages", 'echo "npm error code E500" >&2; echo "npm error no such registry" >&2; exit 1'),
        ("building", '[ "$1" = ci ] && exit 0; mkdir -p .next/standalone; echo "Error: no such registry"; exit 1'),
    ],
)
async def test_an_npm_that_fails_half_way_leaves_its_words_only(site, cache, tmp_path, monkeypatch, step, script) -> None:
    with monkeypatch.context() as changed:
        write_program(tmp_path / "bin", "npm", script)
        changed.setenv("PATH", path_with(tmp_path / "bin"))
        with pytest.raises(FrontendError) as failed:
            await build(site, cache)
    assert f"{step} failed: " in str(failed.value)
    assert "no such registry" in str(failed.value)
    assert {path.name for path in (cache / "frontend").iterdir()} == {"lock", "build.log"}
    assert "no such registry" in (cache / "frontend" / "build.log").read_text()
    assert (await build(site, cache))[1] == ["installing packages", "building"]


async def test_a_build_without_a_server_is_none(site, cache) -> None:
    (site / "build.mjs").write_text("")
    with pytest.raises(FrontendError, match=r"made no server\.js"):
        await build(site, cache)


async def test_a_cancelled_build_ends_its_processes_and_leaves_nothing(site, cache, tmp_path, monkeypatch) -> None:
    began = tmp_path / "began"
    monkeypatch.setenv("NEVER_DONE", str(began))
    building = asyncio.create_task(build(site, cache))
    await until(lambda: began.exists() and began.read_text())
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await until(lambda: gone(int(began.read_text())))
    assert {path.name for path in (cache / "frontend").iterdir()} == {"lock", "build.log"}


async def test_a_killed_build_takes_its_processes_along_and_is_made_again(site, cache, tmp_path, monkeypatch) -> None:
    began = tmp_path / "began"
    script = (
        "import asyncio; from pathlib import Path; from services.frontend.build import built;"
        "from services.frontend.node import find_node;"
        f"asyncio.run(built(Path({str(site)!r}), find_node(), Path({str(cache)!r}), lambda line: None))"
    )
    with monkeypatch.context() as changed:
        changed.setenv("NEVER_DONE", str(began))
        builder = subprocess.Popen([sys.executable, "-c", script])
    while not (began.exists() and began.read_text()):
        assert builder.poll() is None
        await asyncio.sleep(0.05)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    await until(lambda: gone(int(began.read_text())))
    assert (cache / "frontend" / "building").exists()
    folder, _ = await build(site, cache)
    assert (folder / "server.js").is_file()
    assert not (cache / "frontend" / "building").exists()


async def test_without_npm_the_line_says_so(site, cache) -> None:
    node = find_node()._replace(npm=None)
    with pytest.raises(FrontendError, match="without npm"):
        await built(site, node, cache, lambda line: None)


async def test_what_is_built_needs_no_npm(site, cache) -> None:
    folder, _ = await build(site, cache)
    node = find_node()._replace(npm=None)
    assert await built(site, node, cache, lambda line: None) == folder


async def test_a_cache_that_cannot_be_written_is_named(site, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FrontendError, match=str(tmp_path / "file")):
        await build(site, tmp_path / "file")


async def test_a_package_without_sources_is_said(cache, tmp_path) -> None:
    with pytest.raises(FrontendError, match="run-frontend --api-url"):
        await build(tmp_path, cache)
