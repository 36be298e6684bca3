// Functions that tests run within a page: each must stand alone.

/** See browser.ts. */
export function poorContrasts() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const share = value / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor)
  }
  const poor = new Set()
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some(({ nodeType, textContent }) => nodeType === 3 && textContent?.trim())
    const style = getComputedStyle(element)
    const box = element.getBoundingClientRect()
    const isShown = box.width > 1 && box.height > 1 && style.visibility === 'visible'
    if (!hasText || !isShown || ['SCRIPT', 'STYLE', 'TITLE', 'title'].includes(element.tagName)) continue
    const isDrawn = element instanceof SVGElement
    const colour = rgba(isDrawn && style.fill !== 'none' ? style.fill : style.color)
    const [light, dark] = [luminance(colour), luminance(background(element))].sort((a, b) => b - a)
    const needed = Number.parseFloat(style.fontSize) >= 24 ? 3 : 4.5
    if ((light + 0.05) / (dark + 0.05) < needed) {
      poor.add(
        `${element.tagName}.${element.getAttribute('class')}: ${element.textContent?.slice(0, 40)} ${((light + 0.05) / (dark + 0.05)).toFixed(2)}`,
      )
    }
  }
  return [...poor]
}

/** See browser.ts. */
export function unnamed() {
  const found = []
  const name = (element) =>
    element.getAttribute('aria-label') ??
    (element.getAttribute('aria-labelledby') &&
      document.getElementById(element.getAttribute('aria-labelledby'))?.textContent) ??
    element.getAttribute('alt') ??
    element.textContent
  for (const element of document.querySelectorAll(
    'img, button, a, summary, section, nav, [role=img], [role=region], [role=progressbar]',
  )) {
    if (!name(element)?.trim()) found.push(element.outerHTML.slice(0, 120))
  }
  for (const table of document.querySelectorAll('table')) {
    if (!table.caption?.textContent) found.push('a table without a caption')
    if (!table.querySelector('th[scope=col]')) found.push('a table without headings of columns')
  }
  let level = 0
  for (const heading of document.querySelectorAll('h1, h2, h3')) {
    const own = Number(heading.tagName[1])
    if (own > level + 1) found.push(`${heading.tagName} after h${level}: ${heading.textContent}`)
    level = own
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`two elements of id ${id}`)
  if (!document.documentElement.lang) found.push('no language')
  if (document.querySelectorAll('main').length !== 1 || document.querySelectorAll('h1').length !== 1)
    found.push('no one main or h1')
  return found
}

/** See browser.ts. */
export function width() {
  return document.documentElement.scrollWidth
}

/** See browser.ts. */
export function runsScripts() {
  const script = document.createElement('script')
  script.textContent = 'window.ran = true'
  document.body.append(script)
  return 'ran' in window
}
