"use strict";

// The chart: a slider over the modules in order of execution; the pointer moves it too.
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const area = figure.querySelector(".area");
  const cursor = figure.querySelector(".cursor");
  const probe = figure.querySelector(".probe");
  const slider = probe.querySelector("input");
  const output = probe.querySelector("output");
  const count = Number(slider.max);
  const words = new Map();
  for (const dot of figure.querySelectorAll("[data-i]")) {
    const title = dot.querySelector("title");
    words.set(Number(dot.dataset.i), title.textContent);
    title.remove();
  }
  const known = [...words.keys()].sort((a, b) => a - b);

  const nearest = (at) => known.reduce((best, n) => (Math.abs(n - at) < Math.abs(best - at) ? n : best), known[0]);
  const show = (at) => {
    const n = nearest(at);
    slider.value = n;
    slider.setAttribute("aria-valuetext", words.get(n));
    cursor.hidden = false;
    cursor.style.left = `${(100 * (n - 0.5)) / count}%`;
    const link = document.createElement("a");
    link.href = `#${figure.dataset.chart}m${n}`;
    link.textContent = words.get(n);
    output.replaceChildren(link);
  };
  const follow = (event) => {
    const box = area.getBoundingClientRect();
    show(Math.ceil(((event.clientX - box.left) / box.width) * count));
  };
  const step = (event) => {
    const to = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (to) {
      event.preventDefault();
      show(known[Math.min(Math.max(known.indexOf(nearest(Number(slider.value))) + to, 0), known.length - 1)]);
    }
  };
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.addEventListener("keydown", step);
  area.addEventListener("pointermove", follow);
  area.addEventListener("pointerdown", follow);
  probe.hidden = false;
  show(Number(slider.value));
}

// The table of modules: sorted by a click on a column's head, and filtered; the first rows stand open, the rest is folded.
for (const part of document.querySelectorAll("[data-modules]")) {
  const shown = Number(part.dataset.modules);
  const bodies = [...part.querySelectorAll("tbody")];
  const details = part.querySelector("details");
  const filter = part.querySelector(".filter");
  const field = filter.querySelector("input");
  let rows = bodies.flatMap((body) => [...body.rows]);
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  const place = () => {
    const wanted = field.value.trim().toLowerCase();
    const fitting = rows.filter((row) => texts.get(row).includes(wanted));
    const rest = rows.filter((row) => !texts.get(row).includes(wanted));
    for (const row of fitting) row.hidden = false;
    for (const row of rest) row.hidden = true;
    bodies[0].replaceChildren(...fitting.slice(0, shown), ...(details ? [] : rest));
    if (details) {
      bodies[1].replaceChildren(...fitting.slice(shown), ...rest);
      details.hidden = fitting.length <= shown;
      details.querySelector("summary").textContent = `${(fitting.length - shown).toLocaleString("en")} more`;
    }
    filter.querySelector("output").textContent = wanted ? ` ${fitting.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
  };
  const key = (row, column) => {
    const cell = row.cells[column];
    if (column === 0) return Number(cell.textContent);
    if (column < 3) return cell.textContent;
    return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  const sort = (column, down) => {
    rows = rows
      .map((row) => [key(row, column), row])
      .sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? compare(b, a) : compare(a, b)))
      .map(([, row]) => row);
    place();
  };
  const heads = [...part.querySelectorAll("thead")].map((head) => [...head.rows[0].cells]);
  for (const cells of heads) {
    cells.forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      cell.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        for (const others of heads) {
          others.forEach((other, n) => {
            if (n === column) other.setAttribute("aria-sort", down ? "descending" : "ascending");
            else other.removeAttribute("aria-sort");
          });
        }
        sort(column, down);
      });
    });
  }
  field.addEventListener("input", place);
  filter.hidden = false;
}

// A link into folded rows opens them.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.closest("details");
  if (details && !details.open) {
    details.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();
