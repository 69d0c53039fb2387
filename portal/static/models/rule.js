// The price of the 80 % rule: shows the figures of the threshold under the slider. The server has
// written them all out; without this the slider is sent as a form and says the same.
const slider = document.querySelector("[data-slider]");
const figures = document.querySelectorAll("[data-at]");
const marks = document.querySelectorAll("[data-moves]");
const asked = document.querySelector("[data-asked]");

function show() {
  const place = Math.round((slider.value - slider.min) * 100);
  for (const figure of figures) figure.textContent = figure.dataset.at.split("|")[place];
  for (const mark of marks) mark.setAttribute("transform", `translate(${mark.dataset.moves * place} 0)`);
  slider.setAttribute("aria-valuetext", document.querySelector("output[data-at]").textContent);
  if (asked) asked.value = slider.value;
}

slider.addEventListener("input", show);
document.querySelector("[data-plain]").hidden = true;
show();
