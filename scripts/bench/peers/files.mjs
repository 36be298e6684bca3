// The files that reading is measured on. They are made once, and kept in .noprop/bench.
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../support/steps.mjs'

const folder = join(root, '.noprop/bench')

/** A CSV file with 29 columns of numbers of 4 to 8 digits and one of labels; returns its path. */
export function table(rows) {
  return made(`table-${rows}.csv`, (path) => {
    const file = openSync(path, 'w')
    let word = 1
    const next = () => {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
      return word / 2 ** 32
    }
    const digits = Array.from({ length: 29 }, (_, column) => 2 + (column % 5))
    writeSync(file, `${digits.map((_, column) => `c${column}`).join()},label\n`)
    for (let row = 0; row < rows; row += 10_000) {
      const lines = Array.from({ length: Math.min(10_000, rows - row) }, (_, line) => {
        return `${digits.map((count) => (100 * next() - 50).toFixed(count)).join()},${(row + line) % 3}\n`
      })
      writeSync(file, lines.join(''))
    }
    closeSync(file)
  })
}

/** A folder of two classes with JPEG files of 256 × 256 pixels, which Python's Pillow writes; returns its path. */
export function pictures(count, python) {
  return made(`jpeg-${count}`, (path) => {
    execFileSync(python, [join(root, 'bench/peer_data.py'), 'make-jpeg', path, String(count)], { stdio: 'inherit' })
  })
}

/** What is there whole is not made again. */
function made(name, make) {
  const path = join(folder, name)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  const partial = `${path}.part`
  rmSync(partial, { recursive: true, force: true })
  make(partial)
  renameSync(partial, path)
  return path
}
