// The board: images by stages, with what each waits for.

import { Button, h, Link, useState } from "./airflow.js";
import { ActionBar } from "./action_bar.js";
import { useActions } from "./actions.js";
import { BoardTable } from "./board_table.js";
import { useFavourites } from "./favourites.js";
import { Filters, Pages } from "./filters.js";
import { Icon } from "./icons.js";
import { historyPage } from "./links.js";
import { Notice, Old, Page, Pending, Time, useTicking } from "./parts.js";
import { useQuery } from "./query.js";
import { boardUrl, useJson } from "./requests.js";
import { Stops } from "./stops.js";

const LIMIT = 50;
const LIVE = 30000;
const SOON = 2000;

export function BoardPage() {
  const [query, change] = useQuery("ladder", "owner", "state", "q", "since", "start");
  const [favourites, toggle] = useFavourites();
  const [chosen, setChosen] = useState(new Map());
  useTicking();

  const url = boardUrl("board.json", { ...query, images: favourites.join(","), limit: LIMIT });
  const asked = useJson(url, (board) => (board?.is_refreshing ? SOON : LIVE));
  const { data, error, isLoading, reload } = asked;

  const shown = [...new Set((data?.rows ?? []).map((row) => row.ladder))].sort();
  const actions = useActions(shown.length ? shown : [query.ladder]);

  const choose = (row, isChosen) => {
    const after = new Map(chosen);
    if (isChosen) after.set(`${row.ladder} ${row.image}`, row);
    else after.delete(`${row.ladder} ${row.image}`);
    setChosen(after);
  };
  const onDone = () => {
    setChosen(new Map());
    reload({ refresh: "true" });
  };

  return h(
    Page,
    { title: "Board", aside: h(Freshness, { board: data, isLoading, reload, actions, onDone }) },
    actions.dialog,
    h(
      "div",
      { className: "ab-still" },
      data && h(Stops, { stops: data.stops, actions, onDone }),
      data?.trouble && h(Notice, { title: "What is shown may be old." }, data.trouble),
      h(Old, asked),
      h(Filters, { board: data, query, change }),
    ),
    !data && h(Pending, { error, reload, what: "the board" }),
    data && h(Found, { board: data, query, change, favourites, toggle, chosen, choose, actions, onDone }),
    h(ActionBar, {
      rows: [...chosen.values()],
      ladders: data?.ladders ?? [],
      actions,
      onDone,
      onClear: () => setChosen(new Map()),
    }),
  );
}

function Found({ board, query, change, ...others }) {
  if (!board.as_of)
    return h(
      "p",
      { className: "ab-empty", role: "status" },
      board.is_refreshing ? "The registry is looked at for the first time …" : "",
    );
  if (board.found === 0) return h(Nothing, { board, query, change });
  return h(
    "div",
    null,
    board.ladders
      .filter((ladder) => board.rows.some((row) => row.ladder === ladder.name))
      .map((ladder) =>
        h(BoardTable, {
          key: ladder.name,
          ladder,
          rows: board.rows.filter((row) => row.ladder === ladder.name),
          ...others,
        }),
      ),
    h(Pages, { start: board.start, count: board.rows.length, found: board.found, limit: LIMIT, change }),
  );
}

function Nothing({ board, query, change }) {
  const isNarrowed = ["ladder", "owner", "state", "q", "since"].some((name) => query[name]);
  if (isNarrowed) {
    const all = { ladder: "", owner: "", state: "", q: "", since: "", start: "" };
    return h(
      "div",
      { className: "ab-empty" },
      h("p", null, "No image is meant by this search and these filters."),
      h(Button, { size: "xs", variant: "outline", onClick: () => change(all) }, "Show all images"),
    );
  }
  const why = board.ladders.length
    ? "No image of these pipelines stands in any of their stages yet: push one to the first."
    : "No pipeline file was found, so there are no stages to show: docs/pipelines.md says how one is written.";
  return h("p", { className: "ab-empty" }, why);
}

function Freshness({ board, isLoading, reload, actions, onDone }) {
  return [
    h(Link, { key: "history", to: historyPage(), className: "ab-link" }, "History"),
    board &&
      h(
        "span",
        { key: "age", className: "ab-muted", role: "status" },
        isLoading || board.is_refreshing ? "Looking again … " : "",
        board.as_of && h(Time, { at: board.as_of, prefix: "As of " }),
      ),
    h(
      Button,
      {
        key: "refresh",
        size: "xs",
        variant: "outline",
        onClick: () => reload({ refresh: "true" }),
        disabled: isLoading,
      },
      h(Icon, { name: "refresh" }),
      "Refresh",
    ),
    actions.may("stop") &&
      h(
        Button,
        {
          key: "stop",
          size: "xs",
          variant: "outline",
          colorPalette: "red",
          onClick: () => actions.open("stop", [], onDone),
        },
        h(Icon, { name: "stop" }),
        "Stop the line",
      ),
  ];
}
