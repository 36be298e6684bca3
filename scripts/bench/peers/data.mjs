// Reads a table or a folder of pictures through the TypeScript API, and prints how fast: `data.mjs csv FILE`, `data.mjs jpeg FOLDER`.
import { datasets } from '../../../dist/index.js'

const [mode, path] = process.argv.slice(2)
const start = performance.now()
const { train } =
  mode === 'csv'
    ? await datasets.fromTable(path, { label: 'label' })
    : await datasets.fromFolder(path, { size: [64, 64], strict: true })
console.log(JSON.stringify({ perSecond: (1000 * train.samples) / (performance.now() - start) }))
