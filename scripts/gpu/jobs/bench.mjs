// Measures training through the addon: the options of its `bench`, and `device` where that is not the processor.
import { addon, done, input } from './job.mjs'

const { device, ...options } = input
const { bench, StopSignal } = addon()
const asked = device === 'cpu' ? options : { ...options, device }
done(JSON.parse(await bench(JSON.stringify(asked), new StopSignal())))
