// Where the board's pages are, for Airflow's router.

const page = (path, query) => {
  const given = Object.entries(query).filter(([, value]) => value);
  return `/plugin/board${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
};

export const boardPage = (query = {}) => page("", query);
export const imagePage = (image, ladder) => page("/image", { image, ladder });
export const stagePage = (repository) => page("/stage", { repository });
export const differencePage = (from, to, q = "") => page("/difference", { from, to, q });
export const historyPage = (query = {}) => page("/history", query);
