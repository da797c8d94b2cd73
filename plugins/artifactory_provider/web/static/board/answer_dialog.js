// Say yes or no to what waits for an approval, as Airflow's Required Actions do.

import { h, useState } from "./airflow.js";
import { ActionDialog, Field } from "./action_dialog.js";
import { answer } from "./requests.js";

export function AnswerDialog({ items, onClose, onDone }) {
  const [option, setOption] = useState("Approve");
  const [comment, setComment] = useState("");
  const questions = [...new Map(items.map((item) => [JSON.stringify(item.gate.link), item])).values()];
  const jobs = questions.map(({ row, gate }) => ({
    name: `${row.image} → ${gate.to}`,
    run: () => answer(gate.link, option, { comment }).then(() => null),
  }));
  const what = items.length === 1 ? `${items[0].row.image} for ${items[0].gate.to}` : `${items.length} promotions`;
  return h(
    ActionDialog,
    { title: `Answer: ${what}`, confirm: option, isDangerous: option === "Reject", jobs, onClose, onDone },
    h(
      "ul",
      { className: "ab-results" },
      items.map(({ row, gate }) =>
        h(
          "li",
          { key: `${row.image} ${gate.to}` },
          h("code", null, described(row, gate)),
          gate.reason && h("div", { className: "ab-small" }, gate.reason),
          gate.covers > 1 &&
            h("div", { className: "ab-small" }, `One answer is about all ${gate.covers.toLocaleString("en")} promotions that its run asks about.`),
        ),
      ),
    ),
    h(
      "fieldset",
      { className: "ab-field" },
      h("legend", null, "Answer"),
      ["Approve", "Reject"].map((one) =>
        h(
          "label",
          { key: one, className: "ab-check" },
          h("input", { type: "radio", name: "option", checked: option === one, onChange: () => setOption(one) }),
          h(
            "span",
            null,
            one === "Approve" ? "Approve: it may be done" : "Reject: all stays as it is, and the question ends",
          ),
        ),
      ),
    ),
    h(
      Field,
      { name: "Comment", hint: "It is kept with your answer." },
      h("textarea", {
        className: "ab-input",
        rows: 2,
        maxLength: 500,
        value: comment,
        onChange: (event) => setComment(event.target.value),
      }),
    ),
  );
}

const described = (row, gate) =>
  gate.is_rollback
    ? `${row.image}:${gate.tag} goes back in ${gate.to}`
    : `${row.image}:${gate.tag ?? "?"} ${gate.from} → ${gate.to}`;
