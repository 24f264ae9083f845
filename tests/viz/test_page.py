"""Test the HTML report in Chromium."""

from pathlib import Path

import pytest

from .pages import make_report

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(make_report(), encoding="utf8")
    return path


@pytest.fixture
def open_page(browser, path):
    """Open the report, and check at the end that there were no errors or network requests."""
    pages = []
    messages: list[str] = []
    requests: list[str] = []

    def open_at(address: str = "", path: Path = path, **settings):
        page = browser.new_page(viewport={"width": 1200, "height": 900}, **settings)
        page.set_default_timeout(60_000)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri() + address)
        pages.append(page)
        return page

    yield open_at
    for page in pages:
        page.close()
    assert messages == []
    assert all(url.startswith("file:") for url in requests), requests


def numbers(page) -> list[int]:
    return page.eval_on_selector_all(".tweet", "all => all.map(one => Number(one.dataset.number))")


def status(page) -> str:
    return page.inner_text("#pager .count")


def test_page_opens_with_errors_of_last_split(open_page):
    page = open_page()
    assert page.inner_text("h1") == "Tweets & <b>co</b>"
    assert page.inner_text('#splits [aria-pressed="true"]') == "test"
    assert status(page) == "49 tweets of 61: 1 to 25"
    assert numbers(page)[:5] == [1, 3, 4, 5, 6]
    assert page.locator("#curves svg").count() == 4
    first = page.locator(".tweet").first
    marks = first.locator("mark").all_inner_texts()
    assert marks[0].split() == ["Kim", "person"]
    assert marks[3].split() == ["Kim", "person", "90%"]
    assert first.locator("mark.wrong").count() == 2
    assert "wrong type: Frozen" in first.inner_text()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"category": "missed"}, {4, 61}),
        ({"category": "spurious"}, {5}),
        ({"category": "wrong boundary"}, {3}),
        ({"category": "correct"}, {1}),
        ({"category": "all"}, {1, 2, 3, 4, 5, 61}),
        ({"category": "clean"}, {2}),
        ({"category": "all", "gold": "movie", "predicted": "person"}, {1}),
        ({"category": "all", "predicted": "none"}, {4, 61}),
        ({"type": "geo-loc"}, {3}),
        ({"seen": "seen with another type"}, set()),
        ({"seen": "seen"}, {1}),
        ({"category": "all", "low": "80"}, {1}),
        ({"high": "35"}, {3}),
        ({"q": "IS b"}, {4}),
        ({"q": "nowhere"}, set()),
    ],
)
def test_filters(open_page, filters, expected):
    page = open_page()
    for key, value in filters.items():
        field = page.locator(f"#filter-{key}")
        if key in ("q", "low", "high"):
            field.fill(value)
        else:
            field.select_option(value)
    found = set()
    while True:
        found |= {number if number == 61 else (number - 1) % 5 + 1 for number in numbers(page)}
        next_button = page.locator("#pager button", has_text="Next")
        if not next_button.count() or next_button.is_disabled():
            break
        next_button.click()
    assert found == expected
    again = open_page(page.evaluate("location.hash"))
    assert numbers(again) == numbers(page), "filters are stored in the URL"


def test_search_highlights_matches(open_page):
    page = open_page()
    page.locator("#filter-q").fill("whe")
    assert page.locator(".hit").first.inner_text() == "where"


def test_sort_by_confidence(open_page):
    page = open_page()
    page.locator("#filter-sort").select_option("sure")
    assert all((number - 1) % 5 + 1 == 5 for number in numbers(page)[:12])
    page.locator("#filter-sort").select_option("unsure")
    assert all((number - 1) % 5 + 1 == 3 for number in numbers(page)[:12])


def test_tables_are_sortable(open_page):
    page = open_page()
    head = page.locator("#tables table").first.locator("thead button", has_text="Gold")
    column = "rows => rows.map(row => row.cells[1].textContent)"
    rows = "#tables .wide:first-of-type table >> nth=0 >> tbody tr"
    head.click()
    descending = [int(text) for text in page.locator(rows).evaluate_all(column)]
    assert descending[2:] == sorted(descending[2:], reverse=True)
    head.click()
    ascending = [int(text) for text in page.locator(rows).evaluate_all(column)]
    assert ascending[2:] == sorted(ascending[2:]) != descending[2:]
    assert ascending[:2] == descending[:2], "totals stay on top"
    assert page.locator('#tables th[aria-sort="ascending"]').count() == 1


