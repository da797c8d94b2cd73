// On a task's instance: what it waits for, and with which images.

import { Button, h, Link, pageOf, useState } from "./airflow.js";
import { useActions } from "./actions.js";
import { Gate } from "./cells.js";
import { Pages } from "./filters.js";
import { imagePage } from "./links.js";
import { Old, Page, Pending, Time, useTicking } from "./parts.js";
import { boardUrl, useJson } from "./requests.js";

const LIVE = 10000;
const SOON = 2000;
const LIMIT = 100;
// Nothing waits in these any more, and nothing will: the registry need not be looked at for them.
const ENDED = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

export function TaskTab({ dagId, runId, taskId, mapIndex }) {
  const [start, setStart] = useState("");
  const actions = useActions([], [dagId]);
  useTicking();
  const asked = { dag_id: dagId, run_id: runId, task_id: taskId, map_index: mapIndex, start, limit: LIMIT };
  const url = boardUrl("board/task.json", asked);
  const told = useJson(url, (found) => {
    if (ENDED.has(found?.state)) return 0;
    return found?.is_refreshing ? SOON : LIVE;
  });
  const { data, error, reload } = told;
  const onDone = () => reload({ refresh: "true" });
  return h(
    Page,
    { title: "Waits for" },
    actions.dialog,
    h(Old, told),
    !data && h(Pending, { error, reload, what: "what waits here" }),
    data && h(Told, { task: data, actions, onDone }),
    data?.images.length > 0 &&
      h(
        "ul",
        { className: "ab-results", "aria-label": "Images" },
        data.images.map(({ image, ladder, gate }, place) =>
          h(
            "li",
            { key: place, className: "ab-card" },
            h(
              "div",
              { className: "ab-line" },
              ladder
                ? h(Link, { to: imagePage(image, ladder), className: "ab-link" }, image)
                : h("span", null, image),
              h("code", null, gate.tag),
              h("span", { className: "ab-muted" }, describeWay(gate)),
            ),
            // The question is answered once, above, whatever stands here.
            h(Gate, { gate, row: { image }, actions: UNANSWERED, onDone }),
          ),
        ),
      ),
    data?.found > 0 &&
      h(Pages, {
        start: data.start,
        count: data.images.length,
        found: data.found,
        limit: LIMIT,
        change: (changes) => setStart(changes.start),
      }),
  );
}

const UNANSWERED = { mayAnswer: () => false };

const describeWay = (gate) =>
  [...new Set(gate.is_rollback ? [gate.to] : [gate.from, gate.to])].filter(Boolean).join(" → ");

function Told({ task, actions, onDone }) {
  const asked = task.images.find(({ gate }) => actions.mayAnswer(gate));
  return h(
    "div",
    { className: "ab-card" },
    task.subject && h("p", null, h("strong", null, task.subject)),
    h("p", { role: "status" }, task.told),
    task.is_waiting &&
      h(
        "div",
        { className: "ab-line ab-muted ab-small" },
        h(Time, { at: task.since, prefix: "since " }),
        h(Time, { at: task.until, prefix: "ends, or looks again, " }),
      ),
    task.state === "awaiting_input" &&
      h(
        "div",
        { className: "ab-line" },
        asked &&
          h(
            Button,
            {
              size: "xs",
              variant: "solid",
              onClick: () => actions.open("answer", [{ row: { image: asked.image }, gate: asked.gate }], onDone),
            },
            "Answer …",
          ),
        // Not every question is one of promotions that stand here, and not everyone may know which they are.
        h(Link, { to: pageOf(task, "required_actions"), className: "ab-link" }, "Its question, under Required Actions"),
      ),
  );
}
