// What was promoted, where to, by which run, and who started that: as Airflow's events tell it, the newest first.

import { absolute, Button, Fragment, h, Link, relative, useId } from "./airflow.js";
import { Choice, Search } from "./filters.js";
import { boardPage, historyPage, imagePage, stagePage } from "./links.js";
import { By, Digest, Old, Page, Pending, State, useTicking } from "./parts.js";
import { useQuery } from "./query.js";
import { boardUrl, useJson } from "./requests.js";

const CONDITIONS = ["q", "repository", "outcome", "dag", "run", "from", "before"];
const NONE = Object.fromEntries([...CONDITIONS, "older"].map((name) => [name, ""]));
const LIVE = 60000;
const MOST = 500;
const COLUMNS = ["When", "Into", "From", "Digest", "Outcome", "By"];
const STATES = { promoted: "current", unchanged: "nothing" };

const count = (number) => number.toLocaleString("en");

export function HistoryPage() {
  const [query, change] = useQuery(...Object.keys(NONE));
  const { older, ...wanted } = query;
  useTicking();
  const url = boardUrl("promotions.json", { ...query, brief: "true" });
  const asked = useJson(url, () => (older ? null : LIVE));
  const { data, error, reload } = asked;
  const ladders = useJson(boardUrl("board.json", { limit: 1 })).data?.ladders ?? [];
  const isStage = ladders.some(({ stages }) => stages.some((one) => one.repository === wanted.repository));
  return h(
    Page,
    {
      title: "History of promotions",
      back: boardPage(),
      aside: h(Downloads, { query: wanted }),
      className: "ab-promotions",
    },
    h(Conditions, { query, change, repositories: data?.repositories ?? [] }),
    (wanted.dag || wanted.run) && h(OfRun, { query }),
    isStage && h(Trail, { query: wanted }),
    h(Old, asked),
    !data && h(Pending, { error, reload, what: "the history" }),
    data && data.groups.length === 0 && h(Nothing, { query, change }),
    data && data.groups.length > 0 && h(Promotions, { page: data, query, ladders }),
    data && h(Onward, { query, next: data.older }),
  );
}

/** Where the same can be had as a file: all pages of it, or as much as one answer of the JSON API has. */
function Downloads({ query }) {
  return [
    h(File, { key: "csv", path: "promotions.csv", query, title: "All of them, 100,000 rows at most" }, "CSV"),
    h(
      File,
      {
        key: "json",
        path: "promotions.json",
        query: { ...query, limit: MOST },
        title: `The newest ${MOST} events; older says where the next page begins`,
      },
      "JSON",
    ),
  ];
}

const File = ({ path, query, title, children }) =>
  h("a", { className: "ab-link", href: boardUrl(path, query), download: "", title }, children);

function Conditions({ query, change, repositories }) {
  const narrow = (changes, how) => change({ ...changes, older: "" }, how);
  return h(
    "div",
    { className: "ab-fields ab-still", role: "search" },
    h(Search, {
      value: query.q,
      label: "Search image, tag, digest, DAG, run or person",
      onChange: (q) => narrow({ q }, { replace: true }),
    }),
    h(Choice, {
      name: "Into",
      value: query.repository,
      all: "All repositories",
      options: repositories,
      onChange: (repository) => narrow({ repository }),
    }),
    h(Choice, {
      name: "Outcome",
      value: query.outcome,
      all: "All outcomes",
      options: Object.keys(STATES),
      onChange: (outcome) => narrow({ outcome }),
    }),
    // A year that is typed is another day with each digit: none of them is a page to go back to.
    h(Day, { name: "From", value: query.from, onChange: (from) => narrow({ from }, { replace: true }) }),
    h(Day, { name: "Before", value: query.before, onChange: (before) => narrow({ before }, { replace: true }) }),
  );
}

/** A day of UTC; an address may hold any moment, whose day is shown. */
function Day({ name, value, onChange }) {
  const id = useId();
  return h(
    "span",
    { className: "ab-day" },
    h("label", { htmlFor: id, className: "ab-muted" }, name),
    h("input", {
      id,
      type: "date",
      className: "ab-input",
      title: "A day of UTC",
      value: value.slice(0, 10),
      onChange: (event) => onChange(event.target.value),
    }),
  );
}

function OfRun({ query: { dag, run, ...others } }) {
  return h(
    "p",
    { className: "ab-still ab-said" },
    run ? "Only the run " : "Only the DAG ",
    h("code", null, run || dag),
    run && dag && [" of ", h("code", { key: "dag" }, dag)],
    ". ",
    h(Link, { to: historyPage({ ...others, older: "" }), className: "ab-link" }, "Show all runs"),
  );
}

/** What the images of a stage say, too. */
function Trail({ query: { repository, from, before } }) {
  const query = { repository, from, before };
  return h(
    "p",
    { className: "ab-still ab-said" },
    "The audit trail of ",
    h("code", null, repository),
    ", with what its images say: ",
    h(File, { path: "trail.csv", query }, "Trail as CSV"),
    " ",
    h(File, { path: "trail.json", query }, "Trail as JSON"),
  );
}

function Nothing({ query, change }) {
  if (!CONDITIONS.some((name) => query[name]) && !query.older)
    return h("p", { className: "ab-empty" }, "Nothing was promoted yet.");
  return h(
    "div",
    { className: "ab-empty" },
    h("p", null, "No promotion that an event tells of fits. With no time, DAG or run, Airflow's newest 20,000 asset events are looked through."),
    h(Button, { size: "xs", variant: "outline", onClick: () => change(NONE) }, "Show all"),
    query.q && [
      " ",
      h(Link, { key: "board", to: boardPage({ q: query.q }), className: "ab-link" }, "Look for it on the board"),
    ],
  );
}

