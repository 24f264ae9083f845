import pytest
import spacy

playwright_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow

TEXT = "saw Drake in Chicago 😂 and Leeds"
HOSTILE = '<img src=x onerror="document.title=1"> </textarea><script>alert(1)</script> in Chicago'
TOKEN = "a token of the tests"


@pytest.fixture
def open_page(browser, service):
    """Open the page. Afterwards, check for console messages and requests to other servers."""
    opened, messages, requests = [], [], []

    def open_at(served=service, **settings):
        page = browser.new_page(**{"viewport": {"width": 1100, "height": 900}, **settings})
        page.set_default_timeout(60_000)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(served.url)
        page.locator("#pipeline:not(:empty)").wait_for()
        opened.append(page)
        return page

    open_at.messages = messages
    yield open_at
    for page in opened:
        page.close()
    assert messages == []
    hosts = ("http://127.0.0.1:", "data:")
    assert all(url.startswith(hosts) for url in requests), requests


def find(page, text: str) -> None:
    page.fill("#text", text)
    page.click("[type=submit]")
    page.locator("#results:not([aria-busy]) article").first.wait_for()


def marks(page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("mark").all_inner_texts()]


def test_entities_and_confidences_are_highlighted(open_page, service):
    page = open_page()
    find(page, f"so tired\n\n{TEXT}")
    entities = service.post({"text": TEXT}).json()["results"][0]["entities"]
    expected = [f"{e['text']} {e['type']} {round(100 * e['confidence'])} %" for e in entities]
    assert [mark.replace("> 99 %", "100 %") for mark in marks(page)] == expected
    assert len(expected) >= 2
    assert page.locator("article").count() == 2
    # Offsets after an emoji, which is two UTF-16 code units in JavaScript.
    bare = (
        page.locator(".tweet")
        .nth(1)
        .evaluate("p => [...p.childNodes].map(n => (n.firstChild ?? n).data).join('')")
    )
    assert bare == TEXT
    assert page.inner_text("#status") == f"{len(entities)} entities in 2 tweets"


def test_threshold_hides_entities(open_page, service):
    page = open_page()
    find(page, TEXT)
    entities = service.post({"text": TEXT}).json()["results"][0]["entities"]
    sure = [entity["confidence"] for entity in entities]
    threshold = round(50 * (min(sure) + max(sure)))
    # The arrow keys change the slider by one percent.
    page.focus("#threshold")
    for _ in range(threshold):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#threshold-value") == f"{threshold} %"
    shown = sum(one >= threshold / 100 for one in sure)
    assert 0 < shown < len(sure)
    assert page.locator("mark:not(.below-threshold)").count() == shown
    assert f"{len(sure) - shown} below the threshold" in page.inner_text("#status")
    page.keyboard.press("Home")
    assert page.locator("mark.below-threshold").count() == 0


def test_heatmap_and_alternatives(open_page, service):
    page = open_page()
    find(page, TEXT)
    response = service.post({"text": TEXT, "probabilities": True, "alternatives": 5}).json()
    page.click("text=Type probabilities")
    page.locator("table").wait_for()
    heads = page.locator("thead th").all_inner_texts()
    tokens = response["results"][0]["tokens"]
    assert heads == [TEXT[token["start"] : token["end"]] for token in tokens]
    outside = response["tags"].index("O")
    row = page.locator("tbody tr", has_text="no entity").locator("td").all_inner_texts()
    assert [int(cell or 0) for cell in row] == [
        pytest.approx(100 * token["probabilities"][outside], abs=0.51) for token in tokens
    ]
    page.click("text=Alternatives")
    page.locator(".alternatives").wait_for()
    readings = page.locator(".alternatives li").all_inner_texts()
    assert len(readings) == len(response["results"][0]["alternatives"])
    first = response["results"][0]["alternatives"][0]
    assert all(f"{e['text']} · {e['type']}" in readings[0] for e in first["entities"])


def test_tweets_are_escaped(open_page):
    page = open_page()
    find(page, HOSTILE)
    assert page.title() == "Named entities in tweets"
    assert page.locator("article img, article script").count() == 0
    assert "<img src=x" in page.inner_text("article")


def test_keyboard_navigation(open_page):
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
    assert "Type probabilities" in visited
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    page.locator("[role=region][aria-label=Probabilities][tabindex='0']").wait_for()


def test_labels_for_screen_readers(open_page):
    page = open_page()
    for name in ("Tweets, one per line", "Minimum confidence"):
        assert page.get_by_label(name).count() == 1
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator("#status[aria-live=polite]").count() == 1
    page.click("[type=submit]")
    assert page.get_by_role("alert").inner_text() == "Enter a tweet first."
    assert page.evaluate("document.activeElement.id") == "text"
    find(page, "in Chicago\nso tired")
    assert page.get_by_role("article", name="Tweet 2").count() == 1
    assert page.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_and_color_schemes(open_page, scheme):
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


def test_tweets_are_split_into_requests(open_page, serve):
    page = open_page(serve(max_texts=3))
    find(page, "\n".join(f"in Chicago {i}" for i in range(8)))
    assert page.locator("article").count() == 8


def test_errors_are_shown(open_page, serve):
    page = open_page(serve(max_text_length=30))
    page.fill("#text", "x" * 31)
    page.click("[type=submit]")
    page.locator("#problem:not(:empty)").wait_for()
    assert page.inner_text("#problem") == "A text has 31 characters, more than 30"
    # Chromium logs error responses.
    assert "status of 413" in open_page.messages.pop()


def test_token_is_requested(open_page, serve):
    page = open_page(serve(token=TOKEN))
    page.fill("#text", "in Chicago")
    page.click("[type=submit]")
    page.locator("#problem:not(:empty)").wait_for()
    open_page.messages.clear()
    page.fill("#token", TOKEN)
    find(page, "in Chicago")
    assert page.inner_text("#problem") == ""


def test_pipeline_without_confidence(open_page, serve):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "new", "pattern": "Leeds"}])
    page = open_page(serve(nlp))
    find(page, "in Leeds")
    assert marks(page) == ["Leeds new"]
    assert page.locator("details").count() == 0
    assert page.locator("#threshold").is_disabled()
