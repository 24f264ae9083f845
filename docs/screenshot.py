"""Take a screenshot of an HTML report for the docs. Needs Playwright (extra `dev`).

python docs/screenshot.py metrics/sample/finetune/report.html docs/img/report.png
"""

import io
import shutil
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from playwright.sync_api import sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def screenshot_cli(
    report: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="report.html")],
    output: Annotated[Path, typer.Argument(help="File to write (.png)")],
    address: Annotated[str, typer.Option(help="Filters to apply (URL part after #)")] = "",
    element: Annotated[str, typer.Option(help="ID of the element to scroll to")] = "summary",
    scheme: Annotated[str, typer.Option(help="light or dark")] = "light",
    width: Annotated[int, typer.Option(help="Window width")] = 1100,
    height: Annotated[int, typer.Option(help="Window height")] = 640,
) -> None:
    """Take a screenshot of the visible part of the page."""
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system, args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        page.goto(report.resolve().as_uri() + (f"#{address}" if address else ""))
        if element != "summary":
            page.evaluate("id => document.getElementById(id).scrollIntoView()", element)
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    output.parent.mkdir(parents=True, exist_ok=True)
    image.save(output, optimize=True)


if __name__ == "__main__":
    typer.run(screenshot_cli)
