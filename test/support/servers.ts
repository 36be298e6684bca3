import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from './data.js'

/** The path of a program; undefined where it is not installed. */
function found(name: string, ...folders: string[]): string | undefined {
  const places = [...folders, ...(process.env.PATH ?? '').split(delimiter)].map((folder) => join(folder, name))
  return places.find((path) => existsSync(path))
}

const postgresFolders = existsSync('/usr/lib/postgresql')
  ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)
  : []

/** Where the programs of the Python are that tests are given. */
const pythonFolders = process.env.NOPROP_PYTHON ? [dirname(process.env.NOPROP_PYTHON)] : []

/** The servers that can be had here. */
const programs = {
  redis: found('redis-server') ?? found('valkey-server'),
  postgres: found('initdb', ...postgresFolders),
  s3: found('versitygw') ?? found('moto_server', ...pythonFolders),
}

/** Which servers there are; says once which tests are left out. */
export function servers(): { redis: boolean; postgres: boolean; s3: boolean } {
  for (const [name, program] of Object.entries(programs)) {
    if (!program) console.warn(`tests of ${name} are left out: no server of it is installed`)
  }
  return { redis: Boolean(programs.redis), postgres: Boolean(programs.postgres), s3: Boolean(programs.s3) }
}

export const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

/** Waits until something listens. */
async function listens(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`)
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ port, host: '127.0.0.1' }, () => resolve(true))
      socket.on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function started(program: string, args: string[], options: object = {}): ChildProcess {
  const child = spawn(program, args, { stdio: 'ignore', ...options })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** A server that a test can end and start again. */
export interface TestServer {
  port: number
  url: string
  /** Kills it; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again, with what it has kept. */
  start(): Promise<void>
}

function server(
  port: number,
  url: string,
  run: () => ChildProcess,
  isThere = (child: ChildProcess) => listens(port, child),
): TestServer {
  let child: ChildProcess | undefined
  return {
    ...{ port, url },
    kill: async () => {
      const ended = new Promise((resolve) => child?.on('close', resolve))
      child?.kill('SIGKILL')
      await ended
    },
    start: async () => {
      child = run()
      await isThere(child)
    },
  }
}

/** A Redis server without persistence, or with what `settings` say. */
export async function redisServer(...settings: string[]): Promise<TestServer> {
  const [port, folder] = [await freePort(), temporaryDirectory()]
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...settings]
  const made = server(port, `redis://127.0.0.1:${port}`, () => started(programs.redis as string, args))
  await made.start()
  return made
}

/** A PostgreSQL server with an empty database. */
export async function postgresServer(): Promise<TestServer> {
  const [port, folder] = [await freePort(), temporaryDirectory()]
  const bin = join(programs.postgres as string, '..')
  const data = join(folder, 'data')
  const isRoot = process.getuid?.() === 0
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres']))
  // It does not run as root.
  const user = isRoot ? { uid: id('-u'), gid: id('-g') } : {}
  mkdirSync(data)
  if (isRoot) for (const path of [folder, data]) chownSync(path, user.uid as number, user.gid as number)
  const options = { ...user, cwd: folder, stdio: 'ignore' as const }
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'noprop', '-A', 'trust', '--no-sync', '-E', 'UTF8'], options)
  const args = ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off']
  const isReady = async () => {
    for (;;) {
      try {
        execFileSync(join(bin, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
  const url = `postgres://noprop@127.0.0.1:${port}/postgres`
  const made = server(port, url, () => started(join(bin, 'postgres'), args, options), isReady)
  await made.start()
  return made
}

/** A server that speaks S3, with an empty bucket; and the environment in which it is used. */
export async function s3Server(host = '127.0.0.1'): Promise<TestServer & { env: Record<string, string> }> {
  const [port, folder] = [await freePort(), temporaryDirectory()]
  const program = programs.s3 as string
  const env = {
    AWS_ACCESS_KEY_ID: 'noprop',
    AWS_SECRET_ACCESS_KEY: 'nopropnoprop',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
  }
  const isGateway = program.endsWith('versitygw')
  if (isGateway) mkdirSync(join(folder, 'noprop'))
  const where = host === '0.0.0.0' ? `:${port}` : `${host}:${port}`
  const keys = ['--access', env.AWS_ACCESS_KEY_ID, '--secret', env.AWS_SECRET_ACCESS_KEY]
  const args = isGateway ? [...keys, '--quiet', '--port', where, 'posix', folder] : ['-H', host, '-p', String(port)]
  const made = server(port, 's3://noprop/runs', () => started(program, args, { cwd: folder }))
  await made.start()
  if (!isGateway) await fetch(`${env.AWS_ENDPOINT_URL}/noprop`, { method: 'PUT' })
  return { ...made, env }
}
