// Runs the script that the first argument names as if it had been started itself; apart from run.cjs, since an old Node cannot even read
// a file with `import()`.
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

const [name] = process.argv.splice(2, 1)
process.argv[1] = join(__dirname, '..', `${name}.mjs`)
import(pathToFileURL(process.argv[1]).href)
