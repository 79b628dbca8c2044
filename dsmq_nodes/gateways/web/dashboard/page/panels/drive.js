// Driving by hand. While the hand is on the stick, a key or the gamepad's shoulder button, the page
// sends its command 12 times a second; the gateway stops the robot when no command comes.
import { $, canvas, color, cut, dark, notice, options, visible } from "../dom.js"
import { ask, graph, hello, isOther, on, send } from "../link.js"
import { layout } from "../layout.js"

const PERIOD_MS = 80
const TWISTS = new Set(["geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"])
let isArmed = false
let other = ""
let stick = null
let wasHeld = false
const keys = new Set()
const share = () => Number($("drive-speed").value) / 100

// Returns [forward, left], each from -1 to 1; null: no hand is on anything.
function hand() {
	if (stick) return stick
	if (keys.size)
		return [
			(keys.has("w") ? 1 : 0) - (keys.has("s") ? 1 : 0),
			(keys.has("a") ? 1 : 0) - (keys.has("d") ? 1 : 0),
		]
	for (const pad of navigator.getGamepads?.() ?? [])
		if (pad?.buttons[4]?.pressed) {
			const dead = value => (Math.abs(value) < 0.08 ? 0 : -value)
			return [dead(pad.axes[1]), dead(pad.axes[2] || pad.axes[0])]
		}
	return null
}
function tick() {
	const held = isArmed && !document.hidden ? hand() : null
	if (held)
		send({ op: "drive", v: held[0] * share(), w: held[1] * share(), at: performance.now() / 1000 })
	else if (wasHeld) send({ op: "drive", stop: true })
	if (held || wasHeld) draw(held)
	wasHeld = held !== null
}
function letGo() {
	stick = null
	keys.clear()
	tick()
}
function disarm() {
	letGo()
	if (isArmed) send({ op: "drive", disarm: true })
}
export async function askToDrive(topic) {
	try {
		await ask("arm", { topic })
	} catch (error) {
		if (other && confirm(`${error.message}\n\nTake over now?`)) {
			try {
				await ask("arm", { topic, take_over: true })
				return
			} catch (again) {
				notice(again.message)
				return
			}
		}
		notice(error.message)
	}
}
function driver({ name, you, type }) {
	isArmed = you && TWISTS.has(type)
	other = you ? "" : name
	showArmed($("arm"), isArmed, other)
	$("driver").textContent = you ? "you drive" : name ? `${name} drives` : ""
	if (!isArmed) letGo()
	draw(null)
}
function topics() {
	const preferred = hello.drive.topic
		? hello.drive.topic.startsWith("/")
			? hello.drive.topic
			: `/${hello.drive.topic}`
		: ""
	const names = graph.topics
		.filter(each => TWISTS.has(each.type) && each.sub.some(isOther))
		.map(each => each.name)
	if (preferred) {
		const index = names.indexOf(preferred)
		if (index >= 0) names.splice(index, 1)
		names.unshift(preferred)
	}
	const wanted = layout.get("drive", "")
	const first = !$("drive-topic").options.length
	options($("drive-topic"), names)
	if (first && names.includes(wanted)) $("drive-topic").value = wanted
	note()
}
function note() {
	const topic = graph.topics.find(each => each.name === $("drive-topic").value)
	const rivals = topic?.pub.filter(isOther) ?? []
	$("drive-note").textContent = hello.read_only
		? "This gateway is read-only."
		: !topic?.sub.length
			? "No node subscribes to this topic."
			: rivals.length
				? `${visible(cut(rivals.join(", "), 200))} commands it too: stop it below in Nodes, or the two fight.`
				: ""
	$("arm").disabled = hello.read_only
	$("drive-share").textContent = hello.drive.linear
		? `${(hello.drive.linear * share()).toFixed(2)} m/s, ${(hello.drive.angular * share()).toFixed(1)} rad/s`
		: ""
}
function draw(held) {
	const pad = $("pad")
	const [context, width, height] = canvas(pad)
	const radius = Math.min(width, height) / 2 - 4
	const knob = radius * 0.27
	const reach = radius - knob
	if (radius < 5) return
	context.translate(width / 2, height / 2)
	context.strokeStyle = isArmed ? color("--accent") : color("--quiet")
	context.fillStyle = color("--field")
	context.lineWidth = 2
	context.beginPath()
	context.arc(0, 0, radius, 0, 7)
	context.fill()
	context.stroke()
	context.lineWidth = 1
	context.strokeStyle = color("--line")
	context.beginPath()
	context.moveTo(0, -reach)
	context.lineTo(0, reach)
	context.moveTo(-reach, 0)
	context.lineTo(reach, 0)
	context.stroke()
	context.fillStyle = held ? color("--accent") : color("--quiet")
	context.globalAlpha = isArmed ? 1 : 0.55
	context.beginPath()
	context.arc(-(held?.[1] ?? 0) * reach, -(held?.[0] ?? 0) * reach, knob, 0, 7)
	context.fill()
	pad.classList.toggle("live", held !== null)
}
function pull(event) {
	const box = $("pad").getBoundingClientRect()
	const reach = (box.width / 2) * 0.7
	const left = -(event.clientX - box.left - box.width / 2) / reach
	const forward = -(event.clientY - box.top - box.height / 2) / reach
	const far = Math.max(1, Math.hypot(left, forward))
	stick = [forward / far, left / far]
}
export function showArmed(button, isArmed, other) {
	button.setAttribute("aria-pressed", String(isArmed))
	button.textContent = isArmed ? "Armed: let go" : other ? "Take over…" : "Arm"
}
// Disarms wherever the page may lose the hand, and at STOP.
export function disarmWhenLeft(disarm) {
	$("stop").addEventListener("submit", disarm)
	addEventListener("pagehide", disarm)
	document.addEventListener("visibilitychange", () => {
		if (document.hidden) disarm()
	})
	addEventListener("keydown", event => {
		if (event.key === "Escape") disarm()
	})
}
export function start() {
	const pad = $("pad")
	on("driver", driver)
	on("graph", topics)
	on("hello", topics)
	$("arm").onclick = () => (isArmed ? disarm() : askToDrive($("drive-topic").value))
	$("drive-topic").onchange = () => {
		disarm()
		layout.set("drive", $("drive-topic").value)
		note()
	}
	$("drive-speed").oninput = note
	disarmWhenLeft(disarm)
	pad.addEventListener("pointerdown", event => {
		if (!isArmed) {
			notice("Arm first: then the stick moves the robot")
			return
		}
		pad.setPointerCapture(event.pointerId)
		pull(event)
		tick()
	})
	pad.addEventListener("pointermove", event => {
		if (stick) pull(event)
	})
	for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
		pad.addEventListener(end, () => {
			if (stick) {
				stick = null
				tick()
			}
		})
	// A thumb that rests on the stick opens no menu.
	pad.addEventListener("contextmenu", event => {
		event.preventDefault()
		event.stopPropagation()
	})
	// While a menu is open, and on a Mac while Meta is down, browsers send no `keyup`.
	for (const end of ["blur", "contextmenu"]) addEventListener(end, letGo)
	addEventListener("keydown", event => {
		const key = event.key.toLowerCase()
		if (
			isArmed &&
			"wasd".includes(key) &&
			key &&
			!event.ctrlKey &&
			!event.metaKey &&
			!event.altKey &&
			!event.target.closest("input,select,textarea")
		) {
			event.preventDefault()
			keys.add(key)
			if (!wasHeld) tick()
		}
		if (event.key === "Meta") letGo()
	})
	addEventListener("keyup", event => {
		if (keys.delete(event.key.toLowerCase()) && !keys.size) tick()
	})
	new ResizeObserver(() => draw(null)).observe(pad)
	dark.addEventListener("change", () => draw(null))
	setInterval(tick, PERIOD_MS)
}
