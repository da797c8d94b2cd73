// On a task's instance: which images wait in it, and for what.

import { h, Link } from "./airflow.js";
import { useActions } from "./actions.js";
import { Gate } from "./cells.js";
import { imagePage } from "./links.js";
import { Page, Pending, useTicking } from "./parts.js";
import { boardUrl, useJson } from "./requests.js";

const LIVE = 10000;
const MOST = 500;

export function TaskTab({ dagId, runId, taskId, mapIndex }) {
  const actions = useActions([dagId]);
  useTicking();
  const { data, error, reload } = useJson(boardUrl("board.json", { ladder: dagId, limit: MOST }), () => LIVE);
  const isHere = ({ link }) =>
    link?.dag_id === dagId && link.run_id === runId && link.task_id === taskId && isIndex(link.map_index, mapIndex);
  const waiting = (data?.rows ?? []).flatMap((row) => row.gates.filter(isHere).map((gate) => ({ row, gate })));
  return h(
    Page,
    { title: "What waits here" },
    actions.dialog,
    !data && h(Pending, { error, reload, what: "what waits here" }),
    data && waiting.length === 0 && h("p", { className: "ab-empty" }, "No image waits in this task."),
    waiting.length > 0 &&
      h(
        "ul",
        { className: "ab-results" },
        waiting.map(({ row, gate }) =>
          h(
            "li",
            { key: `${row.image} ${gate.to}`, className: "ab-card" },
            h(
              "div",
              { className: "ab-line" },
              h(Link, { to: imagePage(row.image, row.ladder), className: "ab-link" }, row.image),
              h("code", null, gate.tag),
              h("span", { className: "ab-muted" }, `${gate.from} → ${gate.to}`),
            ),
            h(Gate, { gate, row, actions, onDone: () => reload({ refresh: "true" }) }),
          ),
        ),
      ),
  );
}

/** Whether an instance is meant: -1 and none are those of a task that is not mapped. */
const isIndex = (index, asked) => String(index ?? -1) === String(asked ?? -1);
