// Two stages side by side: which images differ, and what changed in their source.

import { h, Link } from "./airflow.js";
import { Pages, Search } from "./filters.js";
import { boardPage, differencePage, imagePage, stagePage } from "./links.js";
import { Digest, Notice, Old, Outside, Page, Pending, State, Time, useTicking } from "./parts.js";
import { useQuery } from "./query.js";
import { boardUrl, useJson } from "./requests.js";
import { Downloads } from "./stage_page.js";

const LIMIT = 100;
const LIVE = 60000;
const TONES = {
  same: "current",
  "another digest": "behind",
  "another tag": "behind",
  "only in the first": "ready",
  "only in the second": "unknown",
};

export function DifferencePage() {
  const [query, change] = useQuery("from", "to", "q", "difference", "start");
  useTicking();
  const isWhole = Boolean(query.from && query.to);
  const asked = useJson(
    isWhole ? boardUrl("board/difference.json", { ...query, limit: LIMIT }) : null,
    (one) => (one?.is_refreshing ? 2000 : LIVE),
  );
  const { data, error, reload } = asked;
  if (!isWhole)
    return h(
      Page,
      { title: "Difference" },
      h(Notice, { title: "Which stages?" }, "The address has to name both, from and to."),
    );
  const { start, ...all } = query;
  const aside = [
    h(Link, { key: "swap", to: differencePage(query.to, query.from, query.q), className: "ab-link" }, "Swap"),
    h(Downloads, { key: "files", path: "board/difference", query: all }),
  ];
  return h(
    Page,
    { title: `${query.from} and ${query.to}`, back: boardPage(), aside },
    h(
      "div",
      { className: "ab-filters ab-still" },
      h(
        "div",
        { className: "ab-counts", role: "group", "aria-label": "How they differ" },
        Object.entries(data?.counts ?? {})
          .filter(([name, count]) => count > 0 || name === query.difference)
          .map(([name, count]) => {
            const isOn = query.difference === name;
            return h(
              "button",
              {
                key: name,
                type: "button",
                className: "ab-count ab-info",
                "aria-pressed": isOn,
                onClick: () => change({ difference: isOn ? "" : name, start: "" }),
              },
              h("b", null, count.toLocaleString("en")),
              name,
            );
          }),
      ),
      h(
        "div",
        { className: "ab-fields" },
        h(Search, {
          value: query.q,
          label: "Search image, tag or digest",
          onChange: (q) => change({ q, start: "" }, { replace: true }),
        }),
      ),
    ),
    data?.trouble && h(Notice, { title: "What is shown may be old." }, data.trouble),
    h(Old, asked),
    !data && h(Pending, { error, reload, what: "the difference" }),
    data && h(Rows, { data }),
    data && h(Pages, { start: data.start, count: data.rows.length, found: data.found, limit: LIMIT, change }),
  );
}

function Rows({ data }) {
  if (data.rows.length === 0)
    return h("p", { className: "ab-empty" }, "No image is meant by this search and these filters.");
  const stage = (key) => h(Link, { to: stagePage(key), className: "ab-link" }, key);
  return h(
    "table",
    { className: "ab-plain" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        h("th", { scope: "col" }, "Image"),
        h("th", { scope: "col" }, stage(data.from)),
        h("th", { scope: "col" }, stage(data.to)),
        h("th", { scope: "col" }, "Difference"),
        h("th", { scope: "col" }, "Source"),
      ),
    ),
    h(
      "tbody",
      null,
      data.rows.map((row) =>
        h(
          "tr",
          { key: row.image },
          h("th", { scope: "row" }, h(Link, { to: imagePage(row.image), className: "ab-link" }, row.image)),
          h("td", null, h(Side, { side: row.before })),
          h("td", null, h(Side, { side: row.after })),
          h("td", null, h(State, { state: TONES[row.difference], word: row.difference })),
          h("td", null, h(Source, { row })),
        ),
      ),
    ),
  );
}

function Side({ side }) {
  if (!side) return h("span", { className: "ab-muted" }, "–");
  return h(
    "div",
    null,
    h("code", { className: "ab-tag" }, side.tag),
    h("div", { className: "ab-line ab-muted" }, h(Digest, { digest: side.digest }), h(Time, { at: side.updated })),
  );
}

function Source({ row }) {
  if (row.compare) return h(Outside, { url: row.compare }, "What changed ");
  const revisions = [row.before, row.after].map((side) => side?.revision?.slice(0, 12)).filter(Boolean);
  return revisions.length ? h("code", null, [...new Set(revisions)].join(" → ")) : null;
}
