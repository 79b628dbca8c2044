// Records all topics into a bag beside the gateway, and fetches the file.
import { $, el, notice } from "../dom.js";
import { ask, hello, on } from "../link.js";

let name = "";
async function toggle() {
  const button = $("record"), isStart = !name;
  button.disabled = true;
  try {
    const file = await ask("record", { start: isStart }, 30);
    if (isStart) notice(`recording ${file}`);
    else { const link = el("a", { href: `recordings/${file}`, download: file }, file); notice("", 0); $("notice").append("recorded ", link); }
  } catch (error) { notice(error.message, 12); } finally { button.disabled = false; }
}
export function start() {
  $("record").addEventListener("click", toggle);
  on("hello", () => { $("record").hidden = hello.read_only; });
  on("recording", (told) => { name = told.name; $("record").textContent = name ? "Recording" : "Record"; $("record").setAttribute("aria-pressed", String(Boolean(name))); $("record").title = name; });
}
