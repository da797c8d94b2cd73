// Requests to the board's own routes and to Airflow's REST API, both with the session of whoever is logged in.

import { airflowUrl, useCallback, useEffect, useRef, useState } from "./airflow.js";

const KEPT = 20;
const kept = new Map();

/** The address of one of the board's routes, with what is not empty of a query. */
export function boardUrl(path, query = {}) {
  const url = new URL(`../../${path}`, import.meta.url);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat())
      if (one !== "" && one != null && one !== false) url.searchParams.append(name, one);
  }
  return url.href;
}

function logIn() {
  const { pathname, search } = location;
  const url = airflowUrl("api/v2/auth/login");
  url.searchParams.set("next", `${pathname}${search}`);
  location.replace(url);
}

/** What a server says of an error, in words. */
function readError(answer, told) {
  if (typeof told?.detail === "string") return told.detail;
  if (Array.isArray(told?.detail)) return told.detail.map((one) => one.msg ?? String(one)).join("; ");
  if (answer.status === 403) return "You may not do that: ask for the right to do it.";
  return `The server has answered with ${answer.status}.`;
}

/** Send a request and return its JSON. */
export async function send(url, { method = "GET", body, signal } = {}) {
  let answer;
  try {
    const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) };
    answer = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("Airflow does not answer.");
  }
  const told = await answer.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return undefined;
  });
  if (answer.status === 401 || (answer.status === 403 && told?.detail === "Invalid JWT token")) {
    logIn();
    throw new Error("You are not logged in any more.");
  }
  if (!answer.ok) throw new Error(readError(answer, told));
  // A proxy's page, for one: nobody can tell whether Airflow has been asked at all.
  if (told === undefined && answer.status !== 204)
    throw new Error("The server has answered with something that is no JSON.");
  return told;
}

function keep(url, data) {
  kept.delete(url);
  kept.set(url, data);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
}

/**
 * Get JSON, and again when it is asked for or when it is time; what was there before is shown meanwhile.
 * ``isOfBefore`` says that this is what another address has answered. An error leaves what its own address has answered.
 *
 * @param url the address; null for nothing yet.
 * @param every returns after how many milliseconds it is asked for again, given the data; none for never.
 */
export function useJson(url, every) {
  const [state, setState] = useState({ url: null, data: null, error: null });
  const [isLoading, setLoading] = useState(false);
  const [asked, setAsked] = useState({ round: 0, extra: {} });
  const isOfBefore = Boolean(url) && state.url !== url && !kept.has(url) && state.data !== null;
  const shown = url && state.url === url ? state : { data: kept.get(url) ?? (url ? state.data : null), error: null };
  const latest = useRef(null);
  latest.current = every;

  useEffect(() => {
    if (!url) return undefined;
    const control = new AbortController();
    const whole = new URL(url);
    for (const [name, value] of Object.entries(asked.extra)) whole.searchParams.set(name, value);
    setLoading(true);
    send(whole.href, { signal: control.signal })
      .then((data) => {
        keep(url, data);
        setState({ url, data, error: null });
        setLoading(false);
      })
      .catch((error) => {
        if (error.name === "AbortError") return;
        setState((before) => ({ url, data: kept.get(url) ?? (before.url === url ? before.data : null), error }));
        setLoading(false);
      });
    return () => control.abort();
  }, [url, asked]);

  const reload = useCallback((extra = {}) => setAsked(({ round }) => ({ round: round + 1, extra })), []);

  useEffect(() => {
    const pause = !isLoading && url && latest.current?.(shown.data);
    if (!pause) return undefined;
    const timer = setTimeout(() => {
      if (document.visibilityState === "visible") reload();
      else document.addEventListener("visibilitychange", () => reload(), { once: true });
    }, pause);
    return () => clearTimeout(timer);
  }, [url, isLoading, shown.data, shown.error, reload]);

  return { data: shown.data, error: shown.error, isLoading, isOfBefore, reload };
}

const dagUrl = (dagId, ...parts) => airflowUrl(["api/v2/dags", encodeURIComponent(dagId), ...parts].join("/"));

/** Start a run of a DAG, and return where it is. */
export async function trigger(dagId, conf) {
  const run = await send(dagUrl(dagId, "dagRuns"), { method: "POST", body: { logical_date: null, conf } });
  return { dag_id: dagId, run_id: run.dag_run_id };
}

/** Start the run of one of the board's actions; ``told`` says what it needs to know, by the names of the board. */
export function start(action, told) {
  const conf = { ...action.conf };
  for (const [name, value] of Object.entries(told)) {
    const field = action.fields[name];
    if (field === undefined || value === undefined) continue;
    conf[field] = action.lists.includes(field) ? [value].flat() : value;
  }
  return trigger(action.dag_id, conf);
}

/** Answer a task's question, as Airflow's Required Actions do. */
export function answer(where, option, fields = {}) {
  const { dag_id: dagId, run_id: runId, task_id: taskId, map_index: index = -1 } = where;
  const parts = ["dagRuns", runId, "taskInstances", taskId, String(index), "hitlDetails"].map(encodeURIComponent);
  return send(dagUrl(dagId, ...parts), {
    method: "PATCH",
    body: { chosen_options: [option], params_input: fields },
  });
}

/** Clear a task's instance and what comes after it, so that it runs again. */
export function clear(where) {
  const { dag_id: dagId, run_id: runId, task_id: taskId, map_index: index } = where;
  return send(dagUrl(dagId, "clearTaskInstances"), {
    method: "POST",
    body: {
      dry_run: false,
      dag_run_id: runId,
      only_failed: false,
      include_downstream: true,
      task_ids: [index == null || index < 0 ? taskId : [taskId, index]],
    },
  });
}

/** The address, in Airflow's REST API, of the questions of a run that nobody has answered yet. */
export function openQuestions(where) {
  const url = dagUrl(where.dag_id, "dagRuns", encodeURIComponent(where.run_id), "hitlDetails");
  url.searchParams.set("response_received", "false");
  return url.href;
}

/** The address of a run in Airflow's REST API. */
export const airflowRun = (where) => dagUrl(where.dag_id, "dagRuns", encodeURIComponent(where.run_id)).href;
