// Region swap: fetch the same URL, replace one named region, push the address. On any doubt the browser goes there itself.
let latest = 0;

export function swaps(dress) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || !link.href || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    visit(link.href, link.dataset.swap, dress, link);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.swap) return;
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    if (form.method === "post") send(form, fields, dress);
    else visit(form.action.split("?")[0] + "?" + fields, form.dataset.swap, dress, form);
  });
  addEventListener("popstate", () => visit(location.href, "main", dress, null, false));
}

export async function visit(url, region, dress, from, push = true) {
  const turn = ++latest;
  const waiting = setTimeout(() => document.getElementById(region)?.classList.add("busy"), 300);
  try {
    const answer = await fetch(url, { headers: { "X-Some-Region": region }, credentials: "same-origin" });
    if (answer.redirected || !answer.headers.get("content-type")?.startsWith("text/html")) throw new Error("elsewhere");
    const text = await answer.text();
    if (turn !== latest) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    if (!replace(page, region, dress)) throw new Error("no region");
    if (push) history.pushState(null, "", url);
    document.title = page.title;
    if (region === "panel") mark(from);
    focusAgain(from, region);
  } catch {
    if (turn === latest) location.assign(url);
  } finally {
    clearTimeout(waiting);
    document.getElementById(region)?.classList.remove("busy");
  }
}

async function send(form, fields, dress) {
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error("refused");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!replace(page, form.dataset.swap, dress)) throw new Error("no region");
    document.querySelector("#" + form.dataset.swap + " .steps")?.focus();
  } catch {
    form.removeAttribute("data-swap");
    form.submit();
  }
}

export function replace(page, region, dress) {
  const fresh = page.getElementById(region);
  const old = document.getElementById(region);
  if (!fresh || !old) return false;
  const scrolled = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  old.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((box, place) => (box.scrollLeft = scrolled[place] || 0));
  if (region === "panel") fresh.closest(".records")?.classList.toggle("open", !fresh.hidden);
  if (region === "main") {
    const state = page.getElementById("state");
    if (state) document.getElementById("state")?.replaceWith(state);
  }
  dress(fresh);
  return true;
}

function mark(link) {
  const row = link?.closest("tr") || document.querySelector(`tr[data-row="${CSS.escape(panelRef())}"]`);
  for (const other of document.querySelectorAll("tr.on")) {
    other.classList.remove("on");
    other.querySelector("[aria-current]")?.removeAttribute("aria-current");
  }
  row?.classList.add("on");
  row?.querySelector(".row-link")?.setAttribute("aria-current", "true");
}

function panelRef() {
  return document.getElementById("panel-ref")?.textContent || "";
}

function focusAgain(from, region) {
  if (!from || from.isConnected) return;
  const href = from.getAttribute("href");
  const twin = from.id ? document.getElementById(from.id) : href && document.querySelector(`#${region} a[href="${CSS.escape(href)}"]`);
  (twin || document.getElementById(region === "panel" ? "panel" : "main"))?.focus({ preventScroll: true });
}
