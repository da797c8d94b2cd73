// On a run: what it plans and what became of it, row by row and in words; a dry run can be run for real.

import { Button, Fragment, h, useState } from "./airflow.js";
import { Counts, Pages, Search } from "./filters.js";
import { Digest, Notice, Old, Page, Pending, State } from "./parts.js";
import { boardUrl, useJson } from "./requests.js";
import { RunDialog } from "./run_dialog.js";
import { Words } from "./words.js";

const LIVE = 5000;
// A plan is read whole at each question: one of very many rows is asked for less often.
const MANY = 5000;
const SELDOM = 30000;
const LIMIT = 100;
// What the plan says of a row, what somebody has to see to first: in which words, and which state it looks like.
const KINDS = {
  conflict: ["in conflict", "conflict"],
  refused: ["refused", "refused"],
  missing: ["missing", "failed"],
  keep: ["kept", "held"],
  replaces: ["replaces", "behind"],
  delete: ["to delete", "rejected"],
  new: ["new", "ready"],
  attachments: ["attachments only", "ready"],
  unchanged: ["unchanged", "nothing"],
};
const ENDS = {
  failed: "failed",
  refused: "refused",
  left: "held",
  "no word": "unknown",
  open: "verifying",
  "held back": "held",
  promoted: "current",
  deleted: "current",
  moved: "current",
  restored: "current",
  gone: "empty",
  unchanged: "nothing",
};

export function PlanTab({ dagId, runId }) {
  const [asked, setAsked] = useState({ q: "", kind: "", end: "", start: "" });
  const [isAsking, setAsking] = useState(null);
  const change = (changes) => setAsked((before) => ({ ...before, ...changes }));
  const path = `plans/${encodeURIComponent(dagId)}/${encodeURIComponent(runId)}`;
  const every = (found) => (found?.is_over ? 0 : countOf(found?.counts) > MANY ? SELDOM : LIVE);
  const words = useJson(boardUrl(`${path}/words.json`), every);
  const list = useJson(boardUrl(`${path}.json`, { ...asked, limit: LIMIT }), every);
  const total = countOf(list.data?.counts);
  const { start, ...all } = asked;
  const isNarrowed = Object.values(all).some(Boolean);
  const close = () => {
    const opener = isAsking;
    setAsking(null);
    // Once the dialog is gone: until then it keeps the focus to itself.
    setTimeout(() => opener?.focus());
  };
  const offer = words.data?.for_real;
  const aside = [
    offer &&
      h(
        Button,
        { key: "run", size: "sm", colorPalette: "brand", onClick: ({ currentTarget }) => setAsking(currentTarget) },
        "Run this for real …",
      ),
    total > 0 &&
      h("a", { key: "csv", className: "ab-link", href: boardUrl(`${path}.csv`, all), download: "" }, "CSV"),
  ];
  return h(
    Page,
    { title: "Plan", aside },
    isAsking && offer && h(RunDialog, { dagId, offer, onClose: close }),
    words.data ? h(Report, { words: words.data }) : h(Pending, { ...words, what: "the report" }),
    h(Old, words),
    (!list.error || list.error.message !== words.error?.message) && h(Old, list),
    (total > 0 || isNarrowed) && h(Narrowing, { data: list.data, asked, change, total }),
    !list.data && h(Pending, { ...list, what: "the rows of the plan" }),
    total > 0 && h(List, { data: list.data, asked, change, total }),
    words.data && (list.data || list.error) && h(Plan, { words: words.data, total, isListed: Boolean(list.data) }),
  );
}

const countOf = (counts) => Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);

/** Why there is no plan, or what became of it. */
function Report({ words }) {
  const { problems, reports, plans, unreadable } = words;
  return h(
    Fragment,
    null,
    problems.map((problem) => h(Notice, { key: problem }, h("span", { className: "ab-lines" }, problem))),
    unreadable &&
      h(
        Notice,
        { title: "What the tasks have handed on is in a store that this server cannot read:" },
        `${unreadable}. The log of the API server says more.`,
      ),
    reports.length > 0 &&
      h(
        "section",
        null,
        h("h2", null, "Report"),
        reports.map((blocks, place) => h(Words, { key: place, blocks })),
      ),
    reports.length === 0 &&
      plans.length > 0 &&
      words.is_over &&
      h("p", null, "This run has ended without a report: the logs of its tasks say why."),
  );
}

