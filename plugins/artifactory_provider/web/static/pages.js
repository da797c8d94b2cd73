// What the pages do in a browser. They are whole without it, but for starting a run.
"use strict";

(() => {
  const isFramed = parent !== window;

  // Airflow keeps its user's choices in the browser's storage: its theme as light, dark or system.
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };

  const system = matchMedia("(prefers-color-scheme: dark)");
  const followTheme = () => {
    const chosen = read("theme");
    const isDark = chosen === "dark" || (chosen !== "light" && system.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  followTheme();
  system.addEventListener("change", followTheme);

  addEventListener("storage", (change) => {
    if (change.key === "theme" || change.key === null) followTheme();
  });

  // Airflow's frame may not lead elsewhere, so the page around it follows the link.
  const leave = (url, like) => {
    if (!isFramed) {
      location.assign(url);
      return;
    }
    const outside = parent.document.createElement("a");
    outside.href = url;
    parent.document.body.append(outside);
    outside.dispatchEvent(new MouseEvent("click", like ?? { bubbles: true, cancelable: true }));
    outside.remove();
  };

  const say = (text) => {
    const status = document.getElementById("status");
    if (status) status.textContent = text;
  };

  // Starting a run is Airflow's own request, with the rights of whoever is logged in.
  const onStart = async (button) => {
    button.disabled = true;
    say("Starting the run …");
    try {
      const answer = await fetch(button.dataset.url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ logical_date: null, conf: JSON.parse(button.dataset.conf) }),
      });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) {
        throw new Error(typeof told.detail === "string" ? told.detail : `Airflow has answered with ${answer.status}.`);
      }
      leave(button.dataset.run.replace("{run}", encodeURIComponent(told.dag_run_id)));
    } catch (error) {
      say(`The run was not started. ${error.message}`);
      button.disabled = false;
    }
  };

  addEventListener("click", (click) => {
    const { target } = click;
    const link = target.closest("a[data-leave]");
    if (link && isFramed) {
      click.preventDefault();
      leave(link.href, click);
    }
    const button = target.closest("button");
    if (button?.dataset.conf) onStart(button);
  });

  addEventListener("DOMContentLoaded", () => {
    const login = document.getElementById("login");
    if (!login) return;
    const wanted = isFramed ? `${parent.location.pathname}${parent.location.search}` : decodeURIComponent(login.dataset.wanted);
    leave(`${login.dataset.url}?next=${encodeURIComponent(wanted)}`);
  });
})();
