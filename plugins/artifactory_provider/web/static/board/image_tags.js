// The tags of an image in one stage: what each shows, for which platforms, how large, and what belongs to it.

import { Button, Fragment, h, Link, useState } from "./airflow.js";
import { stagePage } from "./links.js";
import { By, Digest, Outside, State, Time } from "./parts.js";

const UNITS = ["B", "kB", "MB", "GB", "TB"];
const SHOWN = 10;
// What a promotion has replaced is kept under such a tag.
const BACKUP = /-previous-[0-9a-f]{12}$/;
const LABELS = { "org.opencontainers.image.revision": "Source revision", "org.opencontainers.image.source": "Source" };

/** Bytes as people read them: 12.3 MB. */
export function size(bytes) {
  let [left, place] = [bytes, 0];
  while (left >= 1000 && place < UNITS.length - 1) {
    left /= 1000;
    place += 1;
  }
  return `${left < 10 && place > 0 ? left.toFixed(1) : Math.round(left)} ${UNITS[place]}`;
}

export function StageTags({ stage, row, actions, onDone }) {
  const [count, setCount] = useState(SHOWN);
  const [open, setOpen] = useState("");
  if (stage.tags.length === 0) return null;
  return h(
    "section",
    null,
    h(
      "h2",
      null,
      h(Link, { to: stagePage(stage.repository), className: "ab-link" }, stage.stage),
      h(
        "span",
        { className: "ab-muted" },
        ` · ${stage.found.toLocaleString("en")} ${stage.found === 1 ? "tag" : "tags"}`,
      ),
    ),
    h(
      "table",
      { className: "ab-plain" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Tag", "Digest", "Came there", "By", "Platforms", "Size", ""].map((name, place) =>
            h("th", { key: place, scope: "col" }, name || h("span", { className: "ab-hidden" }, "More")),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        stage.tags
          .slice(0, count)
          .map((tag) =>
            h(
              Fragment,
              { key: tag.tag },
              h(TagRow, { tag, isOpen: open === tag.tag, onOpen: () => setOpen(open === tag.tag ? "" : tag.tag) }),
              open === tag.tag &&
                h("tr", null, h("td", { colSpan: 7 }, h(Details, { tag, stage, row, actions, onDone }))),
            ),
          ),
      ),
    ),
    stage.tags.length > count &&
      h(
        Button,
        { size: "xs", variant: "outline", onClick: () => setCount(count + SHOWN * 5) },
        `Older (${stage.tags.length - count})`,
      ),
    stage.tags.length <= count &&
      stage.found > stage.tags.length &&
      h("p", { className: "ab-muted ab-small" }, `The newest ${stage.tags.length} are shown; Artifactory has all.`),
  );
}

function TagRow({ tag, isOpen, onOpen }) {
  const isPlain = tag.state === "current" && !tag.is_backup;
  return h(
    "tr",
    null,
    h(
      "th",
      { scope: "row", className: "ab-tagged" },
      h("code", { className: "ab-tag" }, tag.tag),
      " ",
      !isPlain &&
        h(State, {
          state: tag.is_backup ? "nothing" : tag.state,
          word: tag.is_backup ? "backup" : tag.word,
          title: tag.reason,
        }),
    ),
    h("td", null, h(Digest, { digest: tag.digest })),
    h("td", null, h(Time, { at: tag.updated })),
    h("td", null, h(By, { by: tag.by })),
    h("td", null, tag.platforms.map((one) => one.name).join(", ")),
    h("td", { className: "ab-number" }, tag.size == null ? "" : size(tag.size)),
    h(
      "td",
      null,
      h(
        Button,
        {
          size: "2xs",
          variant: "ghost",
          "aria-expanded": isOpen,
          "aria-label": `${isOpen ? "Less" : "More"} of ${tag.tag}`,
          onClick: onOpen,
        },
        isOpen ? "Less" : "More",
      ),
    ),
  );
}

function Details({ tag, stage, row, actions, onDone }) {
  const rollBack = () => {
    const name = tag.tag.replace(BACKUP, "");
    const now = stage.tags.find((one) => one.tag === name)?.digest;
    actions.open("roll_back", [row], onDone, { stage: stage.stage, tag: name, digest: now, version: tag.digest });
  };
  return h(
    "dl",
    { className: "ab-facts" },
    fact("Digest", h(Digest, { digest: tag.digest, isWhole: true })),
    tag.created && fact("Created", h(Time, { at: tag.created })),
    tag.reason && fact("State", tag.reason),
    tag.platforms.length > 0 &&
      fact(
        "Platforms",
        h(
          "ul",
          null,
          tag.platforms.map((one) =>
            h(
              "li",
              { key: one.digest },
              one.name,
              " ",
              h(Digest, { digest: one.digest }),
              one.size == null ? "" : ` ${size(one.size)}`,
            ),
          ),
        ),
      ),
    fact(
      "Attachments",
      tag.attachments?.length
        ? h(
            "ul",
            null,
            tag.attachments.map((one) =>
              h(
                "li",
                { key: one.digest },
                one.kind,
                " ",
                h(Digest, { digest: one.digest }),
                h("span", { className: "ab-muted" }, ` ${one.media_type || one.tag || ""}`),
              ),
            ),
          )
        : tag.attachments
          ? "none that stand beside it"
          : "not asked for, or not known yet",
    ),
    Object.entries(tag.labels).map(([name, value]) =>
      fact(LABELS[name] ?? name, name.endsWith(".source") ? h(Outside, { url: value }, value) : value),
    ),
    tag.url && fact("Artifactory", h(Outside, { url: tag.url }, "its page")),
    row &&
      tag.is_backup &&
      BACKUP.test(tag.tag) &&
      actions.may("roll_back", row) &&
      fact("Go back", h(Button, { size: "2xs", variant: "outline", onClick: rollBack }, `Roll back to ${tag.tag} …`)),
  );
}

const fact = (name, value) => h("div", { key: name, className: "ab-fact" }, h("dt", null, name), h("dd", null, value));
