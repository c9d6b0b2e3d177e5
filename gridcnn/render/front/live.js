// The live page: a model is chosen, something is drawn, said or written, and the answer and every layer follow.

import { answerView, itemName, leftOut, showAnswer, showNoAnswer, whyNot } from "./answer.js";
import { askNumbers } from "./ask_numbers.js";
import { askPicture } from "./ask_picture.js";
import { askSound } from "./ask_sound.js";
import { askText } from "./ask_text.js";
import { darkness } from "./colours.js";
import { all, make, one } from "./dom.js";
import { followSound } from "./input.js";
import { closeInspector, listen, selectAgain } from "./inspect.js";
import { latest } from "./latest.js";
import { byChance, paint, paintAgain, paintKernels } from "./paint.js";
import { inspector, sections, stackList } from "./sections.js";
import { fill, load, shown } from "./state.js";
import { LANGUAGES, languageNow, said, speak, t } from "./words.js";

const ASKS = { image: askPicture, sound: askSound, text: askText, numbers: askNumbers };
const AGAIN = 2_000; // ms between two tries to reach a server

export async function start(provider) {
  let models = [], name = "", asks = "", asker = null, trying = 0, lost = false, stale = false;
  const body = document.body, header = make("header"), ask = make("section", { class: "ask" }), depends = make("div", { class: "depends" });
  const banner = make("div", { class: "banner", role: "alert", hidden: true }), footer = make("footer");
  const article = make("article", {}, header, banner, ask, depends, footer), main = make("main", {}, article);
  all(".unserved").forEach((each) => each.remove());
  body.prepend(main);
  speak(remembered("language") || (navigator.language || "").slice(0, 2));

  const questions = latest(
    (item, signal) => provider.explain(name, item, { signal }),
    (values, item) => { found(); heard(values, item); busy(); },
    (error) => { busy(); if (error.kind === "item") { found(); showNoAnswer(t("cannot", said(error.message))); } else trouble(error, askAgain); },
  );

  function askAgain() { // what is there by then
    const item = asker && asker.item();
    if (item) questions.want(item); else found();
  }

  // ---- answers
  function busy() { all("#answer-now").forEach((each) => each.setAttribute("aria-busy", String(questions.busy))); }
  function heard(values, item) {
    fill(values);
    stale = false;
    const why = whyNot(item, values), best = byChance()[0][1];
    if (!shown.pinned && shown.voted.includes(best)) shown.chosen = best;
    paint();
    selectAgain();
    if (why) showNoAnswer(why); else showAnswer();
  }
  function send(item) {
    const why = whyNot(item, null);
    say("");
    if (innerWidth < 992) closeInspector();
    if (why) { questions.stop(); showNoAnswer(why, { quiet: !item }); } else questions.want(item);
    busy();
  }

  // ---- what goes wrong
  function say(text) {
    if (!text) { if (banner.dataset.kind === "said") banner.hidden = true; return; }
    banner.replaceChildren(make("span", {}, text), make("button", { type: "button", "aria-label": t("close"), on: { click: () => { banner.hidden = true; } } }, "×"));
    banner.dataset.kind = "said"; banner.hidden = false;
  }
  function found() {
    clearTimeout(trying);
    if (lost) { lost = false; banner.hidden = true; }
  }
  function trouble(error, again) {
    clearTimeout(trying);
    if (asker && asker.item()) { stale = true; showNoAnswer(t("noAnswer")); } // what is shown is the answer to something else
    if (error.kind === "token") { askToken(again); return; }
    lost = true;
    const retry = () => { clearTimeout(trying); again(); };
    if (banner.hidden || banner.dataset.kind !== error.kind) banner.replaceChildren(make("span", {}, t(error.kind === "busy" ? "busy" : "gone")), make("button", { type: "button", on: { click: retry } }, t("retry")));
    else one("button", banner).replaceWith(make("button", { type: "button", on: { click: retry } }, t("retry")));
    banner.dataset.kind = error.kind || "gone"; banner.hidden = false;
    trying = setTimeout(retry, AGAIN);
  }
  function askToken(again) {
    const tried = sessionStorage.getItem("token") || "", field = make("input", { type: "password", autocomplete: "off", "aria-label": t("token"), value: tried });
    const form = make("form", { on: { submit: (event) => { event.preventDefault(); sessionStorage.setItem("token", field.value); again(); } } }, make("span", {}, tried ? `${t("badToken")} ${t("token")}` : t("token")), field, make("button", {}, t("enter")));
    lost = true; // until it is accepted
    banner.replaceChildren(form); banner.dataset.kind = "token"; banner.hidden = false;
    field.focus(); field.select();
  }

  // ---- the page
  function showHeader() {
    const choose = make("select", { id: "model", on: { change: (event) => open(event.target.value) } }, models.map((each) => make("option", { value: each.name, selected: each.name === name }, each.name)));
    const languages = make("select", { id: "language", "aria-label": t("language"), on: { change: (event) => { speak(event.target.value); remember("language", languageNow()); render(); } } },
      Object.entries(LANGUAGES).map(([key, text]) => make("option", { value: key, lang: key, selected: key === languageNow() }, text)));
    header.replaceChildren(
      make("div", { class: "top-bar" }, make("label", { for: "model" }, t("model"), " ", choose), languages),
      make("h1", {}, t("title")), make("p", { class: "soft" }, t(provider.hasServer ? "lead" : "leadAlone", asks ? t("ask")[asks] : "")));
    document.title = `${t("title")} · gridcnn`;
  }
  function render() { // all words anew; what was drawn, said or written stays
    showHeader();
    if (!asker) return;
    const { values } = shown;
    body.className = `live ${shown.flat ? "flat" : "square"}`;
    ask.replaceChildren(asker.view(), answerView());
    depends.replaceChildren(...[leftOut(shown.layers.left_out || { convolutions: [] }), stackList(shown.layers.stack), ...sections()].filter(Boolean));
    footer.replaceChildren(make("p", {}, t("footer")));
    all("aside").forEach((each) => each.remove());
    article.after(inspector());
    paintKernels(); listen(); followSound();
    shown.current = null;
    const item = asker.item(), why = whyNot(item, values);
    if (values) paint();
    if (why || !values || stale) showNoAnswer(why || t(stale ? "noAnswer" : "thinking"), { quiet: true }); else showAnswer();
  }
  async function open(wanted) {
    questions.stop(); clearTimeout(trying);
    if (asker) asker.stop();
    name = wanted; asker = null; asks = ""; stale = false;
    say("");
    location.replace(`#${encodeURIComponent(name)}`);
    delete body.dataset.ready; delete body.dataset.able;
    ask.replaceChildren(make("p", { class: "soft" }, t("loading"))); depends.replaceChildren();
    let layers;
    try { layers = await provider.layers(name); } catch (error) {
      if (name === wanted && error.kind === "item") say(error.message); // there is no such model any more
      else if (name === wanted) trouble(error, () => open(wanted));
      return;
    }
    if (name !== wanted) return; // another one was chosen meanwhile
    found();
    load(layers); shown.pinned = false;
    const { modality, shape } = layers.takes;
    asks = modality in ASKS ? modality : shape ? "numbers" : "";
    asker = (ASKS[asks] || askNothing)(layers, send, say);
    render();
    body.dataset.ready = name;
    able(wanted);
  }
  async function able(wanted) { // a model that runs here may still be on its way
    try { await (provider.ready && provider.ready()); } catch (error) {
      if (name === wanted) trouble(error, () => able(wanted));
      return;
    }
    if (name !== wanted) return;
    found();
    body.dataset.able = name;
  }
  function askNothing() {
    return { item: () => null, stop() {}, view: () => make("p", {}, t("cannotAsk", itemName())) };
  }
  async function begin() {
    showHeader();
    try { models = await provider.models(); } catch (error) { trouble(error, begin); return; }
    found();
    if (!models.length) { say(t("noModels")); return; }
    ({ name } = named() || models[0]);
    showHeader();
    await open(name);
  }
  function named() { // the model that the address names
    return models.find((each) => encodeURIComponent(each.name) === location.hash.slice(1));
  }
  addEventListener("hashchange", () => { if (named() && named().name !== name) open(named().name); });
  darkness.addEventListener("change", () => { if (asker) { paintKernels(); if (shown.values) paintAgain(); } });
  await begin();
}

function remember(key, value) { try { localStorage.setItem(key, value); } catch { /* not allowed: forgotten */ } }
function remembered(key) { try { return localStorage.getItem(key); } catch { return null; } }
