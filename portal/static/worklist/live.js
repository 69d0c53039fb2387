// The list keeps itself up to date: a cheap question every few seconds, and the page anew only
// when something on it has changed. Rows that stay the same stay where they are, so nothing blinks.

const EVERY = 5000;
let list = document.querySelector("[data-live-list]");
const arrivals = document.querySelector("[data-arrivals]");
let arrived = 0;

const names = (of) => [...of.querySelectorAll("[data-row]")].map((row) => row.dataset.row);

// What comes up from the next page, because something above it was answered, has not just arrived.
const count = (fresh) => {
  const known = new Set(names(list));
  const rows = names(fresh);
  const whole = !list.querySelector("[rel=next]");
  const end = whole ? rows.length : 1 + rows.findLastIndex((name) => known.has(name));
  arrived += rows.slice(0, end).filter((name) => !known.has(name)).length;
  if (arrived) arrivals.textContent = `${arrivals.dataset.arrivals} ${arrived}`;
};

const adopt = (fresh) => {
  const old = new Map([...list.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row]));
  const focused = document.activeElement?.closest?.("[data-row]")?.dataset.row;
  for (const row of fresh.querySelectorAll("[data-row]")) {
    const known = old.get(row.dataset.row);
    if (!known) continue;
    if (known.innerHTML === row.innerHTML) {
      row.replaceWith(known);
      continue;
    }
    const [picture, freshPicture] = [known, row].map((one) => one.querySelector("img"));
    if (picture && picture.src === freshPicture?.src) freshPicture.replaceWith(picture);
  }
  list.replaceWith(fresh);
  list = fresh;
  if (focused) list.querySelector(`[data-row="${focused}"] a`)?.focus({ preventScroll: true });
};

const load = async () => {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live-list]");
  if (!fresh) return;
  count(fresh);
  adopt(document.importNode(fresh, true));
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (now && now.textContent !== part.textContent) part.textContent = now.textContent;
  }
};

const ask = async () => {
  if (document.visibilityState === "hidden") return;
  const answer = await fetch(`${list.dataset.state}${location.search}`, {
    headers: { "If-None-Match": `"${list.dataset.version}"` },
  });
  if (answer.status === 200 && !answer.redirected) await load();
};

// A lost connection or a server starting again is no reason to stop asking.
const again = () => setTimeout(() => ask().catch(() => {}).finally(again), EVERY);
if (list) {
  again();
  document.addEventListener("visibilitychange", () => { ask().catch(() => {}); });
}
