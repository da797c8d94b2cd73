// The board and its pages, by what follows /plugin/board in the address.

import { h, useLocation } from "./airflow.js";
import { BoardPage } from "./board_page.js";
import { DifferencePage } from "./difference_page.js";
import { ImagePage } from "./image_page.js";
import { StagePage } from "./stage_page.js";

const PAGES = { image: ImagePage, stage: StagePage, difference: DifferencePage };

export function BoardApp() {
  const { pathname } = useLocation();
  const page = pathname.split("/plugin/board/")[1]?.split("/")[0];
  return h(PAGES[page] ?? BoardPage);
}
