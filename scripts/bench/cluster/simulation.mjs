// A run on many machines, simulated: workers that take blocks, die and are replaced, one queue, one store, one client. What is measured on one
// machine goes in; out comes how long the run takes, what that would be without any loss, and how busy each part is.

/** Uniform numbers in [0, 1) from a seed (mulberry32): the same simulation each time. */
export function seeded(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word = (word + Math.imul(word ^ (word >>> 7), word | 61)) ^ word
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What happens next, the soonest first: a heap of [time, action]. */
class Agenda {
  #heap = []

  add(time, action) {
    const heap = this.#heap
    heap.push([time, action])
    for (let at = heap.length - 1; at > 0; ) {
      const above = (at - 1) >> 1
      if (heap[above][0] <= heap[at][0]) break
      ;[heap[above], heap[at]] = [heap[at], heap[above]]
      at = above
    }
  }

  next() {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (heap.length > 0) {
      heap[0] = last
      for (let at = 0; ; ) {
        const least = [2 * at + 1, 2 * at + 2].reduce(
          (best, child) => (heap[child]?.[0] < heap[best][0] ? child : best),
          at,
        )
        if (least === at) break
        ;[heap[least], heap[at]] = [heap[at], heap[least]]
        at = least
      }
    }
    return first
  }
}

/** Something that serves one after the other: a server's processor, a network's line. */
class Line {
  busy = 0
  #free = 0

  /** Work that is spread over a long time, in small parts. */
  spread(seconds) {
    this.busy += seconds
  }

  /** When work that takes so long is done, if it is asked for now. */
  take(now, seconds) {
    this.#free = Math.max(now, this.#free) + seconds
    this.busy += seconds
    return this.#free
  }
}

/**
 * @param {object} given `workers`, `blocks`, `blockSeconds`, `spread` (standard deviation of machines' speeds), `failuresPerHour` of a worker,
 * `restartSeconds`, `recoverySeconds` (until a dead worker's block is given out again), `uploadSeconds`, `stateBytes`, `partBytes`,
 * `dataBytes`, `queueSeconds` (the queue's time for one job), `messageSeconds` (for one message), `storeBytesPerSecond` (together),
 * `workerBytesPerSecond` (each), `clientBytesPerSecond`, `seed`.
 */
export function simulate(given) {
  const random = seeded(given.seed ?? 1)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const agenda = new Agenda()
  const [queue, store, client] = [new Line(), new Line(), new Line()]
  const waiting = Array.from({ length: given.blocks }, (_, block) => ({ block, done: 0 }))
  const idle = []
  let [repeated, deaths, finished, end, trained] = [0, 0, 0, 0, 0]
  const transfer = (now, bytes) =>
    Math.max(store.take(now, bytes / given.storeBytesPerSecond), now + bytes / given.workerBytesPerSecond)
  const untilDeath = () =>
    given.failuresPerHour > 0 ? (-Math.log(1 - random()) * 3600) / given.failuresPerHour : Infinity

  /** A worker that is free takes the next block. */
  const fetch = (now, worker) => {
    if (finished === given.blocks) return
    const job = waiting.shift()
    if (!job) return void idle.push(worker)
    let at = queue.take(now, given.queueSeconds)
    if (!worker.hasData) at = transfer(at, given.dataBytes)
    worker.hasData = true
    if (job.done > 0) at = transfer(at, given.stateBytes)
    const seconds = given.blockSeconds / worker.speed
    const begun = job.done * seconds
    const over = at + seconds - begun
    queue.spread(given.messageSeconds * (Math.min(over, worker.dies) - at))
    if (worker.dies > over) {
      for (let next = at + given.uploadSeconds; next < over; next += given.uploadSeconds) {
        agenda.add(next, (now) => transfer(now, given.stateBytes))
      }
      agenda.add(over, (now) => publish(now, worker, seconds))
      return
    }
    deaths += 1
    const made = Math.max(0, worker.dies - at)
    const kept = Math.floor(made / given.uploadSeconds) * given.uploadSeconds
    repeated += made - kept
    trained += made
    const left = { ...job, done: (begun + kept) / seconds }
    agenda.add(worker.dies + given.recoverySeconds, (now) => give(now, left))
    agenda.add(worker.dies + given.restartSeconds, (now) => {
      worker.dies = now + untilDeath()
      worker.hasData = false
      fetch(now, worker)
    })
  }
  const give = (now, job) => {
    waiting.unshift(job)
    const worker = idle.shift()
    if (worker) fetch(now, worker)
  }
  const publish = (now, worker, seconds) => {
    trained += seconds
    const there = transfer(now, given.partBytes)
    agenda.add(queue.take(there, given.queueSeconds), (now) => {
      finished += 1
      end = Math.max(end, client.take(now, given.partBytes / given.clientBytesPerSecond))
      fetch(now, worker)
    })
  }

  let capacity = 0
  for (let index = 0; index < given.workers; index++) {
    const worker = { speed: Math.max(0.2, 1 + given.spread * normal()), dies: untilDeath(), hasData: false }
    capacity += worker.speed
    agenda.add(0, (now) => fetch(now, worker))
  }
  while (finished < given.blocks) {
    const [now, action] = agenda.next()
    action(now)
  }
  const ideal = Math.max(given.blockSeconds, (given.blocks * given.blockSeconds) / capacity)
  return {
    ...{ seconds: end, ideal, deaths, repeated: repeated / trained },
    busy: { queue: queue.busy / end, store: store.busy / end, client: client.busy / end },
  }
}
