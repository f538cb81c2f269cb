// The verdict and the daemons, and logging in. Texts go into text nodes alone.
const said = document.getElementById("said");
const form = document.getElementById("login");

async function show() {
  const answer = await fetch("/api/v1/status");
  form.hidden = answer.status !== 401;
  if (!answer.ok) {
    said.textContent = answer.status === 401 ? "Log in with a token (ghostd token new)." : `The answer was ${answer.status}.`;
    return;
  }
  const { heartbeat } = await answer.json();
  said.textContent = heartbeat ? [heartbeat.overall.status, ...heartbeat.overall.reasons].join("; ") : "No heartbeat yet.";
  document.getElementById("daemons").replaceChildren(...(heartbeat?.daemons ?? []).map((daemon) => {
    const item = document.createElement("li");
    item.textContent = `${daemon.name}: ${daemon.status}`;
    return item;
  }));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = document.getElementById("token");
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: token.value }),
  });
  token.value = "";
  if (answer.ok) await show();
  else said.textContent = (await answer.json()).detail;
});

await show();
setInterval(show, 5000);
