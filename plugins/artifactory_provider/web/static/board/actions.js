// What may be done from the board: each action is a run of a DAG, an answer to a task, or a task that runs again.

import { h, useMemo, useState } from "./airflow.js";
import { AnswerDialog } from "./answer_dialog.js";
import { ClimbDialog } from "./climb_dialog.js";
import { DecideDialog } from "./decide_dialog.js";
import { PromoteDialog } from "./promote_dialog.js";
import { boardUrl, useAll } from "./requests.js";
import { RetryDialog } from "./retry_dialog.js";
import { RollbackDialog } from "./rollback_dialog.js";
import { ResumeDialog, StopDialog } from "./stop_dialogs.js";

const DIALOGS = {
  promote: PromoteDialog,
  run: ClimbDialog,
  roll_back: RollbackDialog,
  hold: DecideDialog,
  reject: DecideDialog,
  lift_hold: DecideDialog,
  lift_rejection: DecideDialog,
  stop: StopDialog,
  resume: ResumeDialog,
  answer: AnswerDialog,
  retry: RetryDialog,
};
// Of these, each DAG has its own.
const OF_A_DAG = new Set(["run", "retry", "answer"]);

/**
 * The actions that this user may take; ``open`` shows the dialog of one, with what it is about.
 *
 * @param ladders the names of the ladders that are shown.
 */
export function useActions(ladders) {
  const told = useAll(ladders.map((ladder) => boardUrl("board/actions.json", { ladder })));
  const [opened, setOpened] = useState(null);
  return useMemo(() => {
    const known = new Map();
    for (const action of told.flatMap((one) => one.actions)) {
      known.set(OF_A_DAG.has(action.action) ? `${action.action} ${action.dag_id}` : action.action, action);
    }
    const find = (name, dagId) => known.get(OF_A_DAG.has(name) ? `${name} ${dagId}` : name);
    const isNamed = (gate) => gate.may_answer.length === 0 || gate.may_answer.includes(told[0]?.user);
    const isAsked = (gate) => gate.state === "approval" && Boolean(gate.link?.task_id);
    return {
      may: (name, dagId) => find(name, dagId) !== undefined,
      mayAny: ["promote", "run", "hold", "reject"].some((name) =>
        told.some((one) => one.actions.some((each) => each.action === name)),
      ),
      mayAnswer: (gate) => isAsked(gate) && isNamed(gate) && find("answer", gate.link.dag_id) !== undefined,
      mayRetry: (gate) =>
        gate.state === "failed" && Boolean(gate.link?.task_id) && find("retry", gate.link.dag_id) !== undefined,
      open: (name, items, onDone, more = {}) =>
        setOpened({ name, items, onDone, more, action: find(name, more.ladder?.name) }),
      dialog: opened && h(DIALOGS[opened.name], { ...opened, key: opened.name, onClose: () => setOpened(null) }),
    };
  }, [told, opened]);
}
