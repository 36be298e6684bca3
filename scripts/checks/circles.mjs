// `node scripts/checks/circles.mjs`: fails on a circle among the modules of a Rust crate, and names it.
//
// An edge is a path in a `use` or in an expression that begins with `crate::`, `super::` or `self::`. A re-export does not count: a
// name leads to the module that defines it. Tests may use whatever they like. A module and its own submodules are one concept, so
// edges between the two do not count; those between siblings do. (For TypeScript biome's `noImportCycles` does this.)
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, StepFailed, script } from '../support/steps.mjs'

const CRATES = ['noprop-kernels', 'noprop-core', 'noprop-napi']

/** @typedef {{ uses: string[][], exports: Map<string, string[]> }} Module */

/** The leaves of a use tree: `a::{b, c::d as e}` gives `[a, b]` and `[a, c, d]`, each with the name it gets. */
export function leaves(tree, prefix = []) {
  const parts = []
  let [depth, part] = [0, '']
  for (const character of tree) {
    if (character === '{') depth++
    if (character === '}') depth--
    if (character === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else part += character
  }
  return [...parts, part].flatMap((text) => {
    const [, before, inner] = text.trim().match(/^([^{]*)\{([\s\S]*)\}$/) ?? []
    if (inner !== undefined) return leaves(inner, [...prefix, ...before.split('::').filter(Boolean)])
    if (text.trim() === '') return []
    const [path, alias] = text.trim().split(/\s+as\s+/)
    const whole = [...prefix, ...path.split('::')].filter((name) => name !== 'self' || prefix.length === 0)
    return [{ path: whole, name: alias ?? whole.at(-1) }]
  })
}

/** Source text without comments and without inline test modules. */
function significant(text) {
  return text
    .replace(/\/\/.*$/gm, '')
    .replace(/#\[cfg\((?:all\()?(?:any\()?test[\s\S]*?\)\]\s*(?:pub )?mod \w+ \{[\s\S]*?^\}/gm, '')
}

const isTest = (path) => /(^|\/)(tests|testing)(\.rs|\/)/.test(path)

/** The modules of a source folder by path, `ops::linear`; the crate's root is the empty path. */
export function modulesOf(directory) {
  /** @type {Map<string, Module>} */
  const modules = new Map()
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.rs') || isTest(path)) continue
    const name = relative('.', path).slice(0, -3).split(/[\\/]/)
    if (['mod', 'lib'].includes(name.at(-1))) name.pop()
    const text = significant(readFileSync(join(directory, path), 'utf8'))
    const absolute = (path) => {
      if (path[0] === 'crate') return path.slice(1)
      if (path[0] === 'self') return [...name, ...path.slice(1)]
      if (path[0] !== 'super') return undefined
      const levels = path.findIndex((part) => part !== 'super')
      return [...name.slice(0, name.length - levels), ...path.slice(levels)]
    }
    const module = { uses: [], exports: new Map() }
    const rest = text.replace(/\b(pub(?:\([^)]*\))? )?use ([^;]+);/g, (_, exported, tree) => {
      for (const leaf of leaves(tree)) {
        const path = absolute(leaf.path) ?? [...name, ...leaf.path]
        if (exported) module.exports.set(leaf.name, path)
        else if (absolute(leaf.path)) module.uses.push(path)
      }
      return ''
    })
    for (const [path] of rest.matchAll(/\b(?:crate|super|self)(?:::\w+)+/g))
      module.uses.push(absolute(path.split('::')))
    modules.set(name.join('::'), module)
  }
  return modules
}

/** The module that defines what a path names. */
function definition(modules, path, seen = 0) {
  for (let length = path.length; length >= 0; length--) {
    const module = path.slice(0, length).join('::')
    if (!modules.has(module)) continue
    const exported = modules.get(module).exports.get(path[length])
    return exported && seen < 10 ? definition(modules, [...exported, ...path.slice(length + 1)], seen + 1) : module
  }
  return ''
}

/** The circles among modules: lists of modules that reach each other. */
export function circles(modules) {
  const related = (a, b) => a === b || a.startsWith(`${b}::`) || b.startsWith(`${a}::`) || a === '' || b === ''
  const edges = new Map()
  for (const [name, { uses }] of modules) {
    const targets = uses.map((path) => definition(modules, path)).filter((target) => !related(name, target))
    edges.set(name, new Set(targets))
  }
  // Tarjan's strongly connected components.
  const [index, low, stack, found] = [new Map(), new Map(), [], []]
  const visit = (name) => {
    index.set(name, index.size)
    low.set(name, index.get(name))
    stack.push(name)
    for (const target of edges.get(name)) {
      if (!index.has(target)) visit(target)
      if (stack.includes(target)) low.set(name, Math.min(low.get(name), low.get(target)))
    }
    if (low.get(name) !== index.get(name)) return
    const circle = stack.splice(stack.indexOf(name))
    if (circle.length > 1) found.push(circle.sort())
  }
  for (const name of edges.keys()) if (!index.has(name)) visit(name)
  return found.map((circle) =>
    circle.map((name) => ({ name, uses: [...edges.get(name)].filter((target) => circle.includes(target)) })),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await script(() => {
    const found = CRATES.flatMap((crate) =>
      circles(modulesOf(join(root, 'crates', crate, 'src'))).map((circle) => ({ crate, circle })),
    )
    if (found.length === 0) return
    const texts = found.map(({ crate, circle }) =>
      [`in ${crate}:`, ...circle.map(({ name, uses }) => `  ${name} uses ${uses.join(', ')}`)].join('\n'),
    )
    throw new StepFailed(`modules use each other in a circle:\n${texts.join('\n')}`)
  })
}
