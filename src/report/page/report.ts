import type { ReportDocument } from '../document.js'
import { blocksSection } from './blocks.js'
import { calibrationSection } from './calibration.js'
import { classesSection } from './classes.js'
import { confusionSection } from './confusion.js'
import { curvesSection } from './curves.js'
import { denoisingSection } from './denoising.js'
import { detailsSection } from './details.js'
import { type Child, h } from './dom.js'
import { figuresSection } from './figures.js'
import { contents, header, subtitle } from './header.js'
import type { Section } from './section.js'
import { numberBlocksSection, targetsSection, worstNumbersSection } from './targets.js'
import { worstSection } from './worst.js'

/** Fills the page with a report. */
export function showReport(document: ReportDocument, ...actions: Child[]): void {
  const sections = [
    figuresSection(document),
    curvesSection(document),
    targetsSection(document),
    numberBlocksSection(document),
    blocksSection(document),
    denoisingSection(document),
    confusionSection(document),
    worstSection(document),
    worstNumbersSection(document),
    calibrationSection(document),
    classesSection(document),
    detailsSection(document),
  ].filter((section): section is Section => section !== undefined)
  window.document.title = `${document.title} · noprop`
  window.document.body.replaceChildren(
    h('a', { href: '#main', class: 'skip' }, 'To the content'),
    header(document.title, 'Report', subtitle(document), ...actions),
    contents(sections),
    h('main', { id: 'main' }, ...sections.map(({ element }) => element)),
    h(
      'footer',
      {},
      `Made by noprop ${document.made.version} on ${document.made.at.slice(0, 10)}. This file loads nothing from elsewhere.`,
    ),
  )
}
