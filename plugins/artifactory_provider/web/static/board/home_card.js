// On Airflow's home: which promotions need somebody. Where nothing does, or nobody may know, nothing is there.

import { h, Link } from "./airflow.js";
import { Icon } from "./icons.js";
import { boardPage, imagePage } from "./links.js";
import { State, Styles, Time, useTicking } from "./parts.js";
import { boardUrl, useJson } from "./requests.js";
import { COUNTED, iconOf, toneOf } from "./states.js";

const LIVE = 60000;
const SOON = 2000;
const URGENT = new Set(["failed", "drift", "conflict", "approval"]);
const SHOWN = 5;

export function HomeCard() {
  useTicking();
  const { data } = useJson(boardUrl("board.json", { limit: 1 }), (board) =>
    board?.is_refreshing && !board.as_of ? SOON : LIVE,
  );
  const counts = data?.counts ?? {};
  const isAsking = counts.approval > 0;
  const asking = useJson(
    isAsking ? boardUrl("board.json", { state: "approval", limit: SHOWN }) : null,
    () => LIVE,
  ).data;
  const urgent = COUNTED.filter(([state]) => URGENT.has(state) && counts[state] > 0);
  if (urgent.length === 0 && !(data?.stops?.length > 0)) return null;
  return h(
    "section",
    { className: "ab-home", "aria-label": "Promotions that need somebody" },
    h(Styles),
    h("h2", null, "Promotions that need somebody"),
    h(
      "div",
      { className: "ab-counts" },
      data.stops.length > 0 &&
        h(Link, { to: boardPage(), className: "ab-count ab-bad" }, h(Icon, { name: "stop" }), "the line is stopped"),
      urgent.map(([state, words]) =>
        h(
          Link,
          { key: state, to: boardPage({ state }), className: `ab-count ab-${toneOf(state)}` },
          h(Icon, { name: iconOf(state) }),
          h("b", null, counts[state].toLocaleString("en")),
          words,
        ),
      ),
    ),
    isAsking && asking && h("ul", { className: "ab-results" }, asking.rows.flatMap(askedOf)),
  );
}

const askedOf = (row) =>
  row.gates
    .filter((gate) => gate.state === "approval")
    .map((gate) =>
      h(
        "li",
        { key: `${row.ladder} ${row.image} ${gate.to}`, className: "ab-line" },
        h(Link, { to: imagePage(row.image, row.ladder), className: "ab-link" }, row.image),
        h("code", null, gate.tag),
        h(State, { state: gate.state, word: `for ${gate.to}` }),
        gate.since && h(Time, { at: gate.since, prefix: "since " }),
      ),
    );
