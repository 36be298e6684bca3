import { spawnSync } from 'node:child_process'
import { loadReason, type Reason } from './reason.js'

/** Some drivers take seconds to wake a GPU; one that takes longer hangs. */
const TIMEOUT_MILLISECONDS = 20_000

/** Prints what the addon named by the argument says about GPUs, or why it does not load. */
const PROBE = `
try { process.stdout.write(require(process.argv[1]).probeCuda()) }
catch (error) { process.stdout.write(JSON.stringify({ failure: error.message })) }`

/** What the probe prints. */
interface Answer {
  failure?: string
  built?: boolean
  devices?: { usable?: boolean; reason?: string | null; name?: string }[]
  error?: { what?: string; hint?: string }
}

/**
 * Why the CUDA addon at `path` should not be loaded here, or undefined if it should. It is tried in a process of its own: a
 * broken driver may crash or hang there, and this process must go on with the addon for the processor.
 */
export function cudaRefusal(path: string): Reason | undefined {
  const child = spawnSync(process.execPath, ['-e', PROBE, path], {
    encoding: 'utf8',
    timeout: TIMEOUT_MILLISECONDS,
    // Within Electron, `execPath` is Electron, which this makes behave as Node.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' },
    windowsHide: true,
  })
  if (child.error) return refused(`trying it failed: ${child.error.message}`)
  if (child.status !== 0) return refused(`trying it ended with ${child.signal ?? `exit code ${child.status}`}`)
  try {
    return judge(JSON.parse(child.stdout) as Answer)
  } catch {
    return refused(`trying it gave no answer: ${child.stdout.slice(0, 200)}`)
  }
}

function judge({ failure, built, devices = [], error }: Answer): Reason | undefined {
  if (failure !== undefined) return loadReason(new Error(failure))
  if (built === false) return refused('it was built without CUDA')
  if (error) return refused([error.what, error.hint].filter(Boolean).join('; '))
  if (devices.some(({ usable }) => usable)) return undefined
  return refused(
    devices.map(({ name, reason }) => `${name ?? 'a GPU'}: ${reason ?? 'not usable'}`).join('; ') || 'there is no GPU',
  )
}

function refused(text: string): Reason {
  return {
    kind: 'refused',
    text,
    cure: 'mend the GPU or its driver (nvidia-smi shows what the driver sees); until then the processor is used',
  }
}
