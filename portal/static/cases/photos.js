// Each photo leaves as soon as it is chosen, in pieces, and the server says at once whether it can
// be judged. A network that breaks costs one piece: it goes on where it stopped, also after the
// page was loaded again and the same photo chosen. Without this the photo goes with the form, and
// the same words come back with the page.

const PIECE = 512 * 1024; // bytes: four seconds on a slow phone network
const SOONEST = 1000; // milliseconds until a lost piece is tried again, twice as long each time,
const LATEST = 15000; // up to this

const form = document.querySelector("form[data-photos]");
const sending = new Map(); // place -> what stops its photo

for (const slot of form.querySelectorAll("[data-slot]")) {
  const input = slot.querySelector("input[type=file]");
  const chosen = () => {
    sending.get(slot)?.abort();
    if (input.files.length) send(slot, input, input.files[0]);
  };
  input.addEventListener("change", chosen);
  chosen(); // on a slow network somebody may have chosen before this was here
}

async function send(slot, input, file) {
  const stop = new AbortController();
  sending.set(slot, stop);
  const progress = slot.querySelector("[data-progress]");
  const said = slot.querySelector("[data-trouble]");
  progress.hidden = false;
  progress.querySelector("progress").value = 0;
  try {
    const upload = await nameOf(file);
    let start = 0;
    let wait = SOONEST;
    for (;;) {
      const answer = await piece(input, file, upload, start, stop.signal, progress).catch(() => null);
      if (stop.signal.aborted) return;
      const final = answer !== null && answer.status < 500 && answer.headers.has("X-Refused");
      if (!final && (answer === null || answer.status >= 500 || answer.status === 429)) {
        said.hidden = false;
        await pause(wait, stop.signal);
        wait = Math.min(2 * wait, LATEST);
        continue;
      }
      said.hidden = true;
      wait = SOONEST;
      const where = answer.headers.get("Content-Type")?.startsWith("application/json")
        ? (await answer.json()).received
        : null;
      if (where !== null) start = where;
      else if (answer.status === 200 || final) return keep(slot, input, answer);
      else return; // another login, a form already sent: the file stays in the form and goes with it
    }
  } finally {
    if (sending.get(slot) === stop) {
      sending.delete(slot);
      progress.hidden = true;
      said.hidden = true;
    }
  }
}

// One piece as a form, like the whole photo would be. Resolves with the answer, whatever it says.
function piece(input, file, upload, start, signal, progress) {
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("submit_key", form.elements.submit_key.value);
  body.append("upload", upload);
  body.append("start", start);
  body.append("total", file.size);
  body.append(input.name, file.slice(start, start + PIECE), file.name);
  progress.querySelector("progress").value = (100 * start) / file.size;
  return fetch(form.dataset.photos, { method: "POST", body, signal, redirect: "error" });
}

// The same file has the same name, so that what arrived before is not sent again.
async function nameOf(file) {
  const words = `${form.elements.submit_key.value} ${file.name} ${file.size} ${file.lastModified}`;
  if (!crypto.subtle) return [...words].reduce((n, c) => (n * 31 + c.charCodeAt(0)) >>> 0, 7).toString(16).padStart(8, "0");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(words));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Until the time is over or the network is back, whichever comes first.
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    addEventListener("online", resolve, { once: true });
    signal.addEventListener("abort", resolve, { once: true });
  });
}

async function keep(slot, input, answer) {
  const kept = slot.querySelector("[data-kept]");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  kept.replaceChildren(...fresh.body.childNodes);
  const refused = answer.headers.has("X-Refused");
  slot.classList.toggle("field-bad", refused);
  input.toggleAttribute("aria-invalid", refused);
  input.value = "";
  input.dispatchEvent(new Event("change", { bubbles: true })); // the preview goes too
}

// Sent before the photo has arrived: the form takes it along itself.
form.addEventListener("submit", () => {
  for (const stop of sending.values()) stop.abort();
});
