// The chat page: it knows the bot by /app/v1/config and talks to it by its public API, like any other client.
import { apart, createAttachments } from "./attachments.js";
import { createHistory, current } from "./history.js";

const TEXTS = {
  en: {
    you: "You", label: "Your message", placeholder: "Type your question…", send: "Send", stop: "Stop", retry: "Try again",
    reset: "New chat", info: "Help", latest: "Jump to the latest", log: "Conversation", writing: "{name} is writing…",
    stopped: "Stopped.", offline: "The connection failed. Check your network and try again.",
    busy: "The assistant is busy right now. Please try again in a moment.",
    used: "The assistant has answered enough for today. Please come back tomorrow.",
    long: "The conversation has become too long. Please start a new chat.",
    broken: "The assistant could not answer. Please try again.",
    cut: "The answer broke off. You can try again.", full: "The answer was cut at its length limit.",
    unavailable: "The chat could not be loaded. Please reload the page.",
    confirm: "Confirm", cancel: "Cancel", confirmed: "I confirm.", cancelled: "Cancelled. Nothing was done.",
    asks: "Nothing is done until you confirm this.", expired: "This can no longer be confirmed. Please ask again.",
    proving: "One moment: your browser is showing that you are no robot…",
    attach: "Attach text files", detach: "Remove", notText: "“{name}” is not a text file.",
    tooLong: "“{name}” is too long: there is room for {most} characters.",
    history: "Chats", none: "There are no earlier chats.", kept: "Chats are deleted {days} days after their last message.",
    remove: "Delete", removeAll: "Delete all chats", sure: "Really delete?", more: "More", close: "Close",
    gone: "This chat has been deleted. Please start a new one.",
  },
  de: {
    you: "Sie", label: "Ihre Nachricht", placeholder: "Schreiben Sie Ihre Frage …", send: "Senden", stop: "Anhalten",
    retry: "Noch einmal", reset: "Neues Gespräch", info: "Hilfe", latest: "Zum Ende", log: "Gespräch",
    writing: "{name} schreibt …", stopped: "Angehalten.",
    offline: "Keine Verbindung. Bitte prüfen Sie Ihr Netz und versuchen Sie es noch einmal.",
    busy: "Der Assistent ist gerade ausgelastet. Bitte versuchen Sie es gleich noch einmal.",
    used: "Der Assistent hat für heute genug geantwortet. Bitte kommen Sie morgen wieder.",
    long: "Das Gespräch ist zu lang geworden. Bitte beginnen Sie ein neues.",
    broken: "Der Assistent konnte nicht antworten. Bitte versuchen Sie es noch einmal.",
    cut: "Die Antwort brach ab. Sie können es noch einmal versuchen.", full: "Die Antwort endet an ihrer Längengrenze.",
    unavailable: "Die Seite konnte nicht geladen werden. Bitte laden Sie sie neu.",
    confirm: "Bestätigen", cancel: "Abbrechen", confirmed: "Ich bestätige.", cancelled: "Abgebrochen. Es geschah nichts.",
    asks: "Es geschieht nichts, bevor Sie dies bestätigen.",
    expired: "Dies kann nicht mehr bestätigt werden. Bitte fragen Sie noch einmal.",
    proving: "Einen Moment: Ihr Browser zeigt, dass Sie kein Roboter sind …",
    attach: "Textdateien anhängen", detach: "Entfernen", notText: "„{name}“ ist keine Textdatei.",
    tooLong: "„{name}“ ist zu lang: es ist Platz für {most} Zeichen.",
    history: "Gespräche", none: "Es gibt keine früheren Gespräche.",
    kept: "Gespräche werden {days} Tage nach ihrer letzten Nachricht gelöscht.",
    remove: "Löschen", removeAll: "Alle Gespräche löschen", sure: "Wirklich löschen?", more: "Mehr", close: "Schließen",
    gone: "Dieses Gespräch wurde gelöscht. Bitte beginnen Sie ein neues.",
  },
  es: {
    you: "Usted", label: "Su mensaje", placeholder: "Escriba su pregunta…", send: "Enviar", stop: "Detener",
    retry: "Reintentar", reset: "Nuevo chat", info: "Ayuda", latest: "Ir al final", log: "Conversación",
    writing: "{name} está escribiendo…", stopped: "Detenido.",
    offline: "Falló la conexión. Compruebe su red e inténtelo de nuevo.",
    busy: "El asistente está ocupado. Inténtelo de nuevo en un momento.",
    used: "El asistente ya ha respondido bastante por hoy. Vuelva mañana.",
    long: "La conversación es demasiado larga. Empiece un nuevo chat.",
    broken: "El asistente no pudo responder. Inténtelo de nuevo.",
    cut: "La respuesta se interrumpió. Puede intentarlo de nuevo.", full: "La respuesta llegó a su límite de longitud.",
    unavailable: "No se pudo cargar el chat. Recargue la página.",
    confirm: "Confirmar", cancel: "Cancelar", confirmed: "Lo confirmo.", cancelled: "Cancelado. No se hizo nada.",
    asks: "No se hace nada hasta que usted lo confirme.", expired: "Esto ya no se puede confirmar. Pregunte de nuevo.",
    proving: "Un momento: su navegador está mostrando que usted no es un robot…",
    attach: "Adjuntar archivos de texto", detach: "Quitar", notText: "«{name}» no es un archivo de texto.",
    tooLong: "«{name}» es demasiado largo: caben {most} caracteres.",
    history: "Chats", none: "No hay chats anteriores.",
    kept: "Los chats se eliminan {days} días después de su último mensaje.",
    remove: "Eliminar", removeAll: "Eliminar todos los chats", sure: "¿Eliminar de verdad?", more: "Más", close: "Cerrar",
    gone: "Este chat se ha eliminado. Empiece uno nuevo.",
  },
};
const NEAR_THE_END_PIXELS = 80;
const IDENTITY_MS = 3_000;
const LOOK_AGAIN_MS = 20_000;
const OPEN_ANSWER_MS = 1_000;

