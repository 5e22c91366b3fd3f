/** The files of `test/fixtures`, wherever the compiled tests lie. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The nearest folder above this one that has the fixtures: the compiled tests are some levels below it. */
function fixturesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'test', 'fixtures'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('there is no folder test/fixtures above the tests')
    folder = parent
  }
  return join(folder, 'test', 'fixtures')
}

export function readFixture(name: string): Uint8Array {
  return readFileSync(join(fixturesFolder(), name))
}
