import { sampleOf } from './digit.js'
import * as ort from './ort/ort.wasm.min.mjs'

ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href
// More threads need a page that is isolated from other origins.
ort.env.wasm.numThreads = 1

const canvas = document.querySelector('#paper')
const answer = document.querySelector('#answer')
const pen = canvas.getContext('2d', { willReadFrequently: true })
pen.lineWidth = 22
pen.lineCap = 'round'
pen.lineJoin = 'round'
pen.strokeStyle = '#fff'

// It would warn of the noise, which is an input with a default on purpose.
const session = await ort.InferenceSession.create('./model.onnx', { logSeverityLevel: 3 })
const rows = Array.from({ length: 10 }, (_, digit) => {
  const row = document.querySelector('#shares tbody').insertRow()
  row.insertCell().textContent = String(digit)
  const meter = row.insertCell().appendChild(document.createElement('meter'))
  meter.setAttribute('aria-label', `probability of ${digit}`)
  return meter
})
clear()

function clear() {
  pen.fillStyle = '#000'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  answer.textContent = 'Draw a digit.'
  for (const meter of rows) meter.value = 0
}

/** One question at a time; what is drawn meanwhile is asked about next. */
let [asking, again] = [false, false]
async function ask() {
  again = true
  if (asking) return
  asking = true
  while (again) {
    again = false
    const sample = sampleOf(canvas)
    if (sample === undefined) continue
    const x = new ort.Tensor('uint8', sample, [1, 28, 28, 1])
    const { label, probabilities } = await session.run({ x })
    for (const [digit, meter] of rows.entries()) meter.value = probabilities.data[digit]
    answer.textContent = `This is a ${label.data[0]}.`
  }
  asking = false
}

let last
const place = (event) => {
  const box = canvas.getBoundingClientRect()
  return [
    ((event.clientX - box.left) * canvas.width) / box.width,
    ((event.clientY - box.top) * canvas.height) / box.height,
  ]
}
canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId)
  last = place(event)
})
canvas.addEventListener('pointermove', (event) => {
  if (last === undefined) return
  const to = place(event)
  pen.beginPath()
  pen.moveTo(...last)
  pen.lineTo(...to)
  pen.stroke()
  last = to
  ask()
})
for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => (last = undefined))
document.querySelector('#clear').addEventListener('click', clear)
