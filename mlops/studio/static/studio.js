// Two things a page cannot do by itself: follow what changes, and talk to an endpoint. Everything else is HTML.

for (const place of document.querySelectorAll("[data-live]")) follow(place.dataset.live);
for (const form of document.querySelectorAll("form.ask")) converse(form);
for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;

function follow(address) {
  const events = new EventSource(address);
  events.addEventListener("fragment", (event) => {
    const { id, html } = JSON.parse(event.data);
    const place = document.getElementById(id);
    if (place && place.innerHTML !== html) replace(place, html);
  });
  events.addEventListener("over", () => events.close());
}

// Who reads further up in a log stays there; who is at its end is kept at the end.
function replace(place, html) {
  const before = place.querySelector(".log");
  const top = before && before.scrollTop + before.clientHeight < before.scrollHeight - 4 ? before.scrollTop : null;
  const focused = before !== null && before === document.activeElement;
  place.innerHTML = html;
  const after = place.querySelector(".log");
  if (!after) return;
  after.scrollTop = top ?? after.scrollHeight;
  if (focused) after.focus();
}

function converse(form) {
  const said = form.parentElement.querySelector(".chat");
  const messages = [];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = form.elements.text.value.trim();
    if (!text) return;
    form.elements.text.value = "";
    messages.push({ role: "user", content: text });
    say(said, "user", "you", text);
    form.elements.send.disabled = true;
    const answer = await ask(form.action, messages, form.elements.deployment.value);
    form.elements.send.disabled = false;
    form.elements.text.focus();
    if (answer.ok) messages.push({ role: "assistant", content: answer.text });
    else messages.pop();
    const who = answer.deployment ?? "nobody";
    const time = answer.seconds === undefined ? "" : ` · ${answer.seconds.toFixed(2)} s`;
    say(said, answer.ok ? who : "failed", `${answer.ok ? "" : "no answer from "}${who}${time}`, answer.text);
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
    return reply.ok ? await reply.json() : { ok: false, text: `The studio refused: ${reply.status}` };
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
}
