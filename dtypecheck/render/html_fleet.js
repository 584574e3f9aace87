"use strict";

// The rows as fleet writes them: target, verdict, errors, warnings, notes, classes, parameters by dtype, rules, bytes, first finding.
const [TARGET, VERDICT, ERRORS, WARNINGS, NOTES, CLASSES, DTYPES, RULES, BYTES, FIRST] = Array(10).keys();
const PER_PAGE = 100;
const NAMED = 4;
const SEVERITY = { e: "error", w: "warning", n: "note" };
const ORDER = ["error", "warning", "failed", "nothing", "note", "ok"];
const byId = (id) => document.getElementById(id);
const rows = JSON.parse(byId("rows").textContent);
const dtypesOf = rows.map((row) => Object.keys(row[DTYPES]));
const number = (value) => value.toLocaleString("en");
const plain = (value) => (value ? number(value) : "");

const make = (name, properties = {}, ...inside) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
};
const scaled = (value, units, step) => {
  let at = 0;
  while (value >= step && at < units.length - 1) {
    value /= step;
    at += 1;
  }
  return [value, units[at], at];
};
const size = (bytes) => {
  const [value, unit, at] = scaled(bytes, ["bytes", "kB", "MB", "GB", "TB"], 1000);
  return `${value.toFixed(at > 2 ? 1 : 0)} ${unit}`;
};
const parameters = (count) => {
  if (count < 1e6) return number(count);
  const [value, unit] = scaled(count / 1e6, ["M", "B", "T"], 1000);
  return `${value < 10 ? value.toFixed(1) : number(Math.round(value))} ${unit}`;
};

// What can be sorted by: numbers fall, words rise; of words each is compared once. What has none stands last.
const words = (of) => {
  const texts = rows.map((row, n) => of(row, n));
  const ranks = new Map([...new Set(texts)].sort(new Intl.Collator("en", { numeric: true }).compare).map((text, n) => [text, n]));
  return texts.map((text) => (text ? ranks.get(text) : null));
};
const KEYS = {
  model: () => words((row) => row[TARGET]),
  verdict: () => rows.map((row) => ORDER.indexOf(row[VERDICT])),
  errors: () => rows.map((row) => row[ERRORS]),
  warnings: () => rows.map((row) => row[WARNINGS]),
  notes: () => rows.map((row) => row[NOTES]),
  class: () => words((row) => row[CLASSES].join(", ")),
  dtype: () => words((row, n) => dtypesOf[n].join(", ")),
  rules: () => rows.map((row) => row[RULES].length),
  size: () => rows.map((row) => row[BYTES] || null),
};
const FALLING = ["errors", "warnings", "notes", "rules", "size"];
const keys = new Map();
const keyOf = (name) => {
  if (!keys.has(name)) keys.set(name, KEYS[name]());
  return keys.get(name);
};
const unseen = (row) => row[VERDICT] === "failed" || row[VERDICT] === "nothing";
const worst = (a, b) => {
  const [one, other] = [rows[a], rows[b]];
  return (
    other[ERRORS] - one[ERRORS] || other[WARNINGS] - one[WARNINGS] || unseen(other) - unseen(one) || other[NOTES] - one[NOTES] ||
    (one[TARGET] < other[TARGET] ? -1 : one[TARGET] > other[TARGET] ? 1 : a - b)
  );
};
const worstFirst = rows.map((_, n) => n).sort(worst);
const place = new Int32Array(rows.length);
worstFirst.forEach((n, at) => (place[n] = at));
const ordered = (sort) => {
  const name = sort.replace(/^-/, "");
  if (!Object.hasOwn(KEYS, name)) return worstFirst;
  const key = keyOf(name);
  const sign = sort.startsWith("-") ? -1 : 1;
  return [...worstFirst].sort((a, b) => (key[a] === null) - (key[b] === null) || sign * (key[a] - key[b]) || place[a] - place[b]);
};

