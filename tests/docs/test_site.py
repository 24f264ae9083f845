"""The documentation site, opened from files in Chromium: links, console, search, accessibility and
weight of its pages."""

import gzip
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

pytest.importorskip("material")
ROOT = Path(__file__).parents[2]
MAX_WEIGHT = 300_000  # bytes per page with all that it loads, compressed as a server sends it
ACCESSIBLE = {"light": ["faq.html", "cli.html"], "dark": ["index.html", "accuracy.html"]}
PHONE, SCREEN = {"width": 390, "height": 800}, {"width": 1280, "height": 900}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site. With --strict, broken links and anchors in Markdown are errors."""
    path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", path]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    return path


class Page(HTMLParser):
    """The links, IDs and loaded files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loaded = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids.add(values.get("id"))
        if tag == "a" and values.get("href"):
            self.links.add(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon"):
            self.loaded.add(values["href"])
        elif tag in ("img", "script") and values.get("src"):
            self.loaded.add(values["src"])


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.glob("*.html") if path.name != "404.html"}


def test_every_page_is_in_the_site(pages):
    names = {path.stem for path in pages}
    sources = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    assert names == sources | {
        *("index", "api", "cli", "configuration", "changelog", "contributing", "model-card"),
        *("code-of-conduct", "security"),
    }


def test_all_links_lead_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if re.match(r"\w+:", target):
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            if not file.exists() or (anchor and unquote(anchor) not in pages[file].ids):
                broken.append((path.name, link))
    assert broken == []


def test_pages_are_light(pages):
    weights = {}
    for path, page in pages.items():
        files = {path, *((path.parent / name).resolve() for name in page.loaded)}
        files |= {path.parent / "search" / "search_index.js"}
        weights[path.name] = sum(len(gzip.compress(file.read_bytes())) for file in files)
    assert {name: size for name, size in weights.items() if size > MAX_WEIGHT} == {}


def test_pages_load_without_errors_or_requests_to_other_hosts(browser, pages):
    messages, requests, wide = [], [], []
    page = browser.new_page()
    page.on("console", lambda message: messages.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: messages.append(f"{page.url}: {error}"))
    page.on("requestfailed", lambda request: messages.append(request.url))
    page.on("request", lambda request: requests.append(request.url))
    for path in sorted(pages):
        page.goto(path.as_uri())
        assert page.locator("h1").count() == 1, path.name
        page.set_viewport_size(PHONE)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(path.name)
        page.set_viewport_size(SCREEN)
    page.close()
    assert messages == []
    assert wide == [], "these pages have to be scrolled sideways on a phone"
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_search_works_without_a_server(browser, site):
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.locator(".md-search__input").first.fill("split_hashtags")
    result = page.locator(".md-search-result__link").first
    result.wait_for(timeout=60_000)
    assert "tokenizer.html" in result.get_attribute("href")
    page.close()


@pytest.mark.parametrize("scheme", ACCESSIBLE)
def test_pages_are_accessible(browser, site, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser.new_page(color_scheme=scheme)
    violations = []
    for name in ACCESSIBLE[scheme]:
        page.goto((site / name).as_uri())
        page.wait_for_load_state("load")
        for violation in axe.run(page).response["violations"]:
            targets = [node["target"] for node in violation["nodes"]][:3]
            violations.append((name, violation["id"], targets))
    page.close()
    assert violations == []
