// Keys for what can be clicked. An element says its own: data-key="j" data-key-says="Next case";
// several with a space between. It is clicked with the focus on it, or only focused where
// data-key-does="focus" or where one types into it, or only clicked ("press"). data-key-for="id"
// means another element. data-cycle="c" on radio buttons: each press picks the next.
//
// A key alone can be in the way of speech input and screen readers: the list of keys turns all off.

const OFF = "keys off";
const store = (() => {
  try {
    return window.localStorage;
  } catch {
    return null; // forbidden: the keys are on
  }
})();
const off = () => store?.getItem(OFF) === "yes";

const typing = (element) =>
  element.matches("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=range], [type=button])");
const usable = (element) => !element.disabled && !element.closest("[hidden]");

// What covers the rest of the page keeps the keys to itself.
const scope = () => document.querySelector("[data-keys-only]") ?? document;
const find = (key, name = "key") =>
  [...scope().querySelectorAll(`[data-${name}~="${CSS.escape(key)}"]`)].filter(usable);

const press = (element) => {
  const target = document.getElementById(element.dataset.keyFor) ?? element;
  const focusOnly = element.dataset.keyDoes === "focus" || typing(target);
  target.dispatchEvent(new Event("reveal", { bubbles: true })); // for bench.js
  if (element.dataset.keyDoes === "press") return element.click();
  target.focus({ preventScroll: !focusOnly });
  if (focusOnly) return;
  target.click();
  // What was chosen or opened is to be seen: no further than that takes.
  const opened = target.matches("summary") ? target.parentElement : target.closest("label");
  opened?.scrollIntoView({ block: "nearest" });
};

const cycle = (radios) => {
  const next = (radios.findIndex((radio) => radio.checked) + 1) % radios.length;
  press(radios[next]);
};

const act = (key) => {
  const radios = find(key, "cycle");
  if (radios.length) return cycle(radios);
  const element = find(key)[0] ?? (key === "?" ? document.querySelector('[data-key="?"]') : null);
  if (!element) return false;
  press(element);
  return true;
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (typing(event.target) || document.querySelector("dialog[open]") || off()) return;
  if (act(event.key.toLowerCase()) !== false) event.preventDefault();
});

// Escape leaves a field, so that the keys work again.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && typing(event.target)) event.target.blur();
});

// --- Showing them ----------------------------------------------------------------------------

const keyOf = (text) => {
  const key = document.createElement("kbd");
  key.textContent = text;
  return key;
};
const beside = (element, key) => {
  const shown = keyOf(key);
  shown.setAttribute("aria-hidden", "true");
  element?.append(shown);
};
for (const radio of document.querySelectorAll("input[type=radio][data-key]")) {
  beside(radio.closest("label"), radio.dataset.key);
}
for (const fieldset of document.querySelectorAll("fieldset:has([data-cycle])")) {
  beside(fieldset.querySelector("legend"), fieldset.querySelector("[data-cycle]").dataset.cycle);
}

// The list is made from the page as it is when it is opened, part by part.
const list = document.querySelector("[data-keys]");
const said = () => {
  const parts = new Map();
  const say = (element, key, words) => {
    const part = element.closest("[data-part]")?.getAttribute("aria-label") ?? "";
    if (!parts.has(part)) parts.set(part, new Map());
    parts.get(part).set(words, key);
  };
  for (const element of document.querySelectorAll("[data-key-says], [data-cycle-says]")) {
    const { key, keySays, cycle: round, cycleSays } = element.dataset;
    if (cycleSays) say(element, round, cycleSays);
    if (keySays && usable(element)) say(element, key.split(" ")[0], keySays);
  }
  return parts;
};
const tell = () => {
  const shown = [];
  for (const [part, keys] of said()) {
    const [section, head, lines] = ["section", "h3", "dl"].map((name) => document.createElement(name));
    head.textContent = part || list.dataset.keys;
    lines.className = "keys";
    for (const [words, key] of keys) {
      const [term, text] = ["dt", "dd"].map((name) => document.createElement(name));
      term.append(keyOf(key.length > 1 ? key[0].toUpperCase() + key.slice(1) : key.toUpperCase()));
      text.textContent = words;
      lines.append(term, text);
    }
    section.append(head, lines);
    shown.push(section);
  }
  list.replaceChildren(...shown);
};
for (const button of document.querySelectorAll("button[data-opens=keys]")) {
  button.hidden = false;
  button.addEventListener("click", () => { if (list) tell(); });
}
for (const box of document.querySelectorAll("[data-keys-on]")) {
  box.checked = !off();
  box.addEventListener("change", () => {
    if (box.checked) store?.removeItem(OFF);
    else store?.setItem(OFF, "yes");
  });
}
