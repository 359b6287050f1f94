// Copy buttons: hidden without JavaScript; what was copied is said once.
const texts = () => document.getElementById("texts")?.dataset || {};

export function say(text) {
  const box = document.getElementById("said");
  if (box) box.textContent = text;
}

export function copies(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy)?.textContent || "";
      await navigator.clipboard.writeText(text.trim());
      button.setAttribute("data-done", "");
      say(texts().copied || "");
    });
  }
}
