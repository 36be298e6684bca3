// Serves the page with a model: node serve.mjs digits.onnx [--port 8000]. Any other web server does as well, with the model as
// model.onnx and onnxruntime-web's dist as ort/ beside the page.
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string', default: '8000' }, ort: { type: 'string' } },
})
const model = positionals[0] ?? 'digits.onnx'
const runtime = values.ort ?? join(here, 'node_modules', 'onnxruntime-web', 'dist')
for (const path of [model, runtime]) {
  if (!existsSync(path)) throw new Error(`${path} is not there; see README.md`)
}
const PAGES = ['index.html', 'page.css', 'main.js', 'digit.js']
const TYPES = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

function fileOf(path) {
  if (path === '/') return join(here, 'index.html')
  if (path === '/model.onnx') return model
  const name = normalize(path).slice(1)
  if (PAGES.includes(name)) return join(here, name)
  const part = name.match(/^ort\/([\w.-]+)$/)?.[1]
  return part && join(runtime, part)
}

const server = createServer((request, response) => {
  const file = fileOf(new URL(request.url, 'http://localhost').pathname)
  if (!file || !existsSync(file)) return response.writeHead(404).end()
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
  createReadStream(file).pipe(response)
})
server.listen(Number(values.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
