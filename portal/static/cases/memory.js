// What is typed and not saved yet stays with this tab, so that a lost session, a reload or a step
// back costs nothing. It never leaves the tab; a case's page clears all of it (wait.js).

const place = `form:${location.pathname}`;
const OWN = new Set(["csrfmiddlewaretoken", "submit_key"]);
const forms = [...document.querySelectorAll("main form[method=post]")];
const touched = new Set(); // only these: whatever else stands here is the server's, and newer

function remember() {
  const typed = forms
    .flatMap((form) => [...new FormData(form)])
    .filter(([name, value]) => typeof value === "string" && touched.has(name) && !OWN.has(name));
  sessionStorage.setItem(place, JSON.stringify(typed));
}

function recall() {
  for (const [name, value] of JSON.parse(sessionStorage.getItem(place) ?? "[]")) {
    touched.add(name);
    for (const field of document.querySelectorAll(`main [name="${CSS.escape(name)}"]`)) {
      if (field.type === "radio" || field.type === "checkbox") {
        if (field.value === value) field.checked = true;
      } else if (!["file", "hidden", "image"].includes(field.type)) {
        field.value = value;
        if (value) field.closest("details")?.setAttribute("open", "");
      }
    }
  }
}

// A page that answers a refused form has everything in it already, and newer.
if (!document.querySelector("[data-focus]")) recall();
for (const form of forms) {
  form.addEventListener("input", (event) => {
    touched.add(event.target.name);
    remember();
  });
  // A tap on a figure says something newer than what was chosen from the list before.
  form.addEventListener("submit", (event) => {
    if (event.submitter?.type === "image") sessionStorage.removeItem(place);
  });
}
// Arrived somewhere else: what this page remembers is saved by now, or given up.
for (const key of Object.keys(sessionStorage)) {
  if (key.startsWith("form:") && key !== place) sessionStorage.removeItem(key);
}
