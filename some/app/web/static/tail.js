// Watching: asks the same address again and replaces the region; what is new is announced at most every 10 s.
import { say } from "./copy.js";
import { replace } from "./swap.js";

const EVERY = 2000;
const SAY_EVERY = 10000;
const LONGEST = 30000;
let timer = 0;
let said = 0;
let wait = EVERY;
let dress;

export function tail(dressing) {
  dress = dressing;
  const region = document.querySelector("[data-live]") ? "main" : document.querySelector("[data-poll]")?.dataset.poll;
  clearTimeout(timer);
  if (region) timer = setTimeout(() => ask(region), wait);
}

async function ask(region) {
  const busy = document.hidden || document.querySelector("#panel:not([hidden])") || document.activeElement?.matches("input, select, textarea");
  const texts = document.getElementById("texts")?.dataset || {};
  if (busy) return again(region);
  try {
    const answer = await fetch(location.href, { headers: { "X-Some-Region": region }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error("refused");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = new Set([...document.querySelectorAll("tr[data-row]")].map((row) => row.dataset.row));
    const fresh = [...page.querySelectorAll("tr[data-row]")].filter((row) => !before.has(row.dataset.row)).length;
    const where = document.activeElement?.getAttribute("href");
    wait = EVERY;
    replace(page, region, dress);
    if (where) document.querySelector(`a[href="${CSS.escape(where)}"]`)?.focus({ preventScroll: true });
    if (fresh && Date.now() - said > SAY_EVERY) {
      said = Date.now();
      say((texts.records || "").replace("{n}", fresh));
    }
  } catch {
    wait = Math.min(LONGEST, wait * 2);
    say(texts.away || "");
  }
  again(region);
}

function again(region) {
  clearTimeout(timer);
  if (document.querySelector("[data-live], [data-poll]")) timer = setTimeout(() => ask(region), wait);
}
