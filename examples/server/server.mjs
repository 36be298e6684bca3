// Serves a model over HTTP: node server.mjs model.safetensors [--port 8080] [--host 127.0.0.1] [--threads N]
//
//   POST /predict   application/octet-stream: samples as bytes, one after the other
//                   application/json: { "inputs": [[…], …] } numbers as in training, or { "rows": [{ … }, …] } for a model of a table
//   GET /healthz, /readyz, /metrics (Prometheus)
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { NoProp, NoPropError } from 'noprop'
import { Batcher, Full } from './batcher.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '127.0.0.1' },
    threads: { type: 'string' },
    'most-bytes': { type: 'string', default: String(8 * 2 ** 20) },
    'most-samples': { type: 'string', default: '256' },
    room: { type: 'string', default: '4096' },
  },
})
const [mostBytes, mostSamples, room] = ['most-bytes', 'most-samples', 'room'].map((name) => Number(values[name]))
const model = await NoProp.load(positionals[0] ?? 'model.safetensors')
const { input, classes } = model.config
const length = input.reduce((product, side) => product * side, 1)
const options = values.threads === undefined ? {} : { threads: Number(values.threads) }

const counts = { requests: {}, samples: 0, batches: 0, seconds: 0, slowest: 0 }
const batcher = new Batcher(predict, {
  most: mostSamples,
  room,
  seen: (samples) => {
    counts.batches++
    counts.samples += samples
  },
})

/** Predicts samples of one kind: bytes, floats or rows. */
async function predict(kind, samples) {
  const { labels, probabilities } = await model.predict(kind === 'rows' ? samples : joined(kind, samples), options)
  return samples.map((_, index) => ({ label: labels[index], probabilities: [...probabilities[index]] }))
}

function joined(kind, samples) {
  const all = new (kind === 'bytes' ? Uint8Array : Float32Array)(samples.length * length)
  for (const [index, sample] of samples.entries()) all.set(sample, index * length)
  return all
}

/** A request that cannot be answered, with the status that says why. */
class Refused extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

async function bodyOf(request) {
  const parts = []
  let size = 0
  for await (const part of request) {
    size += part.length
    if (size > mostBytes) throw new Refused(413, `a body of at most ${mostBytes} bytes is taken`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** The samples of a request and their kind. */
function samplesOf(type, body) {
  if (type === 'application/octet-stream') {
    if (body.length === 0 || body.length % length !== 0) throw new Refused(400, `a sample has ${length} bytes`)
    const count = body.length / length
    return ['bytes', Array.from({ length: count }, (_, index) => body.subarray(index * length, (index + 1) * length))]
  }
  if (type !== 'application/json') throw new Refused(415, 'application/octet-stream or application/json is taken')
  let parsed
  try {
    parsed = JSON.parse(body.toString())
  } catch {
    throw new Refused(400, 'the body is not JSON')
  }
  if (Array.isArray(parsed?.rows) && parsed.rows.length > 0) return ['rows', parsed.rows]
  const inputs = parsed?.inputs
  if (!Array.isArray(inputs) || inputs.length === 0) throw new Refused(400, 'a list "inputs" or "rows" is needed')
  return [
    'floats',
    inputs.map((sample) => {
      const flat = Array.isArray(sample) ? sample.flat(Number.POSITIVE_INFINITY) : []
      if (flat.length !== length || !flat.every(Number.isFinite))
        throw new Refused(400, `a sample has ${length} numbers`)
      return flat
    }),
  ]
}

async function answer(request, url) {
  if (request.method === 'GET' && url === '/healthz') return { status: 200, body: { status: 'ok' } }
  if (request.method === 'GET' && url === '/readyz') return { status: stopping ? 503 : 200, body: { ready: !stopping } }
  if (request.method === 'GET' && url === '/metrics') return { status: 200, text: metrics() }
  if (url !== '/predict') throw new Refused(404, 'there are /predict, /healthz, /readyz and /metrics')
  if (request.method !== 'POST') throw new Refused(405, 'POST is needed')
  const [kind, samples] = samplesOf((request.headers['content-type'] ?? '').split(';')[0], await bodyOf(request))
  if (samples.length > mostSamples) throw new Refused(413, `at most ${mostSamples} samples are taken at once`)
  const started = performance.now()
  const predictions = await batcher.answer(kind, samples)
  const seconds = (performance.now() - started) / 1000
  counts.seconds += seconds
  counts.slowest = Math.max(counts.slowest, seconds)
  return { status: 200, body: { classes, predictions } }
}

/** What an error says to a client: a bad sample is theirs, the rest is ours. */
function refusal(error) {
  if (error instanceof Refused) return { status: error.status, body: { error: error.message } }
  if (error instanceof Full) return { status: 503, body: { error: 'too many samples wait; try again' } }
  const isTheirs =
    error instanceof NoPropError &&
    ['NOPROP_VALUE', 'NOPROP_SHAPE', 'NOPROP_COUNT', 'NOPROP_OPTION'].includes(error.code)
  if (!isTheirs) console.error(error)
  return isTheirs
    ? { status: 400, body: { error: error.message, code: error.code } }
    : { status: 500, body: { error: 'the model failed' } }
}

function metrics() {
  const line = (name, kind, value, labels = '') => `# TYPE noprop_${name} ${kind}\nnoprop_${name}${labels} ${value}\n`
  const statuses = Object.entries(counts.requests).map(
    ([status, count]) => `noprop_requests_total{status="${status}"} ${count}\n`,
  )
  return [
    `# TYPE noprop_requests_total counter\n${statuses.join('')}`,
    line('samples_total', 'counter', counts.samples),
    line('batches_total', 'counter', counts.batches),
    line('predict_seconds_total', 'counter', counts.seconds),
    line('slowest_seconds', 'gauge', counts.slowest),
    line('waiting_samples', 'gauge', batcher.waiting),
  ].join('')
}

let stopping = false
const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, async (request, response) => {
  const found = await answer(request, new URL(request.url, 'http://localhost').pathname).catch(refusal)
  counts.requests[found.status] = (counts.requests[found.status] ?? 0) + 1
  const text = found.text ?? JSON.stringify(found.body)
  response.writeHead(found.status, {
    'content-type': found.text === undefined ? 'application/json' : 'text/plain; version=0.0.4',
    'content-length': Buffer.byteLength(text),
    ...(found.status === 503 && { 'retry-after': '1' }),
    // Nobody reads the rest of a body that is too large.
    ...((stopping || found.status === 413) && { connection: 'close' }),
  })
  response.end(text)
})

/** Takes no more connections, answers what was asked, and ends. */
async function stop() {
  if (stopping) return
  stopping = true
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  await batcher.drained()
  await closed
  model.dispose()
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)

// The first prediction takes the weights into memory; nobody shall wait for it.
if (model.config.preprocessing?.type !== 'table') await predict('bytes', [new Uint8Array(length)])
server.listen(Number(values.port), values.host, () => {
  const { address, port } = server.address()
  console.log(`http://${address}:${port}`)
})
