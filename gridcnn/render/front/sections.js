// The sections of a page, built once from the layers of a model; paint.js fills them with the values of an item.

import { make, rich } from "./dom.js";
import { shown } from "./state.js";
import { nounOf, said, t, title } from "./words.js";

const FIRST = 6; // kernels that stand open; the others can be opened

// `explained`: the class that an explanation page is about; `extras`: whether there are attribution and the like.
export function sections({ explained = "", extras = false, match = null } = {}) {
  let step = 0;
  const heading = (text) => make("h2", {}, make("span", { class: "step" }, String(++step)), text);
  return [
    inputSection(heading),
    ...shown.groups.map((group, g) => groupSection(heading, group, g, explained)),
    columnSection(heading),
    make("section", { class: "answer-section" }, heading(t("answer")), make("p", { id: "softmax" }), make("table", { class: "answers", id: "answers" }), make("p", { class: "soft small", id: "more-classes" })),
    extras && lookedSection(heading, explained),
    match && learnedSection(heading, match),
  ].filter(Boolean);
}

export function stackList(stack) {
  const named = (text) => t("sizes")[text] || (/^block (\d+)$/.test(text) ? t("sizeOfBlock", text.slice(6)) : text);
  return make("ol", { class: "stack", "aria-label": t("layersAria") }, stack.map(([text, size]) => make("li", {}, make("span", {}, named(text)), make("b", {}, size))));
}

export function inspector() {
  return make("aside", { id: "inspector", "aria-label": t("inspector") },
    make("button", { type: "button", class: "close", "aria-label": t("close") }, "×"),
    make("div", { class: "seen" }),
    make("div", { id: "sums" }, make("p", { class: "soft" }, t("point"))),
    make("div", { id: "live", class: "visually-hidden", "aria-live": "polite" }));
}

function inputSection(heading) {
  const noun = nounOf(shown.layers.noun), about = said(shown.layers.about);
  return make("section", { class: "input-section" },
    heading(t("theItem", noun)),
    make("p", { lang: about === shown.layers.about ? "en" : null }, about),
    make("div", { class: "main-input", id: "input" }),
    make("audio", { id: "sound", controls: true, hidden: true, "aria-label": t("theSound") }));
}

function box(attributes, name) {
  return make("div", { class: "map", role: "application", "aria-label": name, ...attributes }, make("canvas"), make("i", { class: "mark" }), make("i", { class: "spot" }));
}
function mapBox(group, stage, s, k) {
  return box(
    { data: { stage: s, kernel: k }, vars: { "--ratio": `${stage.sizes[1]} / ${stage.sizes[0]}` }, tabindex: k === 0 && s === 0 ? 0 : -1 },
    t("mapOf", t("nameOf", group, k), title(stage.title), stage.sizes),
  );
}

function groupSection(heading, group, g, explained) {
  const { flat, layers, width, height } = shown, noun = nounOf(layers.noun), first = group.block === 1 && group.number === 1;
  const pools = group.stages.some((stage) => stage.kind === "pool"), { unit, bag } = layers;
  const intro = first ? [heading(t("small")), make("p", {}, rich(t("slides", noun, unit && t("unitNames")[unit], pools, layers.fixed))), bag && make("p", {}, t("aboutBag", bag, noun, unit ? t("unitNames")[unit] : ""))]
    : group.number > 1 ? [heading(t("again", group.block)), make("p", {}, t("readsAbove", pools))]
      : [heading(t("onTop", group.block)), make("p", {}, t("sameSteps", noun))];
  const about = t("kernelsOf", group, explained) + t("cellsWide", group.kernel_sizes.join(t("comma")), flat) + t("eachOver", group.n_channels, first);
  const figures = group.maps.map((_, k) => (flat ? strip(group, k, first) : card(group, k)));
  const folded = (wrap) => {
    const rest = figures.slice(FIRST);
    return [wrap(figures.slice(0, FIRST)), rest.length > 0 && make("details", {}, make("summary", {}, t("more", rest.length)), wrap(rest))];
  };
  const wide = width > 1.5 * height;
  const kernels = flat
    ? make("div", { class: "scroll" }, make("div", { class: "strips", vars: { "--cells": group.stages[0].sizes[1] } }, first && make("div", { class: "strip-words", "aria-hidden": "true", hidden: true }), ...folded((each) => each)))
    : folded((each) => make("div", { class: wide ? "cards wide" : "cards" }, each));
  return make("section", { class: "group", data: { group: g } }, intro, make("p", { class: "small soft" }, about),
    make("div", { class: "scale" }, make("span", { data: { scaleLow: "" } }), make("canvas", { width: 101, height: 1, role: "img", "aria-label": t("scale") }), make("span", { data: { scaleHigh: "" } })),
    kernels);
}
function strip(group, k, first) {
  const { bag, looks_for: lookedFor, classes } = shown.layers, looked = first && lookedFor[group.maps[k]];
  const adding = first && bag && bag.says[group.maps[k] - bag.first];
  return make("figure", { class: "strip" },
    make("figcaption", {}, make("b", {}, String(group.maps[k])), looked ? ` ${t("looksFor")} ` : "", looked && make("q", {}, looked), adding && ` ${t("addsUp", classes[adding[0]], adding[1])}`),
    group.stages.map((stage, s) => make("div", { class: "map-line" }, make("span", { class: "small soft" }, title(stage.title)), mapBox(group, stage, s, k))));
}
function card(group, k) {
  return make("figure", { class: "card" },
    make("figcaption", {}, t("kernel", group.maps[k])),
    make("div", { class: "row" },
      make("div", { class: "kernel", data: { kernel: k }, role: "img", "aria-label": t("weightsOf", t("nameOf", group, k), group.channels.length > 3) }),
      group.stages.map((stage, s) => make("div", { class: "stage" }, mapBox(group, stage, s, k), make("span", { class: "small soft" }, title(stage.title))))));
}

