// The frame of every dialog: it says what will happen, does it for one item after the other, and what became of each.

import { Button, Dialog, h, Link, pageOf, Portal, useId, useState } from "./airflow.js";
import { Icon } from "./icons.js";
import { Notice, State } from "./parts.js";
import { airflowRun, openQuestions, useJson } from "./requests.js";

const LIVE = 2000;
const ENDS = { success: ["current", "done"], failed: ["failed", "failed"] };

/**
 * @param jobs ``{name, run}`` each: ``run`` does it, and resolves to the run that it has started, if it has.
 * @param isReady whether the form is complete.
 * @param note what has to be known at the button.
 */
export function ActionDialog({
  title,
  confirm,
  isDangerous = false,
  isReady = true,
  note,
  jobs,
  onClose,
  onDone,
  children,
}) {
  const [results, setResults] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const form = useId();

  const start = async (event) => {
    event.preventDefault();
    setBusy(true);
    const found = [];
    for (const job of jobs) {
      try {
        found.push({ name: job.name, where: await job.run() });
      } catch (error) {
        found.push({ name: job.name, error });
      }
      setResults([...found]);
    }
    setBusy(false);
  };
  const close = () => {
    onClose();
    if (results?.some((one) => !one.error)) onDone?.();
  };

  return h(
    Dialog.Root,
    {
      open: true,
      onOpenChange: ({ open }) => !open && !isBusy && close(),
      restoreFocus: false,
      scrollBehavior: "inside",
      size: "lg",
    },
    h(
      Portal,
      null,
      h(Dialog.Backdrop),
      h(
        Dialog.Positioner,
        null,
        h(
          Dialog.Content,
          { className: "ab-dialog" },
          h(Dialog.Header, null, h(Dialog.Title, null, title)),
          h(
            Dialog.Body,
            null,
            results
              ? h(Results, { results, left: jobs.length - results.length })
              : h("form", { id: form, onSubmit: start }, children),
          ),
          h(
            Dialog.Footer,
            null,
            !results && note && h("p", { className: "ab-grow ab-small", role: "status", id: `${form}-note` }, note),
            h(Button, { variant: "outline", onClick: close, disabled: isBusy }, results ? "Close" : "Cancel"),
            !results &&
              h(
                Button,
                {
                  type: "submit",
                  form,
                  colorPalette: isDangerous ? "red" : "brand",
                  disabled: !isReady || jobs.length === 0,
                  loading: isBusy,
                  "aria-describedby": note ? `${form}-note` : undefined,
                },
                confirm,
              ),
          ),
        ),
      ),
    ),
  );
}

function Results({ results, left }) {
  return h(
    "div",
    { role: "status" },
    h(
      "ul",
      { className: "ab-results" },
      results.map((one) =>
        h(
          "li",
          { key: one.name },
          h("code", null, one.name),
          " ",
          one.error ? h(Notice, null, one.error.message) : h(Outcome, { where: one.where }),
        ),
      ),
    ),
    left > 0 && h("p", { className: "ab-muted" }, `${left} more to come …`),
  );
}

/** What became of the run that was started, until it has ended. */
function Outcome({ where }) {
  const isRun = Boolean(where?.run_id);
  const { data } = useJson(isRun ? airflowRun(where) : null, (run) => (run && run.state in ENDS ? 0 : LIVE));
  if (!isRun) return h(State, { state: "current", word: "done" });
  const isOver = data?.state in ENDS;
  const asked = useJson(isRun && !isOver ? openQuestions(where) : null, () => LIVE).data?.hitl_details?.[0];
  const [state, word] = ENDS[data?.state] ?? ["verifying", data?.state ?? "started"];
  const question = !isOver && asked?.task_instance;
  return h(
    "span",
    null,
    question ? h(State, { state: "approval", word: "waits for an answer" }) : h(State, { state, word }),
    " ",
    question &&
      h(
        Link,
        { to: pageOf({ ...where, ...question }, "required_actions"), className: "ab-link" },
        "Look at its plan, and answer",
        h(Icon, { name: "right" }),
      ),
    " ",
    h(Link, { to: pageOf(where), className: "ab-link" }, "its run", h(Icon, { name: "right" })),
  );
}

/** A field with its name above, and what it is for below. */
export function Field({ name, hint, children }) {
  return h(
    "label",
    { className: "ab-field" },
    h("span", null, name),
    children,
    hint && h("small", { className: "ab-muted" }, hint),
  );
}

export function Reason({ value, onChange, hint = "Everybody whom it concerns reads it, with your name." }) {
  return h(
    Field,
    { name: "Reason", hint },
    h("textarea", {
      className: "ab-input",
      rows: 2,
      required: true,
      maxLength: 500,
      value,
      onChange: (event) => onChange(event.target.value),
    }),
  );
}

export function Check({ isOn, onChange, children }) {
  return h(
    "label",
    { className: "ab-check" },
    h("input", { type: "checkbox", checked: isOn, onChange: (event) => onChange(event.target.checked) }),
    h("span", null, children),
  );
}

/** A choice of some values, each ``[value, text]``. */
export function Select({ value, onChange, options }) {
  return h(
    "select",
    { className: "ab-select", value, onChange: (event) => onChange(event.target.value) },
    options.map(([one, text]) => h("option", { key: one, value: one }, text)),
  );
}
