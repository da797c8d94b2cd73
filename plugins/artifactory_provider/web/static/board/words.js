// Texts that tasks have handed on, as the blocks that the server has read: whatever stands in them stays text.

import { h } from "./airflow.js";

const STYLES = { strong: "strong", em: "em", code: "code" };

export function Words({ blocks }) {
  return h(
    "div",
    { className: "ab-words" },
    blocks.map((block, place) => h(SHOWN[block.kind] ?? Paragraph, { key: place, block })),
  );
}

const Line = ({ line }) =>
  line.map(({ text, style }, place) =>
    STYLES[style] ? h(STYLES[style], { key: place }, text) : h("span", { key: place }, text),
  );

const Heading = ({ block }) => h("h3", null, h(Line, { line: block.lines[0] ?? [] }));
const Paragraph = ({ block }) => h("p", null, h(Line, { line: block.lines[0] ?? [] }));
const Plain = ({ block }) => h("pre", null, h(Line, { line: block.lines[0] ?? [] }));

function List({ block }) {
  return h(
    "ul",
    null,
    block.lines.map((line, place) => h("li", { key: place }, h(Line, { line }))),
  );
}

function Table({ block }) {
  const [head, ...rows] = block.rows;
  const cell = (tag, line, column) =>
    h(
      tag,
      {
        key: column,
        className: block.numbers.includes(column) ? "ab-number" : undefined,
        ...(tag === "th" && { scope: "col" }),
      },
      h(Line, { line }),
    );
  const isNamed = head?.some((line) => line.length > 0);
  return h(
    "table",
    { className: "ab-plain" },
    isNamed && h("thead", null, h("tr", null, head.map((line, column) => cell(line.length ? "th" : "td", line, column)))),
    h(
      "tbody",
      null,
      rows.map((row, place) => h("tr", { key: place }, row.map((line, column) => cell("td", line, column)))),
    ),
  );
}

const SHOWN = { heading: Heading, paragraph: Paragraph, plain: Plain, list: List, table: Table };
