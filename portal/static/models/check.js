// While a bundle waits for its golden pictures: asks how far it is, and shows what has changed.
const EVERY = 2000; // milliseconds

const stateOf = (page) => page.querySelector("[data-check]")?.dataset.check;

async function look() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && stateOf(fresh) !== stateOf(document)) {
      location.reload();
      return;
    }
  } catch {
    // Offline, or the server restarts: asked again.
  }
  setTimeout(look, EVERY);
}

setTimeout(look, EVERY);
