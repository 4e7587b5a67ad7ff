// Text files that visitors attach to a question: they are read here, and their text becomes part of the message.

const MOST_BYTES_PER_CHARACTER = 4;
const MOST_NAME_CHARACTERS = 100;
const FILES = /\n\n<file name="([^"<>\n]+)">\n[^]*?\n<\/file>(?=\n\n<file name="|$)/g;

const byId = (id) => document.getElementById(id);

/** Take the files out of a message: give what was asked, and the names of the files. */
export function apart(message) {
  const names = [];
  const asked = `\n\n${message}`.replace(FILES, (_, name) => {
    names.push(name);
    return "";
  });
  return { asked: asked.trim(), names };
}

export class AttachmentError extends Error {}

/**
 * Make the button work. `room()` tells how many characters the question leaves, `changed()` is told that there are other
 * files now, `refused(text)` why a file is not taken.
 */
export function createAttachments({ texts, room, changed, refused }) {
  const [button, chooser, list] = ["attach", "files", "attached"].map(byId);
  let files = [];

  async function add(chosen) {
    for (const file of chosen) {
      try {
        files.push({ name: nameOf(file), part: await partOf(file) });
        show();
      } catch (error) {
        if (!(error instanceof AttachmentError)) throw error;
        refused(error.message);
      }
    }
    chooser.value = "";
  }

  async function partOf(file) {
    const most = room();
    const name = nameOf(file);
    const tooLong = new AttachmentError(texts.tooLong.replace("{name}", name).replace("{most}", Math.max(0, most)));
    if (file.size > MOST_BYTES_PER_CHARACTER * most) throw tooLong;
    const part = `\n\n<file name="${name}">\n${await textOf(file)}\n</file>`;
    if (part.length > room()) throw tooLong;
    return part;
  }

  async function textOf(file) {
    let text = "\0";
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch {
      // It is not UTF-8, or has gone: neither can be read.
    }
    if (text.includes("\0")) throw new AttachmentError(texts.notText.replace("{name}", nameOf(file)));
    return text;
  }

  function show() {
    list.replaceChildren(...files.map(chip));
    list.hidden = !files.length;
    changed();
  }

  function chip(file) {
    const item = document.createElement("li");
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.ariaLabel = `${texts.detach}: ${file.name}`;
    remove.addEventListener("click", () => {
      files = files.filter((each) => each !== file);
      show();
      byId("question").focus();
    });
    item.append(file.name, remove);
    return item;
  }

  button.hidden = false;
  button.ariaLabel = texts.attach;
  button.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => add([...chooser.files]));
  const composer = byId("composer");
  composer.addEventListener("dragover", (event) => event.preventDefault());
  composer.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });

  return {
    /** The files as they are written behind a question. */
    text: () => files.map((file) => file.part).join(""),
    clear() {
      files = [];
      show();
    },
  };
}

function nameOf(file) {
  return file.name.replace(/["<>\r\n]/g, "_").slice(-MOST_NAME_CHARACTERS) || "_";
}
