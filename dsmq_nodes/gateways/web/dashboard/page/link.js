// The connection to the gateway: one websocket, subscriptions that panels share, questions.
import { $, notice } from "./dom.js";

export const graph = { connected: false, peers: [], topics: [], services: {}, params: [] };
export const hello = { drive: {}, stop: {}, read_only: false };
const listeners = { state: [], graph: [], driver: [], hello: [], recording: [] };
export const on = (what, act) => { listeners[what].push(act); };
const tell = (what, value) => { for (const act of listeners[what]) try { act(value); } catch (error) { console.error(what, error); } };
export const flow = { messages: 0, frames: 0, bytes: 0, dropped: new Map() };

const LOOK_MS = 500, ASKED = 3, TOLD = 8, GIVEN_UP = 30, GIVEN_UP_AWAKE = 5; // in looks without a word
let socket = null, retrySec = 0.25, nextId = 1, paused = false, retry = 0, silent = 0, most = GIVEN_UP;
const questions = new Map();
const strange = new Set(); // topics with messages that a panel could not read
const subscribed = new Map(); // topic -> Set of {most, hz, take}
export const newest = new Map(); // topic -> {message, stamp, at}

const state = () => (graph.connected ? "live" : "broker lost");
const isOpen = () => socket !== null && socket.readyState === WebSocket.OPEN;
export function send(what) { if (isOpen()) socket.send(JSON.stringify(what)); return isOpen(); }
export function ask(op, fields = {}, sec = 15) {
  return new Promise((resolve, reject) => {
    const id = nextId++;
    const timer = setTimeout(() => { questions.delete(id); reject(new Error("the gateway does not answer")); }, sec * 1000);
    questions.set(id, { resolve, reject, timer });
    if (!send({ op, id, ...fields })) { questions.delete(id); clearTimeout(timer); reject(new Error("there is no connection to the gateway")); }
  });
}

// What the page wants of a topic: as much as the panel that wants most.
function want(topic) {
  const wants = [...subscribed.get(topic)];
  const hz = wants.some((each) => !each.hz) ? 0 : Math.max(...wants.map((each) => each.hz));
  return { op: "sub", topic, most: Math.max(...wants.map((each) => each.most)), hz };
}
export function subscribe(topic, take, { most = 1, hz = 0 } = {}) {
  const mine = { most, hz, take };
  const known = subscribed.get(topic);
  const before = known ? JSON.stringify(want(topic)) : "";
  if (known) known.add(mine); else subscribed.set(topic, new Set([mine]));
  const now = want(topic);
  if (!paused && JSON.stringify(now) !== before) send(now);
  else if (newest.has(topic)) { const last = newest.get(topic); queueMicrotask(() => take(last.message, last.stamp)); }
  return () => {
    const all = subscribed.get(topic);
    if (!all || !all.delete(mine)) return;
    if (all.size) return;
    subscribed.delete(topic); newest.delete(topic); flow.dropped.delete(topic);
    send({ op: "unsub", topic });
  };
}
export const typeOf = (topic) => graph.topics.find((each) => each.name === topic)?.type ?? "";

function received(topic, stamp, dropped, message) {
  flow.messages++;
  if (dropped) flow.dropped.set(topic, dropped);
  newest.set(topic, { message, stamp: stamp / 1e9, at: performance.now() });
  for (const each of subscribed.get(topic) ?? []) try { each.take(message, stamp / 1e9); } catch (error) { // its publisher's fault, and no other topic's
    if (!strange.has(topic)) console.warn(`${topic} has a message that is not of its type:`, error);
    strange.add(topic);
  }
}
function picture(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const [topic, stamp, dropped, message] = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  Object.defineProperty(message, "data", { value: new Uint8Array(buffer, 4 + length), enumerable: false });
  received(topic, stamp, dropped, message);
}
const ops = {
  data(frame) {
    flow.frames++;
    for (const each of frame.m) received(...each);
    send({ op: "ack", n: frame.n });
  },
  hello(told) { Object.assign(hello, told); tell("hello", told); },
  graph(told) {
    Object.assign(graph, told);
    tell("state", state());
    tell("graph", graph);
  },
  driver(told) { tell("driver", told); },
  recording(told) { tell("recording", told); },
  error(told) { notice(told.error); },
  pong() {},
  answer(told) {
    const question = questions.get(told.id);
    if (!question) return;
    questions.delete(told.id); clearTimeout(question.timer);
    if (told.ok) question.resolve(told.value); else question.reject(new Error(told.error));
  },
};
function gone(why) {
  socket = null;
  for (const { reject, timer } of questions.values()) { clearTimeout(timer); reject(new Error("the connection to the gateway was lost")); }
  questions.clear(); graph.connected = false;
  tell("state", why);
  tell("driver", { name: "", you: false });
  retry = setTimeout(connect, retrySec * 1000);
  retrySec = Math.min(retrySec * 2, 3);
}
// After sleep, or out of the Wi-Fi's reach, a socket looks open and is dead: only silence tells. A
// large picture on a slow line is silence too; a page that wakes has none on its way.
function look() {
  if (socket === null || paused) return;
  silent++;
  if (silent > most) { socket.close(); gone("no gateway"); return; }
  if (silent >= ASKED) send({ op: "ping" });
  if (silent === TOLD) tell("state", "no answer");
}
setInterval(look, LOOK_MS);
export function connect() {
  clearTimeout(retry);
  socket?.close();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/dashboard`);
  socket.binaryType = "arraybuffer";
  silent = 0; most = GIVEN_UP;
  const mine = socket;
  socket.onopen = () => { retrySec = 0.25; if (!paused) for (const topic of subscribed.keys()) send(want(topic)); };
  socket.onclose = (event) => { if (mine === socket) gone(event.reason || "no gateway"); };
  socket.onmessage = (event) => {
    if (mine !== socket) return;
    if (silent >= TOLD) tell("state", state());
    silent = 0; most = GIVEN_UP;
    if (typeof event.data !== "string") { flow.bytes += event.data.byteLength; picture(event.data); return; }
    flow.bytes += event.data.length;
    const told = JSON.parse(event.data);
    ops[told.op]?.(told);
  };
}
// A page that nobody sees costs nothing.
document.addEventListener("visibilitychange", () => {
  paused = document.hidden;
  for (const topic of subscribed.keys()) send(paused ? { op: "unsub", topic } : want(topic));
  silent = 0;
  if (!paused && !isOpen()) { retrySec = 0.25; connect(); } else if (send({ op: "ping" })) most = GIVEN_UP_AWAKE;
});
addEventListener("online", () => { if (!isOpen()) connect(); });

// STOP: a form that works before this script does; with it the answer is shown.
$("stop").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch("stop", { method: "POST" });
    if (answer.status === 204) notice("STOP was sent"); else notice((await answer.text()).trim() || `STOP failed: ${answer.status}`, 30);
  } catch { notice("STOP did not reach the gateway: stop the robot by its own switch", 60); }
});
