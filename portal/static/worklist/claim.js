// The page says every minute that it is still open, and once that it closes. Without this the
// claim runs out by itself.

const EVERY = 60000;
let claim = document.querySelector("[data-claim]");
let staying = false;
// Whether somebody is there: who writes for long is not logged out meanwhile.
let byHand = false;

const form = () => claim.querySelector("form");

const beat = async () => {
  if (document.visibilityState === "hidden") return;
  const headers = byHand ? { "X-By-Hand": "1" } : {};
  byHand = false;
  const answer = await fetch(form().action, { method: "POST", body: new FormData(form()), headers });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-claim]");
  if (!fresh) return;
  const adopted = document.importNode(fresh, true);
  claim.replaceWith(adopted);
  claim = adopted;
};

const bare = (address) => new URL(address, location.href).href.split("#", 1)[0];

// From one page of the case to another the doctor does not leave it.
const leads = (address) => new URL(address, location.href).pathname.startsWith(
  form().getAttribute("action").replace(/open\/$/, ""),
);

const leave = () => {
  if (staying) return;
  const last = new FormData(form());
  last.append("left", "1");
  navigator.sendBeacon(form().action, last);
};

if (claim) {
  setInterval(() => { beat().catch(() => {}); }, EVERY);
  document.addEventListener("visibilitychange", () => { beat().catch(() => {}); });
  for (const sign of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(sign, () => { byHand = true; }, { passive: true });
  }
  document.addEventListener("submit", (event) => {
    staying = !event.defaultPrevented && leads(event.target.action);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link) staying = bare(link.href) !== bare(location.href) && leads(link.href);
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => {
    staying = false;
    if (event.persisted) beat().catch(() => {});
  });
}
