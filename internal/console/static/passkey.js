// SPDX-License-Identifier: Apache-2.0
// Passkeys (WebAuthn): a form with data-passkey asks the browser for one when it is sent, and sends its answer along.
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // What the browser wants: bytes where JSON has base64url.
  function withBytes(options) {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of [options.excludeCredentials, options.allowCredentials]) {
      for (const known of list ?? []) known.id = bytes(known.id);
    }
    return options;
  }

  // And back. Some extensions of browsers spoil toJSON, so it is done by hand.
  function plain(credential) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      authenticatorAttachment: credential.authenticatorAttachment ?? undefined, clientExtensionResults: {},
    });
  }

  const why = {
    NotAllowedError: "The passkey was not used: it was cancelled, or took too long. Try again.",
    InvalidStateError: "This device has a passkey for you already.",
    SecurityError: "The browser does not allow passkeys at this address.",
    NotSupportedError: "This device cannot make such a passkey. Try another one.",
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!window.PublicKeyCredential) continue;
    for (const el of document.querySelectorAll("[data-without-passkey]")) el.hidden = true;
    form.hidden = false;
    for (const el of document.querySelectorAll("[data-with-passkey]")) el.hidden = false;
    const problem = form.querySelector("[data-problem]");
    const button = form.querySelector("button");
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      problem.hidden = true;
      button.disabled = true;
      try {
        const publicKey = withBytes(JSON.parse(form.dataset.options));
        const made = form.dataset.passkey === "create" ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
        form.elements.answer.value = plain(made);
        form.submit();
      } catch (error) {
        button.disabled = false;
        problem.lastElementChild.textContent = why[error.name] ?? "The passkey could not be used. Try again, or use another way.";
        problem.hidden = false;
      }
    });
  }
})();
