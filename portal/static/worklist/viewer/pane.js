// One picture on its stage: from where it is looked at, how it is turned and lit, and which of its
// two sizes shows. d3-zoom knows wheel, mouse and fingers; this says what they move.
//
// A point of the picture (in its own pixels) and one of the stage (in CSS pixels) are each other's
// image under one matrix: fitted and turned around the middle (#base), then zoomed and moved.

import { select, zoom, zoomIdentity } from "../../vendor/d3-zoom/d3-zoom.js";

const CLOSEST = 16; // dots of the screen across one pixel of the picture
const CRISP = 2; // from here on pixels are shown as the squares they are
const UNLIT = { brightness: 100, contrast: 100, turn: 0 };

export class Pane {
  picture = null;
  matrix = new DOMMatrix();
  free = false; // the stage has the window for itself: nothing behind it wants to scroll
  measuring = false;
  #base = new DOMMatrix();
  #fit = 1;

  // looked(pane): what is seen has changed.
  constructor(element, looked) {
    this.element = element;
    this.stage = element.querySelector("[data-stage]");
    this.sheet = element.querySelector(".sheet");
    this.looked = looked;
    this.zoom = zoom()
      .extent(() => [[0, 0], this.#size])
      .filter((event) => this.#takes(event))
      .duration(matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150)
      .on("zoom", (event) => this.#moved(event));
    this.selection = select(this.stage).call(this.zoom);
    new ResizeObserver(() => this.layOut()).observe(this.stage);
  }

  show(picture) {
    this.picture = picture;
    picture.light ??= { ...UNLIT };
    this.sheet.replaceChildren(picture.layer);
    this.sheet.style.width = `${picture.width}px`;
    this.sheet.style.height = `${picture.height}px`;
    this.stage.setAttribute("aria-label", picture.image.alt);
    this.light({});
    this.fit();
  }

  // Which of the gestures are ours. The page keeps its own scrolling while the picture is whole.
  #takes(event) {
    if (event.button || !this.picture) return false;
    const roomy = this.free || this.#k > 1.001;
    if (event.type === "wheel") return event.ctrlKey || roomy || matchMedia("(min-width: 64em)").matches;
    if (event.touches?.length > 1) return true;
    return !this.measuring && (!event.touches || roomy);
  }

  get #size() { return [this.stage.clientWidth, this.stage.clientHeight]; }
  get #k() { return (this.stage.__zoom ?? zoomIdentity).k; }
  get #middle() { return this.#size.map((side) => side / 2); }

  // Dots of the screen to one pixel of the picture.
  get dots() { return this.#k * this.#fit * devicePixelRatio; }

  // --- Where one looks -------------------------------------------------------------------------

  fit() {
    this.layOut({ whole: true });
  }

  reset() {
    this.light(UNLIT);
    this.fit();
  }

  zoomBy(factor) { this.zoom.scaleBy(this.selection, factor); }
  toDots() { this.#lookAt(this.toPicture(...this.#middle), 1 / devicePixelRatio); }
  panBy(x, y) { this.zoom.translateBy(this.selection, x / this.#k, y / this.#k); }

  // The same look for a pane beside this one, whatever the size of its picture.
  get look() {
    const [width, height] = this.#size;
    const { x, y, k } = this.stage.__zoom ?? zoomIdentity;
    return { k, x: (width / 2 - x) / k / width, y: (height / 2 - y) / k / height };
  }
  set look({ k, x, y }) {
    const [width, height] = this.#size;
    this.zoom.scaleTo(this.selection, k);
    this.zoom.translateTo(this.selection, x * width, y * height);
  }

  #lookAt(point, scale) {
    this.zoom.scaleTo(this.selection, scale / this.#fit);
    const on = this.#base.transformPoint(point);
    this.zoom.translateTo(this.selection, on.x, on.y);
  }

  // Fits the picture to the stage anew. What one was looking at stays where it was.
  layOut({ whole = this.#k <= 1.001 } = {}) {
    const [width, height] = this.#size;
    if (!width || !height || !this.picture) return;
    const [point, scale] = [this.toPicture(...this.#middle), this.#k * this.#fit];
    const { width: w, height: h, light: { turn } } = this.picture;
    const across = Math.round(turn / 90) % 2 !== 0;
    this.#fit = Math.min(width / (across ? h : w), height / (across ? w : h));
    this.#base = new DOMMatrix().translate(width / 2, height / 2).rotate(turn).scale(this.#fit)
      .translate(-w / 2, -h / 2);
    const [sin, cos] = [Math.sin, Math.cos].map((f) => Math.abs(f((turn * Math.PI) / 180)));
    const reach = [width / 2 - (this.#fit * (w * cos + h * sin)) / 2, height / 2 - (this.#fit * (w * sin + h * cos)) / 2]
      .map((margin) => Math.min(0, margin));
    const one = 1 / (this.#fit * devicePixelRatio); // a dot to a pixel
    this.zoom.scaleExtent([Math.min(1, one), Math.max(1, one * CLOSEST)])
      .translateExtent([reach, [width - reach[0], height - reach[1]]]);
    if (whole) this.zoom.transform(this.selection, zoomIdentity);
    else this.#lookAt(point, scale);
  }

  #moved({ transform }) {
    this.matrix = new DOMMatrix().translate(transform.x, transform.y).scale(transform.k)
      .multiply(this.#base);
    this.sheet.style.transform = this.matrix.toString();
    this.sheet.classList.toggle("crisp", this.dots >= CRISP);
    this.stage.classList.toggle("stage-free", this.free || this.measuring || transform.k > 1.001);
    this.looked(this);
    if (transform.k > 1.001 || this.dots >= 1) this.#sharpen();
  }

  // The whole picture, once one looks closer than its smaller copy can show.
  async #sharpen() {
    const picture = this.picture;
    if (picture.whole) return;
    const image = new Image();
    picture.whole = image;
    image.alt = "";
    image.src = picture.full;
    try {
      await image.decode();
      picture.image.after(image);
    } catch {
      picture.whole = null;
      picture.lost = true;
    }
    if (this.picture === picture) this.looked(this);
  }

  // --- Points ----------------------------------------------------------------------------------

  // From CSS pixels of the stage to pixels of the picture.
  toPicture(x, y) { return this.matrix.inverse().transformPoint(new DOMPoint(x, y)); }
  toStage(point) { return this.matrix.transformPoint(new DOMPoint(point.x, point.y)); }
  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left - this.stage.clientLeft, event.clientY - box.top - this.stage.clientTop];
  }

  // --- Light, turn, overlay --------------------------------------------------------------------

  // brightness, contrast: per cent; turn: degrees, clockwise
  light(changes) {
    const { picture } = this;
    const before = picture.light.turn;
    Object.assign(picture.light, changes);
    const { brightness, contrast, turn } = picture.light;
    picture.lit.style.filter = brightness === 100 && contrast === 100 ? ""
      : `brightness(${brightness}%) contrast(${contrast}%)`;
    if (turn !== before) this.layOut();
  }

  turnBy(degrees) {
    const turn = this.picture.light.turn + degrees;
    this.light({ turn: turn > 180 ? turn - 360 : turn < -180 ? turn + 360 : turn });
  }

  // share: 0 to 1
  overlay(on, share) {
    const { picture } = this;
    if (!picture.overlay) return;
    if (on && !picture.laid) {
      picture.laid = new Image();
      picture.laid.className = "sheet-over";
      picture.laid.alt = "";
      picture.laid.src = picture.overlay;
      picture.layer.append(picture.laid);
    }
    if (!picture.laid) return;
    picture.laid.hidden = !on;
    picture.laid.style.opacity = share;
  }
}
