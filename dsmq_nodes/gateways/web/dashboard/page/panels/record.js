// Records all topics into a bag beside the gateway, and fetches the file; while any recorder runs,
// marks where an episode of a dataset begins and ends.
import { $, el, notice } from "../dom.js"
import { ask, graph, hello, on, subscribe } from "../link.js"

const MARK = "/mark_episode"
let name = ""
let isEpisode = false
async function toggle() {
	const button = $("record")
	const isStart = !name
	button.disabled = true
	try {
		const file = await ask("record", { start: isStart }, 30)
		if (isStart) notice(`recording ${file}`)
		else {
			const link = el("a", { href: `recordings/${file}`, download: file }, file)
			notice("", 0)
			$("notice").append("recorded ", link)
		}
	} catch (error) {
		notice(error.message, 12)
	} finally {
		button.disabled = false
	}
}
async function mark(what) {
	try {
		const answer = await ask("call", {
			service: MARK,
			args: { mark: what, task: what === "discard" ? "" : $("task").value },
		})
		notice(answer.message)
		if (answer.success) show(what === "start")
	} catch (error) {
		notice(error.message, 12)
	}
}
function show(is) {
	isEpisode = is
	$("episode").setAttribute("aria-pressed", String(is))
	$("episode").textContent = is ? "End episode" : "Episode"
}
export function start() {
	$("record").onclick = toggle
	$("episode").onclick = () => mark(isEpisode ? "stop" : "start")
	$("discard").onclick = () => mark("discard")
	on("hello", () => {
		$("record").hidden = hello.read_only
	})
	on("graph", () => {
		$("episodes").hidden = hello.read_only || !(MARK in graph.services)
		if ($("episodes").hidden) show(false)
	})
	on("recording", frame => {
		name = frame.name
		$("record").textContent = name ? "Recording" : "Record"
		$("record").setAttribute("aria-pressed", String(Boolean(name)))
		if (name) $("record").title = name
	})
	subscribe("/episode", message => show(message.mark === "start"), { most: 10 })
}
