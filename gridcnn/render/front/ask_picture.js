// Asks for a picture: drawn with the mouse, a finger or the keys, dropped, chosen, or taken with the camera.

import { make } from "./dom.js";
import { manner, pixelsOf, pixelsOfPicture, render } from "./pad.js";
import { t } from "./words.js";

const STEP = 1 / 24; // of the shorter side: how far an arrow key moves the pen

export function askPicture(layers, send, say) {
  const how = manner(layers.takes), side = Math.min(how.height, how.width), across = [how.width / side, how.height / side];
  const drawing = { strokes: [], picture: null };
  const pad = make("canvas", { id: "pad", tabindex: 0, role: "application", width: how.width * how.grown, height: how.height * how.grown });
  const hint = make("span", { class: "pad-hint", "aria-hidden": "true" }), cursor = make("i", { class: "pen-at", hidden: true });
  const file = make("input", { type: "file", accept: "image/*", class: "visually-hidden", id: "picture-file", tabindex: -1 });
  const spoken = make("span", { class: "visually-hidden", "aria-live": "polite" });
  const width = make("input", { type: "range", id: "stroke", min: 0.5, max: 2, step: 0.1, value: 1 }), fit = make("input", { type: "checkbox", id: "fit", checked: true });
  const video = make("video", { hidden: true, muted: true, playsinline: true });
  let given = null, erasing = false, stroke = null, place = across.map((size) => size / 2), down = false, tools = {}, stream = null;

  // ---- what was drawn becomes an item
  function changed(item = undefined) {
    render(pad.getContext("2d"), drawing, how, how.grown);
    const empty = !drawing.picture && !drawing.strokes.some((each) => !each.erases);
    hint.hidden = !empty;
    given = item !== undefined ? item : empty ? null : pixelsOf(drawing, how, fit.checked);
    send(given);
  }
  function clear() {
    drawing.strokes = []; drawing.picture = null; stroke = null; down = false;
    changed();
  }
  function begin(point) {
    stroke = { points: [point], wide: how.stroke * Number(width.value) * (erasing ? 1.6 : 1), erases: erasing };
    drawing.strokes.push(stroke);
  }
  function erase(on) {
    erasing = on;
    if (tools.pen) { tools.pen.setAttribute("aria-pressed", String(!on)); tools.eraser.setAttribute("aria-pressed", String(on)); }
  }

  // ---- mouse, pen and fingers
  function pointOf(event) {
    const bounds = pad.getBoundingClientRect();
    return [((event.clientX - bounds.left) / bounds.width) * across[0], ((event.clientY - bounds.top) / bounds.height) * across[1]];
  }
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    pad.setPointerCapture(event.pointerId); pad.focus({ preventScroll: true });
    cursor.hidden = true; down = false;
    begin(pointOf(event)); changed();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!stroke || down || !pad.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents ? [...event.getCoalescedEvents(), event] : [event]) stroke.points.push(pointOf(each));
    changed();
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { if (!down) stroke = null; });

  // ---- keys
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function showCursor() {
    cursor.hidden = false; cursor.classList.toggle("down", down);
    cursor.style.left = `${(100 * place[0]) / across[0]}%`; cursor.style.top = `${(100 * place[1]) / across[1]}%`;
  }
  pad.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) {
      place = place.map((at, axis) => Math.min(Math.max(at + move[axis] * STEP * (event.shiftKey ? 3 : 1), 0), across[axis]));
      if (down) { stroke.points.push(place); changed(); }
      spoken.textContent = t("penAt", ...place.map((at) => Math.round(100 * at)));
    } else if (event.key === " ") {
      down = !down;
      if (down) { begin(place); changed(); } else stroke = null;
      spoken.textContent = t(down ? "penDown" : "penUp");
    } else if (event.key === "e" || event.key === "E") erase(!erasing);
    else if (event.key === "Delete" || event.key === "Backspace") clear();
    else return;
    event.preventDefault();
    showCursor();
  });
  pad.addEventListener("focus", () => { if (pad.matches(":focus-visible")) showCursor(); });
  pad.addEventListener("blur", () => { cursor.hidden = true; down = false; stroke = null; });

  // ---- files and the camera
  async function read(blob, keep = true) {
    if (!blob) return;
    let picture, item;
    try {
      picture = await createImageBitmap(blob);
      item = { ...pixelsOfPicture(picture, how.channels), file: keep ? blob : undefined };
    } catch { say(t("unreadable")); return; } // what was there stays
    Object.assign(drawing, { strokes: [], picture });
    changed(item);
  }
  async function camera() {
    if (stream) { closeCamera(); return; }
    if (!navigator.mediaDevices) { say(t("insecure")); return; }
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }); } catch { say(t("noCamera")); return; }
    video.srcObject = stream; video.hidden = false; tools.camera.textContent = t("stop");
    await video.play();
    tools.shoot.hidden = !stream; // not before there is a picture
  }
  function closeCamera() {
    if (!stream) return;
    stream.getTracks().forEach((track) => track.stop());
    stream = null; video.hidden = true; video.srcObject = null;
    tools.shoot.hidden = true; tools.camera.textContent = t("camera");
  }
  async function shoot() {
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    closeCamera();
    read(await new Promise((done) => canvas.toBlob(done, "image/png")));
  }
  const frame = make("div", { class: "pad", vars: { "--ratio": `${how.width} / ${how.height}` } }, pad, hint, cursor);
  frame.addEventListener("dragover", (event) => { event.preventDefault(); frame.classList.add("over"); });
  frame.addEventListener("dragleave", () => frame.classList.remove("over"));
  frame.addEventListener("drop", (event) => { event.preventDefault(); frame.classList.remove("over"); read(event.dataTransfer.files[0]); });
  file.addEventListener("change", () => { read(file.files[0]); file.value = ""; });
  fit.addEventListener("change", () => { if (!drawing.picture) changed(); });
  render(pad.getContext("2d"), drawing, how, how.grown);

  return {
    item: () => given,
    stop: closeCamera,
    view() {
      const button = (text, act, more = {}) => make("button", { type: "button", on: { click: act }, ...more }, text);
      pad.setAttribute("aria-label", t("drawAria"));
      hint.textContent = t("drawHere");
      file.setAttribute("aria-label", t("choosePicture"));
      tools = { pen: button(t("pen"), () => erase(false)), eraser: button(t("eraser"), () => erase(true)), camera: button(t(stream ? "stop" : "camera"), camera), shoot: button(t("shoot"), shoot, { hidden: !stream }) };
      erase(erasing);
      return make("div", { class: "ask-picture" }, frame,
        make("div", { class: "tools" }, tools.pen, tools.eraser, button(t("clear"), clear, { id: "clear" })),
        make("div", { class: "tools small" }, make("label", {}, t("width"), " ", width), make("label", {}, fit, " ", t("fit"))),
        make("div", { class: "tools" }, button(t("choosePicture"), () => file.click()), tools.camera, tools.shoot),
        make("p", { class: "soft small" }, t("dropPicture")), video, file, spoken);
    },
  };
}
