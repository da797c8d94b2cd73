// The images that somebody has marked, kept in their browser.

import { useCallback, useEffect, useState } from "./airflow.js";

const KEY = "artifactory-board-favourites";
const MOST = 100;

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(found) ? found.filter((one) => typeof one === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

/** The favourites, in their order, and what marks an image or takes the mark away. */
export function useFavourites() {
  const [images, setImages] = useState(read);
  useEffect(() => {
    const follow = (change) => change.key === KEY && setImages(read());
    addEventListener("storage", follow);
    return () => removeEventListener("storage", follow);
  }, []);
  const toggle = useCallback((image) => {
    const before = read();
    const after = before.includes(image) ? before.filter((one) => one !== image) : [...before, image].slice(-MOST);
    try {
      localStorage.setItem(KEY, JSON.stringify(after));
    } catch {
      // A browser that keeps nothing has favourites as long as the page is open.
    }
    setImages(after);
  }, []);
  return [images, toggle];
}
