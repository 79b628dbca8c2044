// The connection to the gateway: one websocket, subscriptions that panels share, requests with answers.
import { $, notice } from "./dom.js"

export const graph = { connected: false, peers: [], topics: [], services: {}, params: [] }
export const hello = { drive: {}, stop: {}, read_only: false }
const listeners = { state: [], graph: [], driver: [], hello: [], recording: [] }
export const on = (what, act) => {
	listeners[what].push(act)
}
const emit = (what, value) => {
	for (const act of listeners[what])
		try {
			act(value)
		} catch (error) {
			console.error(what, error)
		}
}
export const flow = { messages: 0, frames: 0, bytes: 0, dropped: new Map() }

const CHECK_MS = 500
// How many checks in a row without a frame: then the page pings, shows it, closes the connection.
const PING_AFTER = 3
const SHOW_AFTER = 8
const CLOSE_AFTER = 30
const CLOSE_AFTER_WAKING = 5
let socket = null
let retrySec = 0.25
let nextId = 1
let paused = false
let retry = 0
let silentChecks = 0
let closeAfter = CLOSE_AFTER
const requests = new Map() // id -> {resolve, reject, timer}
const unreadable = new Set() // topics with messages that a panel could not read
const subscribed = new Map() // topic -> Set of {most, hz, take}
export const newest = new Map() // topic -> {message, stamp, at}

const state = () => (graph.connected ? "live" : "broker lost")
const isOpen = () => socket !== null && socket.readyState === WebSocket.OPEN
export function send(what) {
	if (isOpen()) socket.send(JSON.stringify(what))
	return isOpen()
}
export function ask(op, fields = {}, sec = 15) {
	return new Promise((resolve, reject) => {
		const id = nextId++
		const timer = setTimeout(() => {
			requests.delete(id)
			reject(new Error("the gateway does not answer"))
		}, sec * 1000)
		requests.set(id, { resolve, reject, timer })
		if (!send({ op, id, ...fields })) {
			requests.delete(id)
			clearTimeout(timer)
			reject(new Error("there is no connection to the gateway"))
		}
	})
}

// The page asks for as much of a topic as the panel that asks for the most.
function subscription(topic) {
	const wants = [...subscribed.get(topic)]
	const hz = wants.some(each => !each.hz) ? 0 : Math.max(...wants.map(each => each.hz))
	return { op: "sub", topic, most: Math.max(...wants.map(each => each.most)), hz }
}
export function subscribe(topic, take, { most = 1, hz = 0 } = {}) {
	const mine = { most, hz, take }
	const known = subscribed.get(topic)
	const before = known ? JSON.stringify(subscription(topic)) : ""
	if (known) known.add(mine)
	else subscribed.set(topic, new Set([mine]))
	const now = subscription(topic)
	if (!paused && JSON.stringify(now) !== before) send(now)
	else if (newest.has(topic)) {
		const last = newest.get(topic)
		queueMicrotask(() => take(last.message, last.stamp))
	}
	return () => {
		const all = subscribed.get(topic)
		if (!all || !all.delete(mine)) return
		if (all.size) return
		subscribed.delete(topic)
		newest.delete(topic)
		flow.dropped.delete(topic)
		send({ op: "unsub", topic })
	}
}
// Whether a name is that of a node, and not this gateway's.
export const isOther = node => node && node !== "/web"
export const typeOf = topic => graph.topics.find(each => each.name === topic)?.type ?? ""

