// What may be done with the images that are chosen.

import { Button, h } from "./airflow.js";

const OFFERED = [
  ["promote", "Promote …"],
  ["run", "Run the ladder …"],
  ["hold", "Hold …"],
  ["reject", "Reject …"],
];

export function ActionBar({ rows, ladders, actions, onDone, onClear }) {
  if (rows.length === 0) return null;
  const names = new Set(rows.map((row) => row.ladder));
  const ladder = ladders.find((one) => names.has(one.name));
  const asked = rows.flatMap((row) => row.gates.filter(actions.mayAnswer).map((gate) => ({ row, gate })));
  const offered = OFFERED.filter(([name]) => actions.may(name, rows[0]));
  return h(
    "div",
    { className: "ab-bar", role: "region", "aria-label": "Chosen images" },
    h("b", { role: "status" }, `${rows.length} chosen`),
    asked.length > 0 &&
      h(Button, { size: "sm", onClick: () => actions.open("answer", asked, onDone) }, `Answer ${asked.length} …`),
    names.size === 1
      ? offered.map(([name, text]) =>
          h(
            Button,
            {
              key: name,
              size: "sm",
              variant: name === "promote" ? "solid" : "outline",
              onClick: () => actions.open(name, rows, onDone, { ladder }),
            },
            text,
          ),
        )
      : h("span", { className: "ab-muted" }, "Choose images of one ladder to promote them together."),
    h(Button, { size: "sm", variant: "ghost", onClick: onClear }, "Clear"),
  );
}
