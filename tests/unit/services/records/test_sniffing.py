"""How a file of cells is read is found from its first lines."""

from pathlib import Path

from services.records.files import Reading
from services.records.sniffing import sniffed


def test_a_comma_within_quotes_is_no_delimiter(tmp_path: Path) -> None:
    cards = tmp_path / "cards.csv"
    cards.write_text('cc_num,amt,merchant\n2703,4.97,"Rippin, Kub"\n6304,107.23,"Heller, Gutmann"\n')
    assert sniffed(cards, Reading()) == Reading()


def test_lines_before_the_columns_are_skipped(tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text('Export of 1 June\n\nKarte;Betrag;Text\n1;2,50;"a; b"\n2;3,50;"c; d"\n')
    assert sniffed(export, Reading()) == Reading(delimiter=";", skip=1)


def test_a_quote_that_is_never_closed_hides_no_other_line(tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text('Export of "cards\nKarte;Betrag\n1;2,50\n2;3,50\n')
    assert sniffed(export, Reading()) == Reading(delimiter=";", skip=1)
