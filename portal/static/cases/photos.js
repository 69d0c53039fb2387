// Each photo leaves as soon as it is chosen, and the server says at once whether it can be judged.
// Without this the photo goes with the form, and the same words come back with the page.

const form = document.querySelector("form[data-photos]");
const sending = new Map();

for (const slot of form.querySelectorAll("[data-slot]")) {
  const input = slot.querySelector("input[type=file]");
  input.addEventListener("change", () => {
    sending.get(slot)?.abort();
    if (input.files.length) send(slot, input);
  });
}

function send(slot, input) {
  const progress = slot.querySelector("[data-progress]");
  const bar = progress.querySelector("progress");
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("submit_key", form.elements.submit_key.value);
  body.append(input.name, input.files[0]);

  const request = new XMLHttpRequest(); // fetch cannot say how much of an upload has left
  sending.set(slot, request);
  request.open("POST", form.dataset.photos);
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total;
  });
  request.addEventListener("load", () => {
    if (request.status === 200 || request.status === 422) keep(slot, input, request);
  });
  // However it ends, the file stays in the form unless the server has it: then it goes with it.
  request.addEventListener("loadend", () => {
    progress.hidden = true;
    sending.delete(slot);
  });
  bar.value = 0;
  progress.hidden = false;
  request.send(body);
}

function keep(slot, input, request) {
  const kept = slot.querySelector("[data-kept]");
  const fresh = new DOMParser().parseFromString(request.responseText, "text/html");
  kept.replaceChildren(...fresh.body.childNodes);
  const refused = request.status === 422;
  slot.classList.toggle("field-bad", refused);
  input.toggleAttribute("aria-invalid", refused);
  input.value = "";
  input.dispatchEvent(new Event("change", { bubbles: true })); // the preview goes too
  const again = new URL(location.href);
  again.searchParams.set("form", form.elements.submit_key.value);
  history.replaceState(null, "", again); // a reload shows the kept photo
}

// Sent before the photo has arrived: the form takes it along itself.
form.addEventListener("submit", () => {
  for (const request of sending.values()) request.abort();
});
