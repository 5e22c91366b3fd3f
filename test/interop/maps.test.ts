/**
 * Which provider the shared maps come from. Where a test run knows what must be the case on its Node, it says
 * so in ENDMARK_EXPECTED_MAPS; elsewhere one of the two must work.
 */
import { join } from 'node:path'
import test from 'ava'
import { type MapProviderName, NodeVfs } from '../../src/vfs/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const expected = process.env.ENDMARK_EXPECTED_MAPS

test('shared maps come from mmap-io where it is compiled for this Node, else from koffi', (t) => {
  const folder = temporaryFolder(t)
  const works = (['mmap-io', 'koffi'] as const).filter((provider) => canMap(folder, provider))
  t.log(`Node ${process.version}: ${works.join(', ')}`)
  t.true(expected === undefined || expected === works[0])
  t.not(works[0], undefined)
})

function canMap(folder: string, maps: MapProviderName): boolean {
  const file = new NodeVfs({ mapProvider: maps }).open(join(folder, maps), { create: true })
  try {
    file.truncate(65536)
    return file.map(0, 65536, { writable: true }).length === 65536
  } catch {
    return false
  } finally {
    file.close()
  }
}
