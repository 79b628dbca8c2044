// The nodes: rate beside the declared rate, latency, losses, CPU, exceptions; commands of the launch;
// the findings of doctor.
import { $, el, notice, rate, seconds, visible } from "../dom.js"
import { ask, graph, hello, on, subscribe } from "../link.js"

const nodes = new Map() // name -> {now, before}
const launches = new Map() // node of a launch -> {processes, release}
let processes = []
let dirty = true
const OWN = /^\/dsmq\//

function take(message, stamp) {
	const known = nodes.get(message.name)
	const p99 = Math.max(0, ...message.subscriptions.map(one => one.latency_p99_sec))
	nodes.set(message.name, {
		statistics: message,
		p99,
		lost: lost(message),
		busy: busy(message),
		before: known,
		passedSec: known ? stamp - known.stamp : 0,
		stamp,
	})
	if (known) known.before = undefined
	dirty = true
}
const lost = statistics =>
	statistics.subscriptions.reduce((sum, each) => sum + each.dropped + each.invalid, 0) +
	statistics.publishers.reduce((sum, each) => sum + each.dropped, 0)
const busy = statistics => statistics.callbacks.reduce((sum, each) => sum + each.busy_sec, 0)
function perSec(each, what) {
	return each?.before && each.passedSec > 0
		? Math.max(each[what] - each.before[what], 0) / each.passedSec
		: 0
}
function row(name) {
	const each = nodes.get(name)
	const process = processes.find(one => one.nodes.includes(name) || one.name === name.slice(1))
	const peer = graph.peers.find(one => one.name === name)
	const state = process?.state ?? peer?.state ?? "gone"
	const statistics = each?.statistics
	const timer = statistics?.timers.find(
		one => statistics.rate_hz && Math.abs(one.rate_hz - statistics.rate_hz) < 1e-6,
	)
	const low = timer && each.before && timer.achieved_hz < statistics.rate_hz * 0.95
	const drops = perSec(each, "lost")
	const cpu = perSec(each, "busy") * 100
	const cell = (text, className = "r") => el("td", { className }, text)
	const button = (text, action, sure) =>
		el(
			"button",
			{
				title: `${text} ${name}`,
				"aria-label": `${text} ${name}`,
				onclick: () => command(action, process.name, sure),
			},
			text,
		)
	const runs = !["stopped", "failed", "finished"].includes(state)
	const buttons = process
		? runs
			? [button("restart", "restart", true), button("stop", "stop", true)]
			: [button("start", "start", false)]
		: []
	return el(
		"tr",
		{ "data-node": name },
		el("td", { title: visible(name) }, peer || statistics ? name : name.slice(1)),
		cell(state, state === "ready" || state === "active" ? "" : "low"),
		cell(
			timer ? `${rate(timer.achieved_hz)} / ${rate(statistics.rate_hz)}` : "",
			low ? "r low" : "r",
		),
		cell(each?.p99 ? seconds(each.p99) : ""),
		cell(drops ? rate(drops) : "", drops > 1 ? "r low" : "r"),
		cell(each?.before ? `${cpu.toFixed(0)} %` : ""),
		el(
			"td",
			{
				className: statistics?.exceptions ? "r low" : "r",
				title: statistics?.last_exception ?? "",
			},
			statistics?.exceptions ? String(statistics.exceptions) : "",
		),
		el(
			"td",
			{ className: "r" },
			...(hello.read_only ? [] : buttons),
			process ? button("log", "lines", false) : null,
		),
	)
}
function follow() {
	// the broker's own launch, and those that use it from elsewhere
	const found = new Set(
		graph.peers.map(each => each.name).filter(each => /^\/dsmq\/launch(_\d+)?$/.test(each)),
	)
	for (const [name, each] of launches)
		if (!found.has(name)) {
			each.release()
			launches.delete(name)
		}
	for (const name of found)
		if (!launches.has(name)) {
			const launch = { processes: [] }
			launches.set(name, launch)
			launch.release = subscribe(`${name}/state`, message => {
				launch.processes = message.processes
				gather()
			})
		}
	gather()
}
function gather() {
	processes = [...launches.values()].flatMap(each => each.processes)
	dirty = true
}
function show() {
	if (!dirty || document.querySelector("#nodes button:active")) return
	dirty = false
	const names = new Set([
		...graph.peers.map(each => each.name),
		...processes.flatMap(each => (each.nodes.length ? each.nodes : [`/${each.name}`])),
	])
	const focused = document.activeElement?.closest("#nodes")
		? document.activeElement.getAttribute("aria-label")
		: null
	$("nodes").tBodies[0].replaceChildren(
		...[...names]
			.filter(each => !OWN.test(each))
			.sort()
			.map(row),
	)
	if (focused)
		[...$("nodes").querySelectorAll("button")]
			.find(each => each.getAttribute("aria-label") === focused)
			?.focus({ preventScroll: true })
}
async function command(action, name, sure) {
	if (sure && !confirm(`${action} ${name}?`)) return
	try {
		const answer = await ask("launch", { action, name }, 60)
		if (action !== "lines") {
			notice(answer.text || `${action}: done`)
			return
		}
		const box = $("lines")
		box.hidden = false
		box.replaceChildren(
			`${name}, its last lines:\n${answer.lines.join("\n") || "it has said nothing"}`,
		)
		box.scrollIntoView({ block: "nearest" })
	} catch (error) {
		notice(error.message, 12)
	}
}
async function examine() {
	const button = $("doctor")
	button.disabled = true
	button.textContent = "Looking…"
	try {
		const { findings, checks } = await ask("doctor")
		$("findings").replaceChildren(
			...(findings.length
				? findings.map(each =>
						el(
							"li",
							{ className: each.level },
							el("b", {}, `${each.level}: `),
							each.text,
							el("br"),
							el("span", { className: "quiet" }, each.advice),
						),
					)
				: [
						el(
							"li",
							{ className: "fine" },
							`All ${checks.length} checks passed: ${checks.join(", ")}.`,
						),
					]),
		)
	} catch (error) {
		notice(error.message)
	} finally {
		button.disabled = false
		button.textContent = "Find faults"
	}
}
export function start() {
	on("graph", follow)
	follow()
	$("doctor").onclick = examine
	const releases = [subscribe("/dsmq/nodes", take, { most: 200 })]
	const timer = setInterval(show, 500)
	return () => {
		;[...releases, ...[...launches.values()].map(each => each.release)].forEach(each => each())
		launches.clear()
		clearInterval(timer)
	}
}
