// The wait: asks a cheap address whether the page is still true, and swaps what changes.
// Without it the page reloads itself (a noscript refresh in its head).

const FIRST = 20; // milliseconds: the server keeps the question until the computer has looked
const SOONEST = 100; // between two answers that came at once: too many others are kept already
const CALM = 3000; // after the computer, a doctor: that takes hours
const SLOWEST = 20000;
let delay = FIRST;
let timer = 0;
let asking = false; // one question at a time, however often the tab is left: the server keeps each

const live = () => document.getElementById("case-live");

async function look() {
  if (asking) return;
  asking = true;
  const { state, version } = live().dataset;
  try {
    const answer = await fetch(state, {
      headers: {
        "If-None-Match": `"${version}"`,
        Accept: "application/json",
        // While the computer looks, the answer comes when it has: nothing to ask again and again.
        Prefer: "wait=5",
      },
      cache: "no-store",
      redirect: "error",
    });
    if (answer.status === 404) return; // logged out, or not ours any more: nothing to wait for
    if (answer.status === 200 && (await answer.json()).version !== version) await swap();
  } catch {
    // Offline, or the server restarts: asked again later, ever more slowly.
  } finally {
    asking = false;
  }
  next();
}

async function swap() {
  const answer = await fetch("?fragment=1", { cache: "no-store", redirect: "error" });
  if (!answer.ok) return;
  const fresh = new DOMParser()
    .parseFromString(await answer.text(), "text/html")
    .getElementById("case-live");
  const old = live();
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  for (const fold of old.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${fold.id}`)?.setAttribute("open", "");
  }
  old.replaceWith(document.adoptNode(fresh));
  if (focused) document.getElementById(focused)?.focus();
  document.querySelector("[data-said]").textContent = fresh.querySelector("h2")?.textContent ?? "";
  readyToPrint(fresh);
  delay = CALM;
}

function next() {
  clearTimeout(timer);
  if ("done" in live().dataset || document.hidden) return;
  timer = setTimeout(look, delay);
  delay = Math.min(Math.max(delay * 1.3, SOONEST), SLOWEST);
}

function readyToPrint(part) {
  for (const button of part.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
}

// The form behind this case is sent: what the tab remembered of it goes (memory.js).
for (const key of Object.keys(sessionStorage)) {
  if (key.startsWith("form:")) sessionStorage.removeItem(key);
}

document.addEventListener("visibilitychange", () => {
  delay = FIRST;
  next();
});
next();
