// Ties allauth's scripts to our forms: data-passkey names what the form is for. It says on the page,
// and not in the console alone, that a passkey was not read.

const BUTTONS = { authenticateForm: "authenticate", addForm: "add", loginForm: "login" };

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const words = document.getElementById("passkey-failed");
  if (words) words.hidden = false;
});

for (const form of document.querySelectorAll("[data-passkey]")) {
  const work = form.dataset.passkey;
  window.allauth.webauthn.forms[work]({
    ids: {
      [BUTTONS[work]]: form.querySelector("button").id,
      credential: form.querySelector("[name=credential]").id,
      passwordless: form.querySelector("[name=passwordless]")?.id,
      data: "js_data",
    },
  });
}
