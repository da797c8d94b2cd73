// What stands in a stage, and what stands between two.

import { Button, h, Link, pageOf } from "./airflow.js";
import { imagePage } from "./links.js";
import { Age, By, Digest, State, Time } from "./parts.js";
import { QUIET } from "./states.js";

export function StageCell({ cell, row }) {
  if (!cell?.tag) {
    const isPlain = !cell || QUIET.has(cell.state);
    return h(
      "div",
      { className: "ab-cell" },
      isPlain
        ? h("span", { className: "ab-muted" }, cell?.word || "empty")
        : h("div", { className: "ab-line" }, h(State, { state: cell.state, word: cell.word, title: cell.reason })),
      // What no column has a place for, such as a tag that no pipeline means, is told in words alone.
      cell?.reason && h("p", { className: "ab-why", title: cell.reason }, cell.reason),
    );
  }
  // The gate beside it may say the same.
  const isTold = QUIET.has(cell.state) || row.gates.some((gate) => gate.reason === cell.reason);
  return h(
    "div",
    { className: "ab-cell" },
    h(
      "div",
      { className: "ab-line" },
      h(Link, { to: imagePage(row.image, row.ladder), className: "ab-tag", title: cell.tag }, cell.tag),
      h(State, { state: cell.state, word: cell.word, title: cell.reason }),
    ),
    h(
      "div",
      { className: "ab-line ab-muted" },
      h(Digest, { digest: cell.digest }),
      h(Age, { at: cell.updated }),
      h(Whose, { cell }),
    ),
    cell.reason && !isTold && h("p", { className: "ab-why", title: cell.reason }, cell.reason),
  );
}

/** Who brought it: the run, or who pushed it where no run did. */
function Whose({ cell }) {
  if (cell.by) return h("span", { className: "ab-by" }, h(By, { by: cell.by }));
  if (cell.pushed_by)
    return h(
      "span",
      { className: "ab-by", title: "Who pushed it, as Artifactory says" },
      `pushed by ${cell.pushed_by}`,
    );
  return null;
}

function Waiting({ since, until, link }) {
  const isOver = until && new Date(until) < Date.now();
  // A time that is over is one of a run that waits: what no run waits for has none to end.
  const end = isOver && !link ? null : until;
  return h(
    "div",
    { className: "ab-muted ab-small" },
    h(Age, { at: since, prefix: "for " }),
    h(Time, { at: end, prefix: `${since ? ", " : ""}${isOver ? "was to end" : "ends"} ` }),
  );
}

export function Gate({ gate, row, actions, onDone }) {
  const page = pageOf(gate.link, gate.state === "approval" ? "required_actions" : "");
  const isQuiet = QUIET.has(gate.state) && !gate.reason;
  const state = h(State, { state: gate.state, word: gate.word, title: gate.reason });
  return h(
    "div",
    { className: `ab-cell${isQuiet ? " ab-quiet" : ""}` },
    h(
      "div",
      { className: "ab-line" },
      page ? h(Link, { to: page, className: "ab-plainlink", title: "What waits there, in Airflow" }, state) : state,
    ),
    !isQuiet && (gate.since || gate.until) && h(Waiting, gate),
    gate.reason && h("p", { className: "ab-why", title: gate.reason }, gate.reason),
    actions.mayAnswer(gate) &&
      h(
        "div",
        { className: "ab-line" },
        h(
          Button,
          {
            size: "2xs",
            variant: "solid",
            onClick: () => actions.open("answer", [{ row, gate }], onDone),
            "aria-label": `Approve or reject ${row.image} for ${gate.to}`,
          },
          "Answer …",
        ),
      ),
  );
}
