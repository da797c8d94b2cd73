// How the board shows a state: an icon and a tone; the word comes from the server.

const SHOWN = {
  current: ["tick", "good"],
  behind: ["up", "info"],
  drift: ["bolt", "bad"],
  held: ["pause", "ask"],
  rejected: ["ban", "bad"],
  empty: ["dash", "plain"],
  unknown: ["question", "plain"],
  nothing: ["tick", "plain"],
  ready: ["right", "plain"],
  promoting: ["right", "info"],
  verifying: ["clock", "info"],
  failed: ["cross", "bad"],
  approval: ["person", "ask"],
  refused: ["lock", "ask"],
  conflict: ["fork", "bad"],
};

export const iconOf = (state) => (SHOWN[state] ?? SHOWN.unknown)[0];
export const toneOf = (state) => (SHOWN[state] ?? SHOWN.unknown)[1];

/** States as filters, those first in which somebody is needed; what is left out needs nobody to look for it. */
export const COUNTED = Object.freeze([
  ["failed", "failed"],
  ["drift", "drifted"],
  ["conflict", "in conflict"],
  ["approval", "wait for approval"],
  ["refused", "refused by a rule"],
  ["held", "held"],
  ["rejected", "rejected"],
  ["unknown", "not known"],
  ["verifying", "verifying"],
  ["promoting", "promoting"],
  ["ready", "ready"],
  ["behind", "behind"],
  ["current", "current"],
  ["empty", "empty"],
]);

/** States that say nothing that has to be read. */
export const QUIET = new Set(["current", "nothing", "ready", "empty"]);
