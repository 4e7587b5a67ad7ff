// Embeds the chat page of the bot that serves this file: a button, and behind it the page in a frame.
//   <script src="https://<host of the bot>/embed.js" async></script>
// A site that knows its visitors defines `window.smarterIdentity`: a function that returns a signed token (JWT).
(() => {
  const script = document.currentScript;
  if (!script || window.smarter) return;
  const origin = new URL(script.src).origin;
  const side = script.dataset.position === "left" ? "left" : "right";

  const element = (name, className) => {
    const made = document.createElement(name);
    made.className = className;
    return made;
  };

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  // Not a style element, which the policies of many sites forbid.
  const style = new CSSStyleSheet();
  style.replaceSync(`
    :host { all: initial; }
    .bubble, .frame { position: fixed; ${side}: 1rem; z-index: 2147483000; border: 0; }
    .bubble {
      bottom: 1rem; width: 3.5rem; height: 3.5rem; border-radius: 50%; cursor: pointer; padding: 0.9rem;
      background: ${SMARTER.color}; color: ${SMARTER.onColor}; box-shadow: 0 2px 12px rgb(0 0 0 / 30%);
    }
    .bubble:focus-visible { outline: 3px solid ${SMARTER.color}; outline-offset: 3px; }
    .bubble svg { display: block; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; }
    .frame {
      bottom: 5.5rem; width: min(26rem, calc(100vw - 2rem)); height: min(42rem, calc(100vh - 7rem));
      border-radius: 0.75rem; box-shadow: 0 4px 24px rgb(0 0 0 / 30%); background: Canvas;
    }
    .frame[hidden] { display: none; }
  `);
  root.adoptedStyleSheets = [style];

  const bubble = element("button", "bubble");
  bubble.type = "button";
  bubble.ariaLabel = SMARTER.title;
  bubble.ariaExpanded = "false";
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M4 5h16v11H9l-5 4z");
  icon.append(path);
  bubble.append(icon);
  root.append(bubble);

  let frame = null;

  function open() {
    if (!frame) {
      frame = element("iframe", "frame");
      frame.title = SMARTER.title;
      frame.src = `${origin}/`;
      root.append(frame);
    }
    show(true);
    frame.focus();
  }

  function close() {
    if (frame) show(false);
    bubble.focus();
  }

  function show(isOpen) {
    frame.hidden = !isOpen;
    bubble.ariaExpanded = String(isOpen);
  }

  bubble.addEventListener("click", () => (frame && !frame.hidden ? close() : open()));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  window.addEventListener("message", async (event) => {
    if (event.origin !== origin || !frame || event.source !== frame.contentWindow) return;
    if (event.data?.smarter !== "identity?") return;
    let token = null;
    try {
      token = (await window.smarterIdentity?.()) ?? null;
    } catch (error) {
      console.error("smarterIdentity failed", error);
    }
    frame.contentWindow.postMessage({ smarter: "identity", token }, origin);
  });

  window.smarter = { open, close };
  const ready = () => document.body.append(host);
  if (document.body) ready();
  else document.addEventListener("DOMContentLoaded", ready);
})();
