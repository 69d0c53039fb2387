// What a doctor has typed and not sent stays with this tab, and for that doctor alone: the next case,
// the list, a reload or a session that ran out costs nothing. Logging out clears it (lentigo.js).

const places = new Map(
  [...document.querySelectorAll("form[data-remembers]")].map((form) => [
    form,
    `desk:${form.dataset.remembers}:${new URL(form.action).pathname}`,
  ]),
);
const CHOSEN = new Set(["radio", "checkbox"]);
const NOT_TYPED = new Set(["hidden", "submit", "button"]);

const fields = (form) => [...form.elements].filter((field) => field.name && !NOT_TYPED.has(field.type));
const kept = (form) => {
  try {
    return JSON.parse(sessionStorage.getItem(places.get(form)));
  } catch {
    return null; // forbidden: nothing is kept
  }
};
const keep = (form, what) => {
  try {
    sessionStorage.setItem(places.get(form), JSON.stringify(what));
  } catch { /* forbidden, or full: nothing is kept */ }
};

// By name, of the fields somebody touched: whatever else stands here is the server's, and newer.
const said = (form, names) => {
  const values = Object.fromEntries(names.map((name) => [name, []]));
  for (const field of fields(form)) {
    if (values[field.name] && (!CHOSEN.has(field.type) || field.checked)) values[field.name].push(field.value);
  }
  return values;
};

const remember = (form, touched) => {
  const names = new Set([...Object.keys(kept(form)?.values ?? {}), ...touched]);
  keep(form, { values: said(form, [...names]) });
};

// The page one was sent back to by what was sent itself; not by a log-in that came between.
const arrived = (form) => {
  if (!document.referrer) return false;
  const here = new URL(form.action).pathname.replace(/[^/]+\/$/, "");
  return new URL(document.referrer).pathname.startsWith(here);
};

const recall = (form) => {
  const known = kept(form);
  if (!known) return;
  // Refused: all of it stands there already, and is not sent yet.
  if (form.querySelector("[data-focus]")) return keep(form, { values: known.values });
  if (known.sent && arrived(form)) return void sessionStorage.removeItem(places.get(form));
  let back = false;
  for (const field of fields(form)) {
    const values = known.values[field.name];
    if (!values) continue;
    const before = CHOSEN.has(field.type) ? field.checked : field.value;
    if (CHOSEN.has(field.type)) field.checked = values.includes(field.value);
    else field.value = values[0] ?? "";
    if ((CHOSEN.has(field.type) ? field.checked : field.value) === before) continue;
    back = true;
    field.closest("details")?.setAttribute("open", "");
  }
  if (back && form.dataset.saysBack) {
    const note = document.createElement("p");
    note.className = "small muted";
    note.setAttribute("role", "status");
    note.textContent = form.dataset.saysBack;
    (form.querySelector("h2") ?? form.firstElementChild).after(note);
  }
};

// A session that ran out in this tab may have been a colleague's.
const mine = [...places.keys()].map((form) => `desk:${form.dataset.remembers}:`);
try {
  for (const key of Object.keys(sessionStorage)) {
    if (mine.length && key.startsWith("desk:") && !mine.some((own) => key.startsWith(own))) sessionStorage.removeItem(key);
  }
} catch { /* forbidden: nothing is kept */ }

for (const form of places.keys()) {
  recall(form);
  form.addEventListener("input", (event) => {
    const one = event.target === form ? fields(form) : [event.target]; // a template fills them all
    remember(form, one.map((field) => field.name).filter(Boolean));
  });
  form.addEventListener("submit", () => {
    const known = kept(form);
    if (known) keep(form, { ...known, sent: true });
  });
}
