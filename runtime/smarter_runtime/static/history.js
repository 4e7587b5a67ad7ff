// Earlier conversations: the panel that lists them, opens them and deletes them.

const AT_A_TIME = 20;
const KEY = "smarter-conversation";

const byId = (id) => document.getElementById(id);

/** The conversation of this tab; it is found again after a reload. Inside a frame there may be no storage. */
export const current = {
  get() {
    try {
      return sessionStorage.getItem(KEY) ?? "";
    } catch {
      return this.kept ?? "";
    }
  },
  set(id) {
    this.kept = id;
    try {
      if (id) sessionStorage.setItem(KEY, id);
      else sessionStorage.removeItem(KEY);
    } catch {
      // It is kept as long as the page is.
    }
  },
};

/**
 * Make the panel work. `call(path, method)` asks the bot's API and gives its answer, `open(id)` shows a conversation,
 * `erased(id)` is told of one that is gone; without an id, all are.
 */
export function createHistory({ texts, retentionDays, call, open, erased }) {
  const panel = byId("history");
  const list = byId("conversations");
  const note = byId("history-note");
  let next = null;

  byId("history-title").textContent = texts.history;
  byId("history-close").ariaLabel = texts.close;
  byId("history-more").textContent = texts.more;
  note.setAttribute("role", "status");

  async function guarded(work) {
    try {
      await work();
    } catch (error) {
      note.textContent = error.message || texts.offline;
    }
  }

  async function load() {
    const page = await call(`/app/v1/conversations?limit=${AT_A_TIME}${next ? `&before=${next}` : ""}`, "GET");
    list.append(...page.conversations.map(item));
    next = page.next;
    refresh();
  }

  function refresh() {
    byId("history-more").hidden = !next;
    byId("history-all").hidden = !list.childElementCount;
    note.textContent = list.childElementCount ? texts.kept.replace("{days}", retentionDays) : texts.none;
  }

  function item(conversation) {
    const row = document.createElement("li");
    const name = button("entry", "");
    const title = document.createElement("span");
    title.textContent = conversation.title;
    const when = document.createElement("time");
    when.dateTime = conversation.updatedAt;
    when.textContent = new Date(conversation.updatedAt).toLocaleString(document.documentElement.lang || undefined, {
      dateStyle: "medium",
      timeStyle: "short",
    });
    name.append(title, when);
    if (conversation.id === current.get()) name.setAttribute("aria-current", "true");
    name.addEventListener("click", () => {
      panel.close();
      open(conversation.id);
    });
    const remove = button("quiet", texts.remove);
    remove.setAttribute("aria-label", `${texts.remove}: ${conversation.title}`);
    sure(remove, async () => {
      await call(`/app/v1/conversations/${conversation.id}`, "DELETE");
      row.remove();
      erased(conversation.id);
      refresh();
    });
    row.append(name, remove);
    return row;
  }

  /** Do what a button says when it is clicked twice: what is deleted is gone. */
  function sure(pressed, work) {
    const said = pressed.textContent;
    const label = pressed.ariaLabel;
    const calm = () => {
      pressed.classList.remove("sure");
      pressed.textContent = said;
      pressed.ariaLabel = label;
    };
    pressed.addEventListener("blur", calm);
    pressed.addEventListener("click", () => {
      if (pressed.classList.contains("sure")) {
        calm();
        guarded(work);
      } else {
        pressed.classList.add("sure");
        pressed.textContent = texts.sure;
        pressed.ariaLabel = null;
      }
    });
  }

  const all = byId("history-all");
  all.textContent = texts.removeAll;
  sure(all, async () => {
    await call("/app/v1/conversations", "DELETE");
    list.replaceChildren();
    next = null;
    erased();
    refresh();
  });
  byId("history-more").addEventListener("click", () => guarded(load));
  byId("history-close").addEventListener("click", () => panel.close());
  byId("history-open").lastElementChild.textContent = texts.history;
  byId("history-open").addEventListener("click", () => {
    list.replaceChildren();
    next = null;
    panel.showModal();
    guarded(load);
  });
}

function button(className, text) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  return made;
}
