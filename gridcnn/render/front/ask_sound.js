// Asks for a sound: a file that is chosen or dropped, or a recording.

import { make } from "./dom.js";
import { t } from "./words.js";

const LONGEST = 30; // seconds of a recording

export function askSound(layers, send, say) {
  const file = make("input", { type: "file", accept: "audio/*", class: "visually-hidden", id: "sound-file" });
  const zone = make("div", { class: "drop" });
  let given = null, recording = null, button = null;

  function give(item) {
    given = item;
    send(item);
  }
  async function read(chosen) {
    if (!chosen) return;
    let item = { file: chosen };
    try {
      const sound = await decoded(chosen);
      item = { ...mono(sound), file: chosen };
    } catch { /* the provider may read what this browser cannot */ }
    give(item);
  }
  async function record() {
    if (recording) { finish(); return; }
    if (!navigator.mediaDevices) { say(t("insecure")); return; }
    let stream;
    try { stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } }); } catch { say(t("noMicrophone")); return; }
    const context = new AudioContext(), parts = [];
    await context.audioWorklet.addModule(new URL("./recorder.js", import.meta.url));
    const listener = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    listener.port.onmessage = ({ data }) => {
      if (!recording) return;
      parts.push(data);
      recording.samples += data.length;
      const seconds = recording.samples / context.sampleRate;
      button.textContent = `${t("stop")} · ${t("recording", seconds.toFixed(1))}`;
      if (seconds >= LONGEST) finish();
    };
    context.createMediaStreamSource(stream).connect(listener);
    recording = { context, stream, parts, samples: 0 };
    button.setAttribute("aria-pressed", "true");
  }
  function finish() {
    const { context, stream, parts, samples } = recording, waveform = new Float32Array(samples), rate = context.sampleRate;
    recording = null;
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    let at = 0;
    for (const part of parts) { waveform.set(part, at); at += part.length; }
    button.textContent = t("record"); button.setAttribute("aria-pressed", "false");
    if (samples) give({ waveform, rate });
  }
  file.addEventListener("change", () => { read(file.files[0]); file.value = ""; });
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); zone.classList.remove("over"); read(event.dataTransfer.files[0]); });
  return {
    item: () => given,
    stop() { if (recording) finish(); },
    view() {
      button = make("button", { type: "button", id: "record", "aria-pressed": "false", on: { click: record } }, t("record"));
      zone.replaceChildren(make("p", { class: "soft" }, t("dropSound")),
        make("div", { class: "tools" }, make("button", { type: "button", on: { click: () => file.click() } }, t("chooseSound")), button), file);
      file.setAttribute("aria-label", t("chooseSound")); file.tabIndex = -1;
      return zone;
    },
  };
}

async function decoded(file) {
  return new OfflineAudioContext(1, 1, await rateOf(file)).decodeAudioData(await file.arrayBuffer());
}
async function rateOf(file) { // of a WAV, so that it is not resampled; else that of most recordings
  const head = new DataView(await file.slice(0, 28).arrayBuffer());
  const rate = head.byteLength === 28 && head.getUint32(0) === 0x52494646 && head.getUint32(12) === 0x666d7420 ? head.getUint32(24, true) : 44_100;
  return rate >= 8_000 && rate <= 96_000 ? rate : 44_100;
}
function mono(sound) {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at));
  const waveform = channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
  return { waveform, rate: sound.sampleRate };
}
