// A server with one warm model: `PORT=8080 node server.mjs model.safetensors`. Without a port it asks itself once and ends.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { NoProp, NoPropError } from 'noprop'

// Loaded once: requests share its weights and its threads, and none of them blocks Node.
const model = process.argv[2] ? await NoProp.load(process.argv[2]) : await small()
const { input } = model.config
const most = 1 << 20

const server = createServer(async (request, response) => {
  const answer = (status = 200, body = {}) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  // A client that goes away stops the work for it.
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  try {
    if (request.method !== 'POST' || request.url !== '/predict') return answer(404, { error: 'POST /predict' })
    let text = ''
    for await (const chunk of request) {
      text += chunk
      if (text.length > most) return answer(413, { error: 'too large' })
    }
    const { labels, probabilities, classes } = await model.predict(
      { inputs: JSON.parse(text), shape: input },
      { signal: gone.signal },
    )
    answer(200, { labels: [...labels], probabilities: probabilities.map((row) => [...row]), classes })
  } catch (error) {
    if (gone.signal.aborted) return
    // What a client sent is told as such; the error says what was expected.
    if (error instanceof NoPropError) answer(400, error.toJSON())
    else
      answer(error instanceof SyntaxError ? 400 : 500, { error: error instanceof SyntaxError ? 'no JSON' : 'failed' })
  }
})

server.listen(Number(process.env.PORT ?? 0))
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' ? address?.port : undefined
console.log(`POST lists of ${input.join(' × ')} numbers to http://localhost:${port}/predict`)
if (!process.env.PORT) {
  const body = JSON.stringify([
    [0.9, 0.1, 0.2],
    [0.1, 0.2, 0.8],
  ])
  const replied = await fetch(`http://localhost:${port}/predict`, { method: 'POST', body })
  console.log(await replied.json())
  const refused = await fetch(`http://localhost:${port}/predict`, { method: 'POST', body: '[[1]]' })
  console.log(refused.status, await refused.json())
  server.closeAllConnections()
  server.close()
}

/** A model to begin with: which of three numbers is the greatest. */
async function small() {
  const inputs = Array.from({ length: 300 }, (_, sample) =>
    [0, 1, 2].map((place) => ((sample * 7 + place * 31) % 97) / 97),
  )
  const labels = inputs.map((values) => ['first', 'second', 'third'][values.indexOf(Math.max(...values))] ?? '')
  const model = NoProp.create({
    input: [3],
    classes: ['first', 'second', 'third'],
    blocks: 2,
    net: { type: 'mlp', hidden: [16] },
  })
  await model.fit({ inputs, labels }, { epochs: 30, batch: 16, learningRate: 0.01 })
  return model
}
