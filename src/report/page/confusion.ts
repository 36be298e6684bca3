import type { ReportDocument } from '../document.js'
import { MOST_CLASSES, MOST_PAIRS } from '../limits.js'
import { h } from './dom.js'
import { counted, percent, thousands } from './numbers.js'
import { className, sampleCard } from './sample.js'
import { type Section, section } from './section.js'

type Pair = [target: number, predicted: number, count: number]

/** Which classes are taken for which, and what the samples look like. */
export function confusionSection(document: ReportDocument): Section | undefined {
  const { evaluation } = document
  if (!evaluation) return undefined
  const { classes, confusion, confusionPairs } = evaluation
  const panel = h(
    'div',
    { class: 'panel', 'aria-live': 'polite' },
    h('p', { class: 'missing' }, 'Choose a number to see samples of it.'),
  )
  const show = (pair: Pair) => panel.replaceChildren(...samplesOf(document, pair))
  const matrix =
    confusion && classes.length <= MOST_CLASSES
      ? matrixOf(document, confusion, show)
      : listOf(document, confusionPairs ?? pairsOf(confusion ?? []), show)
  return section(
    'confusions',
    'Confusions',
    'Rows are the labels, columns what the samples were taken for. The numbers count samples; choose one to see some of them.',
    h('div', { class: 'confusions' }, matrix, panel),
    document.missing.pictures ? h('p', { class: 'missing' }, document.missing.pictures) : null,
  )
}

/** The matrix, in which arrow keys go from number to number. */
function matrixOf(
  document: ReportDocument,
  confusion: readonly (readonly number[])[],
  show: (pair: Pair) => void,
): HTMLElement {
  const names = confusion.map((_, place) => className(document, place))
  const wrong = confusion.flatMap((row, target) => row.filter((_, predicted) => predicted !== target))
  const greatest = Math.max(1, ...wrong)
  const buttons: HTMLButtonElement[][] = []
  const choose = (button: HTMLButtonElement, pair: Pair) => {
    for (const each of buttons.flat()) each.setAttribute('aria-pressed', String(each === button))
    show(pair)
  }
  const onKey = (event: KeyboardEvent) => {
    const at = buttons.findIndex((row) => row.includes(event.target as HTMLButtonElement))
    const place = buttons[at]?.indexOf(event.target as HTMLButtonElement) ?? -1
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    }
    const move = moves[event.key]
    if (!move || place < 0) return
    const next = buttons[at + move[0]]?.[place + move[1]]
    event.preventDefault()
    if (!next) return
    ;(event.target as HTMLButtonElement).tabIndex = -1
    next.tabIndex = 0
    next.focus()
  }
  const rows = confusion.map((row, target) => {
    const support = Math.max(
      1,
      row.reduce((sum, count) => sum + count, 0),
    )
    const cells = row.map((count, predicted) => {
      const isRight = target === predicted
      const share = isRight ? count / support : count / greatest
      const button = h(
        'button',
        {
          type: 'button',
          class: count === 0 ? 'none' : isRight ? 'right' : 'wrong',
          tabindex: target === 0 && predicted === 0 ? 0 : -1,
          'aria-pressed': 'false',
          'aria-label': `${names[target]} taken for ${names[predicted]}: ${counted(count, 'sample')}`,
          style: { '--share': `${Math.round(45 * Math.sqrt(share))}%` },
          click: () => choose(button, [target, predicted, count]),
        },
        thousands(count),
      )
      return button
    })
    buttons.push(cells)
    return h('tr', {}, h('th', { scope: 'row' }, names[target]), ...cells.map((cell) => h('td', {}, cell)))
  })
  return h(
    'div',
    { class: 'scroll', role: 'region', tabindex: 0, 'aria-label': 'Confusion matrix' },
    h(
      'table',
      { class: 'matrix', keydown: onKey },
      h('caption', {}, 'label ↓  taken for →'),
      h('thead', {}, h('tr', {}, h('td', {}), ...names.map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, ...rows),
    ),
  )
}

function pairsOf(confusion: readonly (readonly number[])[]): Pair[] {
  return confusion.flatMap((row, target) => row.map((count, predicted): Pair => [target, predicted, count]))
}

function listOf(document: ReportDocument, pairs: readonly Pair[], show: (pair: Pair) => void): HTMLElement {
  const wrong = pairs.filter(([target, predicted, count]) => target !== predicted && count > 0)
  const most = wrong.sort((one, other) => other[2] - one[2]).slice(0, MOST_PAIRS)
  const row = (pair: Pair) =>
    h(
      'li',
      {},
      h(
        'button',
        { type: 'button', click: () => show(pair) },
        `${className(document, pair[0])} taken for ${className(document, pair[1])}: ${thousands(pair[2])}`,
      ),
    )
  return h('ol', { class: 'pairs', 'aria-label': 'The most frequent confusions' }, ...most.map(row))
}

/** Samples of one number of the matrix. */
function samplesOf(document: ReportDocument, [target, predicted, count]: Pair): HTMLElement[] {
  const found = document.cells?.find(([i, j]) => i === target && j === predicted)?.[2] ?? []
  const shown = found.slice(0, count)
  const names = [className(document, target), className(document, predicted)]
  const heading = target === predicted ? `${names[0]}, rightly` : `${names[0]} taken for ${names[1]}`
  const support = document.evaluation?.perClass.support[target] ?? 0
  const of = support > 0 ? `, ${percent(count / support)} of class ${names[0]}` : ''
  return [
    h('h3', {}, heading),
    h(
      'p',
      { class: 'note' },
      `${counted(count, 'sample')}${of}${shown.length < count ? `; the first ${shown.length} are shown` : ''}`,
    ),
    h('div', { class: 'samples' }, ...shown.map((sample) => sampleCard(document, sample))),
  ]
}
