// What may be done from the board: each action is a run of a DAG, an answer to a task, or a task that runs again.

import { h, useMemo, useState } from "./airflow.js";
import { AnswerDialog } from "./answer_dialog.js";
import { ClimbDialog } from "./climb_dialog.js";
import { DecideDialog } from "./decide_dialog.js";
import { PromoteDialog } from "./promote_dialog.js";
import { boardUrl, useJson } from "./requests.js";
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
// What may be done with several images at once.
const CHOSEN_FOR = new Set(["promote", "run", "hold", "reject"]);

/**
 * The actions that this user may take; ``open`` shows the dialog of one, with what it is about.
 *
 * @param ladders the names of the ladders that are shown.
 * @param dags other DAGs whose tasks are shown.
 */
export function useActions(ladders, dags = []) {
  const told = useJson(boardUrl("board/actions.json", { ladder: ladders, dag: dags })).data;
  const [opened, setOpened] = useState(null);
  const close = () => {
    setOpened(null);
    // Once the dialog is gone: until then it keeps the focus to itself.
    setTimeout(() => opened.opener?.focus());
  };
  return useMemo(() => {
    const known = new Map();
    for (const action of told?.actions ?? []) {
      known.set(OF_A_DAG.has(action.action) ? `${action.action} ${action.dag_id}` : action.action, action);
    }
    // A DAG that acts over one connection does nothing for images on another server, or the wrong thing.
    const isThere = (action, row) => !row || action.connection === null || action.connection === row.connection;
    const find = (name, dagId) => known.get(OF_A_DAG.has(name) ? `${name} ${dagId}` : name);
    const isNamed = (gate) => gate.may_answer?.length === 0 || gate.may_answer?.includes(told?.user);
    const isAsked = (gate) => gate.state === "approval" && gate.covers > 0 && Boolean(gate.link?.task_id);
    const open = (name, items, onDone, { opener = document.activeElement, ...more } = {}) =>
      setOpened({ name, items, onDone, more, opener, action: find(name, more.ladder?.name) });
    // Of a dialog that cannot help, what does.
    const instead = (name, { items, onDone, opener }) =>
      find(name) && ((more) => open(name, items, onDone, { ...more, opener }));
    return {
      may: (name, row) => {
        const action = find(name, row?.ladder);
        return action !== undefined && isThere(action, row);
      },
      mayAny: (told?.actions ?? []).some(({ action }) => CHOSEN_FOR.has(action)),
      mayAnswer: (gate) => isAsked(gate) && isNamed(gate) && find("answer", gate.link.dag_id) !== undefined,
      mayRetry: (gate) =>
        gate.state === "failed" && Boolean(gate.link?.task_id) && find("retry", gate.link.dag_id) !== undefined,
      open,
      dialog:
        opened &&
        h(DIALOGS[opened.name], {
          ...opened,
          key: opened.name,
          reject: instead("reject", opened),
          onClose: close,
        }),
    };
  }, [told, opened]);
}
