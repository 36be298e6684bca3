// Measures training through the addon: the options of its `bench`.
import { addon, done, input } from './job.mjs'

const { bench, StopSignal } = addon()
done(JSON.parse(await bench(JSON.stringify(input), new StopSignal())))
