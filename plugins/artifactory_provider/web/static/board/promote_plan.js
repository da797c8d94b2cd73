// What promotions on demand would do, and what the rules say of them to the user who looks: as a table.

import { h } from "./airflow.js";
import { Digest, Notice, State, Time } from "./parts.js";
import { boardUrl, useJson } from "./requests.js";

const SOON = 2000;
const AGAIN = 20000;
const FATES = { overwrite: "is overwritten", backup: "is overwritten, and kept for a rollback" };

/**
 * What runs would do, asked for again while the dialog stays open.
 *
 * @param changes what would be promoted, each with its row, step and source.
 * @param onConflict what target tags that show another image mean; empty for what the stage says of each.
 */
export function usePlan(ladder, step, changes, onConflict) {
  const url =
    changes.length === 0
      ? null
      : boardUrl("board/plan.json", {
          ladder,
          image: changes.map(({ row, source }) => `${row.image}:${source.tag}`),
          from: step.from.name,
          to: step.to.name,
          on_conflict: onConflict,
        });
  const { data, error } = useJson(url, (told) => (told?.is_refreshing ? SOON : AGAIN));
  // Until an answer is there, what another question was answered may be shown still.
  const isOfThis = data?.from === step.from.name && data.to === step.to.name && data.on_conflict === (onConflict || null);
  const plan = isOfThis ? data : null;
  const images = new Map();
  for (const one of plan?.images ?? []) {
    const name = `${one.image}:${one.tag}`;
    images.set(name, [...(images.get(name) ?? []), one]);
  }
  return {
    asOf: plan?.as_of,
    isTold: plan !== null,
    error,
    trouble: plan?.trouble,
    isThere: plan !== null || error !== null,
    /** One for each of the stage's target tags; none where nothing is known. */
    of: ({ row, source }) => images.get(`${row.image}:${source.tag}`) ?? [],
  };
}

const hasMoved = ({ source }, planned) => planned?.digest != null && planned.digest !== source.digest;

/** Whether it is known which tag the run would write, so that the run can be told to replace what stands there, or fail. */
export const isTold = (planned) => Boolean(planned?.target_tag);

/** Whether the run would be refused for certain, as far as is known. */
export const isRefused = (change, planned) => Boolean(planned) && (planned.is_refused || hasMoved(change, planned));

/** What runs would do: each change as often as it has target tags, and once where nothing is known of them. */
export const runsOf = (changes, plan) =>
  changes.flatMap((change) => {
    const planned = plan.of(change);
    return (planned.length ? planned : [undefined]).map((one) => ({ change, planned: one }));
  });

export function Changes({ runs, plan }) {
  const written = new Set(runs.map(({ change, planned }) => `${change.row.image}:${planned?.target_tag}`));
  return h(
    "div",
    null,
    h(
      "table",
      { className: "ab-plain" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Image", "Goes", "Stands there now", "What the run would say"].map((one) =>
            h("th", { key: one, scope: "col" }, one),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        runs.map(({ change, planned }) =>
          h(
            "tr",
            { key: `${change.row.image}:${planned?.target_tag}` },
            h("th", { scope: "row" }, change.row.image),
            h("td", null, h("code", null, change.source.tag), " ", h(Digest, { digest: change.source.digest })),
            h(
              "td",
              null,
              h(Target, {
                target: change.target,
                planned,
                isWritten: written.has(`${change.row.image}:${change.target?.tag}`),
              }),
            ),
            h("td", null, h(Said, { change, plan, planned })),
          ),
        ),
      ),
    ),
    plan.asOf &&
      h("p", { className: "ab-muted ab-small" }, "As of ", h(Time, { at: plan.asOf }), ", for a run that you start."),
    plan.trouble && h(Notice, null, plan.trouble),
    plan.error &&
      h(
        Notice,
        { title: plan.isTold ? "What is shown may be old." : "What the run would say cannot be told." },
        plan.error.message,
      ),
  );
}

/** What the target tag shows now, and what stands for the image in the stage where that is another tag. */
function Target({ target, planned, isWritten }) {
  const tag = planned?.target_tag ?? target?.tag;
  if (!tag) return "nothing";
  const digest = isTold(planned) ? planned.replaces : target.digest;
  const isOther = target?.tag && target.tag !== tag && !isWritten;
  const fate = planned?.change === "replaces" && !planned.is_refused && FATES[planned.on_conflict];
  return [
    h("code", { key: "tag" }, tag),
    " ",
    digest ? h(Digest, { key: "digest", digest }) : "is new",
    fate && h("div", { key: "fate", className: "ab-small ab-muted" }, fate),
    isOther &&
      h("div", { key: "other", className: "ab-small ab-muted" }, `${target.tag} stands there, too, and stays`),
  ];
}

function Said({ change, plan, planned }) {
  const lines = [];
  if (hasMoved(change, planned)) {
    lines.push(h(State, { state: "conflict", word: "moved" }), "The tag shows ", h(Digest, { digest: planned.digest }));
    lines.push(" by now, so its run would be refused: close this, and look again.");
  } else if (planned) {
    lines.push(h(State, { state: planned.state, word: planned.word }));
    lines.push(...explain(planned).map((one) => h("div", { className: "ab-small" }, one)));
    if (planned.until) lines.push(h("div", { className: "ab-small" }, h(Time, { at: planned.until, prefix: "It ends " })));
  } else if (plan.isThere) {
    lines.push(h(State, { state: "unknown", word: "unknown" }));
    lines.push(h("div", { className: "ab-small" }, "What the rules say of it cannot be told now."));
  } else lines.push(h("span", { className: "ab-muted", role: "status" }, "Asking the rules …"));
  const { gate } = change;
  if (gate?.link) lines.push(h("div", { className: "ab-small" }, `A task is at it already: ${gate.word}.`));
  return h("div", null, ...lines);
}

/** What there is to say of it, a sentence each. */
function explain({ state, reason, override, approvals, left }) {
  const said = [reason, override, approvals && `It asks for approval: ${approvals}`].filter(Boolean);
  if (left.length) said.push(`Only the run asks ${left.join(", ")}.`);
  if (state === "ready" && said.length === 0) said.push("Nothing that is known holds it up.");
  return said;
}
