// What every page gains with JavaScript. Without it every page still does its work.

// The photo someone chose, shown before it is sent; and dropping one instead of choosing.
for (const drop of document.querySelectorAll("[data-drop]")) {
  const input = drop.querySelector("input[type=file]");
  const preview = drop.querySelector("[data-preview]");
  const image = preview.querySelector("img");
  const name = preview.querySelector("[data-name]");
  const pick = drop.querySelector("[data-pick]");
  // The browser's own file button cannot say what it is for; ours can. The input keeps the focus.
  pick.hidden = false;
  drop.classList.add("drop-js");

  const show = () => {
    if (image.src) URL.revokeObjectURL(image.src);
    const file = input.files[0];
    preview.hidden = !file;
    drop.classList.toggle("drop-shown", Boolean(file));
    if (!file) return;
    pick.textContent = pick.dataset.again;
    pick.classList.add("button-quiet");
    name.textContent = `${file.name}, ${(file.size / 1e6).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 })} MB`;
    image.hidden = false;
    image.src = URL.createObjectURL(file);
  };
  // HEIC does not show in most browsers; it is sent all the same, so only its name is shown.
  image.addEventListener("error", () => { image.hidden = true; });
  input.addEventListener("change", show);
  show(); // chosen before this was here
  for (const type of ["dragenter", "dragover"]) {
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.add("drop-on");
    });
  }
  for (const type of ["dragleave", "drop"]) {
    drop.addEventListener(type, () => drop.classList.remove("drop-on"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  if (input.files.length) show();
}

// A form is sent once. The button says that it is being sent; coming back makes it whole again.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter;
    if (!button?.classList.contains("button")) return;
    button.setAttribute("aria-busy", "true");
    if (button.dataset.busy) {
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.busy;
    }
  });
}
// What is remembered of a form ends with the session it was typed in, in every tab.
for (const form of document.querySelectorAll("form[data-ends]")) {
  form.addEventListener("submit", () => {
    sessionStorage.clear();
    try {
      localStorage.setItem("ended", String(Date.now())); // the other tabs hear of it
    } catch { /* forbidden: then nothing is remembered either */ }
  });
}
addEventListener("storage", (event) => { if (event.key === "ended") sessionStorage.clear(); });
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-busy]")) {
      button.removeAttribute("aria-busy");
      if (button.dataset.label) button.textContent = button.dataset.label;
    }
  }
});

// Dialogs: the link or button that opens one stays what it was where there is no script.
for (const opener of document.querySelectorAll("[data-opens]")) {
  const dialog = document.getElementById(opener.dataset.opens);
  if (!dialog) continue;
  opener.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

// The account menu closes when one looks elsewhere, and on Escape.
for (const menu of document.querySelectorAll("[data-menu]")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// A toast with a way back counts down the seconds it is open for, then leaves.
for (const toast of document.querySelectorAll("[data-toast]")) {
  const seconds = Number(toast.dataset.seconds);
  if (!seconds) continue;
  const bar = toast.querySelector("progress");
  const end = performance.now() + seconds * 1000;
  if (bar) bar.hidden = false;
  const tick = () => {
    const left = (end - performance.now()) / 1000;
    if (left <= 0) return toast.remove();
    if (bar) bar.value = left;
    return setTimeout(tick, 100);
  };
  tick();
}

// What is wrong is read first.
document.querySelector("[data-focus]")?.focus();

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// Paper cannot be opened: what is folded on the screen is printed open.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.fold:not([open])")];
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
});
