/** What the documents point at exists: files, links between documents, and names of the code. */
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import test from 'ava'
import { documents, REPOSITORY, sourceFiles } from './documents.js'

const code = sourceFiles('src', 'ipc', 'workers', 'test', 'tools')
const fileNames = new Set(code.map(({ path }) => basename(path)))
const words = new Set(code.flatMap(({ text }) => text.match(/[A-Za-z_]\w+/g) ?? []))

for (const { path, text } of documents()) {
  const isThere = (target: string) => existsSync(join(REPOSITORY, target))

  test(`${path}: its links lead somewhere`, (t) => {
    const targets = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = '']) =>
      join(dirname(path), target),
    )
    t.deepEqual(
      targets.filter((target) => !isThere(target)),
      [],
    )
  })

  test(`${path}: the files it names exist`, (t) => {
    const names = [...text.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name = '']) => name)
    const isKnown = (name: string) =>
      name.includes('/') ? isThere(name) || isThere(join('src', name)) : fileNames.has(name)
    t.deepEqual(
      names.filter((name) => !isKnown(name)),
      [],
    )
  })

  test(`${path}: the functions and classes it names exist`, (t) => {
    // A name, or Class.method, in backquotes: in camel case, so that plain words and fields of tables do not count.
    const names = [...text.matchAll(/`#?(?:([A-Z]\w+)\.)?#?([a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)`/g)].flatMap(
      ([, owner, name]) => (owner === undefined ? [name!] : [owner, name!]),
    )
    const external = new Set(['erasableSyntaxOnly', 'headerCopy1', 'headerCopy2', 'readMarks', 'lockBytes', 'walLimit'])
    t.deepEqual(
      names.filter((name) => !words.has(name) && !external.has(name)),
      [],
    )
  })
}
