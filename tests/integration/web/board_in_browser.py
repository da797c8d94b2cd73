"""What the tests of the board in a browser share: Airflow's API server on a port, Chromium, and boards to show."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from demo.browser import open_browser
from tests.integration.web.board_api import login

from artifactory_provider.board.states import COUNTED, WORDS, CellState, GateState
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION
from artifactory_provider.web.board.demand_models import DemandPlan, PlannedImage
from artifactory_provider.web.board.models import (
    Action,
    ActionName,
    Actions,
    Board,
    By,
    Cell,
    Gate,
    LadderStage,
    ShownLadder,
    ShownRow,
    ShownStop,
    TaskLink,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastapi.testclient import TestClient
    from playwright.sync_api import Browser, BrowserContext, Page, Route

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DIGEST = f"sha256:0{'a' * 63}"
STAGES = ("dev", "qa", "prod")
RUN = TaskLink(dag_id="nightly", run_id="scheduled__2026-11-01", task_id="approve_prod", map_index=3)
BY = By(dag_id="nightly", run_id="scheduled__2026-11-01", task_id="promote_to_qa", user="jane", started="manual")
READY = {"state": GateState.READY, "word": "ready", "tag": "1.0", "digest": DIGEST, "target_tag": "1.0"}
TAG = {name: name for name in ("repository", "image", "tag", "reason")}
FIELDS: dict[ActionName, dict[str, str]] = {
    "promote": {"image": "image", "tag": "tag", "from": "source_repository", "to": "target_repository"},
    "roll_back": {**TAG, "version": "version", "replaces": "replaces"},
    "hold": TAG,
    "reject": TAG,
    "stop": {name: name for name in ("reason", "repositories", "images", "until", "also_rollbacks")},
    "resume": {"reason": "reason", "repositories": "repositories"},
    "answer": {},
    "retry": {},
    "run": {"images": "images", "to": "stage"},
}
OF_A_LADDER = frozenset({"answer", "retry", "run"})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(api_server: TestClient) -> Iterator[str]:
    """The address of Airflow's API server, with its UI."""
    server = uvicorn.Server(uvicorn.Config(api_server.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server has ended"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@contextlib.contextmanager
def session(browser: Browser, address: str, *, role: str = "admin") -> Iterator[BrowserContext]:
    """Give a session of somebody who is logged in."""
    context = browser.new_context(base_url=address, timezone_id="UTC", locale="en-GB", reduced_motion="reduce")
    token = login(role)["Authorization"].removeprefix("Bearer ")
    context.add_cookies([{"name": "_token", "value": token, "url": address}])
    context.add_init_script("localStorage.i18nextLng = 'en'; localStorage.theme ||= 'light';")
    try:
        yield context
    finally:
        context.close()


@pytest.fixture(scope="module")
def shared_session(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """An administrator's session: each has to load the whole of Airflow's UI."""
    with session(browser, address) as context:
        yield context


@pytest.fixture
def page(shared_session: BrowserContext) -> Iterator[Page]:
    """A page of an administrator, whose browser remembers nothing of another test's choices."""
    page = shared_session.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    yield page
    page.evaluate("localStorage.clear()")
    page.close()


def cell(level: int, tag: str = "1.0", *, state: CellState = CellState.CURRENT, **more: Any) -> Cell:
    """Return what a stage shows."""
    shown: dict[str, Any] = {
        "stage": STAGES[level],
        "repository": f"docker-{STAGES[level]}",
        "tag": tag,
        "digest": DIGEST,
        "updated": NOW - datetime.timedelta(hours=2),
        "state": state,
        "word": WORDS[state],
        "reason": "",
        "behind": 0,
        "by": BY if level else None,
        "pushed_by": None,
        "tags": 3,
        "url": "",
    }
    return Cell.model_validate({**shown, **more})


def gate(level: int, *, state: GateState = GateState.NOTHING, **more: Any) -> Gate:
    """Return what stands between a stage and the next."""
    shown: dict[str, Any] = {
        "from_stage": STAGES[level],
        "to": STAGES[level + 1],
        "state": state,
        "word": WORDS[state],
        "reason": "",
        "since": None,
        "until": None,
        "link": None,
        "may_answer": [],
        "tag": "1.0",
        "target_tag": "1.0",
        "digest": DIGEST,
    }
    return Gate.model_validate({**shown, **more})


def row(
    image: str,
    *,
    cells: Sequence[Cell] = (),
    gates: Sequence[Gate] = (),
    owner: str = "payments",
    connection: str = DEFAULT_CONNECTION,
) -> ShownRow:
    """Return an image that stands everywhere, but for what is given."""
    given = {one.stage: one for one in cells}
    between = {one.to: one for one in gates}
    return ShownRow(
        image=image,
        ladder="nightly",
        owner=owner,
        connection=connection,
        cells=[given.get(name) or cell(level) for level, name in enumerate(STAGES)],
        gates=[between.get(name) or gate(level) for level, name in enumerate(STAGES[1:])],
    )


def board(rows: Sequence[ShownRow], *, start: int = 0, found: int | None = None, **more: Any) -> Board:
    """Return a page of a board."""
    counts = dict.fromkeys(COUNTED, 0)
    for one in rows:
        for state in {*(each.state for each in one.cells), *(each.state for each in one.gates)}:
            counts[state] += 1
    stages = [LadderStage(name=name, repository=f"docker-{name}", connection=DEFAULT_CONNECTION) for name in STAGES]
    shown: dict[str, Any] = {
        "as_of": NOW,
        "is_refreshing": False,
        "trouble": None,
        "ladders": [ShownLadder(name="nightly", title="Nightly", owner="payments", stages=stages)],
        "owners": ["payments"],
        "counts": counts,
        "stops": [],
        "found": len(rows) if found is None else found,
        "start": start,
        "rows": list(rows),
    }
    return Board.model_validate({**shown, **more})


def actions(*names: ActionName) -> Actions:
    """Return that these actions may be taken."""
    return Actions(
        actions=[
            Action(
                action=name,
                title=name,
                dag_id="nightly" if name in OF_A_LADDER else f"does_{name}",
                method="POST",
                path="",
                conf={"constant": name},
                fields=FIELDS[name],
                lists=[],
                is_paused=False,
                connection=None if name in {*OF_A_LADDER, "stop", "resume"} else DEFAULT_CONNECTION,
            )
            for name in names
        ],
        user="admin",
    )


AXE = (files("axe_playwright_python") / "axe.min.js").read_text()


def serious_findings(page: Page, part: str) -> list[str]:
    """Return what axe finds serious or critical in a part of a page."""
    page.evaluate(AXE)
    found = page.evaluate("part => axe.run(part)", part)["violations"]
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


STOP = ShownStop(repositories=["docker-prod"], images=["*"], reason="incident 4711", by="jane", since=NOW, until=None)


def show(page: Page, shown: Board | Sequence[Board], *names: ActionName) -> list[dict[str, list[str]]]:
    """Have the board of a page be what is given, one after the other; return the queries that it was asked with."""
    boards = [shown] if isinstance(shown, Board) else list(shown)
    asked: list[dict[str, list[str]]] = []

    def answer(route: Route) -> None:
        asked.append(parse_qs(urlsplit(route.request.url).query))
        current = boards.pop(0) if len(boards) > 1 else boards[0]
        route.fulfill(body=current.model_dump_json(by_alias=True), content_type="application/json")

    page.route("**/artifactory/board.json*", answer)
    if names:  # otherwise what the server itself lets the user do
        page.route(
            "**/artifactory/board/actions.json*",
            lambda route: route.fulfill(body=actions(*names).model_dump_json(), content_type="application/json"),
        )
    return asked


def plan(
    page: Page,
    answer: Callable[[str, str | None], dict[str, Any] | list[dict[str, Any]] | None],
    *,
    trouble: str | None = None,
) -> None:
    """Have what runs would say of an image, where tags that show another one are treated so, be what is given.

    :param answer: one for each target tag; None for an image of which nothing is known.
    """

    def fulfil(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        names = [one.partition(":")[0] for one in asked["image"]]
        on_conflict: Any = asked.get("on_conflict", [None])[0]
        answers = [(name, answer(name, on_conflict)) for name in names]
        known = [
            {"image": name, "change": "new", "on_conflict": on_conflict or "fail", **READY, **one}
            for name, said in answers
            for one in ([] if said is None else [said] if isinstance(said, dict) else said)
        ]
        made = DemandPlan(
            as_of=NOW if known else None,
            is_refreshing=not known,
            trouble=trouble,
            ladder=asked["ladder"][0],
            from_stage=asked["from"][0],
            to=asked["to"][0],
            on_conflict=on_conflict,
            images=list(map(PlannedImage.model_validate, known)),
        )
        route.fulfill(body=made.model_dump_json(by_alias=True), content_type="application/json")

    page.route("**/artifactory/board/plan.json*", fulfil)
