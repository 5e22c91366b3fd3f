/** The quick start of README.md runs as it stands, in the way that the line above it says: as a file in the folder of a clone. */
import { execFile } from 'node:child_process'
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { integrityCheck } from './support/referee.js'
import { temporaryFolder } from './support/temporary-folder.js'

const CLONE = fileURLToPath(new URL('../../', import.meta.url))

/** What of a clone the quick start could need: what is checked in says who it is, the others are what the commands have made. */
function cloneInto(folder: string): void {
  copyFileSync(join(CLONE, 'package.json'), join(folder, 'package.json'))
  for (const made of ['dist', 'node_modules']) symlinkSync(join(CLONE, made), join(folder, made))
}

test('the quick start of the README does what its comments say', async (t) => {
  const readme = readFileSync(join(CLONE, 'README.md'), 'utf8')
  const parts = /## Quick start\n+After `npm run build`.*?`([\w-]+\.mjs)`.*?`node (.*?)`.*?\n+```js\n(.*?)```/s.exec(
    readme,
  )
  const [, name, run, source] = parts ?? []
  const clone = temporaryFolder(t)
  cloneInto(clone)
  writeFileSync(join(clone, name!), source!)
  const { stdout } = await promisify(execFile)(process.execPath, [run!], { cwd: clone })
  t.is(stdout, "Ada [ 'home' ]\n1 100\n2 50\n80 false\n")
  t.is(await integrityCheck(t, join(clone, 'app.db')), 'ok')
})
