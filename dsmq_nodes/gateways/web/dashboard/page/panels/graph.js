// Nodes and topics as the broker sees them: rates in the topics, drops per second on the edges.
import { $, bytes, cut, el, rate, svg, visible } from "../dom.js"
import { layers, placed } from "../layered.js"
import { graph, isOther, on, subscribe } from "../link.js"
import { choose, chosen } from "./topics.js"

const QUIET = new Set(["/rosout", "/parameter_events", "/diagnostics", "/clock"])
const isShown = node => isOther(node) && !node.startsWith("/dsmq/") // the kit's own are not
export const counters = new Map() // topic -> {hz, bytes, drops per second, edges: Map(node -> drops per second)}
let drawn = new Map()
let shape = ""
let before = new Map()
let beforeSec = 0

function shownTopics() {
	return graph.topics.filter(
		topic => !QUIET.has(topic.name) && topic.pub.some(Boolean) && topic.sub.some(isShown),
	)
}
const label = name => cut(visible(name), 40)
const width = name => Math.max(label(name).length * 6.6 + 16, 64)
const edgeKey = (topic, node) => JSON.stringify([topic, node])
function wanted(topics) {
	const boxes = new Map()
	const edges = []
	for (const topic of topics) {
		boxes.set(`t${topic.name}`, {
			id: `t${topic.name}`,
			topic,
			width: Math.max(width(topic.name), 94),
			height: 36,
		})
		for (const [names, isWriter] of [
			[topic.pub, true],
			[topic.sub, false],
		])
			for (const name of names.filter(isShown)) {
				boxes.set(`n${name}`, { id: `n${name}`, name, width: width(name), height: 28 })
				edges.push(isWriter ? [`n${name}`, `t${topic.name}`] : [`t${topic.name}`, `n${name}`])
			}
	}
	return { boxes: [...boxes.values()], edges }
}
const swapped = ({ x, y, width, height, ...rest }) => ({
	...rest,
	x: y,
	y: x,
	width: height,
	height: width,
})
// Lays it out from left to right, or from top to bottom.
function laidOut(order, boxes, isAcross) {
	let { boxes: all, paths } = placed(
		order,
		isAcross ? boxes : boxes.map(swapped),
		isAcross ? { gap: 14, layerGap: 30 } : { gap: 18, layerGap: 34 },
	)
	if (!isAcross) {
		all = all.map(swapped)
		paths = paths.map(path => path.map(([x, y]) => [y, x]))
	}
	const ends = (middle, size, of) => [
		...all.flatMap(each => [each[middle] - each[size] / 2, each[middle] + each[size] / 2]),
		...paths.flat().map(point => point[of]),
	]
	const xs = ends("x", "width", 0)
	const ys = ends("y", "height", 1)
	const x = Math.min(...xs) - 6
	const y = Math.min(...ys) - 6
	return {
		boxes: all,
		paths,
		isAcross,
		x,
		y,
		wide: Math.max(...xs) - x + 6,
		high: Math.max(...ys) - y + 6,
	}
}
function curve(points, isAcross) {
	return points
		.map(([x, y], index) => {
			if (!index) return `M${x} ${y}`
			const [fromX, fromY] = points[index - 1]
			if (index % 2) return x === fromX && y === fromY ? "" : `L${x} ${y}`
			return isAcross
				? `C${(fromX + x) / 2} ${fromY} ${(fromX + x) / 2} ${y} ${x} ${y}`
				: `C${fromX} ${(fromY + y) / 2} ${x} ${(fromY + y) / 2} ${x} ${y}`
		})
		.join("")
}
export function draw() {
	const box = $("graph")
	const topics = shownTopics()
	const key = JSON.stringify([
		topics.map(each => [each.name, each.pub, each.sub, each.faults]),
		box.clientWidth,
		box.clientHeight,
	])
	if (key === shape || !box.clientWidth) return
	shape = key
	const nodes = new Set(topics.flatMap(each => [...each.pub, ...each.sub]).filter(isShown))
	$("graph-note").textContent =
		`${nodes.size} node${nodes.size === 1 ? "" : "s"}, ${topics.length} topic${topics.length === 1 ? "" : "s"} between them`
	if (!topics.length) {
		box.replaceChildren(
			el(
				"p",
				{ className: "quiet", style: "padding:14px" },
				"No topic has both a publisher and a subscriber now.",
			),
		)
		return
	}
	// Lay it out across or down, whichever is larger in this panel.
	const fit = each => Math.min(box.clientWidth / each.wide, box.clientHeight / each.high)
	const { boxes, edges } = wanted(topics)
	const order = layers(
		boxes.map(each => each.id),
		edges,
	)
	const layouts = [true, false].map(isAcross => laidOut(order, boxes, isAcross))
	const best = fit(layouts[0]) >= fit(layouts[1]) ? layouts[0] : layouts[1]
	const scale = Math.min(Math.max(fit(best), 0.72), 1.25) // smaller text cannot be read: scroll instead
	drawn = new Map()
	const root = svg(
		"svg",
		{
			viewBox: `${best.x} ${best.y} ${best.wide} ${best.high}`,
			width: best.wide * scale,
			height: best.high * scale,
			role: "group",
			"aria-label": "Graph of nodes and topics",
		},
		svg(
			"defs",
			{},
			svg(
				"marker",
				{
					id: "arrow",
					viewBox: "0 0 8 8",
					refX: 7.5,
					refY: 4,
					markerWidth: 8,
					markerHeight: 8,
					orient: "auto",
					markerUnits: "userSpaceOnUse",
				},
				svg("path", { d: "M0 0.5L8 4L0 7.5z" }),
			),
		),
	)
	best.paths.forEach((points, index) => {
		const path = svg("path", {
			class: "edge",
			d: curve(points, best.isAcross),
			"marker-end": "url(#arrow)",
		})
		const [from, to] = edges[index]
		root.append(path)
		if (!from.startsWith("t")) return
		const [a, b] = [points[points.length / 2 - 1], points[points.length / 2]]
		const text = svg("text", {
			class: "drops",
			x: (a[0] + b[0]) / 2,
			y: (a[1] + b[1]) / 2 - 4,
			"text-anchor": "middle",
		})
		drawn.set(edgeKey(from.slice(1), to.slice(1)), { path, text })
	})
	for (const each of best.boxes) {
		const name = each.topic ? each.topic.name : each.name
		const group = svg(
			"g",
			{
				class: each.topic ? "topic" : "node",
				transform: `translate(${each.x - each.width / 2} ${each.y - each.height / 2})`,
				"data-name": name,
			},
			svg("rect", { width: each.width, height: each.height, rx: each.topic ? 4 : 14 }),
		)
		group.append(
			svg(
				"text",
				{ x: each.width / 2, y: each.topic ? 15 : 18.5, "text-anchor": "middle" },
				label(name),
			),
		)
		if (each.topic) {
			const text = svg("text", {
				class: "rate",
				x: each.width / 2,
				y: 28.5,
				"text-anchor": "middle",
			})
			group.append(text)
			drawn.set(name, { text, group })
			group.setAttribute("tabindex", "-1")
			group.setAttribute("role", "button")
			group.addEventListener("click", () => choose(name))
			group.addEventListener("keydown", event => {
				if (event.key === "Enter" || event.key === " ") {
					event.preventDefault()
					choose(name)
				}
			})
			if (each.topic.faults.length) {
				group.classList.add("fault")
				group.append(svg("title", {}, each.topic.faults.join("\n")))
			}
		}
		root.append(group)
	}
	for (const { text } of drawn.values()) if (text.classList.contains("drops")) root.append(text)
	const held = box.contains(document.activeElement) && document.activeElement.dataset.name
	box.replaceChildren(root)
	const all = [...root.querySelectorAll(".topic")]
	const same = all.find(each => each.dataset.name === held)
	reach(same ?? all[0])
	same?.focus({ preventScroll: true })
	labels()
}
// Tab reaches one topic, the arrows reach the others from there: there may be hundreds.
function reach(topic) {
	for (const each of $("graph").querySelectorAll(".topic"))
		each.setAttribute("tabindex", each === topic ? "0" : "-1")
}
function step(event) {
	const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key] ?? NaN
	const all = [...event.currentTarget.querySelectorAll(".topic")]
	const next = all[all.indexOf(event.target) + by]
	if (!next || event.target === event.currentTarget) return // it scrolls
	event.preventDefault()
	reach(next)
	next.focus()
}
function labels() {
	for (const [name, { text, group }] of drawn) {
		if (!group) continue
		const counter = counters.get(name)
		text.textContent = counter ? `${rate(counter.hz)} Hz  ${bytes(counter.bytes)}` : ""
		group.classList.toggle("chosen", chosen() === name)
		for (const [reader, drops] of counter?.edges ?? []) {
			const edge = drawn.get(edgeKey(name, reader))
			if (!edge) continue
			edge.path.classList.toggle("drop", drops > 0)
			edge.text.textContent = drops > 0 ? `−${rate(drops)}/s` : ""
		}
	}
}
function takeStatistics(message) {
	const passedSec = message.at_sec - beforeSec
	const now = new Map()
	for (const topic of message.topics) {
		const edges = new Map()
		let drops = 0
		for (const edge of topic.edges) {
			const key = edgeKey(topic.name, edge.subscriber)
			now.set(key, (now.get(key) ?? 0) + edge.dropped)
			const lost =
				before.has(key) && passedSec > 0
					? Math.max(now.get(key) - before.get(key), 0) / passedSec
					: 0
			edges.set(edge.subscriber, lost)
			if (isShown(edge.subscriber)) drops += lost
		}
		counters.set(topic.name, { hz: topic.rate_hz, bytes: topic.bytes_per_sec, drops, edges })
	}
	before = now
	beforeSec = message.at_sec
	labels()
}
export function start() {
	on("graph", draw)
	$("graph").addEventListener("keydown", step)
	subscribe("/dsmq/statistics", takeStatistics)
	new ResizeObserver(draw).observe($("graph"))
}
