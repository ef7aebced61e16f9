"""Put the newest figures of each benchmark, and of the fault tests, into the documentation.

Tables in docs/ between `<!-- NAME -->` and `<!-- end -->` are made anew from build/bench/NAME.json, with the machine,
the commit and the day that they are of; the one named `faults` has a row for each file in build/faults. A table that
nothing was run for here is left as it is.

    python benchmarks/_document.py
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from _results import FOLDER, keep

DOCUMENTS = Path(__file__).parents[1] / "docs"
FAULTS = Path(__file__).parents[1] / "build" / "faults"
BLOCK = re.compile(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)
LABELS = {
    "rate": "tx/s",
    "of_ceiling": "of the ceiling",
    "ours_us": "ours, us",
    "postgresql_us": "PostgreSQL, us",
    "kafka_us": "Kafka, us",
    "bytes": "bytes stored",
    "seconds": "s",
}
CEILING = "ceiling: decode and COPY"


def table(kept: dict[str, Any]) -> str:
    """The figures of one benchmark as a Markdown table, and a line of where they are from."""
    rows = {name: row if isinstance(row, dict) else {"seconds": row} for name, row in kept["figures"].items()}
    if CEILING in rows:
        rows = {name: row | {"of_ceiling": row["rate"] / rows[CEILING]["rate"]} for name, row in rows.items()}
    columns = [*dict.fromkeys(column for row in rows.values() for column in row)]
    lines = [
        "| | " + " | ".join(LABELS.get(column, column) for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
        *(
            f"| {name} | " + " | ".join(_shown(row.get(column)) for column in columns) + " |"
            for name, row in rows.items()
        ),
    ]
    machine = kept["machine"]
    place = f"{machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}"
    day = kept["at"].partition("T")[0]
    return "\n".join([*lines, "", f"{place}; commit {kept['commit']}, {day}."])


def fault_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """What each fault test counted: those that ran in full first, and controls, which must break a promise, last."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    return {
        f"{test['module'].removeprefix('test_').removesuffix('.py')}: {_words(test['test'])}": {
            "length": "control" if test["control"] else "full" if test["full"] else "short",
            "s": round(test["seconds"]),
            "faults": test["faults"],
            "sent": test["sent"],
            "lost": test["lost"],
            "doubled": test["doubled"],
            "invented": test["invented"],
            "profiles wrong": test["profiles_wrong"],
            "recovery, s": test["recovery"],
        }
        for test in sorted(found, key=lambda test: (test["control"], not test["full"]))
    }


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int):
        return f"{value:,}" if isinstance(value, int) else value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def filled(text: str, folder: Path) -> str:
    """The document with all tables that there are figures for in `folder`."""

    def block(found: re.Match[str]) -> str:
        file = folder / f"{found['name']}.json"
        if not file.exists():
            return found[0]
        return f"<!-- {found['name']} -->\n{table(json.loads(file.read_text(encoding='utf-8')))}\n<!-- end -->"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if FAULTS.exists():
        keep("faults", fault_rows(FAULTS))
    for document in DOCUMENTS.glob("*.md"):
        document.write_text(filled(document.read_text(encoding="utf-8"), FOLDER), encoding="utf-8")
