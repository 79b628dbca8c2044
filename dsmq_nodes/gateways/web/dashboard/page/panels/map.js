// The world from above: grid, scan, path, trail, frames. A drag on the map sends a goal.
import { $, canvas, color, dark, notice, num } from "../dom.js"
import { ask, graph, on, subscribe, typeOf } from "../link.js"

const GOAL = "/goal_pose"
const tf = new Map()
const layers = new Map()
const trails = new Map() // frame -> parent and pose; topic -> drawer
const view = { x: 0, y: 0, scale: 0, follows: true }
let dirty = true
let goalStart = null
let goalEnd = null
let dragging = null
let isSetting = false
const yaw = q => Math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
const pointers = new Map()

// Returns the pose of a frame in the root of its tree.
function poseOf(frame) {
	let x = 0
	let y = 0
	let a = 0
	for (let steps = 0; tf.has(frame) && steps < 30; steps++) {
		const each = tf.get(frame)
		const c = Math.cos(each.a)
		const s = Math.sin(each.a)
		;[x, y] = [each.x + c * x - s * y, each.y + s * x + c * y]
		a += each.a
		frame = each.parent
	}
	return { x, y, a, root: frame }
}
function inFrame(context, frame, draw) {
	const pose = poseOf(frame)
	context.save()
	context.translate(pose.x, pose.y)
	context.rotate(pose.a)
	try {
		draw()
	} finally {
		context.restore()
	}
}

