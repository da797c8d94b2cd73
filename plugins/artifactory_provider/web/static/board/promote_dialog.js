// Promote what stands in a stage to the next: what would change, and what the rules say of it, stand there first.

import { h, useState } from "./airflow.js";
import { ActionDialog, Check, Field, Select } from "./action_dialog.js";
import { Notice } from "./parts.js";
import { Changes, isRefused, isTold, runsOf, usePlan } from "./promote_plan.js";
import { start } from "./requests.js";

const MOST = 50;
const ON_CONFLICT = [
  ["", "What the pipeline says"],
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

// The board has looked at the very tags that would be written.
const isDone = ({ gate }) => gate?.state === "nothing";

export function PromoteDialog({ items, more, action, onClose, onDone }) {
  const steps = stepsOf(more.ladder);
  const [place, setPlace] = useState(() => firstUseful(items, steps));
  const [isDryRun, setDryRun] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const [onConflict, setOnConflict] = useState("");
  const step = steps[place];
  const found = items.map((row) => changeOf(row, step)).filter((change) => change && !isDone(change));
  const changes = found.slice(0, MOST);
  const plan = usePlan(more.ladder.name, step, changes, onConflict);
  const runs = runsOf(changes, plan);
  const refused = runs.filter(({ change, planned }) => isRefused(change, planned));
  const untold = runs.filter((run) => !refused.includes(run) && !isTold(run.planned));
  const left = new Set([...refused, ...untold]);
  const started = isDryRun ? runs : runs.filter((run) => !left.has(run) && run.planned.change !== "unchanged");
  const jobs = started.map(({ change, planned }) => ({
    name: nameOf(change, planned),
    run: () => start(action, told(change, planned, { isDryRun, isAsking, onConflict })),
  }));
  const what = items.length === 1 ? items[0].image : `${items.length} images`;
  return h(
    ActionDialog,
    {
      title: `Promote ${what}`,
      confirm: isDryRun ? "Show the plan" : `Promote to ${step.to.name}`,
      isReady: plan.isThere,
      note: plan.isThere && left.size > 0 && warning(refused.length, untold.length, runs.length, isDryRun),
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
    found.length > MOST && h(Notice, null, `At most ${MOST} at once: the others are for the DAG for many images.`),
    changes.length
      ? h(Changes, { runs, plan })
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
      `Each line is a run of ${action.dag_id}, with your name. It promotes the digest above and replaces what stands there now, or it fails. Policy, holds and approvals are asked again right before the tag changes.`,
    ),
  );
}

/** What a run needs to know: the digests are those that were seen. Nothing but a dry run does without the target's. */
function told({ row, step, source }, planned, { isDryRun, isAsking, onConflict }) {
  return {
    image: row.image,
    tag: source.tag,
    digest: source.digest,
    from: step.from.repository,
    to: step.to.repository,
    target_tag: planned?.target_tag ?? undefined,
    replaces: isTold(planned) ? (planned.replaces ?? "none") : undefined,
    dry_run: isDryRun,
    approval: isAsking,
    on_conflict: planned?.on_conflict ?? (onConflict || "fail"),
  };
}

/** Image and tag, and what it becomes where that is another tag. */
function nameOf({ row, source }, planned) {
  const target = planned?.target_tag;
  return `${row.image}:${source.tag}${target && target !== source.tag ? ` → ${target}` : ""}`;
}

function warning(refused, untold, all, isDryRun) {
  const which = (some) => (all === 1 ? "the run" : `${some} of ${all} runs`);
  const would = [
    refused > 0 && `${which(refused)} would be refused`,
    untold > 0 && `what ${which(untold)} would replace cannot be told`,
  ];
  const said = `As things stand, ${would.filter(Boolean).join(", and ")}`;
  if (isDryRun) return `${said}: the plan ${untold > 0 ? "says more" : "says so"}.`;
  const some = refused + untold;
  const left = some === all ? "" : `; ${some === 1 ? "that one is" : "these are"} not started`;
  return `${said}${left}. A dry run can be started all the same.`;
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
