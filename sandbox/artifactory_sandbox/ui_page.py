"""One page where Artifactory's own user interface has its tree, so that links to an item lead somewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from artifactory_sandbox import items
from artifactory_sandbox.calls import call_of
from artifactory_sandbox.config import Action

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from artifactory_sandbox.items import Item

_ROOT = "/ui/repos/tree/General"
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}"
    "td{font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
)


async def show_item(request: Request) -> Response:
    """Show an item, or say that it is not there."""
    call = call_of(request)
    repository = request.path_params["repository"]
    path = request.path_params.get("path", "").strip("/")
    call.service.access.require(call.user, Action.READ, repository, path)

    def look(tx: sqlite3.Connection) -> tuple[Item | None, list[Item], dict[str, list[str]]]:
        item = items.find(tx, repository, path)
        below = items.children(tx, repository, path)
        return item, below, items.properties(tx, item.id) if item else {}

    item, below, found = await call.service.database.read(look)
    exists = repository in call.service.config.repositories and (item is not None or not path)
    if not exists:
        body = "<p>There is no item of this path.</p>"
        return HTMLResponse(_page(repository, path, body), 404, headers=_SECURITY)
    body = _facts(item) + _list(repository, below) + _table("Properties", found)
    return HTMLResponse(_page(repository, path, body), headers=_SECURITY)


def _page(repository: str, path: str, body: str) -> str:
    crumbs, walked = [_link(repository, "", repository)], ""
    for part in filter(None, path.split("/")):
        walked = f"{walked}/{part}".strip("/")
        crumbs.append(_link(repository, walked, part))
    title = escape(f"{repository}/{path}".rstrip("/"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{' / '.join(crumbs)}</h1>{body}</body></html>"
    )


def _facts(item: Item | None) -> str:
    if item is None:
        return ""
    facts = {"Created": [f"{item.created} by {item.created_by}"], "Last modified": [item.modified]}
    facts["Last updated"] = [item.updated]
    if not item.is_folder:
        facts |= {"Digest": [item.digest or ""], "Size": [f"{item.size} bytes"], "Type": [item.media_type or ""]}
    return _table("Item", facts)


def _list(repository: str, below: Sequence[Item]) -> str:
    if not below:
        return ""
    entries = "".join(f"<li>{_link(repository, one.full_path, one.name)}</li>" for one in below)
    return f"<h2>Contents</h2><ul>{entries}</ul>"


def _table(title: str, rows: Mapping[str, Sequence[str]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><th>{escape(key)}</th><td>{escape(', '.join(values))}</td></tr>" for key, values in rows.items()
    )
    return f"<h2>{title}</h2><table>{cells}</table>"


def _link(repository: str, path: str, text: str) -> str:
    target = quote(f"{_ROOT}/{repository}/{path}".rstrip("/"))
    return f'<a href="{escape(target)}">{escape(text)}</a>'


ROUTES = [Route(f"{_ROOT}/{{repository}}", show_item), Route(f"{_ROOT}/{{repository}}/{{path:path}}", show_item)]
