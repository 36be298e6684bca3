// A drawing as a sample of MNIST: the digit fits 20 × 20 pixels, and its centre of mass is the middle of 28 × 28.

/** The bytes `[28 · 28]` of a canvas on which something bright was drawn; undefined for an empty one. */
export function sampleOf(canvas) {
  const { width, height } = canvas
  const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data
  const ink = (x, y) => pixels[4 * (y * width + x)]
  let [left, top, right, bottom] = [width, height, -1, -1]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink(x, y) === 0) continue
      left = Math.min(left, x)
      right = Math.max(right, x)
      top = Math.min(top, y)
      bottom = Math.max(bottom, y)
    }
  }
  if (right < 0) return undefined
  const [w, h] = [right - left + 1, bottom - top + 1]
  const scale = 20 / Math.max(w, h)
  const small = shrunk(
    canvas,
    [left, top, w, h],
    [Math.max(1, Math.round(w * scale)), Math.max(1, Math.round(h * scale))],
  )
  return centred(small)
}

function shrunk(canvas, [x, y, w, h], [width, height]) {
  const to = new OffscreenCanvas(width, height).getContext('2d')
  to.imageSmoothingQuality = 'high'
  to.drawImage(canvas, x, y, w, h, 0, 0, width, height)
  const { data } = to.getImageData(0, 0, width, height)
  return { width, height, values: Array.from({ length: width * height }, (_, index) => data[4 * index]) }
}

function centred({ width, height, values }) {
  let [mass, sumX, sumY] = [0, 0, 0]
  for (const [index, value] of values.entries()) {
    mass += value
    sumX += value * (index % width)
    sumY += value * Math.floor(index / width)
  }
  const place = (sum, size) => Math.min(28 - size, Math.max(0, Math.round(13.5 - sum / mass)))
  const [left, top] = [place(sumX, width), place(sumY, height)]
  const sample = new Uint8Array(28 * 28)
  for (const [index, value] of values.entries()) {
    sample[(top + Math.floor(index / width)) * 28 + left + (index % width)] = value
  }
  return sample
}
