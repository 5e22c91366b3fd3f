/** Changes sorted by key are those of a plain stable sort, whatever the keys have in common. */
import test from 'ava'
import { encodeRecord } from '../../src/format/index.js'
import { sortByKey } from '../../src/store/key-sort.js'
import type { DeleteOperation, PutOperation } from '../../src/store/operation.js'
import { type Random, seededRandom } from '../support/random.js'

const put = (key: string | Uint8Array | number, value: number): PutOperation => ({
  type: 'put',
  store: 's',
  layout: 0,
  rowid: null,
  record: encodeRecord([key, value]),
})
const drop = (key: string): DeleteOperation => ({
  type: 'delete',
  store: 's',
  layout: 0,
  rowid: null,
  key: encodeRecord([key]),
})

const KEYS: Record<string, (random: Random) => string> = {
  'short ones': (random) => String(random.below(300)),
  'long ones with a common beginning': (random) => `${'p'.repeat(60)}${random.below(1e9)}`,
  'ones that differ late': (random) => `a${random.below(3)}${'-'.repeat(30)}${random.below(1000)}`,
  'empty ones, zeros and umlauts': (random) => random.pick(['', '\0', '\0\0', 'a', 'a\0', 'ä', 'äa', '\u{1f600}', 'z']),
}

for (const [name, keyOf] of Object.entries(KEYS)) {
  test(`keys: ${name}`, (t) => {
    const random = seededRandom(t)
    for (const count of [64, 65, 1000, 5000]) {
      const keys = Array.from({ length: count }, () => keyOf(random))
      const operations = keys.map((key, index) => (index % 7 === 3 ? drop(key) : put(key, index)))
      const expected = keys
        .map((key, index) => ({ bytes: Buffer.from(key), index }))
        .sort((a, b) => Buffer.compare(a.bytes, b.bytes) || a.index - b.index)
        .map(({ index }) => index)
      const sorted = sortByKey(operations)
      t.deepEqual(
        sorted.map((operation) => operations.indexOf(operation)),
        expected,
      )
    }
  })
}

test('keys of several kinds, and few changes, stay as they are', (t) => {
  const mixed = Array.from({ length: 200 }, (_, index) => put(index % 2 === 0 ? `k${200 - index}` : index, index))
  t.is(sortByKey(mixed), mixed)
  const blobs = Array.from({ length: 200 }, (_, index) => put(index === 150 ? 'text' : new Uint8Array([index]), index))
  t.is(sortByKey(blobs), blobs)
  const few = ['b', 'a'].map((key, index) => put(key, index))
  t.is(sortByKey(few), few)
})
