// What is typed stays with this tab until the form is sent, so that a lost session, a reload or a
// step back costs nothing. It never leaves the tab, and a case's page clears it (wait.js).

const form = document.querySelector("form[data-photos]");
const place = `form:${form.elements.submit_key.value}`;
const OWN = new Set(["csrfmiddlewaretoken", "submit_key"]);

function remember() {
  const typed = [...new FormData(form)].filter(
    ([name, value]) => typeof value === "string" && !OWN.has(name),
  );
  sessionStorage.setItem(place, JSON.stringify(typed));
  const again = new URL(location.href);
  again.searchParams.set("form", form.elements.submit_key.value);
  history.replaceState(null, "", again); // the same form again, after a login too
}

function recall() {
  const typed = JSON.parse(sessionStorage.getItem(place) ?? "[]");
  for (const [name, value] of typed) {
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (field.type === "radio" || field.type === "checkbox") {
        if (field.value === value) field.checked = true;
      } else if (field.type !== "file") {
        field.value = value;
        if (value) field.closest("details")?.setAttribute("open", "");
      }
    }
  }
}

// A page that answers a refused form has everything in it already, and newer.
if (!("answered" in form.dataset)) recall();
form.addEventListener("input", remember);
form.addEventListener("submit", remember);
