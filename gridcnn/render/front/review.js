// The review page: one candidate at a time, confirmed, corrected or skipped by keys; the labels are saved as a csv.
// If items may have several labels, keys switch each of them on and off, and Enter says that the set is right.

import { all, make, one } from "./dom.js";
import { percent } from "./numbers.js";
import { joined, labelsCsv, matching, sameSet } from "./review_labels.js";

const data = JSON.parse(one("#data").textContent);
const MOST_KEYS = 9, DIGIT = /^[0-9]$/, store = `gridcnn review ${data.id}`;
const state = { at: 0, labels: {}, skipped: [], added: [], marks: {}, plays: true };
let kept = true, changed = false, asked = "";

function remember() {
  try { localStorage.setItem(store, JSON.stringify(state)); kept = true; } catch { kept = false; }
}
function recall() {
  try {
    const found = JSON.parse(localStorage.getItem(store) || "null"), known = (at) => Number.isInteger(Number(at)) && at in data.candidates;
    if (!found) return;
    const isLabel = (label) => (data.several ? Array.isArray(label) && label.every((name) => typeof name === "string") : typeof label === "string");
    for (const [at, label] of Object.entries(found.labels)) if (known(at) && isLabel(label)) state.labels[at] = label;
    for (const [at, names] of Object.entries(found.marks)) if (known(at) && data.several && isLabel(names)) state.marks[at] = names;
    state.skipped = found.skipped.filter(known);
    state.added = found.added.filter((name) => typeof name === "string");
    state.plays = found.plays !== false;
    if (known(found.at) || found.at === data.candidates.length) state.at = found.at;
  } catch { kept = false; }
}

const classes = () => [...data.classes, ...state.added];
const current = () => data.candidates[state.at];
const shown = (label) => (data.several ? label.join(", ") || "no label" : label);
const confirmed = (at) => (data.several ? sameSet(state.labels[at], data.candidates[at].given) : state.labels[at] === data.candidates[at].answer);
const marked = () => state.marks[state.at] || state.labels[state.at] || current().given;
const nLabelled = () => Object.keys(state.labels).length;

// The classes that have buttons, with their keys: all of them, or the most probable ones of this candidate where there
// are many. If a digit is the name of a class, it is its key, and no other class has a digit.
function withKeys(candidate) {
  const every = classes(), chances = new Map(candidate.ranked.map(([at, chance]) => [data.classes[at], chance]));
  const own = every.filter((name) => DIGIT.test(name));
  const some = data.classes.length <= MOST_KEYS ? every.slice(0, MOST_KEYS) : [...chances.keys()];
  const names = own.length ? [...own, ...some.filter((name) => !own.includes(name))] : some.slice(0, MOST_KEYS);
  return names.map((name, at) => ({ name, key: own.length ? (DIGIT.test(name) ? name : "") : String(at + 1), chance: chances.get(name) }));
}

// ---- what is done -------------------------------------------------------------------------------------------------

