import json
import re

import pytest

from spacy_twitter_ner.teaching.journal import read_journal

from .conftest import make_session

playwright_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow

HOSTILE = '<img src=x onerror="document.title=1"> </textarea><script>alert(1)</script> in Leeds'
TWEETS = ["saw Drake in Leeds 😂 today", HOSTILE, "so tired of #Chicago"]


@pytest.fixture
def open_page(browser, serve):
    """Open the page as an annotator. Afterwards, check for errors and requests to other servers.
    Pages are closed before the services stop, since they would report that."""
    opened, messages, requests = [], [], []

    def open_at(teaching, name="ann", **settings):
        page = browser.new_page(**{"viewport": {"width": 1100, "height": 1000}, **settings})
        page.set_default_timeout(30_000)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(teaching.url)
        page.fill("#annotator", name)
        page.keyboard.press("Enter")
        page.locator("#tweet .word").first.wait_for()
        opened.append(page)
        return page

    open_at.messages = messages
    yield open_at
    for page in opened:
        page.close()
    assert messages == []
    assert all(url.startswith(("http://127.0.0.1:", "data:")) for url in requests)


def press(page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def save(page) -> None:
    """Save the answer and wait for the next tweet. The policy doesn't allow wait_for_function."""
    shown = page.inner_text("#tweet")
    press(page, "Enter")
    for _ in range(6000):
        if page.inner_text("#tweet") != shown:
            return
        page.wait_for_timeout(5)
    raise AssertionError("there is no next tweet")


def answers(teaching) -> list[dict]:
    return [one for one in read_journal(teaching.session.journal) if one["kind"] == "answer"]


def spans(page) -> list[str]:
    return page.locator("#spans li").all_inner_texts()


def wait_for_answers(page, teaching, n: int) -> list[dict]:
    for _ in range(3000):
        if len(found := answers(teaching)) >= n:
            return found
        page.wait_for_timeout(10)
    raise AssertionError(f"{len(answers(teaching))} answers, expected {n}")


def test_annotate_with_the_keyboard_only(open_page, serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", TWEETS))
    page = open_page(teaching)
    assert spans(page) == ["Drake · person"]
    press(page, "ArrowRight 2")  # retype Drake
    assert spans(page) == ["Drake · geo-loc"]
    press(page, "u")
    assert spans(page) == ["Drake · person"]
    press(page, "ArrowRight ArrowRight Shift+ArrowRight 2")
    assert spans(page) == ["Drake · person", "Leeds 😂 · geo-loc"]
    press(page, "Backspace")
    assert spans(page) == ["Drake · person"]
    press(page, "ArrowLeft 2 ArrowRight ArrowRight Shift+?")
    assert spans(page) == ["Drake · person", "Leeds · geo-loc", "today · not sure"]
    press(page, "Enter")
    (saved,) = wait_for_answers(page, teaching, 1)
    assert saved["spans"] == [[4, 9, "person"], [13, 18, "geo-loc"]]
    assert saved["unsure"] == [[21, 26]]
    assert saved["predicted"] == [[4, 9, "person"]]
    # Offsets count code points: "today" follows an emoji of two UTF-16 code units.
    assert TWEETS[0][21:26] == "today"
    page.locator("#tweet", has_text="<img").wait_for()
    press(page, "b")
    assert len(spans(page)) == 3
    press(page, "Home ArrowLeft Enter")
    assert wait_for_answers(page, teaching, 2)[1]["tweet"] == saved["tweet"]


def test_annotate_with_mouse_new_types_and_hashtags(open_page, serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", ["so tired of #Chicago rain"]))
    page = open_page(teaching)
    page.fill("#label-name", "weather")
    page.keyboard.press("Enter")
    page.locator("#labels button", has_text="weather").wait_for()
    words = page.locator("#tweet .word")
    words.nth(3).click()
    page.click("#labels button:has-text('geo-loc')")
    words.nth(4).click()
    page.click("#labels button:has-text('weather')")
    words.nth(1).click()
    page.click("#delete")
    assert spans(page) == ["#Chicago · geo-loc", "rain · weather"]
    page.click("#accept")
    (saved,) = wait_for_answers(page, teaching, 1)
    assert [one[2] for one in saved["spans"]] == ["geo-loc", "weather"]
    assert saved["labels"] == ["person", "geo-loc", "weather"]


def test_two_hundred_answers_by_keyboard(open_page, serve, tmp_path):
    texts = [f"saw Drake in Leeds again {number}x" for number in range(210)]
    teaching = serve(make_session(tmp_path / "s", texts))
    page = open_page(teaching)
    for number in range(200):
        if number % 3 == 1:
            press(page, "ArrowRight ArrowRight ArrowRight 2")
        elif number % 3 == 2:
            press(page, "ArrowRight Backspace")
        save(page)
    found = answers(teaching)
    assert len({one["tweet"] for one in found}) == len({one["id"] for one in found}) == 200
    assert [len(one["spans"]) for one in found[:6]] == [1, 2, 0, 1, 2, 0]
    assert all(0 <= one["seconds"] < 60 for one in found)


def test_tabs_get_different_tweets_and_reloading_loses_nothing(open_page, serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", [f"saw Drake {n}x" for n in range(20)]))
    first, second = open_page(teaching), open_page(teaching)
    for _ in range(3):
        for page in (first, second):
            save(page)
    first.close()
    third = open_page(teaching)
    press(third, "Enter")
    found = wait_for_answers(third, teaching, 7)
    assert len({one["tweet"] for one in found}) == 7


def test_adjudication(open_page, serve, tmp_path):
    teaching = serve(make_session(tmp_path / "s", ["saw Drake in Leeds", "x y"], double=1.0))
    for name, span in (("ann", (4, 9, "person")), ("bob", (4, 9, "geo-loc"))):
        body = {"id": name, "tweet": 0, "annotator": name, "action": "accept", "spans": [span]}
        assert teaching.post("answer", {**body, "unsure": [], "seconds": 1}).status_code == 200
    assert teaching.desk.state.agreement() == (1, 0.0)
    page = open_page(teaching, name="cleo")
    page.click("#review")
    page.click("#versions button:has-text('bob')")
    assert spans(page) == ["Drake · geo-loc"]
    press(page, "Enter")
    assert wait_for_answers(page, teaching, 3)[2]["annotator"] == "adjudicated"
    assert teaching.desk.describe_progress(0.8)["disagreements"] == []
    assert teaching.desk.state.resolve(0)["spans"] == [[4, 9, "geo-loc"]]


def test_tweets_are_escaped(open_page, serve, tmp_path):
    page = open_page(serve(make_session(tmp_path / "s", [HOSTILE])))
    assert page.title() == "Teach a pipeline"
    assert page.locator("#card img, #card script").count() == 0
    assert "<img src=x" in page.inner_text("#tweet")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_color_schemes_and_labels(open_page, serve, tmp_path, scheme):
    teaching = serve(make_session(tmp_path / "s", [f"saw Drake in {'#' + 'longhashtag' * 8} ok"]))
    page = open_page(teaching, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for button in page.locator("button:visible").all():
        assert button.bounding_box()["height"] >= 44, button.inner_text()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.get_by_role("radio", name=re.compile("person")).count() == 1
    label = page.locator("#tweet").get_attribute("aria-label")
    assert "Drake: person" in label
    assert page.locator("#status[aria-live=polite]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(browser, serve, tmp_path, scheme):
    """With a span, a span that the annotator isn't sure of, a selection, a disagreement and a
    learning curve. Axe needs a page without our policy."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    teaching = serve(make_session(tmp_path / "s", TWEETS, double=1.0))
    for name in ("bob", "cleo"):
        body = {"id": name, "tweet": 2, "annotator": name, "action": "accept", "unsure": []}
        spans = [(12, 20, "geo-loc")] if name == "bob" else []
        teaching.post("answer", {**body, "spans": spans, "seconds": 1})
    page = browser.new_page(color_scheme=scheme, bypass_csp=True)
    page.goto(teaching.url)
    assert axe.run(page).response["violations"] == []
    page.fill("#annotator", "ann")
    press(page, "Enter")
    page.locator("#tweet .word").first.wait_for()
    press(page, "ArrowRight ArrowRight ArrowRight Shift+? ArrowRight")
    page.locator("#review:visible").wait_for()
    found = axe.run(page).response["violations"]
    page.click("#review")
    page.locator("#versions:visible").wait_for()
    found += axe.run(page).response["violations"]
    page.close()
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def test_failed_save_keeps_the_answer(open_page, serve, tmp_path, monkeypatch):
    teaching = serve(make_session(tmp_path / "s", ["saw Drake", "saw Adele"]))
    page = open_page(teaching)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("spacy_twitter_ner.teaching.journal.os.fsync", fail)
        press(page, "Enter")
        page.locator("#problem", has_text="No space left on device").wait_for()
    assert json.dumps(answers(teaching)) == "[]"
    assert page.inner_text("#tweet").startswith("saw Drake")
    press(page, "Enter")
    wait_for_answers(page, teaching, 1)
    page.evaluate("0")  # Later messages would arrive after the answer.
    open_page.messages.clear()  # Chromium logs error responses.