function columnSection(heading) {
  const { layers, voted } = shown, about = layers.column;
  const figure = (name, at, more = null) => make("figure", {},
    box({ data: { part: name }, tabindex: at ? -1 : 0 }, t("partsAria")[name]),
    make("figcaption", {}, t("parts")[name], more && " “", more, more && "”", make("span", { data: { clipped: "" } })));
  const buttons = voted.length <= 12;
  const choice = buttons
    ? make("div", { class: "choice", role: "group", "aria-label": t("whoseVotes") }, voted.map((label) => make("button", { type: "button", data: { label }, "aria-pressed": "false" }, layers.classes[label])))
    : make("select", { class: "choice", "aria-label": t("whoseVotes") }, voted.map((label) => make("option", { value: label }, layers.classes[label])));
  const entries = about ? about.entries : layers.left_out.entries;
  return make("section", { class: "column-section" },
    heading(t("column")),
    make("p", {}, t("laidOut", entries, layers.features)),
    choice,
    about && shown.weights[voted[0]] && make("div", { class: "product" },
      figure("column", 0), make("span", { class: "sign" }, "×"), figure("weights", 1, make("span", { data: { labelName: "" } })), make("span", { class: "sign" }, "="), figure("votes", 2)),
    make("p", { class: "sum number", id: "sum" }),
    make("div", { class: "votes" },
      make("div", {}, make("h3", {}, t("votesFor")), make("ol", { id: "supporting" })),
      make("div", {}, make("h3", {}, t("votesAgainst")), make("ol", { id: "opposing" }))));
}

function lookedSection(heading, explained) {
  const { flat, layers, values, width, height } = shown, ofWords = values.input.kind === "words";
  const over = (id, caption, name) => make("figure", {},
    make("div", { class: "over", vars: { "--ratio": `${width} / ${height}` } }, make("img", { src: values.input.picture, alt: "" }), make("canvas", { id, role: "img", "aria-label": `${name}${t("colon")}${nounOf(layers.noun)}` })),
    make("figcaption", {}, caption));
  const body = ofWords
    ? make("p", { class: "sentence attributed", id: "attribution-words" }, values.input.words.flatMap(([word], at) => [make("span", { data: { at } }, word), " "]))
    : flat
      ? [make("div", { class: "map still" }, make("canvas", { id: "attribution", role: "img", "aria-label": t("attributionAria") })), make("div", { data: { input: "" } })]
      : make("div", { class: "looked" }, over("attribution", t("attribution"), t("attributionAria")), over("cam", t("cam"), t("camAria")));
  return make("section", {}, heading(t("looked")), make("p", {}, rich(t("counted", !flat), explained)), body);
}

function learnedSection(heading, match) {
  const ratio = `${match.sizes.at(-1)} / ${shown.flat ? 1 : match.sizes[0]}`;
  const figure = (id, caption, name) => make("figure", {},
    make("div", { class: "map still", vars: { "--ratio": ratio } }, make("canvas", { id, role: "img", "aria-label": name })),
    make("figcaption", {}, `${caption}${t("colon")}`, make("span", { class: "number", id: `${id}-range` })));
  const { bag } = shown.layers, own = t(match.fixed ? "fixedKernel" : "learnedKernel");
  const about = match.fixed ? t("contrasts", match) : t("nobody", match) + (bag ? t("butBag", bag) : "");
  return make("section", {}, heading(t(match.fixed ? "fixed" : "learned")), make("p", {}, about),
    make("div", { class: "looked match" }, figure("learned", own, own), match.random && figure("random", t("randomKernel"), t("randomKernel"))));
}
