"""The HTML page and the JSON of a comparison. The page has no script, all text is escaped, and its
content security policy allows only its style, by hash."""

import base64
import hashlib
import json
from html import escape
from pathlib import Path

from ..evaluation.scores import asdict
from ..util import write_atomic
from .drift import NOTHING, RETRAIN, TEACH, Drift, RisingName, Sample

FORMATS = (".html", ".json")
_ADVICE = {
    NOTHING: "Nothing to do",
    TEACH: "Teach these names: label some of the examples and train on them",
    RETRAIN: "Retrain: label new tweets and train again",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2430; margin: 2rem auto; max-width: 60rem;
  padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #dfe2e8 }
th:first-child, td:first-child { text-align: left }
.advice { border-left: 4px solid #0072B2; background: #f4f6f9; padding: .6rem 1rem }
.retrain { border-color: #D55E00 }
.unsure { color: #D55E00; font-weight: 600 }
.muted { color: #5b6270; font-size: .9em; text-align: left; overflow-wrap: anywhere }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{hash}'; \
base-uri 'none'; form-action 'none'">
<title>Drift</title>
<style>{style}</style>
</head>
<body>
<h1>Drift</h1>
<p class="muted">{model}</p>
<p class="advice {advice}"><strong>{title}.</strong> Because {reasons}.</p>
<table>
<tr><th></th><th>Old</th><th>New</th></tr>
{samples}
</table>
<h2>Rising names</h2>
<table>
<tr><th>Name</th><th>Type</th><th>Old</th><th>New</th><th>z</th><th>Confidence</th></tr>
{names}
</table>
<p class="muted">Expected numbers of tweets. Names in red are those that the pipeline is unsure
of.</p>
</body>
</html>
"""


def write_drift(drift: Drift, path: Path) -> None:
    """Write a comparison as HTML or JSON.

    drift (Drift): The comparison.
    path (Path): The file: .html or .json. An existing file is replaced.
    RAISES (ValueError): If the path has another suffix.
    RAISES (OSError): If the file can't be written.
    """
    require_format(path)
    if path.suffix == ".html":
        text = make_page(drift)
    else:
        text = json.dumps(asdict(drift), indent=1) + "\n"
    with write_atomic(path) as (temporary,):
        temporary.write_text(text, encoding="utf8", newline="\n")


def require_format(path: Path) -> None:
    """RAISES (ValueError): If a comparison can't be written to a file of this name."""
    if path.suffix not in FORMATS:
        raise ValueError(f"cannot write {path}: the file name must end in {', '.join(FORMATS)}")


def make_page(drift: Drift) -> str:
    """RETURNS (str): The HTML page of a comparison."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    names = "\n".join(map(_name_rows, drift.rising))
    return _PAGE.format(
        hash=f"sha256-{digest}",
        style=_STYLE,
        model=escape(drift.model),
        advice=drift.advice,
        title=_ADVICE[drift.advice],
        reasons=escape(" and ".join(drift.reasons)),
        samples=_sample_rows(drift.old, drift.new),
        names=names or '<tr><td colspan="6">None</td></tr>',
    )


def _sample_rows(old: Sample, new: Sample) -> str:
    rows = (
        ("Tweets", *(f"{each.tweets:,}" for each in (old, new))),
        ("Words", *(f"{each.words:,}" for each in (old, new))),
        ("Unknown words", *(f"{each.unknown:.1%}" for each in (old, new))),
        ("Names per tweet", *(f"{each.names:.2f}" for each in (old, new))),
        ("Mean confidence", *(f"{each.confidence:.3f}" for each in (old, new))),
    )
    return "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)


def _name_rows(name: RisingName) -> str:
    kind = ' class="unsure"' if name.is_unsure else ""
    cells = (
        escape(name.type),
        *(f"{value:,.1f}" for value in (name.old, name.new, name.z)),
        f"{name.confidence:.2f}",
    )
    row = f"<td{kind}>{escape(name.text)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells)
    examples = "<br>".join(map(escape, name.examples))
    return f'<tr>{row}</tr>\n<tr><td class="muted" colspan="6">{examples}</td></tr>'
