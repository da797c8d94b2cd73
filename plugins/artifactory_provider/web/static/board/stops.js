// Stops of the line that hold now, before all else.

import { Button, h } from "./airflow.js";
import { Notice, Time } from "./parts.js";

export function Stops({ stops, actions, onDone }) {
  return (stops ?? []).map((stop, place) =>
    h(
      Notice,
      {
        key: place,
        title: `The line is stopped: ${describe(stop)}.`,
        action:
          actions.may("resume") &&
          h(
            Button,
            { size: "xs", variant: "outline", onClick: () => actions.open("resume", [stop], onDone) },
            "Let it go on …",
          ),
      },
      h("q", null, stop.reason),
      stop.by && ` – ${stop.by}`,
      stop.since && h(Time, { at: stop.since, prefix: ", " }),
      stop.until ? h(Time, { at: stop.until, prefix: ", ends " }) : ", until somebody lets it go on",
    ),
  );
}

function describe({ repositories = [], images = [] }) {
  const into = repositories.includes("*") ? "all repositories" : repositories.join(", ");
  return images.length === 0 || images.includes("*") ? into : `${images.join(", ")} into ${into}`;
}
