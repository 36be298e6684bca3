// Requests that arrive while a prediction runs go into the next one together. Nobody waits for a timer: an idle model answers at once.
// What is predicted for a sample does not depend on what is beside it, so answers are those that each request would get alone.

/** Thrown where so many samples wait already that another request is not taken. */
export class Full extends Error {}

export class Batcher {
  #queue = []
  #waiting = 0
  #running = false
  #idle = []

  /** `predict` answers a list of samples; at most `most` go into one call, and at most `room` wait. */
  constructor(predict, { most, room, seen = () => {} }) {
    Object.assign(this, { predict, most, room, seen })
  }

  /** Samples that wait. */
  get waiting() {
    return this.#waiting
  }

  /** The answers to `samples`, which are all of one kind: only equal kinds are predicted together. */
  answer(kind, samples) {
    if (this.#waiting + samples.length > this.room) throw new Full()
    this.#waiting += samples.length
    return new Promise((resolve, reject) => {
      this.#queue.push({ kind, samples, resolve, reject })
      if (!this.#running) this.#run()
    })
  }

  /** Resolves when everything that was asked is answered. */
  async drained() {
    if (this.#running) await new Promise((resolve) => this.#idle.push(resolve))
  }

  async #run() {
    this.#running = true
    // What arrives in the same turn of the event loop goes along.
    await new Promise(setImmediate)
    while (this.#queue.length > 0) {
      const batch = this.#take()
      const samples = batch.flatMap((request) => request.samples)
      this.#waiting -= samples.length
      this.seen(samples.length)
      try {
        const answers = await this.predict(batch[0].kind, samples)
        for (const request of batch) request.resolve(answers.splice(0, request.samples.length))
      } catch (error) {
        // One bad request does not spoil the others: each is tried alone.
        if (batch.length === 1) batch[0].reject(error)
        else for (const request of batch) await this.#alone(request)
      }
    }
    this.#running = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** The first requests that may go together. */
  #take() {
    const batch = [this.#queue.shift()]
    let count = batch[0].samples.length
    while (this.#queue.length > 0) {
      const [next] = this.#queue
      if (next.kind !== batch[0].kind || count + next.samples.length > this.most) break
      count += next.samples.length
      batch.push(this.#queue.shift())
    }
    return batch
  }

  async #alone({ kind, samples, resolve, reject }) {
    try {
      resolve(await this.predict(kind, samples))
    } catch (error) {
      reject(error)
    }
  }
}
