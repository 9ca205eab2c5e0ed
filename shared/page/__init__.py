"""The "Bulk operation results" page: fixed files without data, for any browser that gets through the sign-in.

Everything that it shows comes from the API, which checks the caller's role. The headers let it load nothing from
elsewhere and run nothing but its own scripts.
"""

from pathlib import Path

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_FOLDER = Path(__file__).parent
INDEX = "index.html"
# Names are looked up here and never become part of a path.
_SCRIPTS = (
    "script",
    "list",
    "row",
    "operation",
    "details",
    "errors",
    "start",
    "save",
    "saved",
    "schedule",
    "fielderrors",
    "preview",
    "peruser",
    "columns",
    "compare",
    "filters",
    "userlist",
    "users",
    "api",
    "dom",
    "words",
)
LANGUAGES = ("en", "nl")
_FILES = {
    name: _FOLDER / name
    for name in (
        INDEX,
        "style.css",
        "icon.svg",
        *(f"{name}.js" for name in _SCRIPTS),
        *(f"texts.{language}.json" for language in LANGUAGES),
    )
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none';"
        # The last two: no text ever becomes markup, not even by a mistake in a script.
        " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def read(name: str) -> tuple[bytes, dict[str, str]] | None:
    """The bytes and headers of one of the page's files; None when it has no such file."""
    file = _FILES.get(name)
    if file is None:
        return None
    return file.read_bytes(), {**_HEADERS, "Content-Type": f"{_TYPES[file.suffix]}; charset=utf-8"}
