import type { Label } from '../data/labels.js'
import type { EvaluateResult } from '../inference.js'
import type { ModelConfig, TrainingRecord } from '../options.js'
import { methodName, percent, thousands } from '../summary.js'

/** Options of `model.card`. */
export interface CardOptions {
  /** The name of the model, the card's title. Default 'A noprop model'. */
  name?: string
  /** What `evaluate` found; the card then has it. */
  evaluation?: EvaluateResult
  /** What it was evaluated on, in words: 'the test set of MNIST'. */
  evaluatedOn?: string
}

/** What a card tells of a model. */
export interface CardFacts {
  config: ModelConfig
  training: TrainingRecord | null
  parameters: number
  weightsSha256: string
  version: string
}

/** Classes that are listed one by one. */
const MOST_CLASSES = 100

/** A model card in Markdown, with the header of a Hugging Face repository. */
export function cardOf(facts: CardFacts, { name = 'A noprop model', evaluation, evaluatedOn }: CardOptions): string {
  const { config, training, parameters, weightsSha256 } = facts
  const { input, classes, net, preprocessing, seed } = config
  const isImage = input.length > 1
  const task = isImage ? 'image-classification' : 'tabular-classification'
  const parts = [
    frontMatter(task),
    `# ${inline(name)}`,
    `A classifier of ${isImage ? `images (${input.join(' × ')})` : `vectors of ${input[0]} values`} into ${thousands(classes.length)} classes, trained by [noprop](https://www.npmjs.com/package/noprop): its blocks never waited for each other.`,
    '## Use',
    fenced(
      'js',
      `import { NoProp } from 'noprop'\n\nconst model = await NoProp.load('model.safetensors')\nconst { labels, probabilities } = await model.predict(samples)`,
    ),
    inputOf(config),
    '## The model',
    table(
      ['', ''],
      [
        ['method', methodName(config)],
        ['blocks', thousands(config.blocks)],
        ['net', typeof net === 'string' ? net : net.type],
        ['parameters', thousands(parameters)],
        ['classes', listed(classes)],
        ['seed', String(seed)],
        ['weights (SHA-256)', weightsSha256],
      ],
    ),
    '## Training',
    training ? table(['', ''], trainingRows(training)) : 'It says nothing of its training.',
  ]
  if (preprocessing?.type === 'table') {
    const rows = preprocessing.columns.map((column) => [
      column.name,
      column.type === 'number' ? 'number' : `one of ${listed(column.values)}`,
    ])
    parts.push('## Columns', table(['column', 'holds'], rows))
  }
  if (evaluation) parts.push(...evaluated(evaluation, evaluatedOn))
  parts.push(
    '## Limits',
    'Probabilities are those of the classes above: a sample of none of them gets one of them all the same. Data that differ from those of the training lower the accuracy.',
  )
  return `${parts.join('\n\n')}\n`
}

function frontMatter(task: string): string {
  return `---\nlibrary_name: noprop\npipeline_tag: ${task}\ntags:\n- noprop\n- ${task}\n---`
}

function inputOf({ input, preprocessing }: ModelConfig): string {
  if (preprocessing?.type === 'table') return 'Samples are rows: objects with the columns below.'
  const samples =
    input.length > 1
      ? `Samples are images of ${input.join(' × ')} values (height, width, channels): bytes, or numbers as in training.`
      : `Samples are vectors of ${input[0]} numbers.`
  return preprocessing
    ? `${samples} \`noprop predict\` takes pictures of any size and resizes them (${preprocessing.fit}).`
    : samples
}

function trainingRows({ options, ...rest }: TrainingRecord): string[][] {
  const text = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value))
  return Object.entries({ ...options, ...rest }).map(([key, value]) => [key, text(value)])
}

function evaluated(found: EvaluateResult, on: string | undefined): string[] {
  const { macroAverage, calibration, perClass, classes } = found
  const rows = [
    ['accuracy', percent(found.accuracy)],
    ['balanced accuracy', percent(found.balancedAccuracy)],
    ['F1, mean of the classes', percent(macroAverage.f1)],
    ['Brier score', found.loss.toFixed(4)],
    ['log loss', found.logLoss.toFixed(4)],
    ['expected calibration error', calibration.ece.toFixed(4)],
  ]
  const about = `Measured on ${thousands(found.samples)} samples${on ? ` of ${inline(on)}` : ''}.`
  const parts = ['## Evaluation', about, table(['', ''], rows)]
  if (classes.length <= MOST_CLASSES) {
    const { precision, recall, f1, support } = perClass
    const shares = [precision, recall, f1]
    const each = classes.map((label, index) => [
      String(label),
      ...shares.map((share) => percent(share[index] ?? 0)),
      String(support[index]),
    ])
    parts.push(table(['class', 'precision', 'recall', 'F1', 'samples'], each))
  }
  return parts
}

function listed(classes: readonly Label[]): string {
  if (classes.length <= MOST_CLASSES) return classes.join(', ')
  return `${classes.slice(0, 5).join(', ')}, …, ${classes.at(-1)}`
}

/** Text that Markdown shows as it is, in one line: it may come from a file that is not trusted. */
function inline(text: string): string {
  const oneLine = text.replace(/\s+/g, ' ')
  return oneLine.replace(/[\\`*_{}[\]<>#|~!]/g, (character) => `\\${character}`)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(inline).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function fenced(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``
}
