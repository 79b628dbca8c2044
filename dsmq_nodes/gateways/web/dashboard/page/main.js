// Puts the panels together. Each panel is a module with `start`; the URL says which are shown.
import { $, bytes, el } from "./dom.js"
import { ask, connect, flow, graph, hello, on, subscribe } from "./link.js"
import { layout } from "./layout.js"
import * as call from "./panels/call.js"
import * as camera from "./panels/camera.js"
import * as drive from "./panels/drive.js"
import * as graphPanel from "./panels/graph.js"
import * as health from "./panels/health.js"
import * as joints from "./panels/joints.js"
import * as log from "./panels/log.js"
import * as map from "./panels/map.js"
import * as params from "./panels/params.js"
import * as plot from "./panels/plot.js"
import * as record from "./panels/record.js"
import * as topics from "./panels/topics.js"

const PANELS = {
	graph: graphPanel,
	map,
	plot,
	topics,
	drive,
	joints,
	params,
	health,
	log,
	call,
	camera,
}
if (new URLSearchParams(location.search).has("token"))
	history.replaceState(null, "", location.pathname + location.hash) // it is in a cookie now

on("state", text => {
	const isLive = text === "live"
	$("state").textContent = text
	$("state").className = `pill ${isLive ? "on" : "off"}`
	document.title = isLive ? "dsmq dashboard" : `${text} · dsmq`
})
on("hello", () => {
	if (hello.read_only) {
		$("stop").hidden = true
		$("call").inert = true
		$("goal").hidden = true
	}
	const topic = hello.stop.topic?.startsWith("/") ? hello.stop.topic : `/${hello.stop.topic}`
	if (hello.stop.type === "std_msgs/msg/Bool")
		subscribe(topic, message => {
			pressed(message.data)
		})
})
function pressed(is) {
	document.querySelector("#stop button").textContent = is ? "STOPPED" : "STOP"
}

const hidden = new Set(layout.get("hidden", []))
for (const [name, panel] of Object.entries(PANELS)) {
	const section = $(`p-${name}`)
	const title = section.querySelector("h2").textContent
	section.hidden = hidden.has(name)
	$("panels").append(
		el(
			"label",
			{},
			el("input", {
				type: "checkbox",
				checked: !hidden.has(name),
				onchange: event => {
					section.hidden = !event.target.checked
					if (event.target.checked) hidden.delete(name)
					else hidden.add(name)
					layout.set("hidden", [...hidden])
				},
			}),
			title,
		),
	)
	try {
		panel.start()
	} catch (error) {
		console.error(name, error)
	}
}
record.start()
document.addEventListener("click", event => {
	if (!event.target.closest("#menu")) $("menu").open = false
})
setInterval(() => {
	const { messages, bytes: size } = flow
	flow.messages = flow.frames = flow.bytes = 0
	$("flow").textContent = graph.connected ? `${messages} msg/s, ${bytes(size)}` : ""
}, 1000)
window.dashboard = { ask, flow, graph, plotted: plot.plotted } // for tests and the curious
connect()
