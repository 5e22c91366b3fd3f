/**
 * Code blocks of the documents that are marked `js runnable` run as they stand, each in a process and a folder of its
 * own, with `endmark` resolving to this build.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { temporaryFolder } from '../support/temporary-folder.js'
import { documents } from './documents.js'

const BUILT_INDEX = fileURLToPath(new URL('../../src/index.js', import.meta.url))
const run = promisify(execFile)

const examples = documents().flatMap(({ path, text }) =>
  [...text.matchAll(/^```js runnable\n(.*?)^```$/gms)].map(([, code = ''], index) => ({
    name: `${path}, example ${index + 1}`,
    code,
  })),
)

test('there are examples to run', (t) => {
  t.true(examples.length > 0)
})

for (const { name, code } of examples) {
  test(`${name} runs as it stands`, async (t) => {
    const folder = temporaryFolder(t)
    const packageFolder = join(folder, 'node_modules', 'endmark')
    mkdirSync(packageFolder, { recursive: true })
    const door = `export * from ${JSON.stringify(pathToFileURL(BUILT_INDEX).href)}\n`
    writeFileSync(
      join(packageFolder, 'package.json'),
      '{ "name": "endmark", "type": "module", "exports": "./index.js" }',
    )
    writeFileSync(join(packageFolder, 'index.js'), door)
    writeFileSync(join(folder, 'example.mjs'), code)
    await t.notThrowsAsync(run(process.execPath, ['example.mjs'], { cwd: folder }))
  })
}
