// The board and its pages, by what follows /plugin/board in the address.

import { h, Navigate, useLocation } from "./airflow.js";
import { BoardPage } from "./board_page.js";
import { DifferencePage } from "./difference_page.js";
import { HistoryPage } from "./history_page.js";
import { ImagePage } from "./image_page.js";
import { historyPage } from "./links.js";
import { StagePage } from "./stage_page.js";

const PAGES = { image: ImagePage, stage: StagePage, difference: DifferencePage, history: HistoryPage };

export function BoardApp() {
  const { pathname } = useLocation();
  const page = pathname.split("/plugin/board/")[1]?.split("/")[0];
  return h(PAGES[page] ?? BoardPage);
}

/** What Airflow's navigation and older links call Promotions leads on to the board's page, which asks for the same. */
export function HistoryEntry() {
  const { search } = useLocation();
  return h(Navigate, { to: historyPage(Object.fromEntries(new URLSearchParams(search))), replace: true });
}
