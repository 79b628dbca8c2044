// Nodes and topics as the broker sees them: rates in the topics, drops per second on the edges.
import { Graph, layout as place } from "../vendor/dagre.esm.js";
import { $, bytes, el, rate, svg } from "../dom.js";
import { graph, on, subscribe } from "../link.js";
import { choose, chosen } from "./topics.js";

const QUIET = new Set(["/rosout", "/parameter_events", "/diagnostics", "/clock"]);
const ME = "/web";
export const counters = new Map(); // topic -> {hz, bytes, drops per second, edges: Map(node -> drops per second)}
let drawn = new Map(), shape = "", before = new Map(), beforeSec = 0;

function shownTopics() {
  return graph.topics.filter((topic) => !QUIET.has(topic.name) && topic.pub.some(Boolean) && topic.sub.some((node) => node && node !== ME));
}
const width = (text) => Math.max(text.length * 6.6 + 16, 64);
function made(topics, direction) {
  const placed = new Graph();
  placed.setGraph({ rankdir: direction, nodesep: direction === "LR" ? 10 : 18, ranksep: direction === "LR" ? 22 : 30 });
  placed.setDefaultEdgeLabel(() => ({}));
  const node = (name) => placed.setNode(`n${name}`, { width: width(name), height: 28, name });
  for (const topic of topics) {
    placed.setNode(`t${topic.name}`, { width: Math.max(width(topic.name), 94), height: 36, topic });
    for (const name of topic.pub.filter((each) => each && each !== ME)) { node(name); placed.setEdge(`n${name}`, `t${topic.name}`, {}); }
    for (const name of topic.sub.filter((each) => each && each !== ME)) { node(name); placed.setEdge(`t${topic.name}`, `n${name}`, { reader: name, topic: topic.name }); }
  }
  place(placed);
  const box = { x0: 0, y0: 0, x1: 0, y1: 0 };
  const take = (x, y) => { box.x0 = Math.min(box.x0, x); box.y0 = Math.min(box.y0, y); box.x1 = Math.max(box.x1, x); box.y1 = Math.max(box.y1, y); };
  for (const id of placed.nodes()) { const each = placed.node(id); take(each.x - each.width / 2, each.y - each.height / 2); take(each.x + each.width / 2, each.y + each.height / 2); }
  for (const id of placed.edges()) for (const point of placed.edge(id).points) take(point.x, point.y);
  return { placed, box, wide: box.x1 - box.x0 + 12, high: box.y1 - box.y0 + 12 };
}
export function draw() {
  const box = $("graph"), topics = shownTopics();
  const key = JSON.stringify([topics.map((each) => [each.name, each.pub, each.sub, each.faults]), box.clientWidth, box.clientHeight]);
  if (key === shape || !box.clientWidth) return;
  shape = key;
  const nodes = new Set(topics.flatMap((each) => [...each.pub, ...each.sub]).filter((each) => each && each !== ME));
  $("graph-note").textContent = `${nodes.size} nodes, ${topics.length} topics between them`;
  if (!topics.length) { box.replaceChildren(el("p", { className: "quiet", style: "padding:14px" }, "No topic has both a publisher and a subscriber now.")); return; }
  // Across or down: whichever is larger in this panel.
  const fit = (each) => Math.min(box.clientWidth / each.wide, box.clientHeight / each.high);
  const ways = ["LR", "TB"].map((direction) => made(topics, direction));
  const best = fit(ways[0]) >= fit(ways[1]) ? ways[0] : ways[1];
  const scale = Math.min(Math.max(fit(best), 0.72), 1.25); // smaller text cannot be read: scroll instead
  const { placed, box: around } = best;
  drawn = new Map();
  const root = svg("svg", { viewBox: `${around.x0 - 6} ${around.y0 - 6} ${best.wide} ${best.high}`, width: best.wide * scale, height: best.high * scale, role: "group", "aria-label": "Graph of nodes and topics" },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto", markerUnits: "userSpaceOnUse" }, svg("path", { d: "M0 0.5L8 4L0 7.5z" }))));
  for (const id of placed.edges()) {
    const edge = placed.edge(id), points = edge.points;
    const path = svg("path", { class: "edge", d: `M${points.map((each) => `${each.x} ${each.y}`).join("L")}`, "marker-end": "url(#arrow)" });
    root.append(path);
    if (edge.reader) {
      const middle = points[Math.floor(points.length / 2)];
      const text = svg("text", { class: "drops", x: middle.x, y: middle.y - 4, "text-anchor": "middle" });
      drawn.set(`${edge.topic}>${edge.reader}`, { path, text });
    }
  }
  for (const id of placed.nodes()) {
    const each = placed.node(id), name = each.topic ? each.topic.name : each.name;
    const group = svg("g", { class: each.topic ? "topic" : "node", transform: `translate(${each.x - each.width / 2} ${each.y - each.height / 2})`, "data-name": name },
      svg("rect", { width: each.width, height: each.height, rx: each.topic ? 4 : 14 }));
    const label = svg("text", { x: each.width / 2, y: each.topic ? 15 : 18.5, "text-anchor": "middle" });
    label.textContent = name;
    group.append(label);
    if (each.topic) {
      const text = svg("text", { class: "rate", x: each.width / 2, y: 28.5, "text-anchor": "middle" });
      group.append(text);
      drawn.set(name, { text, group });
      group.setAttribute("tabindex", "0"); group.setAttribute("role", "button");
      group.addEventListener("click", () => choose(name));
      group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(name); } });
      if (each.topic.faults.length) { group.classList.add("fault"); const title = svg("title"); title.textContent = each.topic.faults.join("\n"); group.append(title); }
    }
    root.append(group);
  }
  for (const { text } of drawn.values()) if (text.classList.contains("drops")) root.append(text);
  box.replaceChildren(root);
  labels();
}
function labels() {
  for (const [name, { text, group }] of drawn) {
    if (!group) continue;
    const counter = counters.get(name);
    text.textContent = counter ? `${rate(counter.hz)} Hz  ${bytes(counter.bytes)}` : "";
    group.classList.toggle("chosen", chosen() === name);
    for (const [reader, drops] of counter?.edges ?? []) {
      const edge = drawn.get(`${name}>${reader}`);
      if (!edge) continue;
      edge.path.classList.toggle("drop", drops > 0);
      edge.text.textContent = drops > 0 ? `−${rate(drops)}/s` : "";
    }
  }
}
function statistics(told) {
  const passedSec = told.at_sec - beforeSec, now = new Map();
  for (const topic of told.topics) {
    const edges = new Map();
    let drops = 0;
    for (const edge of topic.edges) {
      const key = `${topic.name}>${edge.subscriber}`;
      now.set(key, (now.get(key) ?? 0) + edge.dropped);
      const lost = before.has(key) && passedSec > 0 ? Math.max(now.get(key) - before.get(key), 0) / passedSec : 0;
      edges.set(edge.subscriber, lost);
      if (edge.subscriber !== ME) drops += lost;
    }
    counters.set(topic.name, { hz: topic.rate_hz, bytes: topic.bytes_per_sec, drops, edges });
  }
  before = now; beforeSec = told.at_sec;
  labels();
}
export function start() {
  on("graph", draw);
  subscribe("/dsmq/statistics", statistics);
  new ResizeObserver(draw).observe($("graph"));
}
