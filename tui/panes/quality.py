"""Detection quality where the ground truth is known, and the drift of the features."""

from rich.text import Text

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
    """Precision, recall, F1 and alert rate of each detector, then the recall of each kind of anomaly."""
    head = f" {'':<18}{'precision':>10}{'recall':>8}{'F1':>7}{'alerts':>8}  caught"
    lines = [line((head, palette.dim), width=width)]
    for quality in qualities:
        lines.append(
            line(
                (f" {quality.detector:<18}", palette.strong),
                f"{_share(quality.precision):>10}{_share(quality.recall):>8}{_share(quality.f1):>7}",
                f"{quality.alert_rate:>8.2%}",
                (
                    f"  {cells.grouped(quality.caught)} of {cells.grouped(quality.anomalous)}"
                    f" in {cells.grouped(quality.labelled)}",
                    palette.dim,
                ),
                width=width,
            )
        )
    return lines + _kinds(qualities, width, palette)


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
