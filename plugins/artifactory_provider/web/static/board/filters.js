// What narrows the board: counts as filters, a search, the ladder, the owner, the favourites.

import { Button, h, Input, useEffect, useId } from "./airflow.js";
import { Changed } from "./changes.js";
import { Icon } from "./icons.js";
import { useTyped } from "./query.js";
import { COUNTED, iconOf, toneOf } from "./states.js";

export function Filters({ board, query, change }) {
  const narrow = (changes) => change({ ...changes, start: "" });
  return h(
    "div",
    { className: "ab-filters", role: "search" },
    h(
      Counts,
      {
        label: "How they stand",
        known: COUNTED.map(([state, words]) => [state, words, state]),
        counts: board?.counts ?? {},
        value: query.state,
        onChange: (state) => narrow({ state }),
      },
      h(Changed, { board, since: query.since, narrow }),
    ),
    h(
      "div",
      { className: "ab-fields" },
      h(Search, { value: query.q, onChange: (q) => change({ q, start: "" }, { replace: true }) }),
      h(Choice, {
        name: "Ladder",
        value: query.ladder,
        all: "All ladders",
        options: (board?.ladders ?? []).map((one) => one.name),
        onChange: (ladder) => narrow({ ladder }),
      }),
      h(Choice, {
        name: "Owner",
        value: query.owner,
        all: "All owners",
        options: board?.owners ?? [],
        onChange: (owner) => narrow({ owner }),
      }),
    ),
  );
}

/**
 * Counts that are filters.
 *
 * @param label what they have in common.
 * @param known what is counted, each ``[value, words, state]``: the state has the icon and the colour.
 * @param counts how many there are, by value.
 * @param value which one is chosen; empty for none.
 * @param children what else filters beside them.
 */
export function Counts({ label, known, counts, value, onChange, children }) {
  const shown = known.filter(([one]) => counts[one] > 0 || one === value);
  return h(
    "div",
    { className: "ab-counts", role: "group", "aria-label": label },
    shown.map(([one, words, state]) => {
      const isOn = value === one;
      const name = { key: one, type: "button", className: `ab-count ab-${toneOf(state)}`, "aria-pressed": isOn };
      return h(
        "button",
        { ...name, onClick: () => onChange(isOn ? "" : one) },
        h(Icon, { name: iconOf(state) }),
        h("b", null, (counts[one] ?? 0).toLocaleString("en")),
        words,
      );
    }),
    children,
  );
}

export function Search({ value, onChange, label = "Search image, tag, digest, run or person" }) {
  const [typed, setTyped] = useTyped(value, onChange);
  return h(Input, {
    className: "ab-search",
    type: "search",
    size: "sm",
    value: typed,
    maxLength: 400,
    placeholder: label,
    "aria-label": label,
    onChange: (event) => setTyped(event.target.value),
  });
}

export function Choice({ name, value, all, options, onChange }) {
  const id = useId();
  if (options.length < 2 && !value) return null;
  const known = value && !options.includes(value) ? [...options, value] : options;
  return [
    h("label", { key: "label", htmlFor: id, className: "ab-hidden" }, name),
    h(
      "select",
      { key: "select", id, className: "ab-select", value, onChange: (event) => onChange(event.target.value) },
      h("option", { value: "" }, all),
      known.map((one) => h("option", { key: one, value: one }, one)),
    ),
  ];
}

/**
 * Which of all are shown, and the way to the others.
 *
 * @param start how many stand before those that are shown.
 * @param count how many are shown.
 */
export function Pages({ start, count, found, limit, change }) {
  const go = (to) => {
    change({ start: to > 0 ? String(to) : "" });
    document.querySelector(".ab-page")?.scrollTo({ top: 0 });
  };
  // There may be fewer by now than stood before this page: the last one that there is, is meant.
  const isPast = count === 0 && start > 0;
  const last = Math.max(0, Math.ceil(found / limit) - 1) * limit;
  useEffect(() => {
    if (isPast) change({ start: last > 0 ? String(last) : "" }, { replace: true });
  }, [isPast, last]);
  if (count === 0) return null;
  return h(
    "nav",
    { className: "ab-pages ab-still", "aria-label": "Pages" },
    h(
      "span",
      { className: "ab-muted" },
      `${(start + 1).toLocaleString("en")}–${(start + count).toLocaleString("en")} of ${found.toLocaleString("en")}`,
    ),
    found > limit &&
      h(
        Button,
        { size: "xs", variant: "outline", disabled: start === 0, onClick: () => go(Math.max(0, start - limit)) },
        "Previous",
      ),
    found > limit &&
      h(
        Button,
        { size: "xs", variant: "outline", disabled: start + count >= found, onClick: () => go(start + limit) },
        "Next",
      ),
  );
}