const byId = (id) => document.getElementById(id);
const [scroller, thread, question, send, stop] = ["scroller", "thread", "question", "send", "stop"].map(byId);

let texts = TEXTS.en;
let bot = {};
let token = "";
let messages = [];
/** What aborts the answer in progress; null when there is none. Every button follows from it. */
let running = null;
/** What visitors have attached to the question; null where they may attach nothing. */
let attachments = null;
/** The session that is being got; null when none is. */
let renewing = null;
let isProving = false;
let scriptPolicy = null;
/** The timer that looks whether the bot is back. */
let looking = 0;

class ChatError extends Error {
  constructor(text, code = "") {
    super(text);
    this.code = code;
  }
}

// ---- talking to the bot

/** Get a session, once for all who wait for one. */
function session() {
  return (renewing ??= renewSession().finally(() => (renewing = null)));
}

async function renewSession() {
  const person = await identity();
  let response = await mint(person);
  const { code } = response.ok ? {} : await errorOf(response.clone());
  if (code?.startsWith("challenge_")) {
    // It was too slow, or what is asked for has changed since the page was loaded.
    bot = await settings();
    response = await mint(person);
  }
  if (!response.ok) throw await failureOf(response);
  token = (await response.json()).token;
}

async function mint(person) {
  return post("/app/v1/session", { identity: person, ...(bot.proofScript && !person ? await proof() : {}) });
}

function post(path, body) {
  return fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** Begin with the work while the question is still being written; should it fail, it is done anew when it is sent. */
function prepare() {
  if (bot.proofScript && !token && !running && !renewing) session().catch(() => {});
}

/** Do the work that a session costs. */
async function proof() {
  const response = await post("/app/v1/challenge", {});
  if (!response.ok) throw await failureOf(response);
  const challenge = await response.json();
  showProving(true);
  try {
    return { challenge: challenge.challenge, solution: await solutionOf(challenge) };
  } finally {
    showProving(false);
  }
}

/** Compute beside the page, which stays usable. */
function solutionOf(challenge) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(scriptUrl(bot.proofScript));
    const settle = (how) => (event) => {
      worker.terminate();
      how(event.data ?? new ChatError(texts.broken));
    };
    worker.onmessage = settle(resolve);
    worker.onerror = settle(reject);
    worker.postMessage(challenge);
  });
}