// Each part says what it is: where rows become cards, a table is none of itself any more.
function Promotions({ page, query, ladders }) {
  const ladderOf = new Map(ladders.flatMap((one) => one.stages.map(({ repository }) => [repository, one.name])));
  let start = 0;
  const groups = page.groups.map((group) => {
    const promotions = page.promotions.slice(start, start + group.listed);
    start += group.listed;
    return { ...group, promotions };
  });
  return h(
    "table",
    { className: "ab-plain", role: "table", "aria-label": "Promotions" },
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        COLUMNS.map((name) => h("th", { key: name, scope: "col", role: "columnheader" }, name)),
      ),
    ),
    h(
      "tbody",
      { role: "rowgroup" },
      groups.map((group) => h(Group, { key: group.event, group, query, ladderOf })),
    ),
  );
}

/** The promotions of one image by one task; after the last of a run that is listed, how many more it has made. */
function Group({ group, query, ladderOf }) {
  const [first] = group.promotions;
  const when = absolute(first.timestamp);
  const total = Object.values(group.outcomes).reduce((sum, some) => sum + some, 0);
  const cell = (name, more, ...children) => h("td", { role: "cell", "data-column": name, ...more }, ...children);
  return h(
    Fragment,
    null,
    h(
      "tr",
      { role: "row" },
      cell("When", {}, h("time", { dateTime: first.timestamp, title: relative(first.timestamp) }, when)),
      total === 1
        ? [
            cell("Into", { key: "into" }, h(Reference, { text: first.target, ladderOf })),
            cell("From", { key: "from" }, h(Reference, { text: first.source })),
            cell("Digest", { key: "digest" }, h(Digest, { digest: first.digest })),
          ]
        : cell("Into", { colSpan: 3, className: "ab-many" }, h(Many, { group, total, ladderOf })),
      cell("Outcome", {}, total === 1 ? h(Outcome, { promotion: first }) : h(Outcomes, { outcomes: group.outcomes })),
      cell("By", {}, h(Origin, { promotion: first })),
    ),
    group.left_out > 0 &&
      h(
        "tr",
        { className: "ab-left-out", role: "row" },
        h(
          "td",
          { role: "cell", colSpan: COLUMNS.length },
          h(
            Link,
            { to: historyPage({ ...query, dag: first.dag_id, run: first.run_id, older: "" }), className: "ab-link" },
            `${count(group.left_out)} more of this run of ${first.dag_id}`,
          ),
        ),
      ),
  );
}

function Many({ group, total, ladderOf }) {
  const left = total - group.listed;
  return h(
    "details",
    null,
    h("summary", null, h(Reference, { text: group.image, ladderOf }), ` ${count(total)} tags`),
    h(
      "ul",
      null,
      group.promotions.map((one, place) =>
        h(
          "li",
          { key: place, className: "ab-line" },
          h("code", null, one.target.slice(one.target.lastIndexOf(":") + 1)),
          one.source && ["from ", h(Reference, { key: "from", text: one.source })],
          h(Digest, { digest: one.digest }),
          h(Outcome, { promotion: one }),
        ),
      ),
      left > 0 && h("li", null, `… and ${count(left)} more: search for a tag to find it.`),
    ),
  );
}

/** Repository, image and tag, whole as long as they fit into a line; those of a ladder lead to their pages. */
function Reference({ text, ladderOf }) {
  const [, repository, image, tag] = /^([^/]*)\/(.*?)(:[^/:]*)?$/s.exec(text) ?? [];
  const ladder = ladderOf?.get(repository);
  if (ladder === undefined) return h("code", { className: "ab-reference" }, text);
  return h(
    "code",
    { className: "ab-reference" },
    h(Link, { to: stagePage(repository), className: "ab-plainlink" }, repository),
    "/",
    h(Link, { to: imagePage(image, ladder), className: "ab-link" }, image),
    tag,
  );
}

function Outcome({ promotion: { outcome, moved, replaced } }) {
  return h(
    "span",
    { className: "ab-line" },
    h(State, { state: STATES[outcome] ?? "unknown", word: outcome || "unknown" }),
    moved && h("span", { className: "ab-muted ab-small" }, "moved"),
    replaced && h("span", { className: "ab-muted ab-small" }, "in place of ", h(Digest, { digest: replaced })),
  );
}

function Outcomes({ outcomes }) {
  return h(
    "span",
    { className: "ab-line" },
    Object.entries(outcomes).map(([name, some]) =>
      h(State, { key: name, state: STATES[name] ?? "unknown", word: `${count(some)} ${name || "unknown"}` }),
    ),
  );
}

function Origin({ promotion }) {
  if (!promotion.dag_id || !promotion.run_id) return h("span", { className: "ab-muted" }, "outside of DAGs");
  const started = promotion.started?.replaceAll("_", " ");
  return [
    h(By, { key: "by", by: promotion }),
    started && h("span", { key: "started", className: "ab-muted ab-small" }, ` ${started}`),
  ];
}

function Onward({ query, next }) {
  const to = (older) => historyPage({ ...query, older });
  return h(
    "nav",
    { className: "ab-pages ab-still", "aria-label": "Pages" },
    query.older && h(Link, { to: to(""), className: "ab-link" }, "Newest"),
    next && h(Link, { to: to(next), rel: "next", className: "ab-link" }, "Older"),
  );
}
