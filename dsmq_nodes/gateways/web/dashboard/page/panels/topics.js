// All topics, and the newest message of the chosen one as a tree; a click on a number plots it.
import { $, cut, el, num, rate, seconds, short } from "../dom.js"
import { flow, graph, newest, on, subscribe } from "../link.js"
import { layout } from "../layout.js"
import { counters } from "./graph.js"
import { isPlotted, togglePlot } from "./plot.js"

let topic = layout.get("topic", "")
let release = null
let dirty = false
let open = new Set()
let rows = new Map()
export const chosen = () => topic
export function choose(name) {
	topic = name
	layout.set("topic", name || undefined)
	release?.()
	release = null
	open = new Set()
	if (name)
		release = subscribe(
			name,
			() => {
				dirty = true
			},
			{ most: 1, hz: 5 },
		)
	$("message").replaceChildren(
		el("p", { className: "quiet" }, name ? `nothing has come on ${name} yet` : "Choose a topic."),
	)
	dirty = newest.has(name)
	list()
}
function list() {
	const find = $("topic-find").value.toLowerCase()
	const shown = graph.topics
		.filter(
			each =>
				(each.pub.length || each.sub.some(node => node !== "/web")) &&
				`${each.name} ${each.type}`.toLowerCase().includes(find),
		)
		.sort((a, b) => (a.name < b.name ? -1 : 1))
	rows = new Map()
	$("topic-list").replaceChildren(
		...shown.map(each => {
			const hz = el("span", { className: "kind num" })
			rows.set(each.name, hz)
			return el(
				"div",
				{
					role: "option",
					"aria-selected": String(each.name === topic),
					title: [each.type, ...each.faults].join("\n"),
					onclick: () => choose(each.name),
				},
				el("span", {}, cut(each.name, 200)),
				hz,
				el("span", { className: "kind" }, cut(each.type, 200) || "untyped"),
			)
		}),
	)
	rates()
}
function rates() {
	for (const [name, cell] of rows) {
		const counter = counters.get(name)
		cell.textContent = counter?.hz ? `${rate(counter.hz)} Hz` : ""
	}
}
function tree(value, path) {
	if (path.length > 30) return "…"
	if (Array.isArray(value)) {
		const key = path.join("\u0000")
		if (value.length > 8 && !open.has(key))
			return el(
				"span",
				{},
				`[${value.slice(0, 3).map(short).join(", ")}, … `,
				el(
					"button",
					{
						onclick: () => {
							open.add(key)
							dirty = true
							show()
						},
					},
					`all ${value.length}`,
				),
				"]",
			)
		return el(
			"ul",
			{},
			...value
				.slice(0, 400)
				.map((each, index) => el("li", {}, `${index}: `, tree(each, [...path, index]))),
		)
	}
	if (value !== null && typeof value === "object")
		return el(
			"ul",
			{},
			...Object.entries(value)
				.slice(0, 400)
				.map(([key, each]) => el("li", {}, `${short(key)}: `, tree(each, [...path, key]))),
		)
	if (num(value) === null && typeof value !== "boolean") return el("span", {}, short(value))
	const name = topic
	return el(
		"button",
		{
			className: isPlotted(name, path) ? "on" : "",
			title: "plot",
			onclick: () => {
				togglePlot(name, path)
				dirty = true
				show()
			},
		},
		short(value),
	)
}
function show() {
	const last = newest.get(topic)
	if (!dirty || !last || $("message").matches(":hover:has(button:active)")) return
	dirty = false
	const counter = counters.get(topic)
	const dropped = flow.dropped.get(topic)
	const facts = [counter ? `${rate(counter.hz)} Hz` : "", dropped ? `${dropped} not shown` : ""]
		.filter(Boolean)
		.join(", ")
	const held = document.activeElement?.closest("#message")
		? [...$("message").querySelectorAll("button")].indexOf(document.activeElement)
		: -1
	$("message").replaceChildren(
		el("p", { className: "quiet" }, facts, el("span", { id: "age" })),
		tree(last.message, []),
	)
	if (held >= 0) $("message").querySelectorAll("button")[held]?.focus({ preventScroll: true })
}
function keys(event) {
	const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
	if (!step) return
	event.preventDefault()
	const names = [...rows.keys()]
	choose(names[Math.min(Math.max(names.indexOf(topic) + step, 0), names.length - 1)] ?? "")
	$("topic-list").querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" })
}
export function start() {
	on("graph", list)
	$("topic-find").oninput = list
	$("topic-list").addEventListener("keydown", keys)
	setInterval(() => {
		show()
		rates()
	}, 250)
	setInterval(() => {
		const last = newest.get(topic)
		const age = $("age")
		if (age && last) {
			const sec = (performance.now() - last.at) / 1e3
			age.textContent = sec > 1.5 ? ` · ${seconds(sec)} ago` : ""
		}
	}, 500)
	choose(topic)
}