// The page's policy lets scripts be named by addresses that somebody has looked at.
function scriptUrl(address) {
  const policy = { createScriptURL: (url) => (url.startsWith("/app/assets/") ? url : "") };
  return (scriptPolicy ??= globalThis.trustedTypes?.createPolicy("proof", policy) ?? policy).createScriptURL(address);
}

/** Ask the page around this one who the visitor is; only sites that may embed this one are around it. */
function identity() {
  if (!bot.asksIdentity || window.parent === window) return null;
  return new Promise((resolve) => {
    const listen = (event) => {
      if (event.source !== window.parent || event.data?.smarter !== "identity") return;
      window.removeEventListener("message", listen);
      resolve(event.data.token ?? null);
    };
    window.addEventListener("message", listen);
    setTimeout(resolve, IDENTITY_MS, null);
    window.parent.postMessage({ smarter: "identity?" }, "*");
  });
}

/** Make a request with the session's token, with a new one where the old one is over. */
async function authorized(path, options = {}) {
  const request = () =>
    fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
  if (!token) await unlessAborted(options.signal, session());
  let response = await request();
  if (response.status === 401) {
    await unlessAborted(options.signal, session());
    response = await request();
  }
  return response;
}

/** Ask the last question; the bot has what was said before. */
async function ask(signal, confirmation) {
  const own = confirmation ? { smarter: { confirm: [confirmation.token] } } : {};
  // Sent again after a lost connection, a confirmation gets the answer that it had.
  const once = confirmation ? { "Idempotency-Key": confirmation.key } : {};
  const response = await authorized("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Smarter-Conversation": current.get() || "new", ...once },
    body: JSON.stringify({ stream: true, messages: messages.slice(-1), ...own }),
    signal,
  });
  const id = response.headers.get("Smarter-Conversation");
  if (id && !signal.aborted) current.set(id);
  if (!response.ok) throw await failureOf(response);
  return response.body;
}

function unlessAborted(signal, promise) {
  if (!signal) return promise;
  const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([promise, aborted]);
}

async function call(path, method) {
  const response = await authorized(path, { method });
  if (!response.ok) throw await failureOf(response);
  return response.status === 204 ? null : response.json();
}

async function errorOf(response) {
  try {
    return (await response.json()).error ?? {};
  } catch {
    // A proxy's error page: the status says enough.
    return {};
  }
}

async function failureOf(response) {
  const error = await errorOf(response);
  if (isAway(error.code)) goAway(error.message);
  return new ChatError(failureText(error.code, response.status, error.message), error.code);
}

function failureText(code, status, message) {
  if (isAway(code)) return message;
  if (code === "insufficient_quota") return texts.used;
  if (code?.startsWith("confirmation_")) return texts.expired;
  if (code === "conversation_not_found") return texts.gone;
  if (["context_length_exceeded", "conversation_full"].includes(code) || status === 413) return texts.long;
  if ([409, 429, 503].includes(status)) return texts.busy;
  return status === 400 && message ? message : texts.broken;
}

/** Give the pieces of the answer; throws when the stream ends without saying that it is whole. */
async function* piecesOf(body) {
  let rest = "";
  for await (const text of chunksOf(body.pipeThrough(new TextDecoderStream()))) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ChatError(failureText(chunk.error.code, 500));
      if (chunk.smarter?.confirmations) yield { confirmations: chunk.smarter.confirmations };
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) yield { text: choice.delta.content };
      if (choice?.finish_reason) yield { finish: choice.finish_reason };
    }
  }
  throw new ChatError(texts.cut);
}

