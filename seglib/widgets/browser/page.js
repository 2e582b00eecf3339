// In a page without Jupyter: the widget's state as it was written into the page, without a kernel.
const bytes = ({ base64 }) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const state = JSON.parse(document.getElementById("state").textContent,
  (_, value) => (value?.base64 === undefined ? value : bytes(value)));
const listeners = [];
render({
  el: document.getElementById("viewer"),
  model: {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const [event, listener] of listeners) if (event === `change:${name}`) listener();
    },
    on: (event, listener) => listeners.push([event, listener]),
    off() {}, save_changes() {},
    send() { throw new Error("there is no kernel"); },
  },
});
document.querySelector("canvas").focus();
