// Asks every few seconds how the portal is doing, and shows it; keeps open what is open.
const EVERY = 10_000; // milliseconds

async function look() {
  if (!document.hidden) {
    const stale = document.querySelector("[data-stale]");
    try {
      const answer = await fetch("?part", { cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 404) {
        location.reload(); // logged out, or no longer an admin
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      stale.hidden = true;
    } catch {
      stale.hidden = false; // asked again
    }
  }
  setTimeout(look, EVERY);
}

function show(page) {
  const [old, fresh] = [document, page].map((one) => one.querySelector("[data-glance]"));
  if (!old || !fresh || old.contains(document.activeElement)) return; // nobody loses their place
  for (const open of old.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  old.replaceWith(document.adoptNode(fresh));
}

setTimeout(look, EVERY);