function go(at) {
  state.at = Math.min(Math.max(at, 0), data.candidates.length);
  remember();
  show();
  const player = one("audio");
  if (player && state.plays) player.play().catch(() => {});
}
function give(label) {
  if (!current()) return;
  state.labels[state.at] = label;
  delete state.marks[state.at];
  state.skipped = state.skipped.filter((at) => at !== state.at);
  changed = true;
  say(`Item ${state.at + 1}: ${shown(label)}.`);
  go(state.at + 1);
}
const confirm = () => give(data.several ? marked() : current().answer);
function pick(name) {
  if (!data.several) give(name);
  else mark(marked().includes(name) ? marked().filter((each) => each !== name) : classes().filter((each) => each === name || marked().includes(each)));
}
function mark(names) {
  if (!current()) return;
  state.marks[state.at] = names;
  say(`Item ${state.at + 1}: ${shown(names)}? Enter says yes.`);
  remember();
  show();
}
function skip() {
  if (!current()) return;
  if (!(state.at in state.labels) && !state.skipped.includes(state.at)) state.skipped.push(state.at);
  say(`Item ${state.at + 1} is skipped.`);
  go(state.at + 1);
}
function forget() {
  if (!current()) return;
  delete state.labels[state.at];
  delete state.marks[state.at];
  state.skipped = state.skipped.filter((at) => at !== state.at);
  changed = true;
  say("The label is removed.");
  go(state.at);
}
function add(name) {
  if (!name || !current()) return;
  if (!classes().includes(name)) state.added.push(name);
  if (!data.several || !marked().includes(name)) pick(name);
}
function save() {
  const rows = Object.keys(state.labels).map(Number).sort((a, b) => a - b);
  const text = labelsCsv(data.columns, rows.map((at) => [...data.candidates[at].cells, data.several ? joined(state.labels[at], classes()) : state.labels[at]]));
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: address, download: "labels.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  changed = false;
  say(`${rows.length} ${rows.length === 1 ? "label" : "labels"} saved as labels.csv.`);
  show();
}
const say = (text) => { one("#said").textContent = text; };

// ---- what is shown ------------------------------------------------------------------------------------------------

