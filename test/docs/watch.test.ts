/** The table of watch.md and the limits of the code say the same. */
import test from 'ava'
import * as limits from '../../src/limits.js'
import { readDocument, section } from './documents.js'

const constants: Readonly<Record<string, unknown>> = { ...limits }

test('watch.md has the limits of a watch as they are', (t) => {
  const rows = [...section(readDocument('internals/watch.md'), 'Limits').matchAll(/^\| `(\w+)` \| (\d+) \|/gm)]
  t.is(rows.length, 3)
  for (const [, name = '', value] of rows) t.is(constants[name], Number(value), name)
})
