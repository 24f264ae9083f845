import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import spacy
from spacy.language import Language
from spacy.util import load_config, load_model_from_config, minibatch
from thinc.api import fix_random_seed

from spacy_twitter_ner.corpus.reader import create_tag_file_reader

ROOT = Path(__file__).parents[1]
TOK2VEC = "components.twitter_bilstm_ner.model.tok2vec"
CHROMIUM_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]

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
def ruler(tmp_path: Path) -> Path:
    """A saved pipeline that is loaded quickly and knows Leeds as a geo-loc."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo-loc", "pattern": "Leeds"}])
    nlp.to_disk(tmp_path / "ruler")
    return tmp_path / "ruler"


@pytest.fixture(scope="session")
def tweet_nlp() -> Language:
    """A pipeline of bilstm_crf.cfg, smaller, that has learned a little from the sample; of
    seed 0. Tests only read it."""
    fix_random_seed(0)
    overrides = {f"{TOK2VEC}.encode.hidden_width": 16, f"{TOK2VEC}.embed.*.words.unknown_rate": 0.1}
    nlp = load_model_from_config(
        load_config(ROOT / "configs" / "bilstm_crf.cfg", overrides), auto_fill=True
    )
    corpus = create_tag_file_reader(ROOT / "assets" / "sample" / "train.txt", limit=400)
    examples = list(corpus(nlp))
    sgd = nlp.initialize(lambda: examples)
    sgd.learn_rate = 0.01
    for _ in range(10):
        for batch in minibatch(examples, 40):
            nlp.update(batch, sgd=sgd, drop=0.1)
    return nlp


@pytest.fixture(scope="session")
def saved_pipeline(tweet_nlp: Language, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that pipeline. Tests only read it."""
    path = tmp_path_factory.mktemp("saved_pipeline") / "model"
    tweet_nlp.to_disk(path)
    return path


# Of a module: while it is open, its thread has an event loop that other tests cannot do with.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium: that of the system, or Playwright's own."""
    playwright_api = pytest.importorskip("playwright.sync_api")
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    with playwright_api.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=system, args=CHROMIUM_ARGUMENTS)
        except playwright_api.Error as error:
            print(f"\nNO BROWSER, PAGES ARE NOT TESTED: {error}", file=sys.__stderr__)
            pytest.skip("no Chromium: apt-get install chromium, or playwright install chromium")
        yield chromium
        chromium.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text to a file of a name, in a folder of the test's own."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
