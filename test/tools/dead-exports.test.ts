/** What an engine file exports is used: in the file itself, elsewhere in the engine, by a tool or in a test. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))
/** Constants are left out: a format is written down whole, with the fields that nobody reads. */
const EXPORT = /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type) (\w+)/gm

test('no engine file exports what nobody uses', (t) => {
  const files = ['src', 'ipc', 'workers', 'test', 'tools'].flatMap(sourceFiles)
  // A layer's index.ts only passes names on; what src/index.ts passes on is the public API.
  const isDoor = (path: string) => path.startsWith('src/') && path.endsWith('/index.ts') && path !== 'src/index.ts'
  const uses = countWords(files.filter((path) => !isDoor(path)))
  const dead: string[] = []
  for (const path of files.filter((file) => file.startsWith('src/') && file !== 'src/index.ts')) {
    for (const [, name = ''] of read(path).matchAll(EXPORT)) if (uses.get(name) === 1) dead.push(`${path}: ${name}`)
  }
  t.deepEqual(dead, [])
})

function sourceFiles(folder: string): string[] {
  const names = readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => `${folder}/${name}`)
}

function countWords(paths: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const path of paths) {
    for (const word of read(path).match(/\w+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return counts
}

function read(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8')
}
