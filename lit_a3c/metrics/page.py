"""A page that opens from a file without any request: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
)
"""What a browser lets the page load: nothing but what is inside."""
STYLE = """
:root { color-scheme: light dark; --line: #d5d9df; --soft: #f4f6f8; --text: #1c2126; --quiet: #59636e; }
@media (prefers-color-scheme: dark) { :root { --line: #363d46; --soft: #1c2128; --text: #dfe4ea; --quiet: #97a1ac; } }
* { box-sizing: border-box; }
html { background: Canvas; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line);
     overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
p.note { color: var(--quiet); font-size: .875rem; margin: .4rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: break-word; }
pre, code { font: .85rem/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; border-radius: 6px; margin: .4rem 0; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
svg, video { display: block; max-width: 100%; height: auto; }
video { border-radius: 6px; background: #000; }
summary { cursor: pointer; }
nav a { margin-right: 1rem; overflow-wrap: anywhere; }
a { color: LinkText; }
"""


def document(title: str, body: Iterable[str]) -> bytes:
    """A whole page.

    Args:
        title: Plain text.
        body: Parts in HTML.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    ).encode(errors="replace")


def element(tag: str, text: object, attributes: str = "") -> str:
    """An element with a plain text in it. ``attributes`` are ours, never a run's."""
    return f"<{tag}{attributes and ' '}{attributes}>{escape(str(text))}</{tag}>"


def note(text: str) -> str:
    """A paragraph in small letters."""
    return element("p", text, 'class="note"')


def facts(rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and values. Rows without a value are left out."""
    lines = [f"<tr>{element('th', name)}{element('td', value)}</tr>" for name, value in rows if value not in (None, "")]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>' if lines else ""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a head."""
    top = "".join(element("th", name) for name in head)
    lines = ["".join(element("td", cell) for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def folded(summary: str, text: str) -> str:
    """A long text that opens with a click."""
    return f"<details>{element('summary', summary)}{element('pre', text)}</details>"


def video(data: bytes) -> str:
    """A video in H.264, inside the page."""
    source = base64.b64encode(data).decode()
    return f'<video controls loop muted playsinline preload="metadata" src="data:video/mp4;base64,{source}"></video>'
