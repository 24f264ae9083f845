"""Hooks of MkDocs: add generated and copied pages to the documentation site, and adapt links."""

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from docs_reference import make_api_reference, make_cli_reference, make_config_reference

ROOT = Path(__file__).parents[1]
GENERATED: dict[str, Callable[[], str]] = {
    "api.md": make_api_reference,
    "cli.md": make_cli_reference,
    "configuration.md": make_config_reference,
}
# Files of the repository that are pages of the site.
COPIED = {
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "spacy_twitter_ner/en_tweet_ner/README.md": "model-card.md",
}
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that aren't in docs/.

    files (Files): The files of the site.
    config (MkDocsConfig): The configuration.
    RETURNS (Files): The files of the site.
    """
    pages = {name: make() for name, make in GENERATED.items()}
    for source, name in COPIED.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        pages[name] = adapt_links(
            re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S), source, find_titles(config.nav)
        )
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **kwargs: Any) -> str:
    """Adapt the links of a page in docs/.

    markdown (str): The page.
    page (Page): What MkDocs knows about it.
    config (MkDocsConfig): The configuration.
    RETURNS (str): The page with links that work on the site.
    """
    if page.file.src_uri in (*GENERATED, *COPIED.values()):
        return markdown
    return adapt_links(markdown, f"docs/{page.file.src_uri}", find_titles(config.nav))


def on_page_content(html: str, page: Any, **kwargs: Any) -> str:
    """Turn empty headers of tables into data cells, for screen readers, and mark references, whose
    tables are shown as lists on phones.

    html (str): The content of a page.
    page (Page): What MkDocs knows about it.
    RETURNS (str): The content.
    """
    html = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", html)
    name = page.file.src_uri
    return f'<div class="reference {name[:-3]}">{html}</div>' if name in GENERATED else html


def find_titles(nav: list[dict[str, Any]]) -> dict[str, str]:
    """Find the titles of pages.

    nav (list[dict[str, Any]]): The pages or sections by title, as in mkdocs.yml.
    RETURNS (dict[str, str]): The title of each page, by its path.
    """
    titles: dict[str, str] = {}
    for title, entry in (item for entries in nav for item in entries.items()):
        titles |= {entry: title} if isinstance(entry, str) else find_titles(entry)
    return titles


def adapt_links(markdown: str, source: str, titles: Mapping[str, str]) -> str:
    """Make the links of a page work on the site. Links to files that aren't part of it become text.
    Links that are named after a file get the title of its page.

    markdown (str): The page.
    source (str): Its path in the repository.
    titles (Mapping[str, str]): The title of each page of the site, by its path.
    RETURNS (str): The page with adapted links.
    """

    def adapt(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        is_page = path.startswith("docs/") and (is_generated(path) or (ROOT / path).is_file())
        if path not in COPIED and not is_page:
            return text
        page = COPIED.get(path, path.removeprefix("docs/"))
        return f"[{titles.get(page, text) if text.endswith('.md') else text}]({page}{anchor})"

    # Not in code blocks.
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.S | re.M)
    parts[::2] = [_LINK.sub(adapt, part) for part in parts[::2]]
    return "".join(parts)


def is_generated(path: str) -> bool:
    """RETURNS (bool): Whether a path in docs/ is a page that only exists on the site."""
    return path.removeprefix("docs/") in (*GENERATED, *COPIED.values())
