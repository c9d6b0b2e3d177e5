// Elements. Text of a user only ever becomes textContent, an attribute's value or a canvas.

export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const one = (selector, root = document) => root.querySelector(selector);

// make("p", { class: "soft", data: { at: 3 } }, "text", element, …)
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "data") Object.assign(element.dataset, value);
    else if (name === "vars") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// The marks of our own sentences: **bold**, [orange], {blue}; %s is the text that is put in.
export function rich(sentence, text = "") {
  return sentence.split(/(\*\*[^*]+\*\*|\[[^\]]+\]|\{[^}]+\}|%s)/).map((part) => {
    if (part === "%s") return text;
    if (part.startsWith("**")) return make("b", {}, part.slice(2, -2));
    if (part.startsWith("[")) return make("span", { class: "warm" }, part.slice(1, -1));
    if (part.startsWith("{")) return make("span", { class: "cold" }, part.slice(1, -1));
    return part;
  });
}
