/** What an element may hold. */
export type Child = Node | string | number | null | undefined | false | readonly Child[]

/** Attributes; those that are functions listen, `style` sets properties, and what is undefined or false is left out. */
export type Attributes = Record<string, unknown>

/** An element with its attributes and children. Text is always text. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) set(element, name, value)
  add(element, children)
  return element
}

function set(element: HTMLElement, name: string, value: unknown): void {
  if (value === undefined || value === false || value === null) return
  if (typeof value === 'function') element.addEventListener(name, value as EventListener)
  else if (name === 'style') {
    // By properties, since the page's policy lets no style attribute in.
    for (const [property, text] of Object.entries(value as Record<string, string>))
      element.style.setProperty(property, text)
  } else element.setAttribute(name, value === true ? '' : String(value))
}

function add(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    if (Array.isArray(child)) add(element, child)
    else element.append(child instanceof Node ? child : String(child))
  }
}

/** An element of SVG. */
export function svg(tag: string, attributes: Record<string, string | number>, ...children: Node[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

/** A table: the first cell of each row is its heading. What is a number stands to the right. */
export function tableOf(caption: string, head: readonly string[], rows: readonly (readonly Child[])[]): HTMLElement {
  const cell = (child: Child, column: number) =>
    column === 0 ? h('th', { scope: 'row' }, child) : h('td', { class: isNumber(child) && 'number' }, child)
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, caption),
      h(
        'thead',
        {},
        h('tr', {}, ...head.map((text, column) => h('th', { scope: 'col', class: column > 0 && 'number' }, text))),
      ),
      h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map(cell)))),
    ),
  )
}

function isNumber(child: Child): boolean {
  return typeof child === 'number' || (typeof child === 'string' && /^[−-]?[\d.,]+( %)?$|^–$/.test(child))
}
