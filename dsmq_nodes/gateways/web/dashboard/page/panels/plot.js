// Plots of numbers over time, by uPlot: several axes, pause, 20 seconds to 10 minutes.
import { $, at, color, dark, el, num } from "../dom.js"
import { subscribe } from "../link.js"
import { layout } from "../layout.js"

const COLORS = [
	["#1559b0", "#6eb0ff"],
	["#b3402a", "#ff9b7f"],
	["#17733c", "#5fd38a"],
	["#7a3fb0", "#c79bff"],
	["#8a5300", "#f0b45b"],
	["#0b6e78", "#5fd0dc"],
]
const MOST = 6
const LONGEST_SEC = 600
const series = []
let chart = null
let paused = false
let dirty = false
let spanSec = layout.get("span", 20)
const key = (topic, path) => `${topic} ${path.join(".")}`
export const isPlotted = (topic, path) => series.some(each => each.key === key(topic, path))
export const plotted = () => series.map(each => ({ key: each.key, count: each.t.length }))
export function togglePlot(topic, path) {
	const index = series.findIndex(each => each.key === key(topic, path))
	if (index >= 0) series.splice(index, 1)[0].release()
	else add(topic, path)
	layout.set(
		"plot",
		series.map(each => [each.topic, ...each.path]),
	)
	build()
}
function add(topic, path) {
	if (series.length >= MOST) series.shift().release()
	const mine = { topic, path, key: key(topic, path), t: [], v: [] }
	mine.release = subscribe(
		topic,
		(message, stamp) => {
			const value = at(message, path)
			const number = typeof value === "boolean" ? Number(value) : num(value)
			if (number === null || paused) return
			if (mine.t.length && stamp <= mine.t.at(-1)) {
				if (stamp === mine.t.at(-1)) return
				mine.t.length = mine.v.length = 0
			}
			mine.t.push(stamp)
			mine.v.push(Number.isFinite(number) ? number : null)
			if (mine.t.length % 256 === 0) {
				const from = mine.t.findIndex(each => each >= stamp - LONGEST_SEC)
				if (from > 0) {
					mine.t.splice(0, from)
					mine.v.splice(0, from)
				}
			}
			dirty = true
		},
		{ most: 400 },
	)
	series.push(mine)
}
function data() {
	if (!series.length) return [[]]
	const end = Math.max(...series.map(each => each.t.at(-1) ?? 0))
	const from = end - spanSec
	return uPlot.join(
		series.map(each => {
			const first = Math.max(
				each.t.findIndex(t => t >= from),
				0,
			)
			return [each.t.slice(first), each.v.slice(first)]
		}),
	)
}
function build() {
	chart?.destroy()
	chart = null
	const box = $("plot")
	if (!series.length) {
		box.replaceChildren(
			el("div", { className: "empty" }, el("p", {}, "Click a number of a message to plot it.")),
		)
		return
	}
	box.replaceChildren()
	const own = $("plot-axes").checked
	const ink = color("--quiet")
	const grid = { stroke: color("--line"), width: 1 }
	const stroke = index => COLORS[index % COLORS.length][Number(dark.matches)]
	const scale = index => (own ? `y${Math.min(index, 2)}` : "y0")
	const scales = own ? Math.min(series.length, 3) : 1
	const axes = [{ stroke: ink, grid, ticks: grid }]
	for (let index = 0; index < scales; index++)
		axes.push({
			scale: `y${index}`,
			side: index ? 1 : 3,
			size: 58,
			stroke: own ? stroke(index) : ink,
			grid: index ? { show: false } : grid,
			ticks: grid,
		})
	chart = new uPlot(
		{
			width: Math.max(box.clientWidth - 16, 100),
			height: Math.max(box.clientHeight - 34 - 24 * Math.ceil(series.length / 3), 90),
			cursor: { drag: { x: false, y: false } },
			legend: { live: true },
			series: [
				{ label: "time" },
				...series.map((each, index) => ({
					label: `${each.topic} ${each.path.join(".")}`,
					scale: scale(index),
					stroke: stroke(index),
					width: 1.6,
					spanGaps: true,
					value: (_, value) =>
						value === null || value === undefined ? "–" : Number(value.toPrecision(4)),
				})),
			],
			axes,
		},
		data(),
		box,
	)
	box.querySelectorAll(".u-series th").forEach((cell, index) => {
		if (index) {
			cell.title = "remove"
			cell.addEventListener("dblclick", () => {
				const each = series[index - 1]
				togglePlot(each.topic, each.path)
			})
		}
	})
}
function frame() {
	setTimeout(() => requestAnimationFrame(frame), 60)
	if (dirty && chart && !document.hidden) {
		dirty = false
		chart.setData(data())
	}
}
export function start() {
	for (const [topic, ...path] of layout.get("plot", [])) add(topic, path)
	$("plot-span").value = String(spanSec)
	$("plot-span").onchange = () => {
		spanSec = Number($("plot-span").value)
		layout.set("span", spanSec)
		dirty = true
	}
	$("plot-axes").checked = layout.get("axes", false)
	$("plot-axes").onchange = () => {
		layout.set("axes", $("plot-axes").checked || undefined)
		build()
	}
	$("plot-pause").onclick = event => {
		paused = !paused
		event.target.setAttribute("aria-pressed", String(paused))
	}
	new ResizeObserver(() => build()).observe($("plot"))
	dark.addEventListener("change", build)
	frame()
}
