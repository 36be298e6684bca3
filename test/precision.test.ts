import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS, smallModel } from './support/models.js'
import { done, events, runCli } from './support/process.js'

const SMALL_BENCH = ['bench', '--shape', '14x14', '--widths', '32,32,32', '--hidden', '16', '--blocks', '2']

/** What this machine's processor can do, as `noprop doctor` says. */
async function precisions(): Promise<string[]> {
  const { devices } = (await done(['doctor'])) as unknown as { devices: { device: string; precisions: string[] }[] }
  return devices.find(({ device }) => device === 'cpu')!.precisions
}
const HERE = await precisions()

test('every machine can do f32', () => {
  expect(HERE[0]).toBe('f32')
  expect(['f32', 'bf16']).toEqual(expect.arrayContaining(HERE))
})

test('a processor without bf16 dot products refuses bf16 and says what is missing', async () => {
  const env = { ...process.env, NOPROP_SIMD: 'portable' }
  for (const args of [['train', '--data', smallIdx(), ...SMALL_FLAGS], SMALL_BENCH]) {
    const { code, stderr } = await runCli([...args, '--precision', 'bf16'], { env })
    expect([args[0], code]).toEqual([args[0], 1])
    expect(stderr.split('\n').at(-2)).toMatch(
      /^error NOPROP_DEVICE: precision bf16 cannot be used[^\n]*expected: [^\n]*AVX-512 BF16[^\n]*received: [^\n]*portable[^\n]*hint: /,
    )
  }
})

test('an unknown precision is refused with those that there are', async () => {
  const { code, stderr } = await runCli([...SMALL_BENCH, '--precision', 'f16'])
  expect(code).toBe(2)
  expect(stderr).toMatch(
    /^error NOPROP_OPTION: unknown precision 'f16'; expected: f32, tf32 or bf16; [^\n]*--precision\n$/,
  )
})

test('inference is f32: its benchmark takes no other precision', async () => {
  const { code, stderr } = await runCli([...SMALL_BENCH, '--mode', 'inference', '--precision', 'bf16'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^error NOPROP_OPTION: --precision does not apply to inference/)
})

describe.skipIf(!HERE.includes('bf16'))('bf16 on this machine', () => {
  test('a model file names the precision that it was trained in, and a run without the option is f32', async () => {
    const data = squares(128, 14, [0, 1, 2, 3])
    const options = { epochs: 1, batch: 32 } as const
    const [single, rounded] = [NoProp.create(smallModel()), NoProp.create(smallModel())]
    const { weightsSha256 } = await single.fit(data, options)
    expect(single.training?.options).toMatchObject({ precision: 'f32' })
    expect((await rounded.fit(data, { ...options, precision: 'bf16' })).weightsSha256).not.toBe(weightsSha256)
    const path = join(temporaryDirectory(), 'model.safetensors')
    await rounded.save(path)
    expect((await NoProp.load(path)).training?.options).toMatchObject({ precision: 'bf16' })
  })

  test('bench measures the precision that is asked for against its own peak', async () => {
    for (const precision of ['f32', 'bf16']) {
      const result = await done([...SMALL_BENCH, '--precision', precision, '--threads', '1', '--seconds', '0.2'])
      expect(result).toMatchObject({ precision, instructionSet: 'avx512' })
      expect(result.peakShare).toBeCloseTo((result.gflops as number) / (result.peakGflops as number), 10)
    }
    const { stdout } = await runCli([...SMALL_BENCH, '--precision', 'bf16', '--seconds', '0.1'])
    expect(stdout).toMatch(/^arithmetic {6}[^\n]*\(bf16, avx512\)$/m)
  })

  test('it learns MNIST as well as f32', async () => {
    const train = ['train', '--data', 'mnist', '--limit', '6000', '--widths', '32,32,32', '--hidden', '64']
    const flags = ['--blocks', '3', '--epochs', '2', '--batch', '64', '--lr', '0.003', '--lr-schedule', 'one-cycle']
    const [single, rounded] = [
      await done([...train, ...flags]),
      await done([...train, ...flags, '--precision', 'bf16']),
    ]
    expect(single.testAccuracy).toBeGreaterThan(0.95)
    // Two runs that differ in rounding alone differ by a few of 10,000 samples, as two seeds do.
    expect(Math.abs(rounded.testAccuracy - single.testAccuracy)).toBeLessThan(0.007)
  }, 120_000)

  test('a run that is resumed in another precision is refused', async () => {
    const [data, checkpoint] = [smallIdx(), join(temporaryDirectory(), 'c')]
    const args = ['train', '--data', data, ...SMALL_FLAGS, '--checkpoint', checkpoint, '--json']
    expect((await runCli([...args, '--precision', 'bf16'])).code).toBe(0)
    const other = await runCli([...args, '--resume'])
    expect(events(other).at(-1)).toMatchObject({ event: 'error', code: 'NOPROP_CHECKPOINT_MISMATCH' })
    expect(other.stderr).toContain('--precision differs')
    expect((await runCli([...args, '--precision', 'bf16', '--resume'])).code).toBe(0)
  })
})
