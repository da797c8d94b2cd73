// Icons, drawn on a field of 16 × 16 in the colour of the text beside them. They only repeat what a word says.

import { h } from "./airflow.js";

const PATHS = {
  tick: "M3 8.5l3.2 3.2L13 5",
  cross: "M4 4l8 8M12 4l-8 8",
  up: "M8 13V3.5M4 7.5l4-4 4 4",
  right: "M2.5 8h10M9 4.5L12.5 8 9 11.5",
  clock: "M8 2.2a5.8 5.8 0 100 11.6A5.8 5.8 0 008 2.2zM8 5v3.3l2.2 1.4",
  person: "M8 2.5a2.6 2.6 0 100 5.2 2.6 2.6 0 000-5.2zM3 13.5c.3-2.7 2.2-4 5-4s4.7 1.3 5 4",
  lock: "M4 7.200h8v6H4zM5.5 7V5a2.5 2.5 0 015 0v2",
  pause: "M5.5 3.500v9M10.5 3.500v9",
  ban: "M8 2.200a5.8 5.8 0 100 11.600A5.8 5.8 0 008 2.200zM4 4l8 8",
  fork: "M4 2.500v3.500c0 2 4 2 4 4v3.500M12 2.500v3.500c0 2-4 2-4 4",
  bolt: "M9 1.800L3.8 9H8l-1 5.200L12.2 7H8z",
  dash: "M5 8h6",
  question: "M5.8 6a2.2 2.2 0 114 1.300c-.8.8-1.8 1-1.8 2.200M8 12.300v.4",
  star: "M8 2l1.8 3.8 4.2.5-3.1 2.9.8 4.100L8 11.300l-3.7 2 .8-4.100L2 6.300l4.2-.5z",
  copy: "M5.5 5.500h8v8h-8zM10.5 5.500v-3h-8v8h3",
  refresh: "M13 8a5 5 0 11-1.5-3.500M13 2v3h-3",
  stop: "M5.5 2h5L14 5.500v5L10.5 14h-5L2 10.500v-5zM8 5v3.500M8 10.800v.4",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  out: "M6 3.500H3v9.500h9.500V10M9 2.500h4.500V7M13.5 2.500L7.5 8.5",
  compare: "M5 3v10M5 3L2.5 5.500M5 3l2.5 2.500M11 13V3M11 13l-2.5-2.500M11 13l2.5-2.5",
};

const STROKE = {
  fill: "none",
  stroke: "currentColor",
  strokeWidth: 1.6,
  strokeLinecap: "round",
  strokeLinejoin: "round",
};

export function Icon({ name, isFilled = false }) {
  return h(
    "svg",
    { className: "ab-icon", viewBox: "0 0 16 16", "aria-hidden": true, focusable: false, ...STROKE },
    h("path", { d: PATHS[name] ?? PATHS.question, fill: isFilled ? "currentColor" : "none" }),
  );
}
