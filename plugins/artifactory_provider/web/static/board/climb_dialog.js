// Let a ladder's own run take images up its stages, with all that it asks of each.

import { h, useState } from "./airflow.js";
import { ActionDialog, Field, Select } from "./action_dialog.js";
import { Digest } from "./parts.js";
import { start } from "./requests.js";

export function ClimbDialog({ items, more: { ladder }, action, onClose, onDone }) {
  const above = ladder.stages.slice(1);
  const [goal, setGoal] = useState(above.at(-1).name);
  const first = ({ cells }) => cells.find((cell) => cell.stage === ladder.stages[0].name);
  const meant = items
    .filter((row) => first(row)?.tag)
    .map((row) => ({ name: `${row.image}:${first(row).tag}`, digest: first(row).digest }));
  // What was seen climbs, or nothing does: a tag may move before the run looks at it.
  const images = meant.map(({ name, digest }) => `${name}@${digest}`);
  const jobs = meant.length ? [{ name: action.dag_id, run: () => start(action, { images, to: goal }) }] : [];
  return h(
    ActionDialog,
    { title: `Run ${action.dag_id}`, confirm: `Run it up to ${goal}`, jobs, onClose, onDone },
    h(
      "p",
      null,
      "One run takes them from stage to stage, as it does by itself: checks, rules and approvals are asked on the way, and one that fails holds up no other.",
    ),
    action.is_paused &&
      h("p", { className: "ab-muted" }, "The DAG is paused: the run waits until somebody unpauses it."),
    h(
      Field,
      { name: "Up to" },
      h(Select, { value: goal, onChange: setGoal, options: above.map(({ name }) => [name, name]) }),
    ),
    meant.length
      ? h(
          "ul",
          { className: "ab-results" },
          meant.map(({ name, digest }) => h("li", { key: name }, h("code", null, name), " ", h(Digest, { digest }))),
        )
      : h("p", { className: "ab-empty" }, `Nothing stands in ${ladder.stages[0].name} that could climb.`),
  );
}