function received(topic, stamp, dropped, message) {
	flow.messages++
	if (dropped) flow.dropped.set(topic, dropped)
	newest.set(topic, { message, stamp: stamp / 1e9, at: performance.now() })
	for (const each of subscribed.get(topic) ?? [])
		try {
			each.take(message, stamp / 1e9)
		} catch (error) {
			// its publisher's fault, and no other topic's
			if (!unreadable.has(topic))
				console.warn(`${topic} has a message that is not of its type:`, error)
			unreadable.add(topic)
		}
}
function receivedPicture(buffer) {
	const length = new DataView(buffer).getUint32(0, true)
	const [topic, stamp, dropped, message] = JSON.parse(
		new TextDecoder().decode(new Uint8Array(buffer, 4, length)),
	)
	Object.defineProperty(message, "data", {
		value: new Uint8Array(buffer, 4 + length),
		enumerable: false,
	})
	received(topic, stamp, dropped, message)
}
const ops = {
	data(frame) {
		flow.frames++
		for (const each of frame.m) received(...each)
		send({ op: "ack", n: frame.n })
	},
	hello(frame) {
		Object.assign(hello, frame)
		emit("hello", frame)
	},
	graph(frame) {
		Object.assign(graph, frame)
		emit("state", state())
		emit("graph", graph)
	},
	driver(frame) {
		emit("driver", frame)
	},
	recording(frame) {
		emit("recording", frame)
	},
	error(frame) {
		notice(frame.error)
	},
	pong() {},
	answer(frame) {
		const request = requests.get(frame.id)
		if (!request) return
		requests.delete(frame.id)
		clearTimeout(request.timer)
		if (frame.ok) request.resolve(frame.value)
		else request.reject(new Error(frame.error))
	},
}
function disconnected(why) {
	socket = null
	for (const { reject, timer } of requests.values()) {
		clearTimeout(timer)
		reject(new Error("the connection to the gateway was lost"))
	}
	requests.clear()
	graph.connected = false
	emit("state", why)
	emit("driver", { name: "", you: false })
	retry = setTimeout(connect, retrySec * 1000)
	retrySec = Math.min(retrySec * 2, 3)
}
// After sleep, or out of the Wi-Fi's reach, a socket seems open although it is dead: nothing comes any
// longer. While a large picture comes on a slow line, nothing else comes either; a page that has just
// woken waits for no picture, so it closes the connection sooner.
function checkSilence() {
	if (socket === null || paused) return
	silentChecks++
	if (silentChecks > closeAfter) {
		socket.close()
		disconnected("no gateway")
		return
	}
	if (silentChecks >= PING_AFTER) send({ op: "ping" })
	if (silentChecks === SHOW_AFTER) emit("state", "no answer")
}
setInterval(checkSilence, CHECK_MS)
export function connect() {
	clearTimeout(retry)
	socket?.close()
	// Relative: a proxy may serve the page below a path of its own.
	socket = new WebSocket(new URL("dashboard", location.href.replace(/^http/, "ws")))
	socket.binaryType = "arraybuffer"
	silentChecks = 0
	closeAfter = CLOSE_AFTER
	const mine = socket
	socket.onopen = () => {
		retrySec = 0.25
		if (!paused) for (const topic of subscribed.keys()) send(subscription(topic))
	}
	socket.onclose = event => {
		if (mine === socket) disconnected(event.reason || "no gateway")
	}
	socket.onmessage = event => {
		if (mine !== socket) return
		if (silentChecks >= SHOW_AFTER) emit("state", state())
		silentChecks = 0
		closeAfter = CLOSE_AFTER
		if (typeof event.data !== "string") {
			flow.bytes += event.data.byteLength
			receivedPicture(event.data)
			return
		}
		flow.bytes += event.data.length
		const frame = JSON.parse(event.data)
		ops[frame.op]?.(frame)
	}
}
// A hidden page subscribes to nothing, so it costs nothing.
document.addEventListener("visibilitychange", () => {
	paused = document.hidden
	for (const topic of subscribed.keys()) send(paused ? { op: "unsub", topic } : subscription(topic))
	silentChecks = 0
	if (!paused && !isOpen()) {
		retrySec = 0.25
		connect()
	} else if (send({ op: "ping" })) closeAfter = CLOSE_AFTER_WAKING
})
addEventListener("online", () => {
	if (!isOpen()) connect()
})

// The form of STOP works without this script too; the script shows the answer.
$("stop").addEventListener("submit", async event => {
	event.preventDefault()
	try {
		const answer = await fetch("stop", { method: "POST" })
		if (answer.status === 204) notice("STOP was sent")
		else notice((await answer.text()).trim() || `STOP failed: ${answer.status}`, 30)
	} catch {
		notice("STOP did not reach the gateway: stop the robot by its own switch", 60)
	}
})
