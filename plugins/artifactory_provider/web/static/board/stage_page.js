// All that stands in a stage, to be searched and taken away as CSV and JSON.

import { h, Link } from "./airflow.js";
import { Pages, Search } from "./filters.js";
import { boardPage, differencePage, historyPage, imagePage } from "./links.js";
import { By, Digest, Notice, Old, Page, Pending, State, Time, useTicking } from "./parts.js";
import { useQuery } from "./query.js";
import { boardUrl, useJson } from "./requests.js";

const LIMIT = 100;
const LIVE = 60000;
const ALL = { csv: {}, json: { limit: 100000 } };

/** Where the same can be had as a file, all pages of it. */
export function Downloads({ path, query }) {
  return Object.entries(ALL).map(([kind, all]) =>
    h(
      "a",
      { key: kind, className: "ab-link", href: boardUrl(`${path}.${kind}`, { ...query, ...all }), download: "" },
      kind.toUpperCase(),
    ),
  );
}

export function StagePage() {
  const [query, change] = useQuery("repository", "q", "start");
  useTicking();
  const url = query.repository ? boardUrl("board/stage.json", { ...query, limit: LIMIT }) : null;
  const asked = useJson(url, (stage) => (stage?.is_refreshing ? 2000 : LIVE));
  const { error, reload } = asked;
  const data = asked.data?.repository === query.repository ? asked.data : null;
  const ladders = useJson(boardUrl("board.json", { limit: 1 })).data?.ladders ?? [];
  if (!query.repository)
    return h(Page, { title: "Stage" }, h(Notice, { title: "Which stage?" }, "The address names no repository."));
  const { start, ...all } = query;
  const aside = [
    h(Link, { key: "history", to: historyPage({ repository: query.repository }), className: "ab-link" }, "History"),
    h(Downloads, { key: "files", path: "board/stage", query: all }),
  ];
  return h(
    Page,
    { title: query.repository, back: boardPage(), aside },
    h(
      "div",
      { className: "ab-fields ab-still" },
      h(Search, {
        value: query.q,
        label: "Search image, tag or digest",
        onChange: (q) => change({ q, start: "" }, { replace: true }),
      }),
      h(Beside, { ladders, repository: query.repository }),
    ),
    data?.trouble && h(Notice, { title: "What is shown may be old." }, data.trouble),
    h(Old, { ...asked, data }),
    !data && h(Pending, { error, reload, what: "the stage" }),
    data && h(Rows, { stage: data, ladders }),
    data && h(Pages, { start: data.start, count: data.rows.length, found: data.found, limit: LIMIT, change }),
  );
}

/** The stages that this one can be compared with: those of its ladders. */
function Beside({ ladders, repository }) {
  const near = new Map();
  for (const { stages } of ladders) {
    if (!stages.some((one) => one.repository === repository)) continue;
    for (const stage of stages) if (stage.repository !== repository) near.set(stage.repository, stage.name);
  }
  return [...near].map(([other, name]) =>
    h(Link, { key: other, className: "ab-link", to: differencePage(repository, other) }, `Compare with ${name}`),
  );
}

function Rows({ stage, ladders }) {
  if (stage.rows.length === 0) return h("p", { className: "ab-empty" }, "No tag of this stage is meant.");
  const ladder = ladders.find(({ stages }) => stages.some((one) => one.repository === stage.repository))?.name;
  return h(
    "table",
    { className: "ab-plain" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Image", "Tag", "State", "Digest", "Came there", "By"].map((name) =>
          h("th", { key: name, scope: "col" }, name),
        ),
      ),
    ),
    h(
      "tbody",
      null,
      stage.rows.map((row) =>
        h(
          "tr",
          { key: `${row.image}:${row.tag}` },
          h("th", { scope: "row" }, h(Link, { to: imagePage(row.image, ladder), className: "ab-link" }, row.image)),
          h("td", { className: "ab-tagged" }, h("code", { className: row.is_shown ? "ab-tag" : undefined }, row.tag)),
          h("td", null, row.word && h(State, { state: row.state, word: row.word, title: row.reason })),
          h("td", null, h(Digest, { digest: row.digest })),
          h("td", null, h(Time, { at: row.updated })),
          h("td", null, h(By, { by: row.by })),
        ),
      ),
    ),
  );
}
