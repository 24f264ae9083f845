"""The page in a browser: Chromium of the system, or Playwright's own."""

import pytest
import spacy

playwright_api = pytest.importorskip("playwright.sync_api")

TEXT = "saw Drake in Chicago 😂 and Leeds"
HOSTILE = '<img src=x onerror="document.title=1"> </textarea><script>alert(1)</script> in Chicago'
TOKEN = "a token of the tests"


@pytest.fixture
def open_page(browser, service):
    """Opens the page; at the end nothing may have been complained of, and no other server asked."""
    opened, complaints, requests = [], [], []

    def open_at(served=service, **settings):
        page = browser.new_page(**{"viewport": {"width": 1100, "height": 900}, **settings})
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(served.url)
        page.locator("#pipeline:not(:empty)").wait_for()
        opened.append(page)
        return page

    open_at.complaints = complaints
    yield open_at
    for page in opened:
        page.close()
    assert complaints == []
    hosts = ("http://127.0.0.1:", "data:")
    assert all(url.startswith(hosts) for url in requests), requests


def find(page, text: str) -> None:
    page.fill("#text", text)
    page.click("[type=submit]")
    page.locator("#results:not([aria-busy]) article").first.wait_for()


def marks(page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("mark").all_inner_texts()]


def test_entities_are_highlighted_with_their_confidence(open_page, service):
    page = open_page()
    find(page, f"so tired\n\n{TEXT}")
    entities = service.post({"text": TEXT}).json()["results"][0]["entities"]
    expected = [f"{e['text']} {e['label']} {round(100 * e['confidence'])} %" for e in entities]
    assert [mark.replace("> 99 %", "100 %") for mark in marks(page)] == expected
    assert len(expected) >= 2
    assert page.locator("article").count() == 2
    # An emoji is one code point and two of JavaScript's: all that stands after it is right, too.
    bare = (
        page.locator(".tweet")
        .nth(1)
        .evaluate("p => [...p.childNodes].map(n => (n.firstChild ?? n).data).join('')")
    )
    assert bare == TEXT
    assert page.inner_text("#status") == f"{len(entities)} entities in 2 tweets"


def test_threshold_hides_the_less_probable(open_page, service):
    page = open_page()
    find(page, TEXT)
    entities = service.post({"text": TEXT}).json()["results"][0]["entities"]
    sure = [entity["confidence"] for entity in entities]
    threshold = round(50 * (min(sure) + max(sure)))
    # With the keyboard: a slider's arrows are steps of one percent.
    page.focus("#threshold")
    for _ in range(threshold):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#threshold-value") == f"{threshold} %"
    shown = sum(one >= threshold / 100 for one in sure)
    assert 0 < shown < len(sure)
    assert page.locator("mark:not(.unsure)").count() == shown
    assert f"{len(sure) - shown} below the threshold" in page.inner_text("#status")
    page.keyboard.press("Home")
    assert page.locator("mark.unsure").count() == 0


def test_heatmap_and_other_readings(open_page, service):
    page = open_page()
    find(page, TEXT)
    answer = service.post({"text": TEXT, "probabilities": True, "alternatives": 5}).json()
    page.click("text=How probable each type is")
    page.locator("table").wait_for()
    heads = page.locator("thead th").all_inner_texts()
    tokens = answer["results"][0]["tokens"]
    assert heads == [TEXT[token["start"] : token["end"]] for token in tokens]
    outside = answer["tags"].index("O")
    row = page.locator("tbody tr", has_text="no entity").locator("td").all_inner_texts()
    assert [int(cell or 0) for cell in row] == [
        pytest.approx(100 * token["probabilities"][outside], abs=0.51) for token in tokens
    ]
    page.click("text=Other readings")
    page.locator(".alternatives").wait_for()
    readings = page.locator(".alternatives li").all_inner_texts()
    assert len(readings) == len(answer["results"][0]["alternatives"])
    first = answer["results"][0]["alternatives"][0]
    assert all(f"{e['text']} · {e['label']}" in readings[0] for e in first["entities"])


def test_a_tweet_is_never_markup(open_page):
    page = open_page()
    find(page, HOSTILE)
    assert page.title() == "Named entities in tweets"
    assert page.locator("article img, article script").count() == 0
    assert "<img src=x" in page.inner_text("article")


def test_keyboard_alone(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("in Chicago")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("article")
    visited = []
    for _ in range(7):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("(e => e.id || e.textContent.trim())(document.activeElement)"))
    assert visited[:4] == ["Find entities", "example", "clear", "threshold"]
    assert "How probable each type is" in visited
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    page.locator("[role=region][aria-label=Probabilities][tabindex='0']").wait_for()


def test_what_a_screen_reader_is_told(open_page):
    page = open_page()
    for name in ("Tweets, one a line", "Show entities from a confidence of"):
        assert page.get_by_label(name).count() == 1
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator("#status[aria-live=polite]").count() == 1
    page.click("[type=submit]")
    assert page.get_by_role("alert").inner_text() == "Write a tweet first."
    assert page.evaluate("document.activeElement.id") == "text"
    find(page, "in Chicago\nso tired")
    assert page.get_by_role("article", name="Tweet 2").count() == 1
    assert page.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_light_and_dark(open_page, scheme):
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    find(page, f"{TEXT} {'#' + 'averylonghashtag' * 8} " + "word " * 40)
    for summary in page.locator("summary").all():
        summary.click()
    page.locator(".scroll, .alternatives").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for button in page.locator("button").all():
        assert button.bounding_box()["height"] >= 44
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    mark = page.locator("mark").first
    assert mark.evaluate("m => getComputedStyle(m).color") == "rgb(22, 24, 29)"
    assert mark.evaluate("m => getComputedStyle(m).backgroundColor") != "rgba(0, 0, 0, 0)"


def test_more_tweets_than_a_request_may_have(open_page, serve):
    page = open_page(serve(max_texts=3))
    find(page, "\n".join(f"in Chicago {i}" for i in range(8)))
    assert page.locator("article").count() == 8


def test_errors_of_the_service_are_shown(open_page, serve):
    page = open_page(serve(max_text_length=30))
    page.fill("#text", "x" * 31)
    page.click("[type=submit]")
    page.locator("#problem:not(:empty)").wait_for()
    assert page.inner_text("#problem") == "A text has 31 characters, more than 30"
    # Chromium itself notes answers that are errors.
    assert "status of 413" in open_page.complaints.pop()


def test_a_token_is_asked_for(open_page, serve):
    page = open_page(serve(token=TOKEN))
    page.fill("#text", "in Chicago")
    page.click("[type=submit]")
    page.locator("#problem:not(:empty)").wait_for()
    open_page.complaints.clear()
    page.fill("#token", TOKEN)
    find(page, "in Chicago")
    assert page.inner_text("#problem") == ""


def test_a_pipeline_that_tells_nothing_of_confidence(open_page, serve):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "new", "pattern": "Leeds"}])
    page = open_page(serve(nlp))
    find(page, "in Leeds")
    assert marks(page) == ["Leeds new"]
    assert page.locator("details").count() == 0
    assert page.locator("#threshold").is_disabled()