function show() {
  const candidate = current();
  one("#card").replaceChildren(...(candidate ? card(candidate) : finished()));
  one("#side").hidden = !candidate;
  if (candidate) one("#keys").replaceChildren(...withKeys(candidate).map(classButton));
  closeField();
  all("#strip button").forEach((each, at) => {
    each.className = at in state.labels ? (confirmed(at) ? "confirmed" : "corrected") : state.skipped.includes(at) ? "skipped" : "";
    each.toggleAttribute("aria-current", at === state.at);
  });
  one("#strip [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  one("#count").textContent = `${nLabelled()} of ${data.candidates.length} labelled${state.skipped.length ? `, ${state.skipped.length} skipped` : ""}`;
  one("#kept").textContent = kept ? "" : "This browser keeps no progress: save before you close the page.";
  one("#save").disabled = !nLabelled();
  one("#back").disabled = !state.at;
  for (const id of ["#confirm", "#skip"]) one(id).disabled = !candidate;
  document.documentElement.dataset.at = state.at;
}
function card(candidate) {
  const given = state.labels[state.at];
  return [
    candidate.text ? make("blockquote", {}, candidate.text) : null,
    candidate.picture ? make("img", { src: candidate.picture, alt: candidate.text ? "" : candidate.name, class: candidate.sound ? "wide" : "" }) : null,
    candidate.sound ? make("audio", { controls: true, src: candidate.sound, "aria-label": candidate.name }) : null,
    make("p", { class: "said-by" }, make("span", { class: "soft" }, `${state.at + 1}: `), make("b", {}, candidate.answer), data.several ? null : make("span", { class: "number" }, ` ${percent(candidate.ranked[0][1])}`),
      given === undefined ? null : make("span", { class: confirmed(state.at) ? "given same" : "given" }, confirmed(state.at) ? "confirmed" : `you said ${shown(given)}`)),
    candidate.text ? null : make("p", { class: "name", title: candidate.cells[0] }, candidate.name),
    candidate.note ? make("p", { class: "name" }, `Shown is ${candidate.note}.`) : null,
  ].filter(Boolean);
}
function finished() {
  const counts = new Map();
  for (const label of Object.values(state.labels).flatMap((each) => (data.several && !each.length ? ["no label"] : each))) counts.set(label, (counts.get(label) || 0) + 1);
  return [
    make("h2", {}, nLabelled() ? "That was the last one." : "Nothing is labelled yet."),
    make("ul", { class: "counts" }, ...[...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => make("li", {}, make("b", {}, name), ` ${count}`))),
    make("p", {}, "Save the labels, and train with them:"),
    make("pre", {}, data.command),
  ];
}
function classButton({ name, key: shortcut, chance }) {
  const on = data.several && marked().includes(name);
  return make("button", { type: "button", class: on ? "class on" : "class", "aria-pressed": data.several ? String(on) : null, on: { click: (event) => { event.currentTarget.blur(); pick(name); } } },
    shortcut ? make("kbd", {}, shortcut) : make("span"), make("span", { class: "called" }, name),
    make("span", { class: "number soft" }, chance !== undefined ? percent(chance) : state.added.includes(name) ? "new" : ""),
    make("span", { class: "chance", vars: { "--share": chance || 0 } }));
}

// ---- the field for other classes ----------------------------------------------------------------------------------

function closeField() {
  const field = one("#other");
  field.value = "";
  field.blur();
  complete();
}
function complete() {
  const written = one("#other").value.trim(), found = written ? matching(classes(), written) : [];
  asked = found[0] || "";
  const isNew = written && !classes().includes(written);
  one("#found").replaceChildren(
    ...found.slice(0, 8).map((name, at) => make("button", { type: "button", on: { click: () => pick(name) } }, name, at ? null : make("kbd", {}, "Enter"))),
    ...(isNew ? [make("button", { type: "button", class: "new", on: { click: () => add(written) } }, `New class “${written}”`, make("kbd", {}, "Shift + Enter"))] : []),
  );
}
function keyInField(event) {
  if (event.isComposing) return;
  const written = one("#other").value.trim();
  if (event.key === "Escape") closeField();
  else if (event.key === "Enter" && written) {
    event.preventDefault();
    if (event.shiftKey) add(written);
    else if (asked) pick(asked);
    else say(`There is no class “${written}” yet: Shift + Enter adds it.`);
  }
  event.stopPropagation();
}

// ---- keys ---------------------------------------------------------------------------------------------------------

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const on = event.target, pressed = event.key;
  if (on instanceof HTMLMediaElement && [" ", "ArrowLeft", "ArrowRight", "Enter"].includes(pressed)) return;
  if (on instanceof HTMLElement && on.matches("button, summary, input") && [" ", "Enter"].includes(pressed)) return;
  const chosen = DIGIT.test(pressed) && current() ? withKeys(current()).find((each) => each.key === pressed) : null;
  if (pressed === "Enter" && event.repeat) return; // a key that is held down confirms one item
  if (pressed === "Enter" && current()) confirm();
  else if (chosen && !event.repeat) pick(chosen.name);
  else if (pressed === "0" && data.several && current()) mark([]);
  else if (pressed === "ArrowRight") skip();
  else if (pressed === "ArrowLeft") go(state.at - 1);
  else if (pressed === "Delete" || pressed === "Backspace") forget();
  else if (pressed === " " && one("audio")) { const player = one("audio"); if (player.paused) player.play().catch(() => {}); else player.pause(); }
  else if (/^[\p{L}+]$/u.test(pressed) && current()) { one("#other").value = pressed === "+" ? "" : pressed; one("#other").focus(); complete(); }
  else return;
  event.preventDefault();
}

recall();
one("#card").classList.toggle("tall", data.candidates.some((each) => each.picture));
one("#strip").append(...data.candidates.map((candidate, at) => make("button", { type: "button", title: `${at + 1}. ${candidate.answer}`, on: { click: (event) => { event.currentTarget.blur(); go(at); } } })));
const pressed = (act) => (event) => { event.currentTarget.blur(); act(); };
one("#confirm").addEventListener("click", pressed(confirm));
one("#skip").addEventListener("click", pressed(skip));
one("#back").addEventListener("click", pressed(() => go(state.at - 1)));
one("#save").addEventListener("click", pressed(save));
one("#other").addEventListener("input", complete);
one("#other").addEventListener("keydown", keyInField);
one("#plays").parentElement.hidden = !data.candidates.some((each) => each.sound);
one("#plays").checked = state.plays;
one("#plays").addEventListener("change", (event) => { state.plays = event.target.checked; remember(); });
addEventListener("keydown", key);
addEventListener("beforeunload", (event) => { if (changed && !kept) event.preventDefault(); });
remember();
show();
document.documentElement.dataset.drawn = "yes";