const TYPES = {
	"tf2_msgs/msg/TFMessage": {
		most: 100,
		take: (_topic, message) => {
			for (const each of message.transforms)
				tf.set(each.child_frame_id, {
					parent: each.header.frame_id,
					x: each.transform.translation.x,
					y: each.transform.translation.y,
					a: yaw(each.transform.rotation),
				})
		},
	},
	"nav_msgs/msg/OccupancyGrid": { order: 0, take: gridLayer },
	"nav_msgs/msg/Path": {
		order: 1,
		take: (topic, message) =>
			layers.set(topic, {
				order: 1,
				draw: (context, px) =>
					inFrame(context, message.header.frame_id, () =>
						line(
							context,
							message.poses.map(each => [each.pose.position.x, each.pose.position.y]),
							color("--warn"),
							2 * px,
						),
					),
			}),
	},
	"nav_msgs/msg/Odometry": { take: odometryLayer },
	"sensor_msgs/msg/LaserScan": { take: scanLayer },
	"geometry_msgs/msg/PoseStamped": {
		take: (topic, message) =>
			layers.set(topic, {
				order: 4,
				draw: (context, px) =>
					inFrame(context, message.header.frame_id, () =>
						arrow(
							context,
							message.pose.position.x,
							message.pose.position.y,
							yaw(message.pose.orientation),
							14 * px,
							color("--bad"),
						),
					),
			}),
	},
}
function gridLayer(topic, message) {
	const { width, height, resolution, origin } = message.info
	if (!width || !height || width * height > 16e6) return
	const image = new ImageData(width, height)
	const pixels = new Uint32Array(image.data.buffer)
	const isDark = dark.matches
	for (let index = 0; index < pixels.length; index++) {
		const value = message.data[index]
		if (value < 0) continue // unknown: the panel shows through
		const free = isDark ? 62 - value * 0.1 : 255
		const taken = isDark ? 225 : 24
		const shade = Math.round(free + ((taken - free) * value) / 100)
		pixels[index] = (255 << 24) | (shade << 16) | (shade << 8) | shade
	}
	const picture = new OffscreenCanvas(width, height)
	picture.getContext("2d").putImageData(image, 0, 0)
	const x = origin.position.x
	const y = origin.position.y
	const w = width * resolution
	const h = height * resolution
	layers.set(topic, {
		order: 0,
		box: [x, y, x + w, y + h],
		draw: context =>
			inFrame(context, message.header.frame_id, () => {
				context.imageSmoothingEnabled = false
				context.drawImage(picture, x, y, w, h)
			}),
	})
}
function odometryLayer(topic, message) {
	const { x, y } = message.pose.pose.position
	if (!trails.has(topic)) trails.set(topic, [])
	const trail = trails.get(topic)
	const last = trail.at(-1)
	if (!last || Math.hypot(last[0] - x, last[1] - y) > 0.03) trail.push([x, y])
	if (trail.length > 5000) trail.splice(0, 1000)
	const isTruth = /truth/.test(topic)
	layers.set(topic, {
		order: 2,
		pose: isTruth ? null : { x, y, a: yaw(message.pose.pose.orientation) },
		draw: (context, px) =>
			inFrame(context, message.header.frame_id, () =>
				line(context, trail, isTruth ? color("--quiet") : color("--accent"), 1.6 * px),
			),
	})
}
function scanLayer(topic, message) {
	layers.set(topic, {
		order: 3,
		draw: (context, px) =>
			inFrame(context, message.header.frame_id, () => {
				context.fillStyle = color("--bad")
				message.ranges.forEach((each, index) => {
					const range = num(each)
					if (range >= message.range_min && range <= message.range_max) {
						const angle = message.angle_min + index * message.angle_increment
						context.fillRect(
							range * Math.cos(angle) - px,
							range * Math.sin(angle) - px,
							2 * px,
							2 * px,
						)
					}
				})
			}),
	})
}
function line(context, points, stroke, width) {
	context.strokeStyle = stroke
	context.lineWidth = width
	context.lineJoin = "round"
	context.beginPath()
	points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)))
	context.stroke()
}
function arrow(context, x, y, a, size, fill) {
	context.save()
	context.translate(x, y)
	context.rotate(a)
	context.fillStyle = fill
	context.beginPath()
	context.moveTo(size, 0)
	context.lineTo(-size * 0.65, size * 0.62)
	context.lineTo(-size * 0.35, 0)
	context.lineTo(-size * 0.65, -size * 0.62)
	context.closePath()
	context.fill()
	context.restore()
}
// Returns the poses of all robots: a base station shows a fleet.
function robots() {
	if (tf.has("base_link")) return [poseOf("base_link")]
	return [...layers.values()].map(each => each.pose).filter(Boolean)
}
function fit(width, height) {
	const boxes = [...layers.values()].map(each => each.box).filter(Boolean)
	const here = robots()[0] ?? { x: 0, y: 0 }
	const box = boxes.length
		? [0, 1, 2, 3].map(k => (k < 2 ? Math.min : Math.max)(...boxes.map(each => each[k])))
		: [here.x - 4, here.y - 4, here.x + 4, here.y + 4]
	view.scale = Math.min(width / (box[2] - box[0]), height / (box[3] - box[1])) * 0.96
	view.x = (box[0] + box[2]) / 2
	view.y = (box[1] + box[3]) / 2
}
function draw() {
	const [context, width, height] = canvas($("map"))
	if (!width) return
	if (view.follows || !view.scale) fit(width, height)
	context.fillStyle = color("--unknown")
	context.fillRect(0, 0, width, height)
	context.translate(width / 2, height / 2)
	context.scale(view.scale, -view.scale)
	context.translate(-view.x, -view.y)
	const px = 1 / view.scale
	for (const each of [...layers.values()].sort((a, b) => a.order - b.order))
		try {
			each.draw(context, px)
		} catch {
			each.draw = () => {}
		} // not of its type
	const [here, ...others] = robots()
	for (const each of others) arrow(context, each.x, each.y, each.a, 11 * px, color("--good"))
	if (here) {
		arrow(context, here.x, here.y, here.a, 11 * px, color("--good"))
		$("pose").textContent =
			`${here.x.toFixed(2)} m, ${here.y.toFixed(2)} m, ${((((((here.a * 180) / Math.PI) % 360) + 540) % 360) - 180).toFixed(0)}°`
	}
	if (goalStart && goalEnd)
		arrow(
			context,
			goalStart.x,
			goalStart.y,
			Math.atan2(goalEnd.y - goalStart.y, goalEnd.x - goalStart.x),
			15 * px,
			color("--bad"),
		)
	const metre = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find(each => each * view.scale > 42) ?? 100
	context.setTransform(devicePixelRatio || 1, 0, 0, devicePixelRatio || 1, 0, 0)
	context.strokeStyle = context.fillStyle = color("--ink")
	context.lineWidth = 2
	context.beginPath()
	context.moveTo(12, height - 12)
	context.lineTo(12 + metre * view.scale, height - 12)
	context.stroke()
	context.font = "11px system-ui,sans-serif"
	context.fillText(`${metre} m`, 12, height - 18)
}
function frame() {
	setTimeout(() => requestAnimationFrame(frame), 50)
	if (dirty && !document.hidden) {
		dirty = false
		draw()
	}
}