// Not every browser can iterate a stream.
async function* chunksOf(readable) {
  const reader = readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// ---- one turn

async function answerLast(confirmation = null) {
  const controller = (running = new AbortController());
  refreshButtons();
  const view = addMessage("assistant", "");
  view.root.classList.add("waiting");
  toTheEnd();
  say(texts.writing.replace("{name}", bot.assistantName));
  showProving(isProving);
  let finish = "";
  const offers = [];
  try {
    for await (const piece of piecesOf(await ask(controller.signal, confirmation))) {
      if (piece.text) view.append(piece.text);
      if (piece.confirmations) offers.push(...piece.confirmations);
      finish = piece.finish ?? finish;
    }
    keep(view.text());
    say(view.text());
    if (finish === "length") addNote(texts.full);
    view.flush();
    offers.forEach(addConfirmation);
  } catch (error) {
    if (controller.signal.aborted) {
      // Another conversation is shown by now.
      if (running !== controller) return;
      keep(view.text());
      say(texts.stopped);
      if (!view.text()) view.root.remove();
    } else {
      view.flush();
      if (view.text()) view.root.classList.add("broken");
      else view.root.remove();
      addFailure(error instanceof ChatError ? error.message : texts.offline, view.root, confirmation);
    }
  } finally {
    view.flush();
    view.root.classList.remove("waiting");
    view.root.querySelector(".proving")?.remove();
    if (running === controller) running = null;
    refreshButtons();
  }
}

function keep(text) {
  if (text) messages.push({ role: "assistant", content: text });
}

function submit(text) {
  const content = (text.trim() + (attachments?.text() ?? "")).trim();
  if (!content || running) return;
  thread.querySelectorAll(".examples, .failure, .broken").forEach((each) => each.remove());
  settleCards();
  // A question that got no answer is not asked a second time beside the new one.
  if (messages.at(-1)?.role === "user") messages.pop();
  messages.push({ role: "user", content });
  addMessage("user", content);
  question.value = "";
  attachments?.clear();
  fitQuestion();
  answerLast();
}

function reset() {
  current.set("");
  clear();
  welcome();
  refreshButtons();
  question.focus();
}

function clear() {
  running?.abort();
  running = null;
  messages = [];
  thread.replaceChildren();
}

// ---- conversations of before

/** Show the conversation `id`, and go on with it. */
async function openConversation(id) {
  clear();
  current.set(id);
  let found;
  try {
    found = await call(`/app/v1/conversations/${encodeURIComponent(id)}`, "GET");
  } catch (error) {
    if (error.code === "conversation_not_found") reset();
    else addNote(error instanceof ChatError ? error.message : texts.offline);
    return;
  }
  if (current.get() !== id || running) return;
  show(found.messages);
  refreshButtons();
  toTheEnd();
}

function show(said) {
  clear();
  for (const message of said) {
    if (message.role === "user") {
      addMessage("user", message.content);
      messages.push({ role: "user", content: message.content });
    } else if (message.content) {
      const { root } = addMessage("assistant", message.content);
      root.classList.toggle("broken", message.status === "Failed");
      if (message.status !== "Failed") keep(message.content);
    }
  }
  const last = said.at(-1);
  if (last?.status === "Open") waitForAnswer(current.get());
  if (last?.status === "Failed") addFailure(texts.broken, thread.querySelector(".broken:last-of-type") ?? element("p"));
}

/** Show the conversation of before a reload, or the beginning of a new one. */
async function resume() {
  if (current.get()) await openConversation(current.get());
  else welcome();
}

/** Look again for an answer that was still being made, for example when the page was loaded anew in the middle. */
function waitForAnswer(id) {
  setTimeout(() => {
    if (current.get() === id && !running) openConversation(id);
  }, OPEN_ANSWER_MS);
}

function conversationErased(id) {
  if (!id || id === current.get()) reset();
}

// ---- what is seen. Text is only ever set as text, never as markup.

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function addMessage(role, text) {
  const root = element("article", `message ${role}`);
  const bubble = element("p", "bubble");
  const { asked, names } = role === "user" ? apart(text) : { asked: text, names: [] };
  const content = document.createTextNode(asked);
  bubble.append(content);
  root.append(element("p", "author", role === "user" ? texts.you : bot.assistantName));
  if (asked || !names.length) root.append(bubble);
  if (names.length) root.append(fileList(names));
  thread.append(root);
  return { root, ...writerOf(content) };
}

function fileList(names) {
  const list = element("ul", "files");
  list.append(...names.map((name) => element("li", "", name)));
  return list;
}

/** Collect pieces and show them once per frame. */
function writerOf(content) {
  let pending = "";
  const flush = () => {
    if (!pending) return;
    const follow = isAtTheEnd();
    content.appendData(pending);
    pending = "";
    if (follow) toTheEnd();
    else byId("latest").hidden = false;
  };
  const append = (text) => {
    if (!pending) requestAnimationFrame(flush);
    pending += text;
  };
  return { append, flush, text: () => content.data + pending };
}

function addNote(text) {
  thread.append(element("p", "author", text));
}

/** Show a call that waits for the person's word, with what it will be made with; what is shown is what is signed. */
function addConfirmation(offer) {
  const card = element("section", "confirmation");
  card.ariaLabel = offer.tool;
  const details = element("dl");
  for (const [name, value] of Object.entries(offer.arguments)) {
    details.append(element("dt", "", name), element("dd", "", typeof value === "string" ? value : JSON.stringify(value)));
  }
  const buttons = element("p", "choices");
  buttons.append(
    choice(texts.confirm, "confirm", () => {
      card.remove();
      confirmCall(offer);
    }),
    choice(texts.cancel, "cancel", () => {
      card.replaceWith(element("p", "author", texts.cancelled));
      say(texts.cancelled);
      question.focus();
    }),
  );
  card.append(element("h2", "", offer.tool), element("p", "", offer.description), details, element("p", "", texts.asks));
  card.append(buttons);
  thread.append(card);
  say(`${offer.tool}: ${texts.asks}`);
  toTheEnd();
}

function choice(text, className, act) {
  const button = element("button", className, text);
  button.type = "button";
  button.addEventListener("click", () => {
    if (!running) act();
  });
  return button;
}

function confirmCall(offer) {
  messages.push({ role: "user", content: texts.confirmed });
  addMessage("user", `${texts.confirmed} (${offer.tool})`);
  question.focus();
  answerLast({ token: offer.token, key: newKey() });
}

// Pages without HTTPS have no `randomUUID`.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Take back what was asked before: with another question, the person has gone on. */
function settleCards() {
  thread.querySelectorAll(".confirmation").forEach((card) => card.replaceWith(element("p", "author", texts.cancelled)));
}

function addFailure(text, partial, confirmation) {
  const box = element("div", "failure");
  box.setAttribute("role", "alert");
  const retry = element("button", "", texts.retry);
  retry.type = "button";
  retry.addEventListener("click", () => {
    box.remove();
    partial.remove();
    question.focus();
    answerLast(confirmation);
  });
  box.append(element("p", "", text), retry);
  thread.append(box);
  say("");
  toTheEnd();
}

function welcome() {
  if (bot.welcomeMessage) addMessage("assistant", bot.welcomeMessage);
  if (!bot.examplePrompts.length) return;
  const list = element("ul", "examples");
  for (const prompt of bot.examplePrompts) {
    const button = element("button", "example", prompt);
    button.type = "button";
    button.addEventListener("click", () => {
      submit(prompt);
      question.focus();
    });
    const item = element("li");
    item.append(button);
    list.append(item);
  }
  thread.append(list);
}

// ---- maintenance, and bots that talk to programs only

function isAway(code) {
  return code === "maintenance" || code === "api_key_required";
}

function awayMessage(settings) {
  return settings.maintenanceMessage || settings.accessMessage;
}

function goAway(text) {
  byId("notice").textContent = text;
  byId("composer").hidden = true;
  refreshButtons();
  say(text);
  lookLater();
}

function lookLater() {
  clearTimeout(looking);
  looking = setTimeout(lookAgain, LOOK_AGAIN_MS);
}

async function lookAgain() {
  try {
    const response = await fetch("/app/v1/config");
    if (response.ok && !awayMessage(await response.json())) return comeBack();
  } catch {
    // It cannot be reached at all: it is still away.
  }
  return lookLater();
}

function comeBack() {
  byId("notice").textContent = "";
  byId("composer").hidden = false;
  say("");
  refreshButtons();
  if (!thread.childElementCount) resume();
}

/** Say why the answer that somebody waits for has not begun. */
function showProving(isIt) {
  isProving = isIt;
  thread.querySelectorAll(".proving").forEach((note) => note.remove());
  if (!isIt || !running) return;
  thread.querySelector(".waiting")?.append(element("p", "author proving", texts.proving));
  say(texts.proving);
  toTheEnd();
}

function say(text) {
  byId("status").textContent = text;
}

function isAtTheEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_THE_END_PIXELS;
}

function toTheEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  byId("latest").hidden = true;
}

function refreshButtons() {
  stop.hidden = !running;
  send.hidden = Boolean(running);
  send.disabled = !question.value.trim() && !attachments?.text();
  byId("reset").hidden = !messages.length;
  byId("history-open").hidden = byId("composer").hidden;
}

function fitQuestion() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
}

// ---- start

function showSkin() {
  texts = TEXTS[bot.language.toLowerCase().split(/[-_]/)[0]] ?? TEXTS.en;
  byId("label").textContent = texts.label;
  question.placeholder = bot.placeholder || texts.placeholder;
  question.maxLength = bot.maxPromptCharacters;
  send.ariaLabel = texts.send;
  stop.ariaLabel = texts.stop;
  byId("latest").textContent = texts.latest;
  byId("reset").lastElementChild.textContent = texts.reset;
  thread.ariaLabel = texts.log;
  document.body.classList.toggle("with-backdrop", Boolean(bot.backgroundImageUrl));
  const info = byId("info");
  info.textContent = texts.info;
  info.hidden = !bot.infoUrl;
  if (bot.infoUrl) info.href = bot.infoUrl;
  const logo = byId("logo");
  logo.addEventListener("load", () => (logo.hidden = false));
  if (bot.logoUrl) logo.src = bot.logoUrl;
}

