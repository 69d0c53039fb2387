// Lines over a picture, in its own pixels. Only a length that somebody typed makes them millimetres.

const NEAR = 16; // CSS pixels: this close to an end, the end is taken and moved
const MOVED = 4;
const STEP = 12;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SVG = "http://www.w3.org/2000/svg";

const lengthOf = ({ a, b }) => Math.hypot(b.x - a.x, b.y - a.y);
const plain = ({ x, y }) => ({ x, y });
const said = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// A line is {a, b}; a scale is {line, mm}: that line is so long. Kept for the tab: committing a
// reading loads the page anew, and what was measured must not be measured again.
const rulingOf = (picture) => {
  picture.ruling ??= JSON.parse(sessionStorage.getItem(`ruler ${picture.id}`)) ?? { lines: [], scale: null };
  return picture.ruling;
};

export class Ruler {
  // changed(): the lines or the scale are other than before
  constructor(pane, words, changed) {
    this.pane = pane;
    this.words = words;
    this.changed = changed;
    this.svg = pane.element.querySelector("svg");
    this.line = null; // being drawn
    this.cross = null; // of the keyboard, in CSS pixels of the stage
    this.number = new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 3 });
    this.whole = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 0 });
    const { stage } = pane;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", () => this.#drop());
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  get ruling() { return rulingOf(this.pane.picture); }

  // --- Drawing ---------------------------------------------------------------------------------

  #down(event) {
    if (!this.pane.measuring || event.button) return;
    if (!event.isPrimary) return void this.#drop(); // a second finger: they zoom
    this.cross = null;
    const at = this.pane.at(event);
    this.from = at;
    this.stage.setPointerCapture(event.pointerId);
    const taken = this.line ? null : this.#endNear(at);
    if (taken) this.held = taken;
    else if (!this.line) this.#begin(at);
    else this.held = { line: this.line, end: "b" };
    this.#follow(at);
  }

  #move(event) {
    if (!this.pane.measuring || !event.isPrimary || (!this.held && !this.line)) return;
    this.#follow(this.pane.at(event));
  }

  // A drag draws the line; a tap sets its first end, and the next tap the other.
  #up(event) {
    if (!event.isPrimary || !this.held) return;
    const at = this.pane.at(event);
    const dragged = Math.hypot(at[0] - this.from[0], at[1] - this.from[1]) > MOVED;
    const fresh = this.held.fresh && !dragged;
    this.held = fresh ? null : this.held;
    if (!fresh) this.#finish();
  }

  get stage() { return this.pane.stage; }

  #begin(at) {
    const point = plain(this.pane.toPicture(...at));
    this.line = { a: point, b: point };
    this.held = { line: this.line, end: "b", fresh: true };
  }

  #follow(at) {
    const held = this.held ?? { line: this.line, end: "b" };
    held.line[held.end] = plain(this.pane.toPicture(...at));
    this.draw();
  }

  #finish() {
    this.held = null;
    if (this.line && lengthOf(this.line) > 0) this.ruling.lines.push(this.line);
    this.line = null;
    this.#keep();
  }

  #drop() {
    const drawing = this.line || this.held;
    this.held = null;
    this.line = null;
    if (drawing) this.draw();
  }

  // Whether there was a line to give up.
  cancel() {
    const drawing = Boolean(this.line || this.cross);
    this.cross = null;
    this.#drop();
    this.draw();
    return drawing;
  }

  // Not of the line that is the scale: moved by a slip it would change every other length.
  #endNear([x, y]) {
    const { lines, scale } = this.ruling;
    for (const line of lines.filter((_, i) => i !== scale?.line)) {
      for (const end of ["a", "b"]) {
        const on = this.pane.toStage(line[end]);
        if (Math.hypot(on.x - x, on.y - y) < NEAR) return { line, end };
      }
    }
    return null;
  }

  #key(event) {
    if (!this.pane.measuring || event.target !== this.stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const { clientWidth: width, clientHeight: height } = this.stage;
    this.cross ??= ARROWS[event.key] || event.key === "Enter" ? [width / 2, height / 2] : null;
    if (ARROWS[event.key]) {
      const step = event.shiftKey ? 1 : STEP;
      this.cross = this.cross.map((one, i) => Math.min(Math.max(one + step * ARROWS[event.key][i], 0), [width, height][i]));
      if (this.line) this.#follow(this.cross);
      else this.draw();
    } else if (event.key === "Enter") {
      if (this.line) this.#finish();
      else this.#begin(this.cross);
      this.held = null;
      this.draw();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- Lines and scale -------------------------------------------------------------------------

  get millimetres() {
    const { scale, lines } = this.ruling;
    return scale && lines[scale.line] ? scale.mm / lengthOf(lines[scale.line]) : null;
  }

  // In words: millimetres where a scale was typed, else pixels.
  length(line) {
    const factor = this.millimetres;
    return factor ? said(this.words.saysMm, { n: this.number.format(lengthOf(line) * factor) })
      : said(this.words.saysPixels, { n: this.whole.format(lengthOf(line)) });
  }

  // What was typed as the length of the newest line; false where that is no length.
  setScale(typed) {
    const mm = Number(typed.trim().replace(",", "."));
    const line = this.ruling.lines.length - 1;
    if (!typed.trim() || !(mm > 0 && mm <= 2000) || line < 0) return false;
    this.ruling.scale = { line, mm };
    this.#keep();
    return true;
  }

  dropScale() {
    this.ruling.scale = null;
    this.#keep();
  }

  remove(number) {
    const { lines, scale } = this.ruling;
    lines.splice(number, 1);
    if (scale?.line === number) this.ruling.scale = null;
    else if (scale?.line > number) scale.line -= 1;
    this.#keep();
  }

  #keep() {
    try {
      sessionStorage.setItem(`ruler ${this.pane.picture.id}`, JSON.stringify(this.ruling));
    } catch { /* a full or forbidden store: it holds for this page only */ }
    this.draw();
    this.changed();
  }

  // --- On the stage ----------------------------------------------------------------------------

  draw() {
    const shapes = [];
    if (this.pane.picture && this.pane.measuring) {
      const lines = this.line ? [...this.ruling.lines, this.line] : this.ruling.lines;
      lines.forEach((line, i) => shapes.push(...this.#shapes(line, i + 1)));
      if (this.cross) shapes.push(...this.#crossShapes());
    }
    this.svg.replaceChildren(...shapes);
  }

  #shapes(line, number) {
    const [a, b] = [this.pane.toStage(line.a), this.pane.toStage(line.b)];
    const run = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const [x, y] = [(-(b.y - a.y) / run) * 7, ((b.x - a.x) / run) * 7];
    const path = `M${a.x} ${a.y}L${b.x} ${b.y}M${a.x - x} ${a.y - y}l${2 * x} ${2 * y}M${b.x - x} ${b.y - y}l${2 * x} ${2 * y}`;
    const upright = Math.abs(b.y - a.y) > Math.abs(b.x - a.x);
    const [across, down] = [(a.x + b.x) / 2 + (upright ? 64 : 0), (a.y + b.y) / 2 - (upright ? 0 : 14)];
    const text = shape("text", {
      x: Math.max(60, Math.min(across, this.stage.clientWidth - 60)), y: Math.max(down, 20), class: "ruled-text",
    });
    text.textContent = `${number}: ${this.length(line)}`;
    return [shape("path", { d: path, class: "ruled-edge" }), shape("path", { d: path, class: "ruled-line" }), text];
  }

  #crossShapes() {
    const [x, y] = this.cross;
    const path = `M${x - 16} ${y}h32M${x} ${y - 16}v32`;
    return [shape("path", { d: path, class: "ruled-edge" }), shape("path", { d: path, class: "ruled-line" })];
  }
}

const shape = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
export { said };
