from pathlib import Path

import pytest

from timing.tables import Table, cpu_note, print_table, to_markdown, with_share, write_block
from timing.texts import BenchmarkError

TABLE = Table("Speed", ("", "words/s"), [("ours", "2"), ("theirs, " + 40 * "x", "1")], "A note.")


def test_markdown() -> None:
    assert to_markdown(TABLE).splitlines() == [
        "**Speed**",
        "",
        "|  | words/s |",
        "|---|---:|",
        "| ours | 2 |",
        f"| theirs, {40 * 'x'} | 1 |",
        "",
        "A note.",
    ]
    assert to_markdown(TABLE._replace(note="")).endswith(" | 1 |")


def test_terminal_shows_all_of_a_table(capsys: pytest.CaptureFixture) -> None:
    print_table(TABLE)
    output = capsys.readouterr().out
    for text in ("Speed", "words/s", "A note."):
        assert text in output
    ours, theirs = (line for line in output.splitlines() if line.endswith((" 2", " 1")))
    assert len(ours) == len(theirs)


def test_figures() -> None:
    assert with_share(123_456.7, 0.307) == "123,457 (31%)"
    assert "0.50" in cpu_note([{"cpu_share": 0.9}, {"cpu_share": 0.5}])


def test_block_is_put_between_its_markers(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    before, after = "# Speed\n\n<!-- speed:layer:begin -->\n", "<!-- speed:layer:end -->\n\nMore.\n"
    path.write_text(f"{before}old\n{after}")
    for text in ("one", "two\n\nlines"):
        write_block(path, "speed:layer", text)
        assert path.read_text() == f"{before}{text}\n{after}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- speed:layer:begin -->",
        "<!-- speed:layer:end --> <!-- speed:layer:begin -->",
        "<!-- speed:growth:begin --> <!-- speed:growth:end -->",
    ],
)
def test_markers_that_are_missing_are_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match="speed:layer:begin"):
        write_block(path, "speed:layer", "block")
    assert path.read_text() == text
