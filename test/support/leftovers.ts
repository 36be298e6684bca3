import { type ChildProcess, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { afterEach, expect } from 'vitest'

/** A process that a test waits for. */
interface Running {
  child: ChildProcess
  args: readonly string[]
  began: number
  /** The test that started it; undefined where a hook did, for several. */
  test: string | undefined
  /** What it has written. */
  output(): string
}

const running = new Set<Running>()

/** Remembers a process until it has ended. */
export function remember(child: ChildProcess, args: readonly string[], output: () => string): void {
  const one = { child, args, began: Date.now(), test: expect.getState().currentTestName, output }
  running.add(one)
  for (const event of ['close', 'error']) child.once(event, () => running.delete(one))
}

// Whoever waits for a process that hangs would else say nothing but that it took too long.
afterEach(({ task }) => {
  if (task.result?.state !== 'fail') return
  for (const one of running) {
    console.error(`still runs after ${task.name}: ${one.args.join(' ')}\n${stateOf(one)}`)
    if (one.test === expect.getState().currentTestName) one.child.kill('SIGKILL')
  }
})

function stateOf({ child, began, output }: Running): string {
  const ended = child.exitCode ?? child.signalCode
  const seconds = Math.round((Date.now() - began) / 1000)
  const how = ended === null ? `for ${seconds} s` : `ended with ${ended}, but its output is open`
  return [`process ${child.pid}, ${how}`, ...threadsOf(child.pid), `it has written:\n${output().slice(-2000)}`].join(
    '\n',
  )
}

/** What each thread does, on Linux; with gdb where it calls from. */
function threadsOf(pid: number | undefined): string[] {
  const read = (path: string) => {
    try {
      return readFileSync(`/proc/${pid}/${path}`, 'utf8').trim()
    } catch {
      return '?'
    }
  }
  try {
    const threads = readdirSync(`/proc/${pid}/task`).map((task) => {
      const [state, , , , , , , , , , , user, system] = read(`task/${task}/stat`)
        .replace(/^.*\) /, '')
        .split(' ')
      return `${task} ${read(`task/${task}/comm`)}: ${state}, in ${read(`task/${task}/wchan`)}, ticks ${user} + ${system}`
    })
    const files = readdirSync(`/proc/${pid}/fd`).map((file) => `${file} → ${readlinkSync(`/proc/${pid}/fd/${file}`)}`)
    return [...threads, `files: ${files.join(', ')}`, ...stacksOf(pid)]
  } catch {
    return []
  }
}

/** The names of the functions that each thread is in, where there is gdb. */
function stacksOf(pid: number | undefined): string[] {
  const gdb = ['-p', `${pid}`, '-batch', '-ex', 'thread apply all backtrace 16']
  const { stdout } = spawnSync('gdb', gdb, { encoding: 'utf8', timeout: 60_000 })
  const threads = (stdout ?? '').split(/^(?=Thread \d)/m).slice(1)
  const names = (frames: string) => [...frames.matchAll(/^#\d+ +(?:0x\w+ in )?([^ (]+)/gm)].map(([, name]) => name)
  return threads.map((thread) => `${/LWP \d+/.exec(thread)?.[0]}: ${names(thread).join(' < ')}`)
}