function listen() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(question.value);
  });
  question.addEventListener("input", () => {
    fitQuestion();
    refreshButtons();
    prepare();
  });
  question.addEventListener("keydown", (event) => {
    // While an input method composes a character, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit(question.value);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
  });
  stop.addEventListener("click", () => {
    running?.abort();
    question.focus();
  });
  byId("latest").addEventListener("click", toTheEnd);
  byId("reset").addEventListener("click", reset);
  scroller.addEventListener("scroll", () => {
    if (isAtTheEnd()) byId("latest").hidden = true;
  });
}

async function settings() {
  const response = await fetch("/app/v1/config");
  if (!response.ok) throw new ChatError(texts.unavailable);
  return response.json();
}

function allowAttachments() {
  attachments = createAttachments({
    texts,
    room: () => bot.maxPromptCharacters - question.value.length - attachments.text().length,
    changed() {
      question.maxLength = bot.maxPromptCharacters - attachments.text().length;
      refreshButtons();
      prepare();
    },
    refused(text) {
      thread.querySelectorAll(".failure").forEach((each) => each.remove());
      const box = element("div", "failure");
      box.setAttribute("role", "alert");
      box.append(element("p", "", text));
      thread.append(box);
      toTheEnd();
    },
  });
}

async function start() {
  bot = await settings();
  showSkin();
  listen();
  if (bot.fileAttachment) allowAttachments();
  createHistory({
    texts,
    retentionDays: bot.retentionDays,
    call,
    open: openConversation,
    erased: conversationErased,
  });
  if (awayMessage(bot)) goAway(awayMessage(bot));
  else await resume();
  refreshButtons();
}

start().catch(() => {
  const box = element("div", "failure");
  box.setAttribute("role", "alert");
  box.append(element("p", "", texts.unavailable));
  thread.append(box);
});
