// What the board shows is in its address, so that a link shows the same to somebody else.

import { useCallback, useEffect, useRef, useSearchParams, useState } from "./airflow.js";

/** The parameters of the address with these names, and what changes some of them. */
export function useQuery(...names) {
  const [params, setParams] = useSearchParams();
  const query = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ""]));
  const change = useCallback(
    (changes, { replace = false } = {}) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(changes)) {
            if (value) after.set(name, value);
            else after.delete(name);
          }
          return after;
        },
        { replace },
      ),
    [setParams],
  );
  return [query, change];
}

const PAUSE = 250;

/** The text of a search field that goes into the address when typing pauses. */
export function useTyped(value, onChange) {
  const [typed, setTyped] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    // What was typed meanwhile stays; what comes from elsewhere, such as a link, is shown.
    if (value !== sent.current) setTyped(value);
    sent.current = value;
  }, [value]);
  useEffect(() => {
    if (typed === value) return undefined;
    const timer = setTimeout(() => {
      sent.current = typed;
      onChange(typed);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [typed]);
  return [typed, setTyped];
}
