// What has changed since some moment: how many images, as a filter, and what and by whom, beside each.

import { absolute, h } from "./airflow.js";
import { Icon } from "./icons.js";
import { By, Digest, State, Time } from "./parts.js";

const HOUR = 3600000;
const SPANS = [
  [1, "the last hour"],
  [24, "yesterday"],
  [72, "three days ago"],
  [168, "a week ago"],
];

export const TONES = {
  promoted: "current",
  unchanged: "nothing",
  "rolled back": "behind",
  held: "held",
  lifted: "ready",
  rejected: "rejected",
  replaced: "behind",
  pushed: "current",
  copied: "current",
};

/** A moment as the server takes it: no part of it has to be escaped in an address. */
const moment = (time) => `${new Date(time).toISOString().slice(0, 19)}Z`;

/** The filter of what has changed; the moment stands in the address, so that a link shows the same tomorrow. */
export function Changed({ board, since, narrow }) {
  if (!board?.since) return null;
  return [
    h(
      "button",
      {
        key: "changed",
        type: "button",
        className: "ab-count ab-info",
        "aria-pressed": Boolean(since),
        title: `since ${absolute(board.since)}`,
        onClick: () => narrow({ since: since ? "" : moment(board.since) }),
      },
      h(Icon, { name: "clock" }),
      h("b", null, board.changed.toLocaleString("en")),
      since ? `changed since ${absolute(board.since)}` : "changed since yesterday",
    ),
    since &&
      h(
        "select",
        {
          key: "since",
          className: "ab-select ab-since",
          "aria-label": "Changed since",
          value: "",
          onChange: (event) => narrow({ since: moment(Date.now() - Number(event.target.value) * HOUR) }),
        },
        h("option", { value: "", disabled: true }, "since …"),
        SPANS.map(([hours, name]) => h("option", { key: name, value: String(hours) }, `since ${name}`)),
      ),
  ];
}

/** What has changed of one image, the newest first. */
export function Changes({ changes, image }) {
  return h(
    "ul",
    { className: "ab-changes", "aria-label": `What has changed of ${image}` },
    changes.map((one, place) =>
      h(
        "li",
        { key: place, className: "ab-line" },
        h(State, { state: TONES[one.what] ?? "unknown", word: one.what }),
        h("code", null, one.tag),
        h("span", { className: "ab-muted" }, `in ${one.stage}`),
        h(Digest, { digest: one.digest }),
        h("span", { className: "ab-muted" }, h(Time, { at: one.time })),
        one.by ? h("span", { className: "ab-by ab-muted" }, "by ", h(By, { by: one.by })) : h(Who, { who: one.who }),
        one.reason && h("q", null, one.reason),
      ),
    ),
  );
}

const Who = ({ who }) => h("span", { className: "ab-muted" }, who ? `by ${who}` : "by whom is not known");
