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
  #free = 0
  #busy = 0
  // What small messages take of each second, since when, and what they took before.
  #share = 0
  #since = 0
  #shared = 0
  /** The greatest share that messages have asked for; above 1 the line cannot keep up. */
  most = 0

  /** Messages take so much more of each second from now on; less, if it is negative. */
  share(now, more) {
    this.#shared += this.#share * (now - this.#since)
    this.#since = now
    this.#share += more
    this.most = Math.max(this.most, this.#share)
  }

  /** When work that takes so long is done, if it is asked for now: what messages leave of each second is there for it. */
  take(now, seconds) {
    this.#free = Math.max(now, this.#free) + seconds / Math.max(1e-3, 1 - this.#share)
    this.#busy += seconds
    return this.#free
  }

  /** The share of the time until `end` in which it worked. */
  busy(end) {
    return (this.#busy + this.#shared + this.#share * (end - this.#since)) / end
  }
}

/**
 * @param {object} given `workers`, `blocks`, `blockSeconds`, `spread` (standard deviation of machines' speeds), `failuresPerHour` of a worker,
 * `restartSeconds`, `recoverySeconds` (until a dead worker's block is given out again), `uploadSeconds`, `stateBytes`, `partBytes`,
 * `dataBytes`, `queueSeconds` (the queue's time for one job), `messageSeconds` (its time for a second of a worker that trains), `storeBytesPerSecond` (together),
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
    // While it trains it tells the queue of its progress, and that it lives.
    const until = Math.min(over, worker.dies)
    if (until > at) {
      agenda.add(at, (now) => queue.share(now, given.messageSeconds))
      agenda.add(until, (now) => queue.share(now, -given.messageSeconds))
    }
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
    busy: { queue: queue.busy(end), store: store.busy(end), client: client.busy(end) },
    messages: queue.most,
  }
}
