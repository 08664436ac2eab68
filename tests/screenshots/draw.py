"""Draw reports in Debian's Chromium, at 1280 and 390 px, light and dark, into screenshots/; `make screenshots`.

    python tests/screenshots/draw.py [REPORT.html ...]

Without arguments: reports of made-up runs, and that of the newest real one below runs/. Ends with 1 if a page writes to
the console, fails, asks for anything outside itself, or scrolls sideways. Look at the pictures as well.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import click
from playwright.sync_api import Browser, Error, Request, sync_playwright

ROOT: Final = Path(__file__).resolve().parents[2]
CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SWITCHES: Final = (
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS_PX: Final = (1280, 390)
SCHEMES: Final = ("light", "dark")
SAMPLES: Final = ("usual", "digits", "sixty_classes", "unverified_gate", "hostile_names")


@click.command()
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--into", type=click.Path(path_type=Path), default=ROOT / "screenshots", help="Where the pictures go.")
def draw(reports: tuple[Path, ...], into: Path) -> None:
    """Draw each report; say what is wrong with it."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {name_of(report): report for report in reports} or sample_pages(Path(folder)) | newest_run()
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        except Error as error:
            raise click.ClickException(
                f"{CHROMIUM} cannot be started ({str(error).splitlines()[0]}). Wanted: Debian's Chromium. "
                "Install it (apt-get install chromium), or name another by the variable CHROMIUM."
            ) from None
        faults = [fault for name, page in pages.items() for fault in look_at(browser, name, page, into)]
        browser.close()
    for fault in faults:
        click.echo(fault, err=True)
    click.echo(f"{len(pages)} report(s) drawn into {into}, {len(faults)} fault(s)")
    sys.exit(bool(faults))


def look_at(browser: Browser, name: str, report: Path, into: Path) -> list[str]:
    """Draw one report at every width and in both schemes. Returns: its faults, in words."""
    faults: list[str] = []
    address = report.resolve().as_uri()
    for width in WIDTHS_PX:
        for scheme in SCHEMES:
            shot = f"{name}-{width}-{scheme}"
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.on("console", lambda message, shot=shot: faults.append(f"{shot}: console: {message.text}"))
            page.on("pageerror", lambda error, shot=shot: faults.append(f"{shot}: error: {error}"))

            def watch(request: Request, shot: str = shot) -> None:
                if request.url != address and not request.url.startswith("data:"):
                    faults.append(f"{shot}: asked for {request.url}")

            page.on("request", watch)
            page.goto(address)
            scroll, client = page.evaluate(
                "() => [document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
            )
            if scroll > client:
                faults.append(f"{shot}: {scroll} px wide in a window of {client} px")
            page.screenshot(path=into / f"{shot}.png", full_page=True)
            page.close()
    return faults


def sample_pages(folder: Path) -> dict[str, Path]:
    """Reports of made-up runs; the last one as it goes into a bundle, without pictures."""
    sys.path.insert(0, str(ROOT))
    from automl.report.page import render
    from tests.report.cases import CASES

    pages = {name: folder / f"{name}.html" for name in (*SAMPLES, "usual_in_bundle")}
    for name, page in pages.items():
        page.write_text(render(CASES[name.removesuffix("_in_bundle")](), name in SAMPLES), encoding="utf-8")
    return pages


def newest_run() -> dict[str, Path]:
    """The report of the run that ended last, if there is any."""
    found = sorted(ROOT.glob("runs/*/report/report.html"), key=lambda path: path.stat().st_mtime)
    return {name_of(path): path for path in found[-1:]}


def name_of(report: Path) -> str:
    """By its run's or bundle's folder."""
    folder = report.resolve().parent
    return f"run-{(folder.parent if folder.name == 'report' else folder).name}"


if __name__ == "__main__":
    draw()
