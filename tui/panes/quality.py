"""Detection quality where the ground truth is known, and the drift of the features."""

from rich.text import Text

from domain.comparison import Comparison
from domain.engine import FeatureDrift
from domain.quality import DetectorQuality
from tui import cells
from tui.themes import Palette
from tui.widgets.drawing import line

MOVING = 0.1
DRIFTED = 0.25
"""Population stability index (PSI) from which a feature is called drifted; from `MOVING` it is called moving."""

_DRIFT_LINES = 8


def quality_lines(qualities: tuple[DetectorQuality, ...], width: int, palette: Palette) -> list[Text]:
    """Precision, also as it was estimated, recall, F1 and alert rate of each detector, then the recall of each kind of
    anomaly, and what became of the scores."""
    head = f" {'':<18}{'precision':>10}{'estimate':>9}{'recall':>8}{'F1':>7}{'alerts':>8}  caught"
    lines = [line((head, palette.dim), width=width)]
    for quality in qualities:
        caught = f"{cells.grouped(quality.caught)} of {cells.grouped(quality.anomalous)}"
        among = f" in {cells.grouped(quality.labelled)}"
        if cells.width(head) - len("caught") + len(caught + among) > width:
            # Half a number would be read as a whole one.
            among = ""
        lines.append(
            line(
                (f" {quality.detector:<18}", palette.strong),
                f"{_share(quality.precision):>10}{_share(quality.estimated):>9}",
                f"{_share(quality.recall):>8}{_share(quality.f1):>7}",
                f"{quality.alert_rate:>8.2%}",
                (f"  {caught}{among}", palette.dim),
                width=width,
            )
        )
    return [*lines, *_kinds(qualities, width, palette), *_reliability(qualities, width, palette)]


def _reliability(qualities: tuple[DetectorQuality, ...], width: int, palette: Palette) -> list[Text]:
    """How many of the scores of each tenth were anomalous, of scores that are worth a look."""
    lows = sorted({band.low for quality in qualities for band in quality.bands if band.low >= 0.2}, reverse=True)
    if not lows:
        return []
    names = "".join(f"  {quality.detector:<16}" for quality in qualities)
    lines = [line((f" {'anomalous of scores':<24}{names}", palette.dim), width=width)]
    for low in lows:
        entry = line((f" {f'{low:.1f} to {low + 0.1:.1f}':<23} ", palette.dim), width=width)
        for quality in qualities:
            band = {each.low: each for each in quality.bands}.get(low)
            cell = f"{band.realised:>6.0%} of {cells.grouped(band.verdicts):<8}" if band else f"{'-':>6}{'':12}"
            entry.append_text(line(cell, width=max(0, width - entry.cell_len)))
        lines.append(entry)
    return lines


def _kinds(qualities: tuple[DetectorQuality, ...], width: int, palette: Palette) -> list[Text]:
    by_kind = {quality.detector: {kind.kind: kind for kind in quality.kinds} for quality in qualities}
    counts = {kind.kind: kind.anomalous for quality in reversed(qualities) for kind in quality.kinds}
    if not counts:
        return []
    names = "".join(f"  {quality.detector:<14}" for quality in qualities)
    lines = [line((f" {'recall of':<24}{names}", palette.dim), width=width)]
    for kind, anomalous in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        entry = line((f" {cells.fit(kind, 23)} ", palette.dim), width=width)
        for quality in qualities:
            found = by_kind[quality.detector].get(kind)
            recall = found.recall if found else 0.0
            entry.append_text(
                line(f"{recall:>6.0%} ", (cells.bar(recall, 8), palette.bar), " ", width=max(0, width - entry.cell_len))
            )
        entry.append_text(line((f"  of {cells.grouped(anomalous)}", palette.dim), width=max(0, width - entry.cell_len)))
        lines.append(entry)
    return lines


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def comparison_lines(comparisons: tuple[Comparison, ...], width: int, palette: Palette) -> list[Text]:
    """What each detector flagged, and would have flagged at other thresholds; nothing is applied by looking."""
    lines = []
    for comparison in comparisons:
        head = f" {comparison.detector:<18}{'alerts':>10}{'a day':>10}{'share':>8}{'precision':>11}{'recall':>8}"
        lines.append(line((head, palette.dim), width=width))
        for cut in comparison.cuts:
            own = cut.at is None
            said = f"{cells.grouped(cut.alerts):>10}{comparison.a_day(cut):>10,.1f}".replace(",", " ")
            said += f"{comparison.share(cut):>8.2%}{_share(cut.precision):>11}{_share(comparison.recall(cut)):>8}"
            name = "as it was" if cut.at is None else f"score ≥ {cells.score(cut.at)}"
            lines.append(line((f"   {name:<16}", palette.strong if own else palette.dim), said, width=width))
    if comparisons:
        said = " by ground truth, or else decisions; evaluate --stored tries other settings"
        lines.append(line((said, palette.dim), width=width))
    return lines


def drift_lines(drift: tuple[FeatureDrift, ...], width: int, palette: Palette) -> list[Text]:
    """The features that drifted most, and the number of stable ones."""
    worst = sorted(drift, key=lambda feature: -feature.psi)
    moved = [feature for feature in worst if feature.psi >= MOVING][:_DRIFT_LINES]
    lines = []
    for feature in moved:
        drifted = feature.psi > DRIFTED
        ink = palette.bad if drifted else palette.warn
        lines.append(
            line(
                (" ✗ " if drifted else " ! ", ink),
                f"{feature.detector:<9} {cells.fit(feature.feature, 20)} ",
                (f"{'drifted' if drifted else 'moving':<8}", ink),
                (f" PSI {feature.psi:.2f}", palette.dim),
                width=width,
            )
        )
    stable = sum(feature.psi < MOVING for feature in drift)
    hidden = len(drift) - stable - len(moved)
    if hidden:
        lines.append(line((f"   {hidden} more", palette.warn), width=width))
    if stable:
        lines.append(line((" ✓ ", palette.good), f"{stable} features stable", width=width))
    return lines
