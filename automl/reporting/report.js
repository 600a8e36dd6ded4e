"use strict";
/* All of it is a convenience: without it the page says the same. */
document.documentElement.classList.add("js");

/* Pointing at a trial lights it in every figure and says what it is. */
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
for (const title of document.querySelectorAll("svg [class] > title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.parentNode.setAttribute("aria-label", title.textContent);
  title.remove();
}

/* The narrow drawings leave to the wide ones what is said of a trial. */
for (const shape of document.querySelectorAll("svg.narrow [data-t]")) {
  const twin = shape.closest("section").querySelector(`svg.wide [data-t="${shape.dataset.t}"]`);
  if (twin && twin.dataset.tip) shape.dataset.tip = twin.dataset.tip;
}

function light(trial) {
  for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
  for (const svg of document.querySelectorAll("svg")) svg.classList.toggle("dim", trial !== undefined);
  if (trial === undefined) return;
  for (const one of document.querySelectorAll(`[data-t="${trial}"]`)) one.classList.add("lit");
}

function say(text, x, y) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(8, y - box.height - 12) : y + 18}px`;
}

document.addEventListener("pointermove", (event) => {
  const shape = event.target.closest ? event.target.closest("svg [data-tip]") : null;
  say(shape && shape.dataset.tip, event.clientX, event.clientY);
});
document.addEventListener("pointerover", (event) => {
  const one = event.target.closest ? event.target.closest("[data-t]") : null;
  light(one ? one.dataset.t : undefined);
});
document.addEventListener("pointerdown", (event) => {
  const shape = event.target.closest ? event.target.closest("svg [data-tip]") : null;
  say(shape && shape.dataset.tip, event.clientX, event.clientY);
});
document.addEventListener("scroll", () => say("", 0, 0), { passive: true });

addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});

/* The table of trials sorts by any column and keeps the rows that hold every word typed. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent;
      const rows = [...body.rows].sort((a, b) => {
        const one = key(a), other = key(b);
        if (one === "" || other === "") return (one === "") - (other === "");
        const order = isNaN(one) || isNaN(other) ? one.localeCompare(other) : one - other;
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
}
const filter = document.querySelector(".filter input");
if (filter) {
  const rows = [...document.querySelectorAll("#trials tbody tr")];
  const count = document.querySelector(".filter output");
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  };
  filter.addEventListener("input", show);
}