/** What is planned in words: open where there is little of it, or nothing but it. */
function Plan({ words, total, isListed }) {
  const { plans, problems, reports, unreadable } = words;
  if (plans.length > 0) {
    const texts = plans.map((blocks, place) => h(Words, { key: place, blocks }));
    if (total > 1) return h("details", { className: "ab-more-words" }, h("summary", null, "The plan in words"), texts);
    return h("section", null, h("h2", null, "Plan"), texts);
  }
  if (!isListed || problems.length > 0 || unreadable || total > 0 || (words.is_over && reports.length > 0)) return null;
  return h(
    "p",
    { className: "ab-empty" },
    words.is_over ? "This run has made no plan." : "This run has made no plan yet.",
  );
}

/** What narrows the rows: it stays where they cannot be read, so that something else can be asked for. */
function Narrowing({ data, asked, change, total }) {
  return h(
    "div",
    { className: "ab-filters ab-still" },
    h(Counts, {
      label: "What is planned",
      known: Object.entries(KINDS).map(([kind, [word, state]]) => [kind, word, state]),
      counts: data?.counts ?? {},
      value: asked.kind,
      onChange: (kind) => change({ kind, start: "" }),
    }),
    (countOf(data?.ends) > 0 || asked.end) &&
      h(Counts, {
        label: "What became of it",
        known: Object.entries(ENDS).map(([end, state]) => [end, end, state]),
        counts: data?.ends ?? {},
        value: asked.end,
        onChange: (end) => change({ end, start: "" }),
      }),
    (total > 1 || asked.q) &&
      h(
        "div",
        { className: "ab-fields" },
        h(Search, {
          value: asked.q,
          label: "Search image, tag, digest, reason",
          onChange: (q) => change({ q, start: "" }),
        }),
      ),
  );
}

function List({ data, asked, change, total }) {
  const rows = data.rows;
  const start = Number(asked.start) || 0;
  const hasEnds = countOf(data.ends) > 0;
  return h(
    Fragment,
    null,
    data.left_out > 0 &&
      h(
        "p",
        { className: "ab-muted" },
        `${data.left_out.toLocaleString("en")} more of the plan are counted in words alone; with a folder for reports, the whole plan is there as CSV.`,
      ),
    rows.length === 0
      ? h("p", { className: "ab-empty" }, "No row is meant by this search.")
      : h(Rows, { rows, hasEnds }),
    (total > LIMIT || data.found !== total || start > 0) &&
      h(Pages, { start, count: rows.length, found: data.found, limit: LIMIT, change }),
  );
}

// Each part says what it is: where rows become cards, a table is none of itself any more.
function Rows({ rows, hasEnds }) {
  const hasTargets = rows.some((row) => row.target);
  const names = ["Tag", hasTargets && "Becomes", "Digest", "Planned", hasEnds && "Ended", "Why"].filter(Boolean);
  return h(
    "table",
    { className: "ab-table ab-rows", role: "table", "aria-label": "Rows of the plan" },
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        names.map((name) => h("th", { key: name, scope: "col", role: "columnheader" }, name)),
      ),
    ),
    h(
      "tbody",
      { role: "rowgroup" },
      rows.map((row, place) => h(Row, { key: place, row, hasTargets, hasEnds })),
    ),
  );
}

function Row({ row, hasTargets, hasEnds }) {
  const [word, state] = KINDS[row.kind] ?? [row.kind, "unknown"];
  return h(
    "tr",
    { role: "row" },
    h("th", { scope: "row", role: "rowheader", className: "ab-image" }, h("code", null, row.source)),
    hasTargets && h("td", { role: "cell", "data-stage": "Becomes" }, h("code", null, row.target)),
    h("td", { role: "cell", "data-stage": "Digest" }, h(Digest, { digest: row.digest })),
    h(
      "td",
      { role: "cell", "data-stage": "Planned" },
      h(
        "div",
        null,
        h(State, { state, word }),
        row.current &&
          h(
            "div",
            { className: "ab-muted ab-small" },
            row.kind === "replaces" ? "instead of " : "shows ",
            h(Digest, { digest: row.current }),
          ),
      ),
    ),
    hasEnds &&
      h(
        "td",
        { role: "cell", "data-stage": "Ended" },
        row.end && h("div", null, h(State, { state: ENDS[row.end], word: row.end })),
      ),
    h(
      "td",
      { role: "cell", "data-stage": "Why" },
      (row.reason || row.why) &&
        h(
          "div",
          null,
          row.reason && h("div", null, row.reason),
          row.why && row.why !== row.reason && h("div", null, row.why),
        ),
    ),
  );
}
