// Every kernel against the reference in double precision: `{ device, most?, log?, multiply?, after? }`; all comparisons, see
// `deviceParity`.
import { addon, done, input } from './job.mjs'

const { deviceParity, StopSignal } = addon()
done(JSON.parse(await deviceParity(JSON.stringify(input), new StopSignal())))
