// Photos in folders: `node photos.mjs FOLDER`, with a folder of pictures for each class, or train and test with such folders. Without
// one it draws some itself.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { datasets, NoProp } from 'noprop'

const folder = process.argv[2] ?? draw()
const found = await datasets.fromFolder(folder, { size: [16, 16] })
// What was left out, and why.
for (const note of found.notes) console.log(note)
// Without pictures for the test, a fifth of the others is held out.
const { train, test } = found.test ? { train: found.train, test: found.test } : await found.train.split(0.2)
console.log(`${train}, ${test.samples} for the test; classes: ${train.classes.join(', ')}`)

const { shape: input, classes, preprocessing } = train
const model = NoProp.create({ input, classes, preprocessing, blocks: 3, net: { type: 'mlp', hidden: [32] } })
await model.fit(train, { epochs: 20, batch: 16, learningRate: 0.003 })
const { accuracy, worst } = await model.evaluate(test, { worst: 3 })
console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %`)
for (const { path, target, predicted } of worst)
  console.log(`${path}: ${classes[target]}, taken for ${classes[predicted]}`)

// A new picture of any size, as the model takes it: size and fit are those of its training.
const [height = 0, width = 0, channels = 3] = input
const fit = preprocessing?.type === 'images' ? preprocessing.fit : 'cover'
const file = worst.at(-1)?.path ?? ''
const picture = await datasets.fromImages([file], { shape: [height, width, channels], fit })
console.log(`${file} looks like ${(await model.predict(picture)).labels[0]}`)
await model.save('photos.safetensors')

/** Draws yellow discs and blue squares of all sizes as BMP files, 24 × 20 pixels. */
function draw(folder = 'photos') {
  const [width, height] = [24, 20]
  for (const kind of ['disc', 'square']) {
    mkdirSync(join(folder, kind), { recursive: true })
    for (let index = 0; index < 60; index++) {
      const file = Buffer.alloc(54 + width * height * 3)
      file.write('BM')
      for (const [at, value] of [
        [2, file.length],
        [10, 54],
        [14, 40],
        [18, width],
        [22, height],
        [26, 1],
        [28, 24],
      ]) {
        file.writeUInt16LE(value ?? 0, at ?? 0)
      }
      const [radius, x, y] = [4 + (index % 5), 9 + (index % 7), 8 + (index % 4)]
      for (let pixel = 0; pixel < width * height; pixel++) {
        const [right, down] = [(pixel % width) - x, Math.floor(pixel / width) - y]
        const isIn =
          kind === 'disc' ? Math.hypot(right, down) <= radius : Math.max(Math.abs(right), Math.abs(down)) <= radius
        const colour = kind === 'disc' ? [40, 210, 230] : [220, 120, 60]
        const noise = (pixel * 37 + index * 11) % 60
        // Blue, green, red.
        for (const [at, value] of colour.entries()) file[54 + 3 * pixel + at] = (isIn ? value - 30 : 40) + noise / 2
      }
      writeFileSync(join(folder, kind, `${index}.bmp`), file)
    }
  }
  return folder
}