const subscriptions = new Map()
function follow() {
	for (const topic of graph.topics) {
		const type = TYPES[topic.type]
		if (!type || subscriptions.has(topic.name) || !topic.pub.length || topic.name === GOAL) continue
		subscriptions.set(
			topic.name,
			subscribe(
				topic.name,
				message => {
					type.take(topic.name, message)
					dirty = true
				},
				{ most: type.most ?? 1, hz: 10 },
			),
		)
	}
	for (const [name, release] of subscriptions)
		if (graph.connected && !TYPES[typeOf(name)]) {
			release()
			subscriptions.delete(name)
			layers.delete(name)
			dirty = true
		}
}
function stop() {
	for (const release of subscriptions.values()) release()
	subscriptions.clear()
}
function world(event) {
	const box = $("map").getBoundingClientRect()
	return {
		x: (event.clientX - box.left - box.width / 2) / view.scale + view.x,
		y: -(event.clientY - box.top - box.height / 2) / view.scale + view.y,
	}
}
function setGoalMode(is) {
	isSetting = is
	if (is) notice("Press on the map where to go, and drag to where to look", 15)
	$("goal").setAttribute("aria-pressed", String(is))
	$("map").style.cursor = is ? "crosshair" : ""
	goalStart = goalEnd = null
	dirty = true
}
async function sendGoal() {
	const here = tf.size ? poseOf([...tf.keys()][0]).root : "map"
	const a =
		Math.hypot(goalEnd.x - goalStart.x, goalEnd.y - goalStart.y) > 0.05
			? Math.atan2(goalEnd.y - goalStart.y, goalEnd.x - goalStart.x)
			: 0
	const msg = {
		header: {
			frame_id: here,
			stamp: { sec: Math.floor(Date.now() / 1e3), nanosec: (Date.now() % 1e3) * 1e6 },
		},
		pose: {
			position: { x: goalStart.x, y: goalStart.y, z: 0 },
			orientation: { x: 0, y: 0, z: Math.sin(a / 2), w: Math.cos(a / 2) },
		},
	}
	try {
		await ask("pub", { topic: GOAL, type: "geometry_msgs/msg/PoseStamped", msg })
		notice(
			graph.topics.some(each => each.name === GOAL && each.sub.length)
				? "the goal was sent"
				: `the goal was published, but no node subscribes to ${GOAL}`,
		)
	} catch (error) {
		notice(error.message)
	}
	setGoalMode(false)
}
export function start() {
	const map = $("map")
	on("graph", follow)
	$("map-fit").onclick = () => {
		view.follows = true
		dirty = true
	}
	$("goal").onclick = () => setGoalMode(!isSetting)
	map.addEventListener("pointerdown", event => {
		map.setPointerCapture(event.pointerId)
		pointers.set(event.pointerId, event)
		if (isSetting) {
			goalStart = goalEnd = world(event)
		} else dragging = { x: event.clientX, y: event.clientY }
		dirty = true
	})
	map.addEventListener("pointermove", event => {
		if (!pointers.has(event.pointerId)) return
		if (isSetting && goalStart) goalEnd = world(event)
		else if (pointers.size === 2) {
			const [a, b] = [...pointers.values()]
			const other = a.pointerId === event.pointerId ? b : a
			const was = pointers.get(event.pointerId)
			zoom(
				Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY) /
					Math.max(Math.hypot(was.clientX - other.clientX, was.clientY - other.clientY), 1),
				world(other),
			)
		} else if (dragging) {
			view.follows = false
			view.x -= (event.clientX - dragging.x) / view.scale
			view.y += (event.clientY - dragging.y) / view.scale
			dragging = { x: event.clientX, y: event.clientY }
		}
		pointers.set(event.pointerId, event)
		dirty = true
	})
	const up = event => {
		pointers.delete(event.pointerId)
		dragging = null
		if (isSetting && goalStart && event.type === "pointerup") sendGoal()
	}
	map.addEventListener("pointerup", up)
	map.addEventListener("pointercancel", up)
	const zoom = (by, around) => {
		view.follows = false
		view.x = around.x + (view.x - around.x) / by
		view.y = around.y + (view.y - around.y) / by
		view.scale *= by
		dirty = true
	}
	map.addEventListener(
		"wheel",
		event => {
			event.preventDefault()
			zoom(Math.exp(-event.deltaY / 500), world(event))
		},
		{ passive: false },
	)
	new ResizeObserver(() => {
		dirty = true
		draw()
	}).observe(map)
	dark.addEventListener("change", () => {
		dirty = true
	})
	frame()
	return stop
}
