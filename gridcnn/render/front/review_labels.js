// Labels as a csv, and names of classes found by what is typed.

// A csv that every reader takes apart alike: what might be read as anything but text stands in quotes.
export function labelsCsv(columns, rows) {
  const cell = (value) => (/[",;\t\r\n]|^\s|\s$|^sep=/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return [columns, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

// The labels of an item as one cell, which `gridcnn train --labels` takes apart: lists if a name holds what separates.
export function joined(labels, every) {
  return every.some((name) => /[|;,[\]]/.test(name)) ? JSON.stringify(labels) : labels.join("|");
}

export const sameSet = (some, others) => some.length === others.length && some.every((each) => others.includes(each));

// The names that begin with what is typed, then those that have it within; an exact one first.
export function matching(names, typed) {
  const wanted = typed.toLocaleLowerCase();
  const rank = (name) => { const plain = name.toLocaleLowerCase(); return name === typed ? 0 : plain === wanted ? 1 : plain.startsWith(wanted) ? 2 : plain.includes(wanted) ? 3 : 4; };
  return names.map((name) => [rank(name), name]).filter(([at]) => at < 4).sort((a, b) => a[0] - b[0]).map(([, name]) => name);
}
