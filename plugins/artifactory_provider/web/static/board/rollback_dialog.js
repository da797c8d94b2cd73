// Give a tag what it showed before, or a version that is chosen.

import { Button, h, relative, useState } from "./airflow.js";
import { ActionDialog, Check, Field, Reason, Select } from "./action_dialog.js";
import { Notice } from "./parts.js";
import { boardUrl, start, useJson } from "./requests.js";

const MOST_TAGS = 100;
const SHOWN = 3;

export function RollbackDialog({ items: [row], more, action, reject, onClose, onDone }) {
  // Of a tag that was chosen, the stage is chosen, too, whatever the board shows of the image there.
  const isChosen = Boolean(more.tag);
  const stages = row.cells.filter((cell) => (isChosen ? cell.stage === more.stage : cell.tag));
  const [place, setPlace] = useState(stages.at(-1).stage);
  const [version, setVersion] = useState(more.version ?? "");
  const [reason, setReason] = useState("");
  const [isAsking, setAsking] = useState(true);
  const cell = stages.find((one) => one.stage === place) ?? stages.at(-1);
  const tag = more.tag ?? cell.tag;
  const subject = `${cell.repository}/${row.image}:${tag}`;
  const { data } = useJson(boardUrl("board/image.json", { image: row.image, ladder: row.ladder, limit: MOST_TAGS }));
  const stage = data?.stages.find((one) => one.repository === cell.repository);
  // What stands there now is what is taken out, or nothing is: somebody may have changed it since.
  const replaces = (isChosen ? more.digest : cell.digest) ?? stage?.tags.find((one) => one.tag === tag)?.digest;
  const before = findBefore(data, stage, cell, tag, replaces);
  const choose = (stage) => {
    setPlace(stage);
    // It was chosen of another tag.
    setVersion("");
  };
  const jobs = [
    {
      name: subject,
      run: () =>
        start(action, {
          repository: cell.repository,
          image: row.image,
          tag,
          version: version || null,
          replaces,
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
      isReady: reason.trim() !== "" && Boolean(replaces) && !before.isNothing,
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
    !isChosen &&
      h(
        Field,
        { name: "Stage" },
        h(Select, {
          value: cell.stage,
          onChange: choose,
          options: stages.map((one) => [one.stage, `${one.stage}: ${one.tag}`]),
        }),
      ),
    before.isNothing &&
      h(NothingBefore, {
        tag,
        stage: cell.stage,
        others: before.others,
        onReject: reject && tag === cell.tag && (() => reject({ stage: cell.stage })),
      }),
    !before.isNothing &&
      h(Field, { name: "Version" }, h(Versions, { digests: before.digests, value: version, onChange: setVersion })),
    h(Reason, { value: reason, onChange: setReason }),
    action.fields.approval &&
      h(Check, { isOn: isAsking, onChange: setAsking }, "Show the plan and ask first; you may answer"),
  );
}

/** What a tag has shown before, as far as that is known; ``isNothing`` where it is known that there was nothing. */
function findBefore(image, stage, cell, tag, replaces) {
  const isOfTag = (one) => one.repository === cell.repository && one.tag === tag;
  const history = (image?.history ?? []).filter(isOfTag);
  const digests = new Map(
    history.filter((one) => one.digest && one.digest !== replaces).map((one) => [one.digest, one.time]),
  );
  const tags = stage?.tags ?? [];
  const hasBackup = tags.some((one) => one.is_backup && one.tag.startsWith(`${tag}-previous-`));
  const isKnown = Boolean(stage) && tags.length === stage.found && tags.some((one) => one.tag === tag);
  const wasReplaced = history.some((one) => one.replaced);
  return {
    digests: [...digests],
    isNothing: isKnown && digests.size === 0 && !hasBackup && !wasReplaced,
    others: tags.filter((one) => one.tag !== tag && !one.is_backup).map((one) => one.tag),
  };
}

function NothingBefore({ tag, stage, others, onReject }) {
  const more = others.length > SHOWN ? ` and ${others.length - SHOWN} more` : "";
  const there = others.length ? ` There, ${others.slice(0, SHOWN).join(", ")}${more} can be used instead.` : "";
  const action = onReject && h(Button, { size: "xs", variant: "outline", onClick: onReject }, "Reject it …");
  return h(
    Notice,
    { tone: "ask", title: "There is nothing to go back to.", action },
    `${tag} has shown no other image in ${stage}.${there}`,
    onReject && " Reject it, and no run brings it any further.",
  );
}

function Versions({ digests, value, onChange }) {
  const options = digests.map(([digest, time]) => [digest, `${digest.slice(7, 19)}, from ${relative(time)}`]);
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
