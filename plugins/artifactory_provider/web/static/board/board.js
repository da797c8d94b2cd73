// The bundle that Airflow's UI imports: it registers a component under the name of each of the plugin's React apps.
// Everything else is loaded from here, so that whatever goes wrong is said in words instead of an empty page.

const APPS = {
  Board: ["./board_app.js", "BoardApp"],
  Promotions: ["./board_app.js", "HistoryEntry"],
  "Promotions that need somebody": ["./home_card.js", "HomeCard"],
  Images: ["./run_tab.js", "RunTab"],
  Plan: ["./plan_tab.js", "PlanTab"],
  "Waits for": ["./task_tab.js", "TaskTab"],
};

// What Airflow 3.3 puts on the window for plugins. It promises no versions of them.
const NEEDED = {
  React: ["createElement", "lazy", "Suspense", "useEffect", "useState", "useMemo", "useRef", "useId"],
  ReactRouterDOM: ["Link", "Navigate", "useSearchParams", "useLocation", "useNavigate"],
  ChakraUI: ["Button", "Dialog", "Input", "Menu", "Portal", "Textarea"],
};

function findMissing() {
  return Object.entries(NEEDED).flatMap(([name, parts]) => {
    const found = globalThis[name];
    if (found === undefined) return [name];
    return parts.filter((part) => found[part] === undefined).map((part) => `${name}.${part}`);
  });
}

// A component needs nothing to return a text.
const say = (text) => () => text;

async function load(module, name) {
  try {
    return { default: (await import(module))[name] };
  } catch (error) {
    console.error("The board's files cannot be loaded:", error);
    const why = `one of its files cannot be loaded: ${error.message}`;
    return { default: say(`The board cannot be shown, since ${why}. Load the page again.`) };
  }
}

// Airflow imports this file once for all of them: each loads its own when it is shown.
function make(module, name) {
  const missing = findMissing();
  if (missing.length > 0) {
    return say(`The board cannot be shown: this version of Airflow does not give plugins ${missing.join(", ")}.`);
  }
  const { createElement, lazy, Suspense } = globalThis.React;
  const Loaded = lazy(() => load(module, name));
  return (props) => createElement(Suspense, null, createElement(Loaded, props));
}

for (const [app, [module, name]] of Object.entries(APPS)) globalThis[app] = make(module, name);
