from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import spacy
from spacy.language import Language
from thinc.api import fix_random_seed

# How long an example takes says more of what else the machine does.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def nlp() -> Language:
    """A blank pipeline, of no language: an English one takes ten times as long to make. Random
    numbers begin anew, so that no test depends on those that ran before it."""
    fix_random_seed(0)
    return spacy.blank("xx")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text to a file of a name, in a folder of the test's own."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
