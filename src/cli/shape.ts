import { badValue } from './flag.js'

/** The shape of a sample, and how many classes there are. */
export interface Sample {
  input: number[]
  classes: number
}

/** The shapes of the known data sets. */
const SHAPES: Record<string, Sample> = {
  mnist: { input: [28, 28, 1], classes: 10 },
  'fashion-mnist': { input: [28, 28, 1], classes: 10 },
  cifar10: { input: [32, 32, 3], classes: 10 },
  cifar100: { input: [32, 32, 3], classes: 100 },
}

/** A named shape, `28x28x1`, `28x28` or `784`. */
export function shapeOf(flag: string, text: string): Sample {
  const known = Object.hasOwn(SHAPES, text) ? SHAPES[text] : undefined
  if (known) return known
  if (/^\d{1,9}(x\d{1,9}){0,2}$/.test(text)) return { input: text.split('x').map(Number), classes: 10 }
  throw badValue(flag, `one of ${Object.keys(SHAPES).join(', ')}, HxWxC or N`, text)
}
