// One WebSocket to a Mien server: JSON messages both ways, and a watch over its silence. mien.js is built on it.

/** @typedef {import("./protocol").ServerMessage} ServerMessage */
/** @typedef {import("./protocol").ClientMessage} ClientMessage */

const CHECK_MS = 1000;
const LOST = 4000; // our own code for a socket on which nothing comes any more; never sent

/**
 * @typedef {object} WireListener
 * @property {() => void} onOpen
 * @property {(message: ServerMessage, text: string) => void} onMessage
 * @property {(code: number) => void} onClose once, whoever closed it
 */

export class Wire {
  /** @type {WebSocket} */ #socket;
  #listener;
  #closed = false;
  #lastHeard = performance.now();
  /** @type {number | undefined} */ #watch;

  /**
   * @param {URL} url ws: or wss:
   * @param {string | null} token
   * @param {WireListener} listener
   */
  constructor(url, token, listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url, token ? ["mien.v1", `mien.token.${token}`] : ["mien.v1"]);
    this.#socket.onopen = () => listener.onOpen();
    this.#socket.onmessage = (event) => this.#heard(event.data);
    this.#socket.onclose = (event) => this.#end(event.code);
  }

  /** @param {ClientMessage} message */
  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** From now on, as many seconds without any message mean that the connection is lost. @param {number} seconds */
  expectWithin(seconds) {
    this.#lastHeard = performance.now();
    clearInterval(this.#watch);
    this.#watch = setInterval(() => {
      if (performance.now() - this.#lastHeard > seconds * 1000) this.close(LOST);
    }, CHECK_MS);
  }

  close(code = 1000) {
    this.#end(code);
    this.#socket.close();
  }

  /** @param {string} text */
  #heard(text) {
    this.#lastHeard = performance.now();
    if (!this.#closed) this.#listener.onMessage(JSON.parse(text), text);
  }

  /** @param {number} code */
  #end(code) {
    clearInterval(this.#watch);
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.onClose(code);
  }
}
