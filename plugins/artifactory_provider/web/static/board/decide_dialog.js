// Hold a tag, reject a digest, or lift either again.

import { h, useState } from "./airflow.js";
import { ActionDialog, Field, Reason, Select } from "./action_dialog.js";
import { start } from "./requests.js";

const SAID = {
  hold: [
    "Hold",
    "The tag goes on showing what it shows, whoever or whatever promotes to it, until somebody lifts the hold.",
  ],
  reject: [
    "Reject",
    "The digest that the tag shows is never promoted again, under whatever tag and from whatever repository.",
  ],
  lift_hold: ["Lift the hold on", "The tag may be promoted to again."],
  lift_rejection: ["Lift the rejection of", "The digest that the tag shows may be promoted again."],
};

export function DecideDialog({ name, items, more, action, onClose, onDone }) {
  const [verb, meaning] = SAID[name];
  const stages = [...new Set(items.flatMap((row) => row.cells.filter((cell) => cell.tag).map((cell) => cell.stage)))];
  const [stage, setStage] = useState(more.stage ?? preferred(items, name) ?? stages.at(-1));
  const [reason, setReason] = useState("");
  const cells = items.flatMap((row) =>
    row.cells.filter((cell) => cell.stage === stage && cell.tag).map((cell) => ({ row, cell })),
  );
  const jobs = cells.map(({ row, cell }) => ({
    name: `${cell.repository}/${row.image}:${cell.tag}`,
    run: () =>
      start(action, { repository: cell.repository, image: row.image, tag: cell.tag, digest: cell.digest, reason }),
  }));
  const what = items.length === 1 ? items[0].image : `${items.length} images`;
  return h(
    ActionDialog,
    {
      title: `${verb} ${what}`,
      confirm: verb.split(" ")[0],
      isDangerous: name === "reject",
      isReady: reason.trim() !== "",
      jobs,
      onClose,
      onDone,
    },
    h("p", null, meaning),
    h(
      Field,
      { name: "Stage" },
      h(Select, { value: stage, onChange: setStage, options: stages.map((one) => [one, one]) }),
    ),
    h(
      "ul",
      { className: "ab-results" },
      jobs.map((job) => h("li", { key: job.name }, h("code", null, job.name))),
    ),
    h(Reason, { value: reason, onChange: setReason }),
  );
}

/** The stage that a lift is most likely about. */
function preferred(items, name) {
  const state = { lift_hold: "held", lift_rejection: "rejected" }[name];
  return state && items[0].cells.find((cell) => cell.state === state)?.stage;
}
