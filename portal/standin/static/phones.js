// Keeps the phones and e-mails up to date without touching a reply being written.

const EVERY = 1500;
const panes = document.getElementById("panes");

function showNewest() {
  for (const chat of document.querySelectorAll(".chat")) chat.scrollTop = chat.scrollHeight;
}

function take(next) {
  const fresh = next.getElementById("panes");
  if (fresh.dataset.keys !== panes.dataset.keys) {
    const words = document.activeElement?.id;
    const kept = new Map([...panes.querySelectorAll("input[name=body]")].map((i) => [i.id, i.value]));
    panes.replaceChildren(...fresh.childNodes);
    panes.dataset.keys = fresh.dataset.keys;
    for (const [id, value] of kept) document.getElementById(id).value = value;
    if (words) document.getElementById(words)?.focus();
    showNewest();
    return;
  }
  for (const part of panes.querySelectorAll("[data-live]")) {
    const other = next.getElementById(part.id);
    if (!other || other.innerHTML === part.dataset.was) continue;
    if (part.querySelector("details[open]") && other.children.length === part.children.length) continue;
    part.dataset.was = other.innerHTML;
    part.innerHTML = other.innerHTML;
    part.scrollTop = part.classList.contains("chat") ? part.scrollHeight : 0;
  }
}

async function look() {
  try {
    const answer = await fetch("/", { cache: "no-store" });
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The stand-in is starting again; the next look finds it.
  }
  setTimeout(look, EVERY);
}

for (const part of panes.querySelectorAll("[data-live]")) part.dataset.was = part.innerHTML;
showNewest();
setTimeout(look, EVERY);
