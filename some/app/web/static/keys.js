// One registry of keys; words.py lists the same for the sheet. Single keys can be switched off under Account (WCAG 2.1.4).
const go = { b: "/", k: "/kayitlar", m: "/muhurler" };
let waitsForGo = 0;

const single = {
  "/": () => document.getElementById("q")?.focus(),
  "?": () => sheet(),
  j: () => step(1),
  k: () => step(-1),
  y: () => document.getElementById("freeze")?.click(),
  g: () => (waitsForGo = Date.now()),
};

export const registry = ["/", "Ctrl K", "j k", "Enter", "Esc", "y", "Ctrl Enter", ...Object.keys(go).map((key) => "g " + key), "?"];

export function keys() {
  for (const link of document.querySelectorAll("[data-help]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      sheet();
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      document.getElementById("jump")?.select();
    } else if (event.ctrlKey && event.key === "Enter") {
      event.target.closest("form")?.requestSubmit();
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (typing) typing.blur();
      else document.getElementById("panel-close")?.click();
    } else if (typing || event.ctrlKey || event.metaKey || event.altKey || "keys" in document.body.dataset) {
      return;
    } else if (Date.now() - waitsForGo < 1500 && go[event.key]) {
      location.assign(go[event.key]);
    } else if (event.key === "Enter" && event.target.matches(".row-link[aria-current][data-full]")) {
      event.preventDefault();
      location.assign(event.target.dataset.full);
    } else if (single[event.key]) {
      event.preventDefault();
      single[event.key]();
    }
  });
}

function sheet() {
  document.getElementById("keys")?.showModal();
}

function step(way) {
  const rows = [...document.querySelectorAll("#rows .row-link")];
  if (!rows.length) return;
  const now = rows.findIndex((row) => row === document.activeElement || row.hasAttribute("aria-current"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now + way))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  if (!document.getElementById("panel")?.hidden || next.closest("tr.on")) next.click();
}
