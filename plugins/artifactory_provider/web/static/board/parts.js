// Small parts that all pages of the board share.

import { absolute, Button, h, Link, pageOf, relative, span, useEffect, useState, webAddress } from "./airflow.js";
import { Icon } from "./icons.js";
import { iconOf, toneOf } from "./states.js";

const STYLES = new URL("./board.css", import.meta.url).href;

/** What all pages stand in: their style, and a title. */
export function Page({ title, back, aside, children, className = "" }) {
  useEffect(() => {
    const before = document.title;
    document.title = `${title} – Airflow`;
    return () => {
      document.title = before;
    };
  }, [title]);
  return h(
    "div",
    { className: `ab-page ${className}` },
    h(Styles),
    h(
      "div",
      { className: "ab-head ab-still" },
      back &&
        h(
          "nav",
          { className: "ab-back", "aria-label": "Breadcrumb" },
          h(Link, { to: back, className: "ab-link" }, "Board"),
        ),
      h("h1", null, title),
      aside && h("div", { className: "ab-aside" }, aside),
    ),
    children,
  );
}

/** The style sheet: React waits for it before it shows what uses it. */
export const Styles = () => h("link", { rel: "stylesheet", href: STYLES, precedence: "default" });

/** A state as icon and word, in its colour. */
export function State({ state, word, title }) {
  return h(
    "span",
    { className: `ab-state ab-${toneOf(state)}`, title: title || undefined },
    h(Icon, { name: iconOf(state) }),
    word || state,
  );
}

/** A moment, as the time that has passed; whole where the pointer rests on it. */
export function Time({ at, prefix = "" }) {
  if (!at) return null;
  return h("time", { dateTime: at, title: absolute(at) }, prefix, relative(at));
}

/** How old something is; since when, where the pointer rests on it. */
export function Age({ at, prefix = "" }) {
  if (!at) return null;
  return h("time", { dateTime: at, title: `since ${absolute(at)}` }, prefix, span(Date.now() - new Date(at)));
}

/** Make times tell how long ago they are while the page stays open. */
export function useTicking(milliseconds = 15000) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers give no clipboard to pages over plain HTTP: the old way.
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (!isDone) throw new Error("The browser does not let this page copy.");
  return undefined;
}

export function Copy({ text, name }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(""), 1500);
    return () => clearTimeout(timer);
  }, [said]);
  const onClick = (click) => {
    click.stopPropagation();
    copyText(text).then(
      () => setSaid("Copied"),
      () => setSaid("Not copied"),
    );
  };
  return h(
    "button",
    {
      type: "button",
      className: "ab-copy",
      "aria-label": `Copy ${name ?? text}`,
      title: `Copy ${name ?? text}`,
      onClick,
    },
    h(Icon, { name: said === "Copied" ? "tick" : "copy" }),
    h("span", { role: "status", className: "ab-hidden" }, said),
  );
}

/** The first eight hexadecimal digits of a digest, which can be copied whole. */
export function Digest({ digest, isWhole = false }) {
  if (!digest) return null;
  return h(
    "span",
    { className: "ab-digest" },
    h("code", { title: isWhole ? undefined : digest }, isWhole ? digest : digest.replace(/^sha256:/, "").slice(0, 8)),
    h(Copy, { text: digest, name: digest }),
  );
}

/** Which run did something, and who started it. */
export function By({ by }) {
  if (!by) return null;
  const page = pageOf(by);
  const name = by.user || by.started || by.dag_id;
  const title = [by.dag_id, by.run_id, by.task_id].filter(Boolean).join(" / ");
  if (!page) return h("span", { title }, name);
  return h(Link, { to: page, title, className: "ab-link" }, by.dag_id, by.user ? ` / ${by.user}` : "");
}

/** A link out of Airflow, where it is a web address. */
export function Outside({ url, children }) {
  const address = webAddress(url);
  if (!address) return h("span", null, children);
  return h(
    "a",
    { href: address, target: "_blank", rel: "noopener noreferrer", className: "ab-link" },
    children,
    h(Icon, { name: "out" }),
  );
}

/** Something that people have to know before anything else. */
export function Notice({ tone = "bad", title, children, action }) {
  return h(
    "div",
    { className: `ab-notice ab-${tone}`, role: tone === "bad" ? "alert" : "status" },
    h(Icon, { name: tone === "bad" ? "stop" : "clock" }),
    h("div", { className: "ab-grow" }, title && h("strong", null, title, " "), children),
    action,
  );
}

const PATIENCE = 1000;

/** That what is shown is old, as asking again has failed, or that it was asked for before, as the answer takes its time. */
export function Old({ data, error, isOfBefore }) {
  if (!data) return null;
  if (error) return h(Notice, { title: "What is shown may be old." }, error.message);
  return isOfBefore ? h(Asking) : null;
}

function Asking() {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), PATIENCE);
    return () => clearTimeout(timer);
  }, []);
  return isLong && h("p", { className: "ab-muted", role: "status" }, "Asking … What is shown was asked for before.");
}

/** What stands where nothing is yet: loading, or an error with a way on. */
export function Pending({ error, reload, what }) {
  if (!error) return h("p", { className: "ab-muted", role: "status" }, `Loading ${what} …`);
  return h(
    Notice,
    {
      title: `${what[0].toUpperCase()}${what.slice(1)} cannot be loaded.`,
      action: h(Button, { size: "sm", variant: "outline", onClick: () => reload() }, "Try again"),
    },
    error.message,
  );
}
