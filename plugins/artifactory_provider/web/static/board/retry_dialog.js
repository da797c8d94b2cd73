// Have a task run again that has failed, with what comes after it.

import { h } from "./airflow.js";
import { ActionDialog } from "./action_dialog.js";
import { clear } from "./requests.js";

export function RetryDialog({ items, onClose, onDone }) {
  const jobs = items.map(({ row, gate }) => ({
    name: `${row.image} → ${gate.to}`,
    run: () => clear(gate.link).then(() => gate.link),
  }));
  return h(
    ActionDialog,
    { title: "Try again", confirm: "Try again", jobs, onClose, onDone },
    h(
      "p",
      null,
      "The task is cleared and runs again, and so does what comes after it. What is done already is left as it is.",
    ),
    h(
      "ul",
      { className: "ab-results" },
      items.map(({ row, gate }) =>
        h(
          "li",
          { key: `${row.image} ${gate.to}` },
          h("code", null, row.image),
          ` · ${gate.link.dag_id} / ${gate.link.task_id}`,
          gate.reason && h("div", { className: "ab-small" }, gate.reason),
        ),
      ),
    ),
  );
}
