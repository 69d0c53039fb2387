// A template fills the answer in place, so that nothing else typed is lost by loading the page.
// A text of one's own that it replaced can be put back.

const values = JSON.parse(document.getElementById("template-values")?.textContent ?? "{}");

for (const chooser of document.querySelectorAll("form[data-fills]")) {
  const form = document.getElementById(chooser.dataset.fills);
  const putBack = chooser.querySelector("[data-put-back]");
  let filled = "";
  let own = "";

  chooser.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = values[new FormData(chooser).get("template")];
    if (!chosen || !form) return;
    const advice = form.elements.advice;
    if (advice.value.trim() && advice.value !== filled) {
      own = advice.value;
      putBack.hidden = false;
    }
    for (const [name, value] of Object.entries(chosen)) form.elements[name].value = value;
    filled = advice.value;
    form.dispatchEvent(new Event("input")); // for memory.js
    advice.focus();
  });
  putBack.addEventListener("click", () => {
    form.elements.advice.value = own;
    putBack.hidden = true;
    form.elements.advice.focus();
  });
}
