// Keys for what can be clicked. An element says its own: data-key="j" data-key-says="Next case".
// It is clicked, or only focused where data-key-does="focus" or where one types into it.

const typing = (element) =>
  element.matches("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])");

const press = (element) => {
  const focusOnly = element.dataset.keyDoes === "focus" || typing(element);
  element.focus({ preventScroll: !focusOnly });
  if (!focusOnly) element.click();
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  const key = CSS.escape(event.key.toLowerCase());
  const element = document.querySelector(`[data-key="${key}"]:not([disabled])`);
  if (!element) return;
  event.preventDefault();
  press(element);
});

// Escape leaves a field, so that the keys work again.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && typing(event.target)) event.target.blur();
});

// Each choice shows its key, and the list of keys is made from the page itself.
for (const radio of document.querySelectorAll("input[type=radio][data-key]")) {
  const key = document.createElement("kbd");
  key.textContent = radio.dataset.key;
  key.setAttribute("aria-hidden", "true");
  radio.closest("label")?.append(key);
}
const list = document.querySelector("[data-keys]");
for (const element of list ? document.querySelectorAll("[data-key-says]") : []) {
  const [term, words, key] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
  key.textContent = element.dataset.key.toUpperCase();
  words.textContent = element.dataset.keySays;
  term.append(key);
  list.append(term, words);
}
for (const button of document.querySelectorAll("button[data-opens=keys]")) button.hidden = false;
