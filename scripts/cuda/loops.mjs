// Counts the instructions of the products' loops. A loop over the depth takes as long as its instructions are issued, so what
// stands beside those of the tensor cores is what a change can make slower or faster, and it can be counted without a card.

/**
 * The most instructions for one of the tensor cores' (`HMMA`) in the frequent loop of a kernel, on capability 9.0: those of the
 * paper's block, whose wide tiles do most of its arithmetic. Counted with nvcc 13.0.88, and a little room.
 */
export const MOST = {
  conv3x3_forward_bf16: 8,
  conv3x3_backward_data_bf16: 10,
  conv3x3_backward_weights_bf16: 10,
  dense_forward_bf16: 9,
  linear_backward_data_bf16: 8,
  linear_backward_weights_bf16: 10,
}

/**
 * Instructions of the tensor cores in one turn of the frequent loop: the sub-tiles of 16 × 8 in a warp's tile of 32 × 32, times
 * two steps of a stride. Another number says that the compiler has split the loop, for lanes that come apart say.
 */
const MULTIPLICATIONS = (32 / 16) * (32 / 8) * 2

/**
 * `nvdisasm -c` → for each kernel with tensor cores its shortest loop that multiplies, which is the frequent one: the other
 * reads values one by one, where four cannot be read at once. `{ instructions, multiplications }`.
 */
export function readLoops(text) {
  const sections = text.split(/^\.text\.(\w+):$/m).slice(1)
  const loops = {}
  for (let i = 0; i < sections.length; i += 2) {
    const loop = shortestLoop(sections[i + 1])
    if (loop) loops[sections[i]] = loop
  }
  return loops
}

function shortestLoop(body) {
  const labels = new Map()
  const names = []
  let shortest
  for (const line of body.split('\n')) {
    const label = line.match(/^\s*(\.L_x_\d+):/)?.[1]
    if (label) labels.set(label, names.length)
    const name = line.match(/^\s*\/\*[0-9a-f]{4,}\*\/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)/)?.[1]
    if (!name) continue
    names.push(name)
    const begin = name === 'BRA' ? labels.get(line.match(/`\((\.L_x_\d+)\)/)?.[1]) : undefined
    if (begin === undefined) continue
    const loop = names.slice(begin)
    const multiplications = loop.filter((each) => each === 'HMMA').length
    if (multiplications > 0 && loop.length < (shortest?.instructions ?? Number.POSITIVE_INFINITY))
      shortest = { instructions: loop.length, multiplications }
  }
  return shortest
}

/** One sentence for each kernel of `most` whose loop has more instructions than that, or is not there. */
export function tooLong(loops, most = MOST) {
  return Object.entries(most).flatMap(([name, bound]) => {
    const loop = loops[name]
    if (!loop) return [`${name}: there is no loop on tensor cores`]
    const found = loop.instructions / loop.multiplications
    if (found <= bound) return []
    return [`${name}: ${found.toFixed(1)} instructions for one of the tensor cores, at most ${bound} are meant`]
  })
}

/** One sentence for each kernel of `most` whose frequent loop has another number of multiplications. */
export function notWhole(loops, expected = MULTIPLICATIONS, most = MOST) {
  return Object.keys(most).flatMap((name) => {
    const found = loops[name]?.multiplications
    if (found === undefined || found === expected) return []
    return [`${name}: a turn of its loop has ${found} multiplications on tensor cores, not ${expected}`]
  })
}
