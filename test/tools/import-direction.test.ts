/**
 * Imports go down only: the lint rules of biome.json must refuse an engine file that reaches upwards, past a
 * layer's index.ts, or round the vfs. Each case is linted as a file of its own, under the project's own rules.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))
const BIOME = join(REPOSITORY, 'node_modules/@biomejs/biome/bin/biome')

interface Verdict {
  readonly passed: boolean
  readonly report: string
}

async function lint(path: string, source: string): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), 'endmark-lint-'))
  try {
    await cp(join(REPOSITORY, 'biome.json'), join(folder, 'biome.json'))
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), source)
    return await runBiome(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function runBiome(folder: string): Promise<Verdict> {
  const parameters = ['lint', '--vcs-enabled=false', '--colors=off', '--reporter=github', '.']
  return new Promise((resolve) => {
    execFile(process.execPath, [BIOME, ...parameters], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ passed: error === null, report: stdout + stderr })
    })
  })
}

const upward: Record<string, { readonly path: string; readonly source: string }> = {
  'a value from a higher layer': { path: 'src/btree/a.ts', source: "export { x } from '../store/index.js'\n" },
  'a type from a higher layer': { path: 'src/wal/a.ts', source: "export type { X } from '../pager/index.js'\n" },
  'the check from a layer it checks': { path: 'src/store/a.ts', source: "export { x } from '../check/index.js'\n" },
  'the Database from the check': { path: 'src/check/a.ts', source: "export { x } from '../database.js'\n" },
  'a dynamic import of a higher layer': {
    path: 'src/format/a.ts',
    source: "export const wal = await import('../wal/index.js')\n",
  },
  'a lower layer past its index.ts': { path: 'src/pager/a.ts', source: "export { x } from '../wal/snapshot.js'\n" },
  'the process layer from the engine': { path: 'src/database.ts', source: "export { x } from '../ipc/client.js'\n" },
  'a layer from a base file': { path: 'src/errors.ts', source: "export { x } from './format/index.js'\n" },
  'a module of Node': { path: 'src/txn/a.ts', source: "export { createHash } from 'node:crypto'\n" },
  'the package behind the reader threads': { path: 'src/txn/a.ts', source: "export { Piscina } from 'piscina'\n" },
  'a native add-on': { path: 'src/wal/a.ts', source: "export { tryLock } from 'fs-native-extensions'\n" },
  'node:fs outside the node-* files of the vfs': {
    path: 'src/vfs/lock-wait.ts',
    source: "export { readSync } from 'node:fs'\n",
  },
  'a higher layer from a node-* file of the vfs': {
    path: 'src/vfs/node-file.ts',
    source: "export { x } from '../store/index.js'\n",
  },
  'the Database from a node-* file of the vfs': {
    path: 'src/vfs/node-map.ts',
    source: "export { x } from '../database.js'\n",
  },
  'another package from a node-* file of the vfs': {
    path: 'src/vfs/node-file.ts',
    source: "export { pack } from 'msgpackr'\n",
  },
  'anything from a folder that biome.json does not know': {
    path: 'src/cache/a.ts',
    source: "export { x } from '../errors.js'\n",
  },
  'its own folder where biome.json does not know that': {
    path: 'src/cache/a.ts',
    source: "export { x } from './b.js'\n",
  },
  'anything into a file of src/ that biome.json does not know': {
    path: 'src/restore.ts',
    source: "export { x } from './wal/index.js'\n",
  },
  'a module of Node into a file of src/ that biome.json does not know': {
    path: 'src/restore.ts',
    source: "export { readSync } from 'node:fs'\n",
  },
}

for (const [what, { path, source }] of Object.entries(upward)) {
  test(`an engine file may not import ${what}`, async (t) => {
    const { passed, report } = await lint(path, source)
    t.false(passed)
    t.regex(report, /noRestrictedImports/)
  })
}

for (const call of ['Date.now()', 'Math.random()', 'process.exit(1)', 'performance.now()']) {
  test(`an engine file may not call ${call}`, async (t) => {
    const { passed, report } = await lint('src/wal/a.ts', `export const value = ${call}\n`)
    t.false(passed)
    t.regex(report, /noRestrictedGlobals|noJsRestrictedProperties/)
  })
}

test('an engine file may import its own layer, lower ones through index.ts, and the base files', async (t) => {
  const source = [
    "export { corrupt } from '../errors.js'",
    "export type { Record } from '../format/index.js'",
    "export { Page } from '../pager/index.js'",
    "export { search } from './search.js'",
  ]
  const { passed, report } = await lint('src/btree/a.ts', `${source.join('\n')}\n`)
  t.true(passed, report)
})

test('the node-* files of the vfs may import modules of Node, native add-ons, the vfs and the base files', async (t) => {
  const source = [
    "export { tryLock } from 'fs-native-extensions'",
    "export { readSync } from 'node:fs'",
    "export { setTimeout } from 'node:timers/promises'",
    "export type { IKoffiLib } from 'koffi'",
    "export { corrupt } from '../errors.js'",
    "export type { VfsFile } from './vfs.js'",
  ]
  const { passed, report } = await lint('src/vfs/node-file.ts', `${source.join('\n')}\n`)
  t.true(passed, report)
})
