#!/usr/bin/env node
import { fromNative, NoPropError } from '../errors.js'
import { Interruption, interruptible } from './interrupts.js'
import { Io } from './io.js'
import { runProgram } from './program.js'

/** Milliseconds that a command that is done may take to end by itself. */
const LINGERING = 5000

const args = process.argv.slice(2)
// Read here rather than by the parser, so that errors of the parser itself already heed them.
const io = new Io(args.includes('--json'), args.includes('--verbose'), interruptible())

try {
  process.exitCode = await runProgram(args, io)
  await io.flush()
  if (io.failure) fail(io.failure)
} catch (error) {
  fail(error instanceof NoPropError ? error : fromNative(error))
}

// Whatever is still open then, in a library say, does not keep a command alive that is done.
setTimeout(() => process.exit(), LINGERING).unref()

function fail(error: NoPropError): void {
  io.fail(error)
  process.exitCode = exitCodeOf(error)
}

/** 130 or 143 for an interruption, 2 for what was typed wrongly, 1 for every other failure. */
function exitCodeOf(error: NoPropError): number {
  if (error instanceof Interruption) return error.exitCode
  return error.code === 'NOPROP_USAGE' || error.code === 'NOPROP_OPTION' ? 2 : 1
}
