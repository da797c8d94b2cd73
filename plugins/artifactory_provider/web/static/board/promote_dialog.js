// Promote what stands in a stage to the next: what would change, and what the rules say of it, stand there first.

import { h, useState } from "./airflow.js";
import { ActionDialog, Check, Field, Select } from "./action_dialog.js";
import { Digest, Notice, State } from "./parts.js";
import { start } from "./requests.js";
import { QUIET } from "./states.js";

const MOST = 50;
const ON_CONFLICT = [
  ["fail", "Leave it, and fail"],
  ["backup", "Overwrite it, and keep the old image for a rollback"],
  ["overwrite", "Overwrite it"],
];

/** The steps that a ladder has: from a stage to the next. */
export const stepsOf = (ladder) => ladder.stages.slice(1).map((to, place) => ({ from: ladder.stages[place], to }));

/** What a step would do to an image; null where nothing stands where it begins. */
export function changeOf(row, step) {
  const cell = (stage) => row.cells.find((one) => one.stage === stage.name);
  const [source, target] = [cell(step.from), cell(step.to)];
  if (!source?.tag) return null;
  return { row, step, source, target, gate: row.gates.find((gate) => gate.to === step.to.name) };
}

const isDone = ({ source, target }) => target?.tag === source.tag && target?.digest === source.digest;

export function PromoteDialog({ items, more, action, onClose, onDone }) {
  const steps = stepsOf(more.ladder);
  const [place, setPlace] = useState(() => firstUseful(items, steps));
  const [isDryRun, setDryRun] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const [onConflict, setOnConflict] = useState("fail");
  const step = steps[place];
  const changes = items.map((row) => changeOf(row, step)).filter((change) => change && !isDone(change));
  const jobs = changes.slice(0, MOST).map((change) => ({
    name: `${change.row.image}:${change.source.tag}`,
    run: () =>
      start(action, {
        image: change.row.image,
        tag: change.source.tag,
        from: step.from.repository,
        to: step.to.repository,
        target_tag: change.gate?.target_tag ?? undefined,
        dry_run: isDryRun,
        approval: isAsking,
        on_conflict: onConflict,
      }),
  }));
  const what = items.length === 1 ? items[0].image : `${items.length} images`;
  return h(
    ActionDialog,
    {
      title: `Promote ${what}`,
      confirm: isDryRun ? "Show the plan" : `Promote to ${step.to.name}`,
      jobs,
      onClose,
      onDone,
    },
    h(
      Field,
      { name: "Step" },
      h(Select, {
        value: String(place),
        onChange: (value) => setPlace(Number(value)),
        options: steps.map(({ from, to }, index) => [
          String(index),
          `${from.name} → ${to.name} (${from.repository} → ${to.repository})`,
        ]),
      }),
    ),
    changes.length > MOST && h(Notice, null, `At most ${MOST} at once: the others are for the DAG for many images.`),
    changes.length
      ? h(Changes, { changes: changes.slice(0, MOST) })
      : h(
          "p",
          { className: "ab-empty" },
          `Nothing is to be done: ${step.to.name} has what stands in ${step.from.name}, or nothing stands there.`,
        ),
    h(
      Field,
      { name: "Where the target tag shows another image" },
      h(Select, { value: onConflict, onChange: setOnConflict, options: ON_CONFLICT }),
    ),
    action.fields.approval &&
      h(Check, { isOn: isAsking, onChange: setAsking }, "Ask somebody for approval first, even where no rule does"),
    h(Check, { isOn: isDryRun, onChange: setDryRun }, "Only show the plan (dry run)"),
    h(
      "p",
      { className: "ab-muted ab-small" },
      `Each is a run of ${action.dag_id}, with your name. Policy, holds and approvals are asked again right before the tag changes.`,
    ),
  );
}

function firstUseful(items, steps) {
  const found = steps.findIndex((step) =>
    items.some((row) => {
      const change = changeOf(row, step);
      return change && !isDone(change);
    }),
  );
  return Math.max(found, 0);
}

function Changes({ changes }) {
  return h(
    "table",
    { className: "ab-plain" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Image", "Goes", "Stands there now", "The rules"].map((one) => h("th", { key: one, scope: "col" }, one)),
      ),
    ),
    h(
      "tbody",
      null,
      changes.map(({ row, source, target, gate }) =>
        h(
          "tr",
          { key: row.image },
          h("th", { scope: "row" }, row.image),
          h("td", null, h("code", null, source.tag), " ", h(Digest, { digest: source.digest })),
          h(
            "td",
            null,
            target?.tag
              ? [h("code", { key: "tag" }, target.tag), " ", h(Digest, { key: "digest", digest: target.digest })]
              : "nothing",
          ),
          h(
            "td",
            null,
            gate && !QUIET.has(gate.state)
              ? [
                  h(State, { key: "state", state: gate.state, word: gate.word }),
                  gate.reason && h("div", { key: "why", className: "ab-small" }, gate.reason),
                ]
              : "nothing holds it up",
          ),
        ),
      ),
    ),
  );
}
