// The emergency button, and what lets the line go on.

import { absolute, h, useState } from "./airflow.js";
import { ActionDialog, Check, Field, Reason } from "./action_dialog.js";
import { start } from "./requests.js";

const lines = (text) => text.split(/\s+/).filter(Boolean);

export function StopDialog({ action, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const [repositories, setRepositories] = useState("*");
  const [images, setImages] = useState("*");
  const [until, setUntil] = useState("");
  const [isAlsoRollbacks, setAlsoRollbacks] = useState(false);
  const end = until ? new Date(until) : null;
  const conf = () => ({
    reason,
    repositories: lines(repositories),
    images: lines(images),
    until: end ? end.toISOString() : null,
    also_rollbacks: isAlsoRollbacks,
  });
  const isReady = reason.trim() !== "" && lines(repositories).length > 0 && lines(images).length > 0;
  return h(
    ActionDialog,
    {
      title: "Stop the line",
      confirm: "Stop the line",
      isDangerous: true,
      isReady,
      jobs: [{ name: repositories, run: () => start(action, conf()) }],
      onClose,
      onDone,
    },
    h(
      "p",
      null,
      "Nothing is promoted into these repositories any more, whoever or whatever starts it, from the moment that the run has ended. Rollbacks go on.",
    ),
    h(
      Field,
      { name: "Target repositories", hint: "Separated by spaces or lines; * stands for any text." },
      h("input", {
        className: "ab-input",
        value: repositories,
        onChange: (event) => setRepositories(event.target.value),
      }),
    ),
    h(
      Field,
      { name: "Images", hint: "Example: payments/*" },
      h("input", { className: "ab-input", value: images, onChange: (event) => setImages(event.target.value) }),
    ),
    h(Reason, { value: reason, onChange: setReason }),
    h(
      Field,
      { name: "Until", hint: end ? `It ends ${absolute(end)}.` : "Empty: until somebody lets the line go on." },
      h("input", {
        className: "ab-input",
        type: "datetime-local",
        value: until,
        onChange: (event) => setUntil(event.target.value),
      }),
    ),
    h(Check, { isOn: isAlsoRollbacks, onChange: setAlsoRollbacks }, "Stop rollbacks, too"),
  );
}

export function ResumeDialog({ items: [stop], action, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const { repositories, images, since } = stop;
  const run = () => start(action, { reason, repositories, images, since });
  return h(
    ActionDialog,
    {
      title: "Let the line go on",
      confirm: "Let it go on",
      isReady: reason.trim() !== "",
      jobs: [{ name: repositories.join(" "), run }],
      onClose,
      onDone,
    },
    h(
      "p",
      null,
      `The stop of ${repositories.join(" ")} for the images ${images.join(" ")} is lifted, and no other. Its reason was: `,
      h("q", null, stop.reason),
    ),
    h(Reason, { value: reason, onChange: setReason }),
  );
}
