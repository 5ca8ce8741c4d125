// SPDX-License-Identifier: Apache-2.0
// What a script adds to the pages. Each thing here has a page that does it without.
"use strict";

const spoken = document.getElementById("spoken");

function say(text) {
  spoken.textContent = "";
  requestAnimationFrame(() => { spoken.textContent = text; });
}

// Copy buttons.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      say("The browser did not allow copying. Select the text instead.");
      return;
    }
    say(button.dataset.said);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1600);
  });
}

// Menus: one at a time, closed by Escape and by a click elsewhere.
function closeMenus(but) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== but) menu.open = false;
  }
}
document.addEventListener("click", (e) => closeMenus(e.target.closest("details.menu")));
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  const menu = e.target.closest("details.menu[open]");
  closeMenus();
  if (menu) menu.querySelector("summary").focus();
});

// A link to a page with one form opens the same form in a dialog.
for (const link of document.querySelectorAll("a[data-dialog]")) {
  // The rest of an Enter that opened a dialog would go to what has the focus in it, and confirm what nobody has read.
  link.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    if (!e.repeat) link.click();
  });
  link.addEventListener("click", (e) => {
    const dialog = document.getElementById("dialog-" + link.dataset.dialog);
    if (!dialog || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    closeMenus();
    openDialog(dialog, link);
  });
}

async function openDialog(dialog, link) {
  for (const el of dialog.querySelectorAll("[data-fill]")) el.textContent = link.dataset[el.dataset.fill] ?? "";
  if ("load" in dialog.dataset && !(await loadPart(dialog, link.href))) {
    location.href = link.href;
    return;
  }
  const form = dialog.querySelector("form");
  if (!("load" in dialog.dataset)) form.action = link.getAttribute("href");
  for (const input of form.querySelectorAll("input[name=name], input[name=reference]")) input.value = link.dataset[input.name] ?? "";
  dialog.showModal();
  dialog.querySelector("input[name=name]")?.select();
  const back = link.closest("details.menu")?.querySelector("summary") ?? link;
  dialog.addEventListener("close", () => back.focus(), { once: true });
}

// Some dialogs show what is so now: their content is that of the page, asked for when they open.
async function loadPart(dialog, href) {
  try {
    const answer = await fetch(href);
    if (!answer.ok || answer.redirected) return false;
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-part]");
    dialog.querySelector("[data-loaded]").replaceChildren(...part.childNodes);
    return true;
  } catch {
    return false;
  }
}
document.addEventListener("click", (e) => {
  const link = e.target.closest("dialog [data-close]");
  if (!link) return;
  e.preventDefault();
  link.closest("dialog").close();
});

// A field that belongs to one choice of several makes it.
document.addEventListener("input", (e) => {
  const value = e.target.dataset.picks;
  const radio = value && e.target.form.querySelector(`input[type=radio][value="${value}"]`);
  if (radio) radio.checked = true;
});
document.addEventListener("change", (e) => {
  if (!e.target.matches("input[type=radio]")) return;
  for (const field of e.target.form.querySelectorAll("[data-picks]")) {
    if (field.dataset.picks !== e.target.value && e.target.name === "overlap") field.value = "";
  }
});

// The dialog with a new secret: modal, with its button as the one way out, and gone for good when it is closed or the page
// is left. A browser that closes it all the same (a second Escape does, where closedby is not known) has it opened again.
// The address becomes that of the page beneath, so that a reload asks for it and sends no form.
for (const dialog of document.querySelectorAll("dialog[data-modal]")) {
  dialog.removeAttribute("open"); // close() would send its event after we listen
  dialog.showModal();
  dialog.addEventListener("cancel", (e) => e.preventDefault());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "saved") dialog.remove();
    else dialog.showModal();
  });
  addEventListener("pagehide", () => dialog.remove());
  history.replaceState(null, "", dialog.dataset.modal);
}

for (const button of document.querySelectorAll("[data-download]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const { key, secret, download } = button.dataset;
    const text = `POSTERN_API_KEY=${key}\nPOSTERN_SECRET_KEY=${secret}\n`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = download;
    link.click();
    URL.revokeObjectURL(link.href);
    say("Downloaded as " + download);
  });
}

// Filters apply when they are chosen.
for (const select of document.querySelectorAll(".filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
