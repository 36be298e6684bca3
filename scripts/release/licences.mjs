// Which licence of a crate applies, and where its text is.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import parse from 'spdx-expression-parse'

/**
 * The licences that code in the addon may have, with what their text is known by. Where a crate offers a choice, the first
 * of this list is taken. All are permissive: they ask for no more than their text and the copyright line.
 */
export const ALLOWED = {
  MIT: /Permission is hereby granted, free of charge, to any\s+person obtaining a copy/,
  'Apache-2.0': /Apache License\s+Version 2\.0, January 2004/,
  'BSD-3-Clause': /Redistribution and use in source and binary forms[\s\S]*Neither the name/,
  'BSD-2-Clause': /Redistribution and use in source and binary forms/,
  ISC: /Permission to use, copy, modify, and(?:\/or)? distribute this software for any\s+purpose/,
  Zlib: /This software is provided 'as-is'/,
  'Unicode-3.0': /UNICODE LICENSE V3/,
}
const ORDER = Object.keys(ALLOWED)

/**
 * The licences to fulfil of an SPDX expression, or undefined when it leaves none but those that are not allowed. An exception
 * (`WITH …`) only ever grants more, so it is left out. Old manifests write `MIT/Apache-2.0` for a choice. What is no SPDX
 * expression is not allowed either.
 */
export function choose(expression) {
  let tree
  try {
    tree = parse(expression.replaceAll('/', ' OR '))
  } catch {
    return undefined
  }
  return visit(tree)
}

function visit(node) {
  if (node.license) return node.license in ALLOWED ? [node.license] : undefined
  const [left, right] = [visit(node.left), visit(node.right)]
  if (node.conjunction === 'and') return left && right && [...new Set([...left, ...right])]
  if (!left || !right) return left ?? right
  const rank = (licences) => Math.max(...licences.map((licence) => ORDER.indexOf(licence)))
  return rank(left) <= rank(right) ? left : right
}

/** The text of `licence` among the files of a package's directory, or undefined. */
export function textOf(licence, directory) {
  const names = readdirSync(directory).filter((name) => /^(?:licen[cs]e|copying|unlicense|notice)/i.test(name))
  const texts = names.sort().flatMap((name) => filesBelow(join(directory, name)))
  return texts.find((text) => ALLOWED[licence].test(text) && !mixed(licence, text))
}

/** Notes that a licence asks to pass on beside its text (Apache-2.0, section 4d). */
export function noticeOf(directory) {
  const name = readdirSync(directory).find((name) => /^notice(?:\.|$)/i.test(name))
  return name && tidy(readFileSync(join(directory, name), 'utf8'))
}

function filesBelow(path) {
  try {
    return [tidy(readFileSync(path, 'utf8'))]
  } catch (error) {
    if (error.code !== 'EISDIR') throw error
    return readdirSync(path).flatMap((name) => filesBelow(join(path, name)))
  }
}

/** BSD's two clauses are the beginning of its three. */
function mixed(licence, text) {
  return licence === 'BSD-2-Clause' && ALLOWED['BSD-3-Clause'].test(text)
}

/** The same text, however its lines end. */
export function tidy(text) {
  return text
    .replaceAll('\r\n', '\n')
    .replace(/^\uFEFF/, '')
    .replace(/[ \t]+$/gm, '')
    .replace(/^\n+|\n+$/g, '')
}
