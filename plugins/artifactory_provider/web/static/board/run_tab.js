// On a run: where each of its images stands on the way through the stages, what needs somebody first.

import { h, Link, useState } from "./airflow.js";
import { Counts, Pages, Search } from "./filters.js";
import { imagePage } from "./links.js";
import { Old, Page, Pending, State, Time, useTicking } from "./parts.js";
import { boardUrl, useJson } from "./requests.js";

const LIVE = 5000;
const LIMIT = 100;
const SHOWN = {
  failed: "failed",
  late: "failed",
  refused: "refused",
  waiting: "verifying",
  climbing: "promoting",
  superseded: "behind",
  arrived: "current",
};

export function RunTab({ dagId, runId }) {
  const [asked, setAsked] = useState({ q: "", standing: "", start: "" });
  const change = (changes) => setAsked((before) => ({ ...before, ...changes }));
  useTicking();
  const path = `ladders/${encodeURIComponent(dagId)}/${encodeURIComponent(runId)}`;
  const listed = useJson(boardUrl(`${path}.json`, { ...asked, limit: LIMIT }), (found) => (found?.is_over ? 0 : LIVE));
  const { data, error, reload } = listed;
  const total = Object.values(data?.counts ?? {}).reduce((sum, count) => sum + count, 0);
  const { start, ...all } = asked;
  const isNarrowed = Boolean(asked.q || asked.standing);
  return h(
    Page,
    {
      title: "Images",
      aside: total > 0 && h("a", { className: "ab-link", href: boardUrl(`${path}.csv`, all), download: "" }, "CSV"),
    },
    (total > 0 || isNarrowed) &&
      h(
        "div",
        { className: "ab-filters ab-still" },
        h(Counts, {
          label: "How they stand",
          known: Object.entries(SHOWN).map(([standing, state]) => [standing, standing, state]),
          counts: data?.counts ?? {},
          value: asked.standing,
          onChange: (standing) => change({ standing, start: "" }),
        }),
        h(
          "div",
          { className: "ab-fields" },
          h(Search, {
            value: asked.q,
            label: "Search image, tag, digest, reason",
            onChange: (q) => change({ q, start: "" }),
          }),
        ),
      ),
    h(Old, listed),
    !data && h(Pending, { error, reload, what: "the images of this run" }),
    data && total === 0 && h("p", { className: "ab-empty" }, explainNone(data)),
    total > 0 && h(Rows, { data, dagId }),
    total > 0 &&
      h(Pages, { start: Number(asked.start) || 0, count: data.images.length, found: data.found, limit: LIMIT, change }),
  );
}

const explainNone = (data) =>
  data.is_over
    ? "No image of this run has climbed together with others: a run whose images have tasks of their own shows them in the grid."
    : "No image has begun to climb yet.";

function Rows({ data, dagId }) {
  if (data.images.length === 0) return h("p", { className: "ab-empty" }, "No image is meant by this search.");
  const reached = (one) => data.stages.indexOf(one.stage);
  return h(
    "table",
    { className: "ab-plain" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Image", ...data.stages, "Since", "Why"].map((name) => h("th", { key: name, scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      null,
      data.images.map((one, place) =>
        h(
          "tr",
          { key: place },
          h(
            "th",
            { scope: "row" },
            h(Link, { to: imagePage(one.image, dagId), className: "ab-link" }, one.image),
            one.tag && h("code", null, `:${one.tag}`),
            h("div", { className: "ab-muted ab-small" }, h("code", null, one.digest)),
          ),
          data.stages.map((stage, level) =>
            h(
              "td",
              { key: stage },
              level < reached(one) && h(State, { state: "current", word: "passed" }),
              level === reached(one) && h(State, { state: SHOWN[one.standing], word: one.standing }),
            ),
          ),
          h("td", null, h(Time, { at: one.since })),
          h("td", null, one.reason),
        ),
      ),
    ),
  );
}
