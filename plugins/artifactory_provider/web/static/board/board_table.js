// The table of one ladder: a row an image, a column a stage, a gate between two.
// Roles are named, since a style that makes cards of rows takes the meaning of a table away.

import { Fragment, h, Link, useId } from "./airflow.js";
import { Gate, StageCell } from "./cells.js";
import { Changes } from "./changes.js";
import { Icon } from "./icons.js";
import { differencePage, imagePage, stagePage } from "./links.js";
import { RowMenu } from "./row_menu.js";

export function BoardTable({ ladder, rows, ...others }) {
  const title = useId();
  const columns = 1 + ladder.stages.length * 2;
  return h(
    "section",
    { className: "ab-ladder" },
    h("h2", { className: "ab-still", id: title }, ladder.name),
    h(
      "table",
      { className: "ab-table", role: "table", "aria-labelledby": title },
      h(Head, { stages: ladder.stages }),
      groupByOwner(rows, others.favourites).map(([owner, ofOwner]) =>
        h(
          "tbody",
          { key: owner, role: "rowgroup" },
          owner &&
            h(
              "tr",
              { className: "ab-group", role: "row" },
              h("th", { role: "rowheader", scope: "rowgroup", colSpan: columns }, h("span", null, owner)),
            ),
          ofOwner.flatMap((row) => [
            h(Row, { key: row.image, row, ladder, ...others }),
            row.changes?.length > 0 && h(ChangesRow, { key: `${row.image} changes`, row, columns }),
          ]),
        ),
      ),
    ),
  );
}

function Head({ stages }) {
  const column = { scope: "col", role: "columnheader" };
  return h(
    "thead",
    { role: "rowgroup" },
    h(
      "tr",
      { role: "row" },
      h("th", { ...column, className: "ab-image" }, "Image"),
      stages.map((stage, place) =>
        h(
          Fragment,
          { key: stage.name },
          place > 0 && h("th", { ...column, className: "ab-gate" }, h(Compare, { from: stages[place - 1], to: stage })),
          h(
            "th",
            column,
            h(Link, { to: stagePage(stage.repository), className: "ab-link" }, stage.name),
            stage.repository !== stage.name && h("span", { className: "ab-muted ab-small" }, ` ${stage.repository}`),
          ),
        ),
      ),
      h("th", { ...column, className: "ab-end" }, h("span", { className: "ab-hidden" }, "Actions")),
    ),
  );
}

function Compare({ from, to }) {
  const what = `What differs between ${from.name} and ${to.name}`;
  return h(
    Link,
    { to: differencePage(from.repository, to.repository), title: what, "aria-label": what, className: "ab-compare" },
    h(Icon, { name: "compare" }),
  );
}

function Row({ row, ladder, favourites, toggle, chosen, choose, actions, onDone }) {
  const gates = new Map(row.gates.map((gate) => [gate.to, gate]));
  const cells = new Map(row.cells.map((cell) => [cell.stage, cell]));
  return h(
    "tr",
    { role: "row" },
    h(
      "th",
      { scope: "row", role: "rowheader", className: "ab-image" },
      h(Name, {
        row,
        isFavourite: favourites.includes(row.image),
        toggle,
        isChosen: chosen.has(`${row.ladder} ${row.image}`),
        choose,
        actions,
      }),
    ),
    ladder.stages.map(({ name }, place) =>
      h(
        Fragment,
        { key: name },
        place > 0 &&
          h(
            "td",
            { role: "cell", className: "ab-gate", "data-stage": "↓" },
            isShown(gates.get(name)) ? h(Gate, { gate: gates.get(name), row, actions, onDone }) : null,
          ),
        h("td", { role: "cell", "data-stage": name }, h(StageCell, { cell: cells.get(name), row })),
      ),
    ),
    h("td", { role: "cell", className: "ab-end" }, h(RowMenu, { row, ladder, actions, onDone })),
  );
}

/** What has changed of an image, below it. */
function ChangesRow({ row, columns }) {
  return h(
    "tr",
    { className: "ab-changed", role: "row" },
    h("td", { className: "ab-image", role: "cell" }),
    h("td", { role: "cell", colSpan: columns - 1 }, h(Changes, { changes: row.changes, image: row.image })),
  );
}

const isShown = (gate) => Boolean(gate) && gate.state !== "nothing";

function Name({ row, isFavourite, toggle, isChosen, choose, actions }) {
  return h(
    "div",
    { className: "ab-name" },
    actions.mayAny &&
      h("input", {
        type: "checkbox",
        checked: isChosen,
        "aria-label": `Choose ${row.image}`,
        onChange: (event) => choose(row, event.target.checked),
      }),
    h(
      "button",
      {
        type: "button",
        className: "ab-star",
        "aria-pressed": isFavourite,
        "aria-label": `Favourite ${row.image}`,
        onClick: () => toggle(row.image),
      },
      h(Icon, { name: "star", isFilled: isFavourite }),
    ),
    h(
      "div",
      { className: "ab-grow" },
      h(Link, { to: imagePage(row.image, row.ladder), className: "ab-link", title: row.image }, row.image),
      row.met?.map((one) => h("p", { key: one.tag, className: "ab-small ab-muted" }, one.word)),
    ),
  );
}

/** Rows by owner, the favourites before all. */
function groupByOwner(rows, favourites) {
  const isFavourite = (row) => favourites.includes(row.image);
  const groups = new Map([["Favourites", rows.filter(isFavourite)]]);
  for (const row of rows.filter((one) => !isFavourite(one)))
    groups.set(row.owner, [...(groups.get(row.owner) ?? []), row]);
  return [...groups].filter(([, ofOwner]) => ofOwner.length > 0);
}
