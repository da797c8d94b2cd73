// Run a dry run's form for real: a run of the same DAG, which plans anew.

import { h } from "./airflow.js";
import { ActionDialog } from "./action_dialog.js";
import { trigger } from "./requests.js";

export function RunDialog({ dagId, offer: { fields, conf, is_pinned: isPinned }, onClose }) {
  return h(
    ActionDialog,
    {
      title: "Run this for real",
      confirm: "Start the run",
      jobs: [{ name: dagId, run: () => trigger(dagId, conf) }],
      onClose,
    },
    h(
      "p",
      null,
      "A new run of this DAG, with the same form and without ",
      h("em", null, "dry run"),
      isPinned
        ? ". It plans anew, and does what stands in this plan, or nothing. To change something first, use "
        : ". It plans anew, and does what it finds then. To change something first, use ",
      h("em", null, "Trigger → Trigger again with this config"),
      ".",
    ),
    fields.length > 0 &&
      h(
        "dl",
        { className: "ab-facts" },
        fields.map(({ title, value }) =>
          h("div", { key: title, className: "ab-fact" }, h("dt", null, title), h("dd", { className: "ab-lines" }, value)),
        ),
      ),
    h("p", { className: "ab-muted" }, "Everything else is as the form starts with."),
  );
}
