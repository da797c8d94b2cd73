// One image: where it stands, the tags of each stage with what belongs to them, and what happened to them.

import { Button, Fragment, h, Link, pageOf, useState } from "./airflow.js";
import { useActions } from "./actions.js";
import { StageCell } from "./cells.js";
import { TONES } from "./changes.js";
import { Icon } from "./icons.js";
import { boardPage, differencePage, historyPage, stagePage } from "./links.js";
import { By, Digest, Notice, Old, Outside, Page, Pending, State, Time, useTicking } from "./parts.js";
import { useQuery } from "./query.js";
import { boardUrl, send, useJson } from "./requests.js";
import { offersOf } from "./row_menu.js";
import { StageTags } from "./image_tags.js";

const LIVE = 60000;
const SOON = 2000;

export function ImagePage() {
  const [{ image, ladder }] = useQuery("image", "ladder");
  const actions = useActions([ladder]);
  useTicking();
  const asked = useJson(image ? boardUrl("board/image.json", { image, ladder }) : null, (one) =>
    one?.is_refreshing && !one.as_of ? SOON : LIVE,
  );
  const { error, reload } = asked;
  const data = asked.data?.image === image ? asked.data : null;
  if (!image) return h(Page, { title: "Image" }, h(Notice, { title: "Which image?" }, "The address names none."));
  const onDone = () =>
    send(boardUrl("board.json", { limit: 1, refresh: "true" })).then(
      () => reload(),
      () => reload(),
    );
  return h(
    Page,
    {
      title: image,
      back: boardPage({ ladder }),
      aside: h(Link, { to: historyPage({ q: image }), className: "ab-link" }, "Search the history for it"),
    },
    actions.dialog,
    (!data || !isKnown(data)) && h(Pending, { error, reload, what: "the image" }),
    h(Old, { ...asked, data }),
    data &&
      isKnown(data) &&
      h(
        Fragment,
        null,
        data.trouble && h(Notice, { title: "Not all could be asked." }, data.trouble),
        h(
          "p",
          { className: "ab-muted" },
          `${data.ladder}${data.owner ? ` · ${data.owner}` : ""}`,
          data.as_of && h(Time, { at: data.as_of, prefix: " · as of " }),
        ),
        data.row && h(Now, { row: data.row, stages: data.stages, actions, onDone }),
        data.stages.map((stage) => h(StageTags, { key: stage.stage, stage, row: data.row, actions, onDone })),
        h(History, { history: data.history }),
      ),
  );
}

/** Whether the registry has been looked at: before, nothing is known of any image. */
const isKnown = ({ as_of: asOf, stages }) => Boolean(asOf) || stages.length > 0;

/** Where it stands, as on the board. */
function Now({ row, stages, actions, onDone }) {
  const ladder = { name: row.ladder, stages: stages.map((one) => ({ name: one.stage, repository: one.repository })) };
  const gates = new Map(row.gates.map((gate) => [gate.from, gate]));
  return h(
    "section",
    { "aria-label": "Where it stands" },
    h(
      "div",
      { className: "ab-cards" },
      row.cells.map((cell) =>
        h(
          "div",
          { key: cell.stage, className: "ab-card" },
          h(
            "h3",
            null,
            h(Link, { to: stagePage(cell.repository), className: "ab-link" }, cell.stage),
            h("span", { className: "ab-muted ab-small" }, ` ${cell.repository}`),
          ),
          h(StageCell, { cell, row }),
          cell.url && h(Outside, { url: cell.url }, "In Artifactory "),
          h(Onward, { gate: gates.get(cell.stage), ladder, image: row.image }),
        ),
      ),
    ),
    h(
      "div",
      { className: "ab-actions" },
      offersOf(row, actions).map(([name, text, items], place) =>
        h(
          Button,
          {
            key: name,
            size: "xs",
            variant: place === 0 ? "solid" : "outline",
            onClick: () => actions.open(name, items, onDone, { ladder }),
          },
          text,
        ),
      ),
    ),
  );
}

/** What stands between it and the next stage, and what would change there. */
function Onward({ gate, ladder, image }) {
  if (!gate || gate.state === "nothing") return null;
  const [from, to] = [gate.from, gate.to].map((name) => ladder.stages.find((stage) => stage.name === name));
  const page = pageOf(gate.link, gate.state === "approval" ? "required_actions" : "");
  return h(
    "div",
    { className: "ab-onward" },
    h(
      "div",
      { className: "ab-line" },
      h(Icon, { name: "right" }),
      h("span", null, gate.to),
      h(State, { state: gate.state, word: gate.word }),
    ),
    gate.reason && h("p", { className: "ab-small" }, gate.reason),
    h(
      "div",
      { className: "ab-line ab-small" },
      page && h(Link, { to: page, className: "ab-link" }, "Its task"),
      from &&
        to &&
        h(
          Link,
          { to: differencePage(from.repository, to.repository, image), className: "ab-link" },
          `What would change in ${gate.to}`,
        ),
    ),
  );
}

const SHOWN = 20;

function History({ history }) {
  const [count, setCount] = useState(SHOWN);
  if (history.length === 0)
    return h(
      "section",
      null,
      h("h2", null, "History"),
      h("p", { className: "ab-empty" }, "Nothing that Airflow or the image itself tells of."),
    );
  return h(
    "section",
    null,
    h("h2", null, "History"),
    h(
      "ol",
      { className: "ab-history" },
      history.slice(0, count).map((one, place) => h(Happening, { key: place, one })),
    ),
    history.length > count &&
      h(
        Button,
        { size: "xs", variant: "outline", onClick: () => setCount(count + SHOWN * 5) },
        `Older (${history.length - count})`,
      ),
  );
}

function Happening({ one }) {
  const page = pageOf(one.by);
  const told = [...one.verdicts, one.approvals, one.override && `set aside: ${one.override}`].filter(Boolean);
  return h(
    "li",
    null,
    h(
      "div",
      { className: "ab-line" },
      h(State, { state: TONES[one.what] ?? "unknown", word: one.what }),
      h("code", null, one.tag),
      h("span", { className: "ab-muted" }, `in ${one.stage || one.repository}`),
      h(Digest, { digest: one.digest }),
      h(Time, { at: one.time }),
    ),
    h(
      "div",
      { className: "ab-line ab-muted ab-small" },
      one.source && h("span", null, `from ${one.source}`),
      one.replaced && h("span", null, "in place of ", h(Digest, { digest: one.replaced })),
      h(Whose, { one }),
      page && one.by.task_id && h(Link, { to: page, className: "ab-link" }, "log"),
    ),
    one.reason && h("p", { className: "ab-small" }, one.reason),
    told.length > 0 && h("p", { className: "ab-small ab-muted" }, told.join(" · ")),
    one.disagreement &&
      h(
        "p",
        { className: "ab-small" },
        h(State, { state: "conflict", word: "They disagree" }),
        ` ${one.disagreement}`,
      ),
    one.remark && h("p", { className: "ab-small ab-muted" }, one.remark),
  );
}

/** Who has done it, as far as anybody tells. */
function Whose({ one }) {
  if (one.by) return h("span", null, "by ", h(By, { by: one.by }));
  if (one.who) return h("span", null, `by ${one.who}`);
  return one.run ? h("span", null, "by the run ", h("code", null, one.run)) : null;
}
