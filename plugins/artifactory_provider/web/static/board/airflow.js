// What Airflow's UI gives to plugins: its own React, router and components, so that theme, direction and links are its.

export const {
  createElement: h,
  Fragment,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} = globalThis.React;
export const { Link, Navigate, useLocation, useNavigate, useSearchParams } = globalThis.ReactRouterDOM;
export const { Button, Dialog, Input, Menu, Portal, Textarea } = globalThis.ChakraUI;

/** Where Airflow is, under whatever path. */
const AIRFLOW = new URL(document.baseURI);

/** The address of one of Airflow's own routes. */
export const airflowUrl = (path) => new URL(path, AIRFLOW);

/** The page of a run, a task or one of its instances, for Airflow's router; null where the run is not known. */
export function pageOf(where, tab = "") {
  if (!where?.dag_id || !where.run_id) return null;
  const parts = ["dags", where.dag_id, "runs", where.run_id];
  if (where.task_id) {
    parts.push("tasks", where.task_id);
    if (where.map_index != null && where.map_index >= 0) parts.push("mapped", String(where.map_index));
  }
  return `/${parts.map(encodeURIComponent).join("/")}${tab && `/${tab}`}`;
}

/** A text that is a web address, or null: nothing else ever becomes a link. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** What Airflow's user has chosen as time zone, or the browser's own. */
function timeZone() {
  try {
    const zone = JSON.parse(localStorage.getItem("timezone"));
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone ?? undefined;
  } catch {
    return undefined;
  }
}

/** A moment as people read it: 2026-11-01 02:00:00 GMT+1. */
export function absolute(moment) {
  const format = { timeZone: timeZone(), dateStyle: "short", timeStyle: "long" };
  return new Intl.DateTimeFormat("sv-SE", format).format(new Date(moment));
}

const UNITS = [
  [60, "s"],
  [60, "min"],
  [24, "h"],
  [7, "d"],
  [52, "wk"],
  [Infinity, "y"],
];

/** How long a span is, in its largest unit: 42 min. */
export function span(milliseconds) {
  let left = Math.max(0, Math.round(milliseconds / 1000));
  for (const [size, unit] of UNITS) {
    if (left < size) return `${left} ${unit}`;
    left = Math.floor(left / size);
  }
  return "";
}

/** How long ago, or in how long, a moment is. */
export function relative(moment) {
  const passed = Date.now() - new Date(moment).getTime();
  if (passed < -1000) return `in ${span(-passed)}`;
  return passed < 5000 ? "just now" : `${span(passed)} ago`;
}
