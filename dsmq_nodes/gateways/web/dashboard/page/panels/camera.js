// Pictures: the browser decodes JPEG and PNG, raw pixels are drawn here. They come as bytes, not as
// base64.
import { $, options, rate } from "../dom.js"
import { graph, on, subscribe } from "../link.js"
import { isHidden } from "../layout.js"

const TYPES = new Set(["sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"])
let release = null
let isBusy = false
let times = []
const CHANNELS = {
	rgb8: [0, 1, 2, 3],
	bgr8: [2, 1, 0, 3],
	rgba8: [0, 1, 2, 4],
	bgra8: [2, 1, 0, 4],
	mono8: [0, 0, 0, 1],
	"8UC1": [0, 0, 0, 1],
	"8UC3": [2, 1, 0, 3],
}
const DEEP = { mono16: [2, "getUint16"], "16UC1": [2, "getUint16"], "32FC1": [4, "getFloat32"] }
function raw(message) {
	const { width, height, encoding, step, data } = message
	const image = new ImageData(width, height)
	if (DEEP[encoding]) return createImageBitmap(deep(message, image))
	if (!CHANNELS[encoding]) throw new Error(`no way to show ${encoding}`)
	const [red, green, blue, size] = CHANNELS[encoding]
	for (let y = 0, to = 0; y < height; y++)
		for (let x = 0, from = y * (step || width * size); x < width; x++, from += size, to += 4) {
			image.data[to] = data[from + red]
			image.data[to + 1] = data[from + green]
			image.data[to + 2] = data[from + blue]
			image.data[to + 3] = 255
		}
	return createImageBitmap(image)
}
// Draws a picture of depths: the largest value is white, one that is no number is black.
function deep({ width, height, encoding, step, data, is_bigendian: isBig }, image) {
	const [size, get] = DEEP[encoding]
	const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
	const all = new Float32Array(width * height)
	let most = 0
	for (let y = 0, k = 0; y < height; y++)
		for (let x = 0; x < width; x++, k++) {
			const value = view[get](y * (step || width * size) + x * size, !isBig)
			if (Number.isFinite(value)) {
				all[k] = value
				most = Math.max(most, value)
			}
		}
	all.forEach((value, k) => {
		image.data.fill((value / (most || 1)) * 255, 4 * k, 4 * k + 3)
		image.data[4 * k + 3] = 255
	})
	return image
}
async function take(message) {
	if (isBusy || !(message.data instanceof Uint8Array)) return // the newest is drawn, others are skipped
	isBusy = true
	try {
		const picture = await (message.format !== undefined
			? createImageBitmap(new Blob([message.data]))
			: raw(message))
		const canvas = $("camera")
		canvas.width = picture.width
		canvas.height = picture.height
		canvas.getContext("2d").drawImage(picture, 0, 0)
		const now = performance.now()
		times = [...times.filter(each => each > now - 2000), now]
		$("camera-note").textContent =
			`${picture.width} × ${picture.height}, ${message.encoding ?? message.format}, ${rate(times.length / 2)} Hz`
		picture.close()
	} catch (error) {
		$("camera-note").textContent = `cannot show it: ${error.message}`
	} finally {
		isBusy = false
	}
}
export function start() {
	on("graph", () => {
		const names = graph.topics.filter(each => TYPES.has(each.type)).map(each => each.name)
		$("p-camera").hidden = !names.length || isHidden("camera")
		options($("camera-topic"), names)
	})
	$("camera-topic").onchange = () => {
		release?.()
		release = null
		const topic = $("camera-topic").value
		if (topic) release = subscribe(topic, take, { most: 1, hz: 15 })
	}
}
