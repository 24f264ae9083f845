from pathlib import Path

import pytest

from contest.document import write_block
from contest.project import BenchmarkError


def test_block_is_put_between_its_markers(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "accuracy.md"
    write_block(path, "hse", "one")
    write_block(path, "sample", "two")
    text = path.read_text()
    assert text.startswith("# Accuracy\n\n<!-- accuracy:hse:begin -->\none\n<!-- accuracy:hse:end")
    path.write_text(text.replace("# Accuracy", "# Ours\n\nProse.") + "\nMore prose.\n")
    # Backslashes and group references are but characters.
    write_block(path, "hse", r"new \1")
    assert path.read_text() == (
        "# Ours\n\nProse.\n\n<!-- accuracy:hse:begin -->\nnew \\1\n<!-- accuracy:hse:end -->\n\n"
        "<!-- accuracy:sample:begin -->\ntwo\n<!-- accuracy:sample:end -->\n\nMore prose.\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "<!-- accuracy:hse:begin -->\n",
        "<!-- accuracy:hse:end -->\n",
        "<!-- accuracy:hse:end -->\n<!-- accuracy:hse:begin -->\n",
    ],
)
def test_half_a_pair_of_markers_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accuracy.md"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match="or neither"):
        write_block(path, "hse", "one")
    assert path.read_text() == text