let texts = null;
const textOf = (n) => {
  texts ??= rows.map((row) =>
    [row[TARGET], row[VERDICT], ...row[CLASSES], ...Object.keys(row[DTYPES]), ...row[RULES].map((rule) => rule.slice(1)), row[FIRST]]
      .join("\n").toLowerCase());
  return texts[n];
};
const FITS = {
  verdict: (n, wanted) => rows[n][VERDICT] === wanted,
  rule: (n, wanted) => rows[n][RULES].some((rule) => rule.slice(1) === wanted),
  class: (n, wanted) => rows[n][CLASSES].includes(wanted),
  dtype: (n, wanted) => Object.hasOwn(rows[n][DTYPES], wanted),
  q: (n, wanted) => textOf(n).includes(wanted.trim().toLowerCase()),
};

// What is shown stands in the address: a link to it shows the same.
const NAMES = ["verdict", "rule", "class", "dtype", "q", "sort"];
const fields = Object.fromEntries(NAMES.map((name) => [name, byId(name)]));
let state = {};
let page = 0;
const read = () => {
  const told = new URLSearchParams(location.hash.slice(1));
  state = Object.fromEntries(NAMES.map((name) => [name, told.get(name) ?? ""]));
  page = Math.max(0, Math.floor(Number(told.get("page")) || 1) - 1);
};
const address = () => {
  const told = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
  if (page) told.set("page", page + 1);
  return `#${told}`;
};

const table = document.querySelector(".targets");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const count = byId("count");
const clear = make("button", { type: "button", className: "clear", textContent: "show all" });
const cell = (column, ...inside) => make("td", { role: "cell", "data-head": heads[column].dataset.words }, make("span", {}, ...inside));
const shown = (n, number) => {
  const row = rows[n];
  const id = `under${number}`;
  const button = make("button", { type: "button", className: "open", "aria-expanded": "false", "aria-controls": id, textContent: row[TARGET] });
  const rules = row[RULES].slice(0, NAMED).flatMap((rule) => [make("span", { className: `rule ${SEVERITY[rule[0]]}`, textContent: rule.slice(1) }), " "]);
  if (row[RULES].length > NAMED) rules.push(`+${row[RULES].length - NAMED}`);
  const one = make(
    "tr", { role: "row", className: "one" },
    make("th", { scope: "row", role: "rowheader" }, button),
    cell(1, make("span", { className: `pill ${row[VERDICT]}`, textContent: row[VERDICT] })),
    cell(2, plain(row[ERRORS])), cell(3, plain(row[WARNINGS])), cell(4, plain(row[NOTES])),
    cell(5, row[CLASSES].join(", ")), cell(6, dtypesOf[n].join(", ")), cell(7, ...rules), cell(8, row[BYTES] ? size(row[BYTES]) : ""),
  );
  const under = make("tr", { role: "row", className: "under", id, hidden: true });
  button.addEventListener("click", () => {
    if (!under.cells.length) under.append(details(row));
    under.hidden = !under.hidden;
    button.setAttribute("aria-expanded", String(!under.hidden));
  });
  return [one, under];
};
const details = (row) => {
  const inside = make("td", { role: "cell", colSpan: heads.length });
  const stored = Object.entries(row[DTYPES]).map(([dtype, n]) => `${dtype} ${parameters(n)}`);
  const lines = [
    row[FIRST] || "no findings",
    stored.length ? `parameters: ${stored.join(", ")}` : "",
    row[RULES].length > NAMED ? `rules: ${row[RULES].map((rule) => rule.slice(1)).join(", ")}` : "",
  ];
  inside.append(...lines.filter(Boolean).map((textContent) => make("p", { textContent })));
  if (row[RULES].length) inside.append(make("p", {}, make("code", { textContent: `dtypecheck explain ${row[RULES][0].slice(1)}` })));
  return inside;
};

const pages = byId("pages");
const told = make("span");
const buttons = [["first", () => 0], ["previous", () => page - 1], ["next", () => page + 1], ["last", (most) => most]].map(([name, to]) => {
  const button = make("button", { type: "button", textContent: name });
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    page = to(Math.ceil(fitting.length / PER_PAGE) - 1);
    draw();
    byId("targets").scrollIntoView();
  });
  return button;
});
pages.append(...buttons.slice(0, 2), told, ...buttons.slice(2));

