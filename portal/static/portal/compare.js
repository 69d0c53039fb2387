// Two photos over each other with a line between them. The line is a slider: it has the keys and the
// words; dragging and tapping on the photos move it. Without this they stand side by side.

for (const compare of document.querySelectorAll("[data-compare]")) {
  const stage = compare.querySelector("[data-stage]");
  const slider = compare.querySelector("input[type=range]");
  const beside = compare.querySelector("[data-beside]");
  const shape = compare.querySelector("[data-shape]").dataset.shape.split(" ").map(Number);
  let from = null; // where the finger or the mouse went down

  const show = () => {
    compare.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", slider.dataset.says.replace("{share}", slider.value));
  };
  const move = (event) => {
    const box = stage.getBoundingClientRect();
    slider.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    show();
  };
  const over = (on) => {
    compare.classList.toggle("compare-over", on);
    beside.setAttribute("aria-pressed", String(!on));
    compare.querySelector("[data-slide]").hidden = !on;
  };
  const isOver = () => compare.classList.contains("compare-over");

  // A finger that goes down may be about to scroll the page: it moves the line only once it is known
  // to go sideways (then the browser leaves it to us) or when it was a tap.
  stage.addEventListener("pointerdown", (event) => {
    if (!isOver() || !event.isPrimary || event.button) return;
    from = event.clientX;
    stage.setPointerCapture(event.pointerId);
    if (event.pointerType === "mouse") move(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (from === null || !event.isPrimary) return;
    if (event.pointerType === "mouse" || Math.abs(event.clientX - from) > 4) move(event);
  });
  stage.addEventListener("pointerup", (event) => {
    if (from !== null && event.isPrimary) move(event);
    from = null;
  });
  stage.addEventListener("pointercancel", () => { from = null; });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  slider.addEventListener("input", show);
  beside.addEventListener("click", () => over(!isOver()));

  // A tall photo would fill the screen, a wide one would be a strip.
  const ratio = Math.min(Math.max(shape[0] / shape[1] || 4 / 3, 3 / 4), 3 / 2);
  compare.style.setProperty("--shape", String(ratio));
  compare.querySelector("[data-tools]").hidden = false;
  over(true);
  show();
}
