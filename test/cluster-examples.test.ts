import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { cli, done, root } from './support/process.js'

/** The scripts of examples/cluster, each on what it is for, where that is installed. */
const has = (program: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const example = (name: string) => join(root, 'examples', 'cluster', name)
const FLAGS = ['--net', 'mlp', '--hidden', '16', '--epochs', '2', '--device', 'cpu']

/** Runs a script on four blocks, and the whole run beside it; both must write the same file. */
async function expectSameModel(script: string, environment: NodeJS.ProcessEnv = {}): Promise<void> {
  const [data, folder] = [smallIdx({ train: 120, test: 10, labels: [1, 2, 3] }), temporaryDirectory()]
  await done(['train', '--data', data, '--blocks', '4', ...FLAGS, '--out', join(folder, 'whole.safetensors')])
  const env = { ...process.env, NOPROP: `${process.execPath} ${cli}`, ...environment }
  const args = [example(script), data, '4', join(folder, 'model.safetensors'), ...FLAGS]
  const child = spawn('sh', args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    output += text
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code, output).toBe(0)
  expect(readFileSync(join(folder, 'model.safetensors')).equals(readFileSync(join(folder, 'whole.safetensors')))).toBe(
    true,
  )
}

test.skipIf(!has('parallel'))('GNU parallel makes the model of the whole run', () => expectSameModel('parallel.sh'))

/** What `js-yaml` makes of a file of several documents. */
const { loadAll } = createRequire(import.meta.url)('js-yaml') as { loadAll(text: string): unknown[] }

test('the Kubernetes jobs train each block once, and assemble what they wrote', () => {
  const text = readFileSync(example('kubernetes.yaml'), 'utf8')
  const [train, assemble] = loadAll(text) as [{ spec: object }, object]
  expect(train).toMatchObject({
    apiVersion: 'batch/v1',
    kind: 'Job',
    spec: { completionMode: 'Indexed', completions: 10, template: { spec: { restartPolicy: 'Never' } } },
  })
  expect(assemble).toMatchObject({ apiVersion: 'batch/v1', kind: 'CronJob', spec: { suspend: true } })
  const [, blocks] = text.match(/--blocks (\d+)/) ?? []
  expect(train.spec).toMatchObject({ completions: Number(blocks) })
})

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

// Slurm's daemons start jobs for others, so they are root's.
describe.skipIf(!has('slurmctld') || !has('munged') || process.getuid?.() !== 0)('with Slurm', () => {
  test('an array of tasks makes the model of the whole run', async () => {
    const folder = temporaryDirectory()
    chmodSync(folder, 0o755)
    const [host = 'localhost'] = hostname().split('.')
    const at = (name: string) => join(folder, name)
    for (const name of ['state', 'spool', 'munge']) mkdirSync(at(name), { mode: 0o755 })
    writeFileSync(at('munge/key'), Buffer.alloc(128, 7), { mode: 0o600 })
    const settings = {
      ClusterName: 'test',
      SlurmctldHost: `${host}(127.0.0.1)`,
      SlurmUser: 'root',
      AuthType: 'auth/munge',
      AuthInfo: `socket=${at('munge/socket')}`,
      StateSaveLocation: at('state'),
      SlurmdSpoolDir: at('spool'),
      SlurmctldPidFile: at('slurmctld.pid'),
      SlurmdPidFile: at('slurmd.pid'),
      SlurmctldPort: await freePort(),
      SlurmdPort: await freePort(),
      ProctrackType: 'proctrack/pgid',
      TaskPlugin: 'task/none',
      SelectType: 'select/cons_tres',
      SelectTypeParameters: 'CR_CPU',
      SlurmdParameters: 'config_overrides',
      MpiDefault: 'none',
      SchedulerParameters: 'sched_interval=1',
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
    lines.push(
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN`,
      `PartitionName=main Nodes=${host} Default=YES`,
    )
    writeFileSync(at('slurm.conf'), `${lines.join('\n')}\n`)
    const env = { ...process.env, SLURM_CONF: at('slurm.conf') }
    const daemons = [
      ['munged', '-F', '--force', '--key-file', at('munge/key'), '--socket', at('munge/socket')],
      ['slurmctld', '-D'],
      ['slurmd', '-D'],
    ] as const
    const files = ['--pid-file', at('munge/pid'), '--log-file', at('munge/log'), '--seed-file', at('munge/seed')]
    for (const [program, ...args] of daemons) {
      const child = spawn(program, program === 'munged' ? [...args, ...files] : args, { env, stdio: 'ignore' })
      onTestFinished(async () => {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill()
        await ended
      })
      if (program === 'munged') await new Promise((resolve) => setTimeout(resolve, 500))
    }
    const states = () =>
      execFileSync('sinfo', ['-h', '-o', '%T'], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    await expect.poll(() => tried(states), { timeout: 60_000, interval: 500 }).toContain('idle')
    await expectSameModel('slurm.sh', env)
  }, 180_000)
})

function tried(call: () => string): string {
  try {
    return call()
  } catch {
    return ''
  }
}
