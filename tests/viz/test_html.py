import base64
import hashlib
import json
import re

import pytest

from spacy_twitter_ner.evaluation.metrics import compute_metrics
from spacy_twitter_ner.evaluation.predictions import Predictions, Tweet
from spacy_twitter_ner.viz.html import make_page, write_page

from .pages import LABELS, NASTY, make_report


@pytest.fixture(scope="module")
def page():
    return make_report()


def read_data(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def test_make_page_data_round_trip(page):
    data = read_data(page)
    assert data["splits"][1]["tweets"][-1]["w"] == list(NASTY)
    assert data["labels"] == list(LABELS)
    assert len(data["curves"]) == 4
    assert [split["name"] for split in data["splits"]] == ["validation", "test"]


def test_make_page_escapes_tweets_and_title(page):
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<b>" not in page
    assert page.count("Tweets &amp; &lt;b&gt;co&lt;/b&gt;") == 2


def test_make_page_tweet_data(page):
    tweet = read_data(page)["splits"][1]["tweets"][0]
    assert tweet["g"] == [[0, 1, 2, 0, -1], [2, 3, 1, 0, -1], [4, 5, 0, 2, -1]]
    assert tweet["p"] == [[0, 1, 2, 0, 90], [2, 3, 2, 1, 40], [4, 5, 0, 2, 80]]
    assert tweet["m"] == [[0, 0, 0], [1, 1, 1], [2, 2, 0]]
    assert tweet["q"][1] == 0
    assert tweet["q"][2][:2] == [5, 40]


def test_make_page_policy_allows_only_its_script_and_style(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none';")
    for kind, element in (
        ("script", r"<script>(.*?)</script>"),
        ("style", r"<style>(.*?)</style>"),
    ):
        digest = hashlib.sha256(re.search(element, page, re.DOTALL)[1].encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "unsafe" not in policy


def test_make_page_has_no_urls(page):
    """Except for the SVG namespace, which isn't fetched."""
    addresses = set(re.findall(r"https?://[\w./]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_make_page_keeps_placeholders_in_data():
    tweet = Tweet(("%%SCRIPT%%", "%%DATA%%"), [], [])
    predictions = Predictions("test", [tweet])
    page = make_page("%%STYLE%%", [(compute_metrics(predictions), predictions)])
    assert read_data(page)["splits"][0]["tweets"][0]["w"] == ["%%SCRIPT%%", "%%DATA%%"]
    assert "<title>%%STYLE%%</title>" in page


def test_make_page_without_splits_raises():
    with pytest.raises(ValueError, match="needs a corpus"):
        make_page("empty", [])


def test_write_page(tmp_path, page):
    write_page(page, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf8") == page
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
