// Shows the queues of noprop in a browser, with bull-board.
//
//   npm install noprop bullmq ioredis express @bull-board/api @bull-board/express
//   NOPROP_QUEUE=redis://127.0.0.1:6379 node board.mjs cpu-avx512 cpu-avx2
//
// It lets whoever reaches it remove jobs, so it listens on this machine alone.
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import { Queue } from 'bullmq'
import express from 'express'
import { Redis } from 'ioredis'
import { version } from 'noprop'

const kinds = process.argv.slice(2)
const connection = new Redis(process.env.NOPROP_QUEUE ?? 'redis://127.0.0.1:6379', { maxRetriesPerRequest: null })
const names = (kinds.length > 0 ? kinds : ['cpu-avx512', 'cpu-avx2']).map((kind) => `noprop-${version}-${kind}`)
const serverAdapter = new ExpressAdapter()
createBullBoard({ queues: names.map((name) => new BullMQAdapter(new Queue(name, { connection }))), serverAdapter })
const app = express()
app.use('/', serverAdapter.getRouter())
const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
})
