// Brush: drag over the histogram fills the from and to inputs beside it; the inputs alone do the same.
export function brush(root) {
  const chart = root.querySelector("svg[data-brush]");
  const form = root.querySelector("#brush");
  if (!chart || !form) return;
  const [from, to] = [form.elements.bas, form.elements.son];
  const start = read(from.value);
  const end = read(to.value);
  if (!start || !end) return;
  const veil = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  veil.setAttribute("class", "veil");
  veil.setAttribute("height", "66");
  let origin = null;

  const share = (event) => {
    const box = chart.getBoundingClientRect();
    const left = box.width * 0.03;
    return Math.min(1, Math.max(0, (event.clientX - box.left - left) / (box.width - left)));
  };
  const draw = (a, b) => {
    veil.setAttribute("x", 3 + 97 * Math.min(a, b) + "%");
    veil.setAttribute("width", 97 * Math.abs(b - a) + "%");
    from.value = write(new Date(+start + (end - start) * Math.min(a, b)), from.value);
    to.value = write(new Date(+start + (end - start) * Math.max(a, b) + 59999), to.value);
  };
  chart.addEventListener("pointerdown", (event) => {
    origin = share(event);
    chart.append(veil);
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => origin !== null && draw(origin, share(event)));
  chart.addEventListener("pointerup", (event) => {
    const moved = Math.abs(share(event) - origin) > 0.004;
    origin = null;
    if (moved) form.querySelector("button").focus();
    else veil.remove();
  });
  chart.addEventListener("dblclick", () => history.back());
}

// Times are wall times of the page's zone; only their differences matter here, so UTC serves as the calendar.
export function read(text) {
  const local = /^(\d+)\.(\d+)\.(\d+) (\d+):(\d+)$/.exec(text);
  const iso = /^(\d+)-(\d+)-(\d+) (\d+):(\d+)$/.exec(text);
  if (local) return new Date(Date.UTC(local[3], local[2] - 1, local[1], local[4], local[5]));
  if (iso) return new Date(Date.UTC(iso[1], iso[2] - 1, iso[3], iso[4], iso[5]));
  return null;
}

export function write(moment, like) {
  const two = (number) => String(number).padStart(2, "0");
  const [year, month, day] = [moment.getUTCFullYear(), two(moment.getUTCMonth() + 1), two(moment.getUTCDate())];
  const time = two(moment.getUTCHours()) + ":" + two(moment.getUTCMinutes());
  return like.includes(".") ? `${day}.${month}.${year} ${time}` : `${year}-${month}-${day} ${time}`;
}
