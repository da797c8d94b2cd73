// Give a tag what it showed before, or a version that is chosen.

import { h, relative, useState } from "./airflow.js";
import { ActionDialog, Check, Field, Reason, Select } from "./action_dialog.js";
import { boardUrl, start, useJson } from "./requests.js";

export function RollbackDialog({ items: [row], more, action, onClose, onDone }) {
  const stages = row.cells.filter((cell) => cell.tag);
  const [place, setPlace] = useState(more.stage ?? stages.at(-1).stage);
  const [version, setVersion] = useState(more.version ?? "");
  const [reason, setReason] = useState("");
  const [isAsking, setAsking] = useState(true);
  const cell = stages.find((one) => one.stage === place) ?? stages[0];
  const tag = more.tag ?? cell.tag;
  // What stands there now is what is taken out, or nothing is: somebody may have changed it since.
  const replaces = tag === cell.tag ? cell.digest : more.digest;
  const subject = `${cell.repository}/${row.image}:${tag}`;
  const jobs = [
    {
      name: subject,
      run: () =>
        start(action, {
          repository: cell.repository,
          image: row.image,
          tag,
          version: version || null,
          replaces: replaces ?? null,
          reason,
          approval: isAsking,
        }),
    },
  ];
  return h(
    ActionDialog,
    {
      title: `Roll back ${row.image}`,
      confirm: "Roll back",
      isDangerous: true,
      isReady: reason.trim() !== "",
      jobs,
      onClose,
      onDone,
    },
    h(
      "p",
      null,
      h("code", null, subject),
      " goes back to the version below, and is held there: no schedule brings the newer one again until somebody lifts the hold.",
    ),
    h(
      Field,
      { name: "Stage" },
      h(Select, {
        value: cell.stage,
        onChange: setPlace,
        options: stages.map((one) => [one.stage, `${one.stage}: ${one.tag}`]),
      }),
    ),
    h(Field, { name: "Version" }, h(Versions, { row, cell, tag, value: version, onChange: setVersion })),
    h(Reason, { value: reason, onChange: setReason }),
    action.fields.approval &&
      h(Check, { isOn: isAsking, onChange: setAsking }, "Show the plan and ask first; you may answer"),
  );
}

function Versions({ row, cell, tag, value, onChange }) {
  const { data } = useJson(boardUrl("board/image.json", { image: row.image, ladder: row.ladder }));
  const found = (data?.history ?? []).filter(
    (one) => one.repository === cell.repository && one.tag === tag && one.digest && one.digest !== cell.digest,
  );
  const distinct = [...new Map(found.map((one) => [one.digest, one])).values()];
  const options = distinct.map((one) => [one.digest, `${one.digest.slice(7, 19)}, from ${relative(one.time)}`]);
  return h(Select, {
    value,
    onChange,
    options: [
      ["", "What the tag showed before"],
      ...options,
      ...(value && !options.some(([one]) => one === value) ? [[value, value]] : []),
    ],
  });
}
