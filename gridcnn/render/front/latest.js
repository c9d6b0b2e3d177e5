// Asks for the newest thing only: one question at a time, and no late answer after a newer one.

const PAUSE = 40, PATIENCE = 1_500; // ms: before a question; until one that is not answered gives way to a newer one

// `ask(item, signal)` returns a promise; `heard(values, item)` and `failed(error, item)` get what became of the newest.
export function latest(ask, heard, failed) {
  let next = null, running = null, timer = 0;

  async function go() {
    timer = 0;
    if (!next || running) return;
    const mine = { item: next.item, control: new AbortController(), since: performance.now() };
    next = null;
    running = mine;
    let values, error = null;
    try { values = await ask(mine.item, mine.control.signal); } catch (reason) { error = reason; }
    if (running !== mine) return; // it gave way
    running = null;
    if (error) failed(error, mine.item); else heard(values, mine.item);
    if (next) soon();
  }
  function soon() {
    if (!timer) timer = setTimeout(go, PAUSE);
  }
  function stop() {
    if (running) running.control.abort();
    running = null; next = null;
    clearTimeout(timer); timer = 0;
  }
  function want(item) {
    next = { item };
    if (running && performance.now() - running.since > PATIENCE) { running.control.abort(); running = null; }
    soon();
  }
  return { want, stop, get busy() { return Boolean(running || next); } };
}
