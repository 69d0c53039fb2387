// The workbench on a narrow screen: one part at a time, behind tabs that are links without this.

const bench = document.querySelector(".bench");
const tabs = [...document.querySelectorAll("[data-tabs] a")];
const depths = new Map(); // how far down each part was read

const partOf = (element) => element?.closest("[data-part]")?.dataset.part;

const show = (part) => {
  const before = bench.dataset.shows;
  if (before === part) return;
  if (before) depths.set(before, scrollY);
  bench.dataset.shows = part;
  for (const tab of tabs) {
    if (tab.hash === `#${part}`) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
  if (before) scrollTo(0, depths.get(part) ?? Math.min(scrollY, tabs[0].closest("nav").offsetTop));
};

const named = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));
const go = () => {
  const part = partOf(named());
  if (!part) return;
  show(part);
  if (named().dataset.part === undefined) named().scrollIntoView();
};

if (bench && tabs.length) {
  for (const tab of tabs) {
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", tab.hash);
      show(tab.hash.slice(1));
    });
  }
  // What is asked for by key, by link or by the page itself must be seen.
  document.addEventListener("reveal", (event) => {
    const part = partOf(event.target);
    if (part) show(part);
  });
  addEventListener("hashchange", go);
  show(partOf(document.querySelector("[data-part] [data-focus]")) ?? partOf(named()) ?? tabs[0].hash.slice(1));
  if (named()) go();
}
