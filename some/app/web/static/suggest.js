// Query suggestions: field names while a word is typed. A combobox in the manner of the ARIA practices.
const WORDS = ["and", "or", "not"];
const MOST = 8;

export function suggestions(root) {
  const input = root.querySelector("input[data-fields]");
  if (!input) return;
  const names = input.dataset.fields.split(" ");
  const list = document.createElement("ul");
  list.id = "q-list";
  list.className = "suggest";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.getAttribute("aria-label"));
  list.hidden = true;
  input.after(list);
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-autocomplete", "list"]])
    input.setAttribute(name, value);
  let chosen = -1;

  const word = () => /[\w.@-]*$/.exec(input.value.slice(0, input.selectionStart))[0];
  const close = () => {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const take = (text) => {
    const at = input.selectionStart;
    const begin = at - word().length;
    const end = WORDS.includes(text) ? " " : ":";
    input.setRangeText(text + end, begin, at, "end");
    close();
    input.focus();
  };
  const show = () => {
    const typed = word().toLowerCase();
    const before = input.value.slice(0, input.selectionStart - typed.length);
    const found = typed && !before.endsWith(":") ? [...names, ...WORDS].filter((name) => name !== typed && (name.startsWith(typed) || name.includes("." + typed))).slice(0, MOST) : [];
    list.replaceChildren(
      ...found.map((name, place) => {
        const option = document.createElement("li");
        option.id = "q-option-" + place;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.textContent = name;
        option.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          take(name);
        });
        return option;
      }),
    );
    chosen = -1;
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!!found.length));
  };
  const move = (way) => {
    const options = [...list.children];
    chosen = (chosen + way + options.length + (chosen < 0 && way < 0 ? 1 : 0)) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
    input.setAttribute("aria-activedescendant", options[chosen].id);
  };
  input.addEventListener("input", show);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) {
      event.preventDefault();
      take(list.children[chosen].textContent);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  });
}
