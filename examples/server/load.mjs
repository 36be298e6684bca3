// Measures a server: node load.mjs http://127.0.0.1:8080 [bytes of a sample, 784] [seconds, 5]
import { Agent, request } from 'node:http'

const [address, size = '784', seconds = '5'] = process.argv.slice(2)
const body = Buffer.from(Uint8Array.from({ length: Number(size) }, (_, index) => (index * 37) % 256))

function ask(agent) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': body.length }
    const asked = request(`${address}/predict`, { method: 'POST', agent, headers }, (response) => {
      response
        .resume()
        .on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`))))
    })
    asked.on('error', reject).end(body)
  })
}

for (const connections of [1, 64]) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times = []
  const end = performance.now() + 1000 * Number(seconds)
  const client = async () => {
    while (performance.now() < end) {
      const started = performance.now()
      await ask(agent)
      times.push(performance.now() - started)
    }
  }
  await Promise.all(Array.from({ length: connections }, client))
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.floor(share * (times.length - 1))].toFixed(2)
  console.log(
    `${connections} connections: ${Math.round(times.length / Number(seconds))} requests/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  )
  agent.destroy()
}
