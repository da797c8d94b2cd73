// What may be done with one image: only what this user may, and what makes sense where it stands.

import { h, Menu, Portal, useRef, useState } from "./airflow.js";
import { Icon } from "./icons.js";

const isStanding = (cell) => Boolean(cell.tag);

/** The actions that a row offers, as ``[name, text, items]``. */
export function offersOf(row, actions) {
  const has = (state) => row.cells.some((cell) => cell.state === state);
  const isAnywhere = row.cells.some(isStanding);
  const failed = row.gates.filter(actions.mayRetry);
  const asked = row.gates.filter(actions.mayAnswer);
  const at = (gates) => gates.map((gate) => ({ row, gate }));
  return [
    asked.length > 0 && ["answer", "Approve or reject …", at(asked)],
    isAnywhere && actions.may("promote", row) && ["promote", "Promote …", [row]],
    failed.length > 0 && ["retry", "Try again …", at(failed)],
    isStanding(row.cells[0]) && actions.may("run", row) && ["run", `Run ${row.ladder} …`, [row]],
    isAnywhere && actions.may("roll_back", row) && ["roll_back", "Roll back …", [row]],
    isAnywhere && actions.may("hold", row) && ["hold", "Hold …", [row]],
    has("held") && actions.may("lift_hold", row) && ["lift_hold", "Lift the hold …", [row]],
    isAnywhere && actions.may("reject", row) && ["reject", "Reject …", [row]],
    has("rejected") && actions.may("lift_rejection", row) && ["lift_rejection", "Lift the rejection …", [row]],
  ].filter(Boolean);
}

export function RowMenu({ row, ladder, actions, onDone }) {
  const [isOpened, setOpened] = useState(false);
  const trigger = useRef(null);
  const offers = offersOf(row, actions);
  if (offers.length === 0) return null;
  const button = { className: "ab-more", "aria-label": `Actions for ${row.image}` };
  // A menu costs more than a whole row: each is made when it is opened for the first time.
  if (!isOpened) {
    return h(
      "button",
      { ...button, type: "button", "aria-haspopup": "menu", onClick: () => setOpened(true) },
      h(Icon, { name: "more" }),
    );
  }
  const choose = (name, items) => actions.open(name, items, onDone, { ladder, opener: trigger.current });
  return h(
    Menu.Root,
    { defaultOpen: true, positioning: { placement: "bottom-end" } },
    h(Menu.Trigger, { ...button, ref: trigger }, h(Icon, { name: "more" })),
    h(
      Portal,
      null,
      h(
        Menu.Positioner,
        null,
        h(
          Menu.Content,
          null,
          offers.map(([name, text, items]) =>
            h(Menu.Item, { key: name, value: name, onClick: () => choose(name, items) }, text),
          ),
        ),
      ),
    ),
  );
}
