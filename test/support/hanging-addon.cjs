// In place of the addon: `deviceParity` compares two cases of `add`, leaves one out, and hangs in the next.
const { appendFileSync } = require('node:fs')

const add = { case: 'add', multiply: 'f32', error: 1e-7, tolerance: 1e-6, passed: true }
const linear = { case: 'linear 3', multiply: 'f32' }

exports.StopSignal = class {}
exports.deviceParity = async (options) => {
  const lines = [{ begun: add }, { compared: add }, { leftOut: linear }, { begun: add }, { compared: add }]
  for (const line of [...lines, { begun: linear }]) appendFileSync(JSON.parse(options).log, `${JSON.stringify(line)}\n`)
  for (;;);
}
