// Runs in an AudioWorklet: hands on what the microphone hears, sample by sample, mono.

class Recorder extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) this.port.postMessage(channels[0].slice());
    return true;
  }
}
registerProcessor("recorder", Recorder);
