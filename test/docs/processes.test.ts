/** The tables of processes.md and the constants of the protocol say the same. */
import test from 'ava'
import * as protocol from '../../ipc/protocol.js'
import { readDocument, section } from './documents.js'

const document = readDocument('internals/processes.md')
const constants: Readonly<Record<string, unknown>> = { ...protocol }

test('processes.md has every type of message with its number', (t) => {
  const rows = [...section(document, 'Messages').matchAll(/^\| (\d+) \| `(\w+)` \|/gm)]
  t.is(rows.length, 11)
  for (const [, number, name = ''] of rows) t.is(constants[name], Number(number), name)
})

test('processes.md has the limits of the protocol as they are', (t) => {
  const rows = [...section(document, 'Limits').matchAll(/^\| `(\w+)` \| (\d+) \|/gm)]
  t.is(rows.length, 10)
  for (const [, name = '', value] of rows) t.is(constants[name], Number(value), name)
})
