// Let a ladder's own run take images up its stages, with all that it asks of each.

import { h, useState } from "./airflow.js";
import { ActionDialog, Field, Select } from "./action_dialog.js";
import { start } from "./requests.js";

export function ClimbDialog({ items, more: { ladder }, action, onClose, onDone }) {
  const above = ladder.stages.slice(1);
  const [goal, setGoal] = useState(above.at(-1).name);
  const first = ({ cells }) => cells.find((cell) => cell.stage === ladder.stages[0].name);
  const images = items.filter((row) => first(row)?.tag).map((row) => `${row.image}:${first(row).tag}`);
  const jobs = images.length ? [{ name: action.dag_id, run: () => start(action, { images, to: goal }) }] : [];
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
    images.length
      ? h(
          "ul",
          { className: "ab-results" },
          images.map((one) => h("li", { key: one }, h("code", null, one))),
        )
      : h("p", { className: "ab-empty" }, `Nothing stands in ${ladder.stages[0].name} that could climb.`),
  );
}
