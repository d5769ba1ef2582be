// Two things a page cannot do by itself: follow what changes, and talk to an endpoint. Everything else is HTML.

for (const place of document.querySelectorAll("[data-live]")) follow(place);
for (const form of document.querySelectorAll("form.ask")) converse(form);
for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;

// A tab that nobody sees gives its connection back: a browser has six of them for one host.
function follow(place) {
  let events = null;
  const watch = () => {
    if (document.hidden) return events?.close();
    events = new EventSource(place.dataset.live);
    events.addEventListener("open", () => notice(""));
    events.addEventListener("error", () => notice("The studio does not answer: what is shown here may be old."));
    events.addEventListener("fragment", (event) => {
      const { id, html } = JSON.parse(event.data);
      const part = document.getElementById(id);
      if (part && part.innerHTML !== html) replace(part, html);
    });
    events.addEventListener("over", () => {
      events.close();
      document.removeEventListener("visibilitychange", watch);
      if (place.dataset.then === "reload") location.reload();
    });
  };
  document.addEventListener("visibilitychange", watch);
  watch();
}

function notice(text) {
  const said = document.createElement("p");
  said.className = "notice";
  said.textContent = text;
  document.getElementById("notice").replaceChildren(...(text ? [said] : []));
}

// Who reads further up in a log stays there; who is at its end is kept at the end. What was selected stays selected.
function replace(place, html) {
  const before = place.querySelector(".log");
  const top = before && before.scrollTop + before.clientHeight < before.scrollHeight - 4 ? before.scrollTop : null;
  const focused = before !== null && before === document.activeElement;
  const selected = place.value;
  place.innerHTML = html;
  if (selected !== undefined) place.value = selected;
  if (place.selectedIndex < 0) place.selectedIndex = 0;
  const after = place.querySelector(".log");
  if (!after) return;
  after.scrollTop = top ?? after.scrollHeight;
  if (focused) after.focus();
}

function converse(form) {
  const said = form.parentElement.querySelector(".chat");
  let messages = [];
  form.elements.anew.addEventListener("click", () => {
    messages = [];
    said.replaceChildren();
    form.elements.text.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = form.elements.text.value.trim();
    if (!text) return;
    form.elements.text.value = "";
    messages.push({ role: "user", content: text });
    say(said, "user", "you", text);
    form.elements.send.disabled = form.elements.anew.disabled = true;
    const waiting = say(said, "waiting", "", "Waiting for the answer …");
    const answer = await ask(form.action, messages, form.elements.deployment.value);
    waiting.remove();
    form.elements.send.disabled = form.elements.anew.disabled = false;
    form.elements.text.focus();
    if (answer.ok) messages.push({ role: "assistant", content: answer.text });
    else messages.pop();
    const from = answer.deployment ? ` from ${answer.deployment}` : "";
    const time = answer.seconds === undefined ? "" : ` · ${answer.seconds.toFixed(2)} s`;
    if (answer.ok) say(said, answer.deployment, `${answer.deployment}${time}`, answer.text);
    else say(said, "failed", `No answer${from}${time}`, answer.text);
  });
  form.elements.text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!form.elements.send.disabled) form.requestSubmit();
    }
  });
}

async function ask(address, messages, deployment) {
  try {
    const reply = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ messages, deployment }),
    });
    const answer = await reply.json();
    return reply.ok ? answer : { ok: false, text: answer.detail };
  } catch {
    return { ok: false, text: "The studio does not answer." };
  }
}

function say(place, kind, who, text) {
  const bubble = document.createElement("div");
  bubble.className = `said ${kind}`;
  bubble.dir = "auto";
  const name = document.createElement("small");
  name.textContent = who;
  bubble.append(name, text);
  place.append(bubble);
  return bubble;
}
