// Places a directed graph in layers, as Sugiyama, Tagawa and Toda do (1981): cycles are broken, each
// node gets a layer behind those that lead to it, a long edge a place in each layer that it passes,
// layers are ordered until few edges cross, and places are shifted until edges are nearly straight.
// The layers lie from left to right; from top to bottom the places are the same with x and y swapped.
const SWEEPS = 12
const PATIENCE = 4
const SHIFTS = 16
const STRAIGHT = 6
const mean = block => block.sum / block.weight

function neighbours(ids, edges) {
	const found = new Map(ids.map(id => [id, { into: [], out: [] }]))
	for (const [a, b] of edges) {
		found.get(a).out.push(b)
		found.get(b).into.push(a)
	}
	return found
}
// Orders the nodes as Eades, Lin and Smyth do (1993): sinks at the end, sources at the front, else
// the node with the most outgoing edges first.
function sequence(ids, edges) {
	const beside = neighbours(ids, edges)
	const front = []
	const back = []
	const rest = new Map(
		ids.map(id => [id, { into: beside.get(id).into.length, out: beside.get(id).out.length }]),
	)
	while (rest.size) {
		let best = null
		let most = -Infinity
		let isSink = false
		for (const [id, { into, out }] of rest) {
			if (!out) {
				best = id
				isSink = true
				break
			}
			const worth = into ? out - into : Infinity
			if (worth > most) {
				most = worth
				best = id
			}
		}
		if (isSink) back.unshift(best)
		else front.push(best)
		for (const id of beside.get(best).out) if (rest.has(id)) rest.get(id).into--
		for (const id of beside.get(best).into) if (rest.has(id)) rest.get(id).out--
		rest.delete(best)
	}
	return [...front, ...back]
}
function ranks(ids, edges) {
	// edges are forward ones
	const rank = new Map(ids.map(id => [id, 0]))
	const beside = neighbours(ids, edges)
	for (const id of ids)
		rank.set(id, Math.max(-1, ...beside.get(id).into.map(each => rank.get(each))) + 1)
	for (let turn = 0; turn < 4; turn++)
		for (const id of [...ids].reverse()) {
			const { into, out } = beside.get(id)
			if (out.length > into.length) rank.set(id, Math.min(...out.map(each => rank.get(each))) - 1)
		}
	return rank
}
const number = layers => {
	for (const layer of layers)
		layer.forEach((each, index) => {
			each.slot = index
		})
}
function crossings(one, two, side) {
	// of the edges of two neighbours, with `one` before `two`
	let count = 0
	for (const a of one[side]) for (const b of two[side]) if (a.slot > b.slot) count++
	return count
}
function total(layers) {
	let count = 0
	for (const layer of layers) {
		const ends = []
		for (const each of layer) {
			for (const other of each.down) for (const slot of ends) if (slot > other.slot) count++
			for (const other of each.down) ends.push(other.slot)
		}
	}
	return count
}
function order(layers) {
	let best = layers.map(layer => [...layer])
	let fewest = total(layers)
	for (let sweep = 0, last = 0; sweep < SWEEPS && fewest && sweep - last < PATIENCE; sweep++) {
		const side = sweep % 2 ? "down" : "up"
		for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
			const middle = new Map(
				layer.map(each => [
					each,
					each[side].length
						? each[side].reduce((sum, other) => sum + other.slot, 0) / each[side].length
						: each.slot,
				]),
			)
			layer.sort((a, b) => middle.get(a) - middle.get(b))
			number([layer])
		}
		for (let isBetter = true, turn = 0; isBetter && turn < 4; turn++) {
			isBetter = false
			for (const layer of layers)
				for (let k = 1; k < layer.length; k++) {
					const [a, b] = [layer[k - 1], layer[k]]
					if (
						crossings(b, a, "up") + crossings(b, a, "down") <
						crossings(a, b, "up") + crossings(a, b, "down")
					) {
						;[layer[k - 1], layer[k]] = [b, a]
						a.slot = k
						b.slot = k - 1
						isBetter = true
					}
				}
		}
		const now = total(layers)
		if (now < fewest) {
			fewest = now
			last = sweep
			best = layers.map(layer => [...layer])
		}
	}
	best.forEach((layer, index) => {
		layers[index] = layer
	})
	number(layers)
}
// Places each item as near to the wanted place as the gaps allow (least squares, by pooling
// neighbours).
function settle(layer, wanted, gap) {
	const blocks = []
	let offset = 0
	layer.forEach((each, index) => {
		if (index) offset += (layer[index - 1].height + each.height) / 2 + gap
		each.offset = offset
		blocks.push({ sum: each.weight * (wanted(each) - offset), weight: each.weight, of: [each] })
		while (blocks.length > 1 && mean(blocks.at(-2)) >= mean(blocks.at(-1))) {
			const last = blocks.pop()
			const into = blocks.at(-1)
			into.sum += last.sum
			into.weight += last.weight
			into.of.push(...last.of)
		}
	})
	for (const block of blocks) for (const each of block.of) each.y = mean(block) + each.offset
}
function shift(layers, gap) {
	for (const layer of layers) settle(layer, each => each.y ?? 0, gap)
	for (let turn = 0; turn < SHIFTS; turn++) {
		const sides = turn >= SHIFTS - 4 ? ["up", "down"] : turn % 2 ? ["down"] : ["up"]
		for (const layer of turn % 2 ? [...layers].reverse() : layers) {
			settle(
				layer,
				each => {
					let sum = 0
					let weight = 0
					for (const other of sides.flatMap(side => each[side])) {
						const w = (each.id ? 1 : STRAIGHT) * (other.id ? 1 : STRAIGHT)
						sum += w * other.y
						weight += w
					}
					return weight ? sum / weight : each.y
				},
				gap,
			)
		}
	}
}
// Returns the layers of a graph, each in its order; `edges` are [from, to].
export function layers(ids, edges) {
	const sorted = sequence(ids, edges)
	const place = new Map(sorted.map((id, index) => [id, index]))
	const forward = edges.map(([a, b]) => (place.get(a) < place.get(b) ? [a, b] : [b, a]))
	const rank = ranks(sorted, forward)
	const low = Math.min(...rank.values())
	const found = []
	const items = new Map()
	const put = item => {
		;(found[item.rank] ??= []).push(item)
		return item
	}
	for (const id of sorted)
		items.set(id, put({ id, rank: rank.get(id) - low, weight: 1, up: [], down: [] }))
	const chains = forward.map(([a, b], index) => {
		const chain = [items.get(a)]
		const end = items.get(b)
		while (chain.at(-1).rank < end.rank - 1)
			chain.push(
				put({ rank: chain.at(-1).rank + 1, width: 0, height: 0, weight: 2, up: [], down: [] }),
			)
		chain.push(end)
		for (let k = 1; k < chain.length; k++) {
			chain[k - 1].down.push(chain[k])
			chain[k].up.push(chain[k - 1])
		}
		return { chain, isBackward: a !== edges[index][0] }
	})
	for (let k = 0; k < found.length; k++) found[k] ??= []
	number(found)
	order(found)
	return { found, items, chains }
}
// Places everything: `boxes` are {id, width, height}. Returns them with the middle of each, and for
// each edge its points in pairs: straight within a layer, free to bend between two.
export function placed({ found, items, chains }, boxes, { gap, layerGap }) {
	for (const box of boxes) Object.assign(items.get(box.id), box)
	shift(found, gap)
	let x = 0
	const columns = found.map(layer => {
		const width = Math.max(0, ...layer.map(each => each.width))
		const from = x
		x += width + layerGap
		for (const each of layer) each.x = from + width / 2
		return [from, from + width]
	})
	const ports = new Map() // the edges of each side of a box lie beside each other
	for (const { chain } of chains)
		for (const [item, next, side] of [
			[chain[0], chain[1], "down"],
			[chain.at(-1), chain.at(-2), "up"],
		]) {
			const key = side + item.id
			if (!ports.has(key)) ports.set(key, [])
			ports.get(key).push({ chain, y: next.y })
		}
	for (const all of ports.values()) all.sort((a, b) => a.y - b.y)
	const port = (item, chain, side) => {
		const all = ports.get(side + item.id)
		return (
			item.y +
			(all.findIndex(each => each.chain === chain) - (all.length - 1) / 2) *
				Math.min(7, (item.height - 8) / all.length)
		)
	}
	const paths = chains.map(({ chain, isBackward }) => {
		const points = chain.flatMap((each, k) => {
			const [from, to] = columns[each.rank]
			const isFirst = k === 0
			const isLast = k === chain.length - 1
			const y = isFirst ? port(each, chain, "down") : isLast ? port(each, chain, "up") : each.y
			return [
				[isFirst ? each.x + each.width / 2 : from, y],
				[isLast ? each.x - each.width / 2 : to, y],
			]
		})
		return isBackward ? points.reverse() : points
	})
	return {
		boxes: boxes.map(box => ({ ...box, x: items.get(box.id).x, y: items.get(box.id).y })),
		paths,
	}
}