let fitting = [];
let amount = "";
let done = "";
const update = () => {
  const wanted = Object.entries(FITS).filter(([name]) => state[name].trim());
  fitting = ordered(state.sort).filter((n) => wanted.every(([name, fits]) => fits(n, state[name])));
  for (const [name, field] of Object.entries(fields)) {
    if (field.options && ![...field.options].some((option) => option.value === state[name])) {
      field.add(new Option(name === "sort" ? `${state.sort.replace(/^-/, "")}, the other way` : state[name], state[name]));
    }
    if (field.value !== state[name]) field.value = state[name];
  }
  for (const head of heads) {
    const name = state.sort.replace(/^-/, "");
    if (head.dataset.sort === name) head.setAttribute("aria-sort", state.sort.startsWith("-") ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  for (const pick of document.querySelectorAll(".pick")) pick.setAttribute("aria-pressed", String(state[pick.dataset.pick] === pick.dataset.value));
  const total = `${number(rows.length)} ${rows.length === 1 ? "model" : "models"}`;
  amount = wanted.length ? `${number(fitting.length)} of ${total}` : total;
  clear.hidden = !wanted.length;
  draw();
};
const draw = () => {
  const most = Math.max(0, Math.ceil(fitting.length / PER_PAGE) - 1);
  page = Math.min(page, most);
  const from = page * PER_PAGE;
  body.replaceChildren(...fitting.slice(from, from + PER_PAGE).flatMap(shown));
  const range = `${number(Math.min(from + 1, fitting.length))} to ${number(Math.min(from + PER_PAGE, fitting.length))}`;
  told.textContent = `${range} of ${number(fitting.length)}`;
  count.textContent = page ? `${amount}, ${range} shown` : amount;
  buttons.forEach((button, n) => button.setAttribute("aria-disabled", String(n < 2 ? page === 0 : page === most)));
  pages.hidden = most === 0;
  done = address();
  if (location.hash !== done && (location.hash || done !== "#")) location.replace(done);
};
const set = (name, value) => {
  state[name] = value;
  page = 0;
  update();
};

// The heads sort, the rows of the sums and the blocks filter.
heads.forEach((head) => {
  const name = head.dataset.sort;
  head.dataset.words = head.textContent;
  const button = make("button", { type: "button", textContent: head.textContent });
  button.addEventListener("click", () => {
    const first = FALLING.includes(name) ? `-${name}` : name;
    const other = FALLING.includes(name) ? name : `-${name}`;
    set("sort", state.sort === first ? other : first);
  });
  head.replaceChildren(button);
});
for (const picked of document.querySelectorAll("[data-pick]")) {
  const { pick, value } = picked.dataset;
  const button = make("button", { type: "button", className: "pick", "aria-pressed": "false" }, ...picked.childNodes);
  button.dataset.pick = pick;
  button.dataset.value = value;
  picked.replaceChildren(button);
  button.addEventListener("click", () => {
    const on = state[pick] !== value;
    set(pick, on ? value : "");
    if (on) byId("targets").scrollIntoView();
  });
}
document.addEventListener("click", (event) => {
  if (event.target.closest("button, a") || String(getSelection())) return;
  event.target.closest("tr")?.querySelector(".pick, .open")?.click();
});
for (const sums of document.querySelectorAll(".sums")) {
  const rest = [...sums.querySelectorAll(".rest")];
  if (!rest.length) continue;
  for (const row of rest) row.hidden = true;
  const button = make("button", { type: "button", className: "unfold", textContent: `${number(rest.length)} more` });
  button.addEventListener("click", () => {
    for (const row of rest) row.hidden = false;
    rest[0].querySelector("button").focus();
    button.remove();
  });
  sums.after(button);
}
for (const [name, field] of Object.entries(fields)) field.addEventListener("input", () => set(name, field.value));
clear.addEventListener("click", () => {
  state = { ...state, verdict: "", rule: "", class: "", dtype: "", q: "" };
  page = 0;
  update();
  fields.q.focus();
});
count.after(clear);
table.caption.className = "unseen";
table.caption.textContent = "The models, a button in each row says more";
document.querySelector(".filters").hidden = false;
document.title = `dtypecheck: ${document.querySelector("h1").textContent}`;
addEventListener("hashchange", () => {
  if (location.hash === done || (location.hash && !location.hash.includes("="))) return;
  read();
  update();
});
read();
update();
