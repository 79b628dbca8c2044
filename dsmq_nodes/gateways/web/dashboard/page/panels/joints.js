// An arm by its joints: each has a slider, with the limits that its driver publishes on /diagnostics.
// A joint moves while its slider is held. The page commands a position a quarter of a second ahead of
// where the joint is, so that an arm stops soon when its page is closed.
import { $, el, notice, num, options } from "../dom.js"
import { ask, graph, hello, isOther, on, send, subscribe } from "../link.js"
import { isHidden } from "../layout.js"
import { askToDrive, disarmWhenLeft, showArmed } from "./drive.js"

const TYPE = "sensor_msgs/msg/JointState"
const PERIOD_MS = 80
const AHEAD_SEC = 0.25
const KEY_MS = 300
const WITHOUT_LIMITS = Math.PI
const statuses = new Map() // "node: joint" -> its status on /diagnostics
let arms = new Map()
let rows = new Map()
let isArmed = false
let wasHeld = false
let release = null
const arm = () => arms.get($("joint-topic").value)
const speed = () => Number($("joint-speed").value)
const status = joint => statuses.get(`${arm()?.node.split("/").at(-1)}: ${joint}`)
const value = (joint, key) =>
	Number(status(joint)?.values.find(each => each.key === key)?.value ?? NaN)

// A node that subscribes commands of joints and publishes their states is an arm.
function findArms() {
	arms = new Map()
	const all = graph.topics.filter(each => each.type === TYPE)
	for (const topic of all)
		for (const node of topic.sub) {
			const states = all.find(each => each !== topic && each.pub.includes(node))
			if (isOther(node) && states) arms.set(topic.name, { node, states: states.name })
		}
	const isMoving = topic =>
		topic.type.startsWith("geometry_msgs/msg/Twist") && topic.sub.some(isOther)
	const isPlaced = topic => topic.type.startsWith("nav_msgs/") || topic.type.endsWith("/LaserScan")
	const unwanted = {
		joints: !arms.size,
		drive: arms.size && !graph.topics.some(isMoving),
		map: arms.size && !graph.topics.some(isPlaced),
	}
	for (const name in unwanted) $(`p-${name}`).hidden = Boolean(unwanted[name]) || isHidden(name)
	options($("joint-topic"), [...arms.keys()])
	const service = arm() && `${arm().node}/torque`
	for (const id of ["joint-limp", "joint-hold"])
		$(id).hidden = graph.services[service] !== "std_srvs/srv/SetBool"
}
function choose() {
	release?.()
	release = null
	rows = new Map()
	$("joints").replaceChildren()
	const chosen = arm()
	if (chosen) release = subscribe(chosen.states, showStates, { most: 1, hz: 12 })
}
function makeRow(joint, next) {
	const id = `joint-${joint}`
	const output = el("output", { htmlFor: id })
	const why = el("p", { className: "why", hidden: true })
	const each = { joint, at: 0, isHeld: false, movedMs: -Infinity, output, why }
	each.slider = el("input", {
		id,
		type: "range",
		step: 0.01,
		disabled: true,
		onpointerdown: ({ button }) => {
			each.isHeld = button === 0
		},
		onpointerup: () => letGo(each),
		onpointercancel: () => letGo(each),
		onblur: () => letGo(each),
		oninput: () => {
			each.movedMs = performance.now()
			tick()
		},
	})
	each.row = el(
		"div",
		{ className: "row" },
		el("label", { htmlFor: id }, joint),
		each.slider,
		output,
		why,
	)
	$("joints").insertBefore(each.row, next?.row ?? null)
	return each
}
const isHeld = each => each.isHeld || performance.now() - each.movedMs < KEY_MS
function letGo(each) {
	each.isHeld = false
	each.movedMs = -Infinity
	tick()
}
function showStates(message) {
	message.name.forEach((joint, index) => {
		if (!rows.has(joint)) {
			const next = message.name.slice(index + 1).find(other => rows.has(other))
			rows.set(joint, makeRow(joint, rows.get(next)))
		}
		const each = rows.get(joint)
		const low = value(joint, "lower")
		const high = value(joint, "upper")
		const fault = status(joint)
		each.at = num(message.position[index]) ?? NaN
		each.slider.min = low < high ? low : -WITHOUT_LIMITS
		each.slider.max = low < high ? high : WITHOUT_LIMITS
		each.slider.disabled = !isArmed
		if (!isHeld(each)) each.slider.value = each.at
		each.output.textContent = Number.isFinite(each.at) ? `${each.at.toFixed(2)} rad` : "–"
		each.why.hidden = !fault?.level
		each.why.textContent = fault?.message ?? ""
	})
}
function tick() {
	const held =
		isArmed && !document.hidden
			? [...rows.values()].filter(each => isHeld(each) && Number.isFinite(each.at))
			: []
	const most = speed() * AHEAD_SEC
	const ahead = each =>
		each.at + Math.min(Math.max(Number(each.slider.value) - each.at, -most), most)
	if (held.length)
		send({
			op: "drive",
			joints: Object.fromEntries(held.map(each => [each.joint, ahead(each)])),
			at: performance.now() / 1000,
		})
	else if (wasHeld) send({ op: "drive", stop: true })
	wasHeld = held.length > 0
}
function disarm() {
	for (const each of rows.values()) {
		each.isHeld = false
		each.movedMs = -Infinity
	}
	tick()
	if (isArmed) send({ op: "drive", disarm: true })
}
async function torque(isOn) {
	if (!isOn && !confirm(`Let ${arm().node} go limp? It falls where nothing holds it.`)) return
	disarm()
	try {
		const answer = await ask("call", { service: `${arm().node}/torque`, args: { data: isOn } })
		notice(answer.message || "done")
	} catch (error) {
		notice(error.message, 12)
	}
}
export function start() {
	on("graph", findArms)
	on("hello", () => {
		for (const id of ["joint-arm", "joint-limp", "joint-hold"]) $(id).disabled = hello.read_only
	})
	on("driver", ({ name, you, type }) => {
		isArmed = you && type === TYPE
		showArmed($("joint-arm"), isArmed, name && !you)
		for (const each of rows.values()) each.slider.disabled = !isArmed
	})
	$("joint-topic").onchange = () => {
		disarm()
		choose()
	}
	$("joint-arm").onclick = () => (isArmed ? disarm() : askToDrive($("joint-topic").value))
	$("joint-limp").onclick = () => torque(false)
	$("joint-hold").onclick = () => torque(true)
	disarmWhenLeft(disarm)
	addEventListener("blur", disarm)
	subscribe(
		"/diagnostics",
		message => {
			for (const each of message.status) statuses.set(each.name, each)
		},
		{ most: 50 },
	)
	setInterval(tick, PERIOD_MS)
}
