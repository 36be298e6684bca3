// The report of `npm run gpu:check`, in files that are whole at every moment: they are written again after each step, so a
// machine that ends the command takes no more than the step that it is in.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { figures } from './document.mjs'

/** Replaces a file as a whole. */
function replace(path, text) {
  const partial = `${path}.${process.pid}.partial`
  writeFileSync(partial, text)
  renameSync(partial, path)
}

/** The report in the folder `out`, which begins with `head`. */
export class Report {
  constructor(out, head) {
    this.path = join(out, 'gpu-check.json')
    this.textPath = join(out, 'gpu-check.md')
    this.began = Date.now()
    this.content = { ...head, finished: false, passed: true, seconds: 0, steps: {} }
    mkdirSync(out, { recursive: true })
    this.write()
  }

  /** Notes that a step runs. */
  begin(name) {
    this.content.steps[name] = { status: 'running', seconds: 0 }
    this.write()
  }

  /** Notes how a step ended. */
  end(name, result) {
    this.content.steps[name] = result
    this.write()
  }

  /** Notes that no step is left; returns the names of those that failed. */
  finish() {
    this.content.finished = true
    this.write()
    return this.failed()
  }

  /** The figures as Markdown. */
  text() {
    return figures(this.content)
  }

  failed() {
    const steps = Object.entries(this.content.steps)
    return steps.filter(([, { status }]) => status === 'failed').map(([name]) => name)
  }

  write() {
    Object.assign(this.content, { passed: this.failed().length === 0, seconds: (Date.now() - this.began) / 1000 })
    // Whoever sees a step in the one finds it in the other.
    replace(this.textPath, `${this.text()}\n`)
    replace(this.path, `${JSON.stringify(this.content, null, 1)}\n`)
  }
}
