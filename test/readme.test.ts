/** The quick start of README.md runs as it stands, in a project that has installed this package. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { integrityCheck } from './support/referee.js'
import { temporaryFolder } from './support/temporary-folder.js'

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url))

test('the quick start of the README does what its comments say', async (t) => {
  const [, source] = /## Quick start\n+```js\n(.*?)```/s.exec(readFileSync(join(PACKAGE, 'README.md'), 'utf8')) ?? []
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(PACKAGE, join(folder, 'node_modules/endmark'))
  writeFileSync(join(folder, 'main.mjs'), source ?? '')
  const { stdout } = await promisify(execFile)(process.execPath, ['main.mjs'], { cwd: folder })
  t.is(stdout, "Ada [ 'home' ]\n1 100\n2 50\n80 false\n")
  t.is(await integrityCheck(t, join(folder, 'app.db')), 'ok')
})
