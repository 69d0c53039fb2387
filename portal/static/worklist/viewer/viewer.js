// The doctor's viewer: one or two pictures of the page on a stage, and what the buttons and keys do
// to them. The figures stay the source of everything: pictures, words, addresses.

import { Pane } from "./pane.js";
import { Ruler, said } from "./ruler.js";

const NEARER = 1.3;
const PAN = 60; // CSS pixels

const picturesOf = (figures) => [...figures.querySelectorAll("[data-picture]")].map((figure) => {
  const image = figure.querySelector("img");
  const [layer, lit] = [document.createElement("div"), document.createElement("div")];
  lit.className = "sheet-photo";
  layer.append(lit);
  const home = image.parentElement;
  lit.append(image); // lazy: loaded when it is put on a stage
  image.draggable = false;
  return {
    id: figure.dataset.picture,
    full: figure.dataset.full,
    overlay: figure.dataset.overlay ?? "",
    other: "other" in figure.dataset,
    caption: figure.querySelector("figcaption"),
    width: Number(image.getAttribute("width")),
    height: Number(image.getAttribute("height")),
    image,
    home,
    layer, // all that turns and zooms
    lit, // the photo in it, which brightness and contrast change
  };
});

class Viewer {
  constructor(root, figures) {
    this.root = root;
    this.figures = figures;
    this.percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 0 });
    this.pictures = picturesOf(figures);
    figures.hidden = true;
    root.hidden = false;
    this.panes = [...root.querySelectorAll("[data-pane]")].map((element) => {
      const pane = new Pane(element, (changed) => this.looked(changed));
      pane.ruler = new Ruler(pane, root.dataset, () => this.ruled());
      for (const type of ["pointerdown", "wheel", "focusin"]) {
        element.addEventListener(type, () => this.activate(pane), { capture: true, passive: true });
      }
      pane.stage.addEventListener("keydown", (event) => this.arrow(event, pane));
      return pane;
    });
    this.active = this.panes[0];
    this.wire();
    if (this.pictures.length > 1) this.tool("beside").hidden = false;
    else this.tool("next").disabled = true;
    this.show(this.active, this.pictures[0]);
  }

  tool(does) { return this.root.querySelector(`[data-does="${does}"]`); }
  panel(name) { return this.root.querySelector(`[data-panel="${name}"]`); }
  is(does) { return this.tool(does).getAttribute("aria-pressed") === "true"; }
  press(does, on = !this.is(does)) {
    this.tool(does).setAttribute("aria-pressed", String(on));
    return on;
  }
  get shown() { return this.panes.filter((pane) => pane.picture); }
  get spare() { return this.panes.find((pane) => pane !== this.active); }

  wire() {
    const does = {
      in: () => this.active.zoomBy(NEARER),
      out: () => this.active.zoomBy(1 / NEARER),
      dots: () => this.active.toDots(),
      left: () => this.turn(-90),
      right: () => this.turn(90),
      light: () => this.light(this.press("light")),
      measure: () => this.measure(this.press("measure")),
      overlay: () => this.lay(),
      beside: () => this.beside(this.press("beside")),
      together: () => { if (this.press("together")) this.follow(); },
      reset: () => this.reset(),
      large: () => this.large(!this.is("large")),
      screen: () => this.screen(),
      next: () => this.next(),
    };
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-does], [data-view]");
      if (button?.dataset.does) does[button.dataset.does]();
      else if (button) this.choose(this.pictures.find((picture) => picture.id === button.dataset.view));
    });
    for (const slider of this.root.querySelectorAll("[data-light]")) {
      slider.addEventListener("input", () => this.active.light({ [slider.dataset.light]: Number(slider.value) }));
    }
    this.opacity = this.root.querySelector("[data-opacity]");
    this.opacity.addEventListener("input", () => this.overlay());
    this.wireRuler();
    document.addEventListener("keydown", (event) => this.escape(event));
    document.addEventListener("fullscreenchange", () => this.large(document.fullscreenElement === this.root));
    // Paper cannot be zoomed: it gets the figures back.
    addEventListener("beforeprint", () => this.paper(true));
    addEventListener("afterprint", () => this.paper(false));
    this.tool("screen").hidden = !document.fullscreenEnabled;
  }

  paper(on) {
    this.figures.hidden = !on;
    for (const { home, lit, image } of this.pictures) (on ? home : lit).prepend(image);
  }

  // --- Which pictures --------------------------------------------------------------------------

  show(pane, picture) {
    const elsewhere = this.panes.find((other) => other !== pane && other.picture === picture);
    const before = pane.picture;
    pane.show(picture);
    if (elsewhere) this.show(elsewhere, before ?? this.pictures.find((one) => one !== picture));
    this.caption(pane);
    this.mark();
    if (pane === this.active) this.adopt();
  }

  choose(picture) {
    this.show(this.active, picture);
  }

  next() {
    const free = this.pictures.filter((one) => !this.shown.some((pane) => pane !== this.active && pane.picture === one));
    this.show(this.active, free[(free.indexOf(this.active.picture) + 1) % free.length]);
  }

  activate(pane) {
    if (pane === this.active || !pane.picture) return;
    this.active = pane;
    this.mark();
    this.adopt();
  }

  mark() {
    for (const view of this.root.querySelectorAll("[data-view]")) {
      view.setAttribute("aria-pressed", String(this.shown.some((pane) => pane.picture.id === view.dataset.view)));
    }
    for (const pane of this.panes) {
      pane.element.classList.toggle("pane-active", pane === this.active && this.shown.length > 1);
    }
  }

  caption(pane) {
    const words = pane.element.querySelector("[data-caption]");
    words.replaceChildren(...[...pane.picture.caption.childNodes].map((node) => node.cloneNode(true)));
    if (pane.picture.lost) words.append(` ${this.root.dataset.saysLost}`);
  }

  beside(on) {
    if (on) {
      const others = this.pictures.filter((picture) => picture !== this.active.picture);
      const [left, right] = this.panes;
      if (this.active === right) this.activate(left);
      right.element.hidden = false;
      this.show(right, others.find((picture) => picture.other !== left.picture.other) ?? others[0]);
      right.measuring = left.measuring;
    } else {
      const [left, right] = this.panes;
      if (this.active === right) {
        const kept = right.picture;
        right.element.hidden = true;
        right.picture = null;
        this.active = left;
        this.show(left, kept);
      }
      right.picture?.layer.remove();
      right.picture = null;
      right.element.hidden = true;
    }
    this.tool("together").hidden = !on;
    this.press("together", on);
    this.mark();
    this.adopt();
  }

  // --- What the active one looks like ----------------------------------------------------------

  looked(pane) {
    pane.ruler?.draw();
    if (pane.picture.lost) this.caption(pane);
    pane.element.querySelector("[data-size]").textContent = this.percent.format(pane.dots);
    if (pane === this.active) this.follow();
  }

  follow() {
    const other = this.spare;
    if (this.is("together") && other.picture) other.look = this.active.look;
  }

  turn(degrees) {
    this.active.turnBy(degrees);
    this.adopt();
  }

  reset() {
    for (const pane of this.is("together") ? this.shown : [this.active]) pane.reset();
    this.adopt();
  }

  // The tools say what holds for the active picture.
  adopt() {
    const { picture } = this.active;
    for (const slider of this.root.querySelectorAll("[data-light]")) {
      slider.value = picture.light[slider.dataset.light];
    }
    const heated = this.shown.some((pane) => pane.picture.overlay);
    this.tool("overlay").hidden = !heated;
    this.overlay();
    this.looked(this.active);
    this.ruled();
  }

  light(on) {
    this.panel("light").hidden = !on;
    if (on) this.panel("light").querySelector("input").focus();
    else this.active.stage.focus({ preventScroll: true });
  }

  lay() {
    this.press("overlay");
    this.overlay();
  }

  overlay() {
    const on = this.is("overlay") && !this.tool("overlay").hidden;
    this.panel("overlay").hidden = !on;
    for (const pane of this.shown) pane.overlay(on, this.opacity.value / 100);
  }

  // --- Measuring -------------------------------------------------------------------------------

  wireRuler() {
    const panel = this.panel("measure");
    this.typed = panel.querySelector("input");
    panel.addEventListener("submit", (event) => {
      event.preventDefault();
      const right = this.active.ruler.setScale(this.typed.value);
      panel.querySelector("[data-scale-error]").hidden = right;
      this.typed.toggleAttribute("aria-invalid", !right);
      if (!right) return this.typed.focus();
      this.typed.value = "";
      return this.active.stage.focus({ preventScroll: true });
    });
    panel.querySelector("[data-scale-drop]").addEventListener("click", () => this.active.ruler.dropScale());
    panel.querySelector("[data-lines]").addEventListener("click", (event) => {
      const button = event.target.closest("[data-line]");
      if (!button) return;
      this.active.ruler.remove(Number(button.dataset.line));
      this.active.stage.focus({ preventScroll: true });
    });
  }

  measure(on) {
    this.panel("measure").hidden = !on;
    for (const pane of this.panes) {
      pane.measuring = on;
      pane.stage.classList.toggle("stage-measuring", on);
      pane.ruler.cancel();
    }
    if (on) this.active.stage.focus({ preventScroll: true });
    this.adopt();
  }

  ruled() {
    const { ruler } = this.active;
    const { lines, scale } = ruler.ruling;
    const { dataset: words } = this.root;
    const panel = this.panel("measure");
    const part = (name) => panel.querySelector(`[data-${name}]`);
    part("scale-how").hidden = lines.length > 0;
    part("scale-ask").hidden = Boolean(scale) || !lines.length;
    part("scale-label").textContent = said(words.saysLength, { n: lines.length });
    part("scale-said").hidden = !scale;
    if (scale) {
      part("scale-said").firstElementChild.textContent =
        said(words.saysScale, { n: scale.line + 1, length: ruler.length(lines[scale.line]) });
    }
    const spoken = lines.map((line, i) =>
      said(scale?.line === i ? words.saysTyped : words.saysLine, { n: i + 1, length: ruler.length(line) }));
    part("lines").replaceChildren(...spoken.map((text, i) => this.lineOf(text, i)));
    const status = part("ruler-status");
    if (!panel.hidden && status.textContent !== (spoken.at(-1) ?? "")) status.textContent = spoken.at(-1) ?? "";
  }

  lineOf(text, i) {
    const [item, words, button] = ["li", "span", "button"].map((name) => document.createElement(name));
    words.textContent = text;
    button.type = "button";
    button.className = "tool";
    button.dataset.line = i;
    button.textContent = "×";
    button.setAttribute("aria-label", said(this.root.dataset.saysRemove, { n: i + 1 }));
    item.append(words, button);
    return item;
  }

  // --- Large, and keys -------------------------------------------------------------------------

  // The window for the viewer alone. What it covers cannot be reached, so nothing is decided unseen.
  large(on) {
    if (on === this.is("large")) return;
    this.press("large", on);
    this.press("screen", document.fullscreenElement === this.root);
    this.root.classList.toggle("viewer-large", on);
    this.root.toggleAttribute("data-keys-only", on);
    for (const element of document.querySelectorAll("body > *, .main > *, .bench > *, .bench-pictures > *")) {
      if (!element.contains(this.root) && !element.matches("dialog, .toast, script")) element.inert = on;
    }
    for (const pane of this.panes) pane.free = on;
    if (!on && document.fullscreenElement) document.exitFullscreen();
    this.active.stage.focus({ preventScroll: true });
  }

  screen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen().catch(() => this.large(true));
  }

  arrow(event, pane) {
    const [x, y] = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] }[event.key] ?? [];
    if (x === undefined || pane.measuring || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    pane.panBy(x, y);
  }

  // Escape goes back one step: the line being drawn, the open panel, the filled window.
  escape(event) {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (event.target.matches?.("input:not([type=range]), textarea, select")) return;
    if (this.is("measure")) {
      if (!this.active.ruler.cancel()) this.measure(this.press("measure", false));
    } else if (this.is("light")) this.light(this.press("light", false));
    else if (this.is("large")) this.large(false);
  }
}

const root = document.querySelector("[data-viewer]");
const figures = document.querySelector("[data-figures]");
if (root && figures) new Viewer(root, figures);
