/**
 * docs/invariants.md and the code cite the same numbers: none is cited without being defined, none is defined without
 * being cited by the code that keeps it.
 */
import test from 'ava'
import { linesWith, readDocument, sourceFiles } from './documents.js'

/** Shaped like the number of an invariant, but a standard's. */
const NUMBER = /(?<![\w-])(?!UTF-|ISO-|SHA-|FNV-)[A-Z]{2,}-\d+(?![\w-])/g

function cited(...folders: string[]): Map<string, string> {
  const places = new Map<string, string>()
  for (const { path, text } of sourceFiles(...folders)) {
    for (const [id] of text.matchAll(NUMBER)) places.set(id, path)
  }
  return places
}

const defined = linesWith(readDocument('invariants.md'), /^\| ([A-Z]+-\d+) \|/)

test('each invariant is defined once', (t) => {
  t.true(defined.length > 0)
  t.is(new Set(defined).size, defined.length)
})

test('every invariant that src or test cites is defined', (t) => {
  const undefinedOnes = [...cited('src', 'test')].filter(([id]) => !defined.includes(id))
  t.deepEqual(undefinedOnes, [])
})

test('every invariant that is defined is cited in src', (t) => {
  const inSources = cited('src')
  t.deepEqual(
    defined.filter((id) => !inSources.has(id)),
    [],
  )
})
