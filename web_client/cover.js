// What lies over the stage: the invitation to start, or what is wrong and what to do about it.

import { iconOf } from "./controls.js";
import { adviceFor } from "./problems.js";

/** @typedef {import("./mien.js").Trouble} Trouble */

export class Cover {
  #root = /** @type {HTMLElement} */ (document.getElementById("cover"));
  /** @type {string | null} */ #shown = null;

  /** @param {() => void} onStart */
  invite(onStart) {
    const host = location.hostname === "localhost" || location.hostname === "127.0.0.1" ? "this machine" : location.host;
    this.#show("start", "start", [
      iconOf("#i-face"),
      text("h2", "Your face, as numbers. Live."),
      text("p", "Mien learns your head in a few seconds, then follows every blink and smile, thirty times a second."),
      actions(button("Turn on the camera", onStart)),
      text("p", `Your picture goes to the Mien server on ${host}, and nowhere else.`, "fine"),
    ]);
  }

  /** @param {Trouble} problem @param {() => void} onRetry @param {(token: string) => void} onToken */
  complain(problem, onRetry, onToken) {
    if (this.#shown === problem.code) return;
    const advice = adviceFor(problem.code, problem.message, problem.hint);
    this.#show("problem", problem.code, [
      text("h2", advice.title),
      text("p", advice.text),
      ...(advice.steps?.length ? [list(advice.steps)] : []),
      ...(advice.token ? [tokenForm(onToken)] : []),
      ...(advice.retry ? [actions(button(advice.retry, onRetry))] : []),
    ]);
  }

  lift() {
    this.#shown = null;
    this.#root.hidden = true;
    this.#root.replaceChildren();
  }

  /** @param {string} kind @param {string} key @param {Element[]} content */
  #show(kind, key, content) {
    const card = document.createElement("div");
    card.className = "card";
    if (kind === "problem") card.setAttribute("role", "alert");
    card.append(...content);
    this.#shown = key;
    this.#root.dataset.kind = kind;
    this.#root.hidden = false;
    this.#root.replaceChildren(card);
    if (kind === "problem") /** @type {HTMLElement | null} */ (card.querySelector("input, button"))?.focus({ preventScroll: true });
  }
}

/** @param {string} tag @param {string} words @param {string} [className] */
function text(tag, words, className = "") {
  const made = document.createElement(tag);
  made.textContent = words;
  if (className) made.className = className;
  return made;
}

/** @param {string[]} steps */
function list(steps) {
  const made = document.createElement("ul");
  made.append(...steps.map((step) => text("li", step)));
  return made;
}

/** @param {string} label @param {() => void} onClick */
function button(label, onClick) {
  const made = /** @type {HTMLButtonElement} */ (text("button", label, "main"));
  made.addEventListener("click", onClick);
  return made;
}

/** @param {Element} content */
function actions(content) {
  const made = document.createElement("div");
  made.className = "actions";
  made.append(content);
  return made;
}

/** @param {(token: string) => void} onToken */
function tokenForm(onToken) {
  const form = document.createElement("form");
  const input = document.createElement("input");
  input.setAttribute("aria-label", "Token");
  input.autocomplete = "off";
  input.required = true;
  form.append(input, text("button", "Open"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onToken(input.value.trim().replace(/^.*#token=/, ""));
  });
  return form;
}