def test_confidence_of_measured_split(open_page):
    page = open_page()
    charts = page.locator("[aria-label^='Reliability']")
    assert charts.count() == 2
    assert charts.nth(0).locator(".bar").count() == 3
    assert charts.nth(1).locator("text", has_text="calibration error 0.325").count() == 1
    table = page.locator("[aria-label='Thresholds'] tbody tr")
    assert table.count() == 11
    assert table.nth(5).locator("td").all_text_contents()[:4] == ["50", "2", "50.0", "100.0"]
    page.get_by_role("button", name="validation", exact=True).click()
    assert charts.count() == 0


def test_link_to_one_tweet(open_page):
    page = open_page("#validation/3")
    assert page.inner_text('#splits [aria-pressed="true"]') == "validation"
    assert numbers(page) == [3]
    assert page.evaluate("document.activeElement.id") == "tweet-3"
    page.click("#show-all")
    assert len(numbers(page)) == 8
    page.locator(".tweet-head a").nth(2).click()
    assert page.evaluate("location.hash") == "#validation/4"
    assert numbers(page) == [4]
    page.go_back()
    assert len(numbers(page)) == 8


@pytest.mark.parametrize(
    "address", ["#test/99", "#nowhere", "#test?page=x", "#%ff/1?category=%3Cb%3E"]
)
def test_invalid_links_open_the_default_view(open_page, address):
    page = open_page(address)
    assert page.inner_text('#splits [aria-pressed="true"]') == "test"
    if address == "#test/99":
        assert "no tweet 99" in status(page)


def test_keyboard_shortcuts(open_page):
    page = open_page()
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "tweet-3"
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.id") == "tweet-1"
    page.keyboard.press("/")
    page.keyboard.type("jn")
    assert page.input_value("#filter-q") == "jn", "shortcuts are disabled in text fields"
    page.keyboard.press("Escape")
    page.click("#reset")
    page.keyboard.press("n")
    assert "26 to 49" in status(page)
    page.keyboard.press("n")
    page.keyboard.press("p")
    assert "1 to 25" in status(page)
    page.keyboard.press("j")
    page.keyboard.press("o")
    assert page.evaluate("location.hash") == "#test/1"


def test_tab_reaches_all_controls(open_page):
    page = open_page()

    def press_tab(times):
        for _ in range(times):
            page.keyboard.press("Tab")
            yield page.evaluate("document.activeElement.id || document.activeElement.className")

    assert next(press_tab(1)) == "skip"
    assert {"theme", "wide"} <= set(press_tab(20)), "scrollable tables are focusable"
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    reached = set(press_tab(20))
    assert {"filter-q", "filter-category", "filter-sort", "reset", "tweet-1"} <= reached


def test_confusion_cells_and_categories_filter_tweets(open_page):
    page = open_page()
    page.click("button[title='movie predicted as person: 12']")
    assert numbers(page) == [1 + 5 * i for i in range(12)]
    page.click(".legend [data-category='missed']")
    assert status(page).startswith("13 tweets")
    assert page.input_value("#filter-category") == "missed"


def test_html_in_tweets_is_text(open_page):
    page = open_page("#test/61")
    assert "</script><script>window.hacked = 1</script>" in page.inner_text(".side >> nth=0")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_outcome_colors_differ_from_background(open_page, scheme):
    page = open_page(color_scheme=scheme)
    colors = page.eval_on_selector_all(
        ".outcomes button",
        "all => all.map(one => [one.dataset.category, getComputedStyle(one).backgroundColor])",
    )
    panel = page.eval_on_selector(".filters", "one => getComputedStyle(one).backgroundColor")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert {"correct", "wrong type", "wrong boundary", "missed"} <= {name for name, _ in colors}
    assert not {panel, ground} & {color for _, color in colors}


@pytest.mark.parametrize("width", [390, 1200])
def test_small_tables_fit_without_scrolling(open_page, width):
    page = open_page()
    page.set_viewport_size({"width": width, "height": 900})
    tables = page.locator(".grid .wide")
    assert tables.count() >= 3
    hidden = tables.evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)")
    assert max(hidden) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_layout_and_themes(open_page, tmp_path, scheme, width):
    page = open_page(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 29)"}[scheme]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "no horizontal scrolling"
    assert len(page.screenshot(path=tmp_path / "page.png")) > 10_000
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground


def test_search_in_ten_thousand_tweets_is_fast(open_page, tmp_path):
    path = tmp_path / "large.html"
    path.write_text(make_report(10_000), encoding="utf8")
    page = open_page("#test/9999", path=path)
    assert numbers(page) == [9999]
    seconds = page.evaluate(
        """() => {
            const start = performance.now();
            const field = document.getElementById("filter-q");
            field.value = "is";
            field.dispatchEvent(new Event("input"));
            return (performance.now() - start) / 1000;
        }"""
    )
    assert status(page).startswith("4,000 tweets of 10,001")
    assert len(numbers(page)) == 25
    assert seconds < 2
